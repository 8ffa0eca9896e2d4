"""The record parsers, as pure functions of bytes."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import (
    TooShort,
    parse_content,
    parse_envelope,
)
from tests.support.postfix_records import content_records, record

SENDER = record("S", b"a@example.com")
TO = record("R", b"b@example.net")


def pointer(offset):
    return record("p", b"%15d" % offset)


def size(content, recipients=1):
    return record("C", b"%15d %15d %15d %15d %15d %15d" % (content, 0, recipients, 0, content, 0))


def test_envelope():
    data = size(7) + record("T", b"1795292616 703711") + record("A", b"log_client_address=192.0.2.7")
    data += record("A", b"sasl_username=info=x") + record("A", b"dsn_envid=x") + SENDER + record("A", b"client_name=h")
    data += record("O", b"orig") + TO + record("D", b"done@example.net") + record("/", b"cancelled@example.net")
    found = parse_envelope(data + record("M") + content_records(b"x\n") + record("X") + record("E"))
    assert (found.size, found.arrival, found.sender) == (7, 1795292616.703711, b"a@example.com")
    assert found.attributes == {
        b"log_client_address": b"192.0.2.7",
        b"sasl_username": b"info=x",
        b"client_name": b"h",
    }
    assert found.recipients == [Recipient(b"b@example.net", False, None), Recipient(b"done@example.net", True, None)]
    assert found.content == len(data) + 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record("M"), "no sender in it"),
        (SENDER + SENDER, "it has two senders"),
        (SENDER + record("E"), "it ends before the message"),
        (b"S\xff\xff\xff\xff\xff\x7f", "a record has an impossible length"),
        (SENDER + b"\x01\x00", "a record of impossible type 1"),
        (b"\xff\x00", "a record of impossible type 255"),
        (pointer(10**12 * 9) + SENDER, "its pointers lead nowhere"),
        (record("A", b"0" * 20) + pointer(22) + SENDER, "its pointers lead nowhere"),
    ],
)
def test_no_envelope(data, reason):
    with pytest.raises(Damaged, match="not a queue file: " + reason):
        parse_envelope(data)


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_cut_anywhere_before_the_content(cut):
    data = size(3) + SENDER + TO + record("M")
    with pytest.raises(TooShort):
        parse_envelope(data[: len(data) - 1 - cut])


def test_pointer_is_followed_and_zero_goes_on():
    head = pointer(0) + SENDER
    jump_at = len(head)
    skipped = record("R", b"skipped@example.net")
    data = head + pointer(jump_at + 17 + len(skipped)) + skipped + TO + record("M")
    assert [one.address for one in parse_envelope(data).recipients] == [b"b@example.net"]


def test_recipients_behind_the_content():
    content = content_records(b"To: x\n\nR\x01E\n") + record("X")
    head = SENDER + record("M")
    behind = TO + record("D", b"c@example.net") + record("E")
    found = parse_envelope(size(len(content) - 2, 2) + head + content + behind)
    assert [one.address for one in found.recipients] == [b"b@example.net", b"c@example.net"]


def test_announced_recipients_of_an_untrusted_file_are_not_looked_for():
    found = parse_envelope(size(10**14, 9) + SENDER + TO + record("M"), trusted=False)
    assert len(found.recipients) == 1


@pytest.mark.parametrize(
    ("stamp", "arrival"),
    [
        (b"5", 5),
        (b"5 7", 5.000007),
        (b"", None),
        (b"x 7", None),
        (b"5 x", 5),
        (b"9" * 16, None),
        (b"5 1000001", 5.000001),
    ],
)
def test_arrival(stamp, arrival):
    assert parse_envelope(record("T", stamp) + SENDER + record("M")).arrival == arrival


@pytest.mark.parametrize(
    "content", [b"", b"a\n", b"A: b\n\nbody\n", b"x" * 5000 + b"\n\ny\n", b"\n" * 50, b"\0\xff\r\n\n", b"A: b\n c\n\n"]
)
@pytest.mark.parametrize("milter", [False, True])
def test_content(content, milter):
    records = content_records(content, milter)
    whole = b"HEAD" + records + record("X") + record("E")
    assert parse_content(whole, 0, 4) == (content, len(whole) - 4, True)


def test_header_section_only():
    records = content_records(b"A: b\nC: d\n\nbody\n")
    text, at, complete = parse_content(records, 0, 0, header_only=True)
    assert (text, complete) == (b"A: b\nC: d\n\n", True)
    assert records[at:] == content_records(b"body\n")


def test_empty_end_of_a_long_line_is_no_blank_line():
    records = record("L", b"A: " + b"x" * 2045) + record("N", b"") + record("N", b"B: y") + record("N", b"")
    text, unused, complete = parse_content(records, 0, 0, header_only=True)
    assert (text, complete) == (b"A: " + b"x" * 2045 + b"\nB: y\n\n", True)


@pytest.mark.parametrize("cut", [1, 2, 3, 100, 129])
def test_content_goes_on_where_it_was_cut(cut):
    records = content_records(b"x" * 127 + b"\nyy\n") + record("X")
    text, at, complete = parse_content(records[:cut], 1000, 1000)
    assert complete is False
    more, unused, complete = parse_content(records[at - 1000 :], at, at)
    assert (text + more, complete) == (b"x" * 127 + b"\nyy\n", True)


def test_content_that_points_at_itself():
    with pytest.raises(Damaged, match="its pointers lead nowhere"):
        parse_content(b"_" + record("p", b"%15d" % 1), 0, 1)


def test_content_of_impossible_records():
    with pytest.raises(Damaged, match="a record of impossible type 7"):
        parse_content(record("N", b"x") + b"\x07\x00", 0, 0)
