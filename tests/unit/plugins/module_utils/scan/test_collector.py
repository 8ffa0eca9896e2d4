"""The same few messages are kept, in the same order, however the work was shared."""

import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import HEADER, Message
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Collector

DIRECTORIES = ["/queue1", "/queue2"]


class Reader:
    def __init__(self, *pieces, error=None):
        self.pieces = pieces
        self.error = error

    def load(self, message, fields):
        assert fields == HEADER

    def body(self, message):
        yield from self.pieces
        if self.error is not None:
            raise self.error


def message(number, arrival=100.0, place=0, head=None):
    made = Message(place, str(number), "remote")
    made.arrival = arrival
    made.headers = None if head is None else Headers(head)
    return made


def collected(messages, limit, **named):
    collector = Collector(1000, DIRECTORIES, limit, **named)
    for one in messages:
        collector.add(one, Reader())
    return collector


def shown_ids(collector):
    return [shown["id"] for shown in collector.messages()]


def piece(head, reader, content="message", content_bytes=1000):
    collector = Collector(1000, DIRECTORIES, 1, content, content_bytes)
    collector.add(message(1, head=head), reader)
    return collector.messages()[0]["content"]


def test_first_to_arrive_come_first():
    messages = [message(number, arrival) for number, arrival in ((1, 30), (2, 10), (3, 20), (4, 5))]
    assert shown_ids(collected(messages, 3)) == ["4", "2", "3"]


def test_order_is_the_same_with_equal_times():
    messages = [message(number) for number in range(5)]
    for order in itertools.permutations(messages):
        assert shown_ids(collected(order, 3)) == ["0", "1", "2"]


def test_equal_times_in_two_queues():
    messages = [message(number, place=place) for number in (2, 1) for place in (1, 0)]
    shown = collected(messages, 4).messages()
    assert [(one["queue_directory"], one["id"]) for one in shown] == [
        ("/queue1", "1"),
        ("/queue1", "2"),
        ("/queue2", "1"),
        ("/queue2", "2"),
    ]


def test_unknown_arrival_comes_first():
    assert shown_ids(collected([message(1, 50), message(2, None)], 2)) == ["2", "1"]


@pytest.mark.parametrize("limit, kept", [(0, 0), (1, 1), (5, 5), (100, 10)])
def test_limit(limit, kept):
    collector = collected([message(number) for number in range(10)], limit)
    assert len(collector.messages()) == len(collector.state()) == kept


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30), st.integers(0, 6))
def test_merged_like_one_pass(made, limit):
    messages = [message(number, float(arrival)) for number, (arrival, unused) in enumerate(made)]
    whole = collected([], limit)
    for part in range(3):
        share = [one for one, (unused, where) in zip(messages, made) if where == part]
        whole.merge(collected(share, limit).state())
    assert whole.messages() == collected(messages, limit).messages()


def test_listing_has_every_message_in_one_line_each():
    listing = io.BytesIO()
    nasty = message(2, head=b"Subject: a\x1b[31m\xe2\x80\xaeb\n\n")
    collected([message(1), nasty, message(3)], 1, listing=listing, content="message").state()
    lines = listing.getvalue().split(b"\n")
    assert [json.loads(line)["id"] for line in lines[:-1]] == ["1", "2", "3"]
    assert lines[-1] == b""
    assert json.loads(lines[1])["subject"] == "a\\x1b[31m\\u202eb"
    assert "content" not in json.loads(lines[1])
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in listing.getvalue())


def test_no_content_unless_wanted():
    assert "content" not in collected([message(1, head=b"A: b\n\n")], 1).messages()[0]


def test_content_of_a_message_without_headers():
    assert piece(None, Reader()) is None


@pytest.mark.parametrize(
    "content, content_bytes, expected",
    [
        ("headers", 1000, "Subject: s\nTo: x\n"),
        ("headers", 12, "Subject: s\nT"),
        ("message", 1000, "Subject: s\nTo: x\n\nHello\nworld\n"),
        ("message", 21, "Subject: s\nTo: x\n\nHel"),
        ("message", 12, "Subject: s\nT"),
    ],
)
def test_content(content, content_bytes, expected):
    assert piece(b"Subject: s\nTo: x\n\n", Reader(b"Hel", b"lo\nworld\n"), content, content_bytes) == expected


def test_content_shows_crlf_as_line_ends():
    assert piece(b"Subject: s\r\n\r\n", Reader(b"a\r\nb\rc\r\n")) == "Subject: s\n\na\nb\\x0dc\n"


def test_content_is_harmless():
    assert piece(b"A: \x1b]0;x\x07\n\n", Reader(b"\xe2\x80\xae\t{{ 1 }}\0\n")) == (
        "A: \\x1b]0;x\\x07\n\n\\u202e\t{{ 1 }}\\x00\n"
    )


def test_content_cut_within_a_character():
    assert piece(b"A: b\n\n", Reader("請求書".encode() * 100), content_bytes=6 + 7) == "A: b\n\n請求\ufffd"


@pytest.mark.parametrize("head", [b"", b"no header", b"A: b", b"A: b\n", b"A: b\n\n"])
@pytest.mark.parametrize("content_bytes", range(1, 12))
def test_content_is_never_longer_than_asked(head, content_bytes):
    assert len(piece(head, Reader(b"x" * 1000, b"y"), "message", content_bytes)) <= content_bytes


def test_content_reads_no_more_than_asked():
    def pieces():
        yield b"x" * 10
        pytest.fail("read on")

    reader = Reader()
    reader.body = lambda message: pieces()
    assert piece(b"A: b\n\n", reader, "message", 10) == "A: b\n\nxxxx"


@pytest.mark.parametrize("error", [Vanished(), Damaged("cut")])
def test_content_that_cannot_be_read(error):
    assert piece(b"A: b\n\n", Reader(b"x", error=error)) is None
