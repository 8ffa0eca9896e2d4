"""The header scanner finds what is there, in bounded time and memory, whatever the bytes."""

import time
import tracemalloc

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import HEADER_LIMIT, Headers, decode_header
from tests.unit.plugins.module_utils.cases import cases, raw_bytes

HUGE = 100 * 1000 * 1000


@pytest.mark.parametrize("case", cases("headers"))
def test_fields(case):
    headers = Headers(raw_bytes(case))
    for name, values in case["fields"].items():
        expected = [value.encode("latin-1") for value in values]
        assert list(headers.all(name.encode())) == expected
        assert headers.get(name.encode()) == (expected[0] if expected else None)


@pytest.mark.parametrize("case", [one for one in cases("headers") if "body" in one.values[0]])
def test_body(case):
    raw = raw_bytes(case)
    assert raw[Headers(raw).body_offset :] == case["body"].encode("latin-1")


@pytest.mark.parametrize("case", cases("headers"))
def test_complete(case):
    assert Headers(raw_bytes(case)).complete is case.get("complete", True)


@pytest.mark.parametrize("case", cases("headers"))
def test_lines_are_the_unfolded_section(case):
    headers = Headers(raw_bytes(case))
    lines = [line.decode("latin-1") for line in headers.lines()]
    assert lines == case.get("lines", lines)
    assert all(line and "\n" not in line for line in lines)
    named = sum(len(values) for values in case["fields"].values())
    assert named <= len(lines)


def test_no_prefix_of_a_section_is_taken_for_the_whole():
    raw = b"Received: from a\n\tby b\nSubject: s\r\nTo : x\n>From y\nCc: z\r\n\r\nbody"
    end = Headers(raw).body_offset
    assert raw[end:] == b"body"
    assert [cut for cut in range(end) if Headers(raw[:cut]).complete] == []


@pytest.mark.parametrize("case", cases("encoded_words"))
def test_decode_header(case):
    assert decode_header(raw_bytes(case)) == case["expect"]


def test_long_value_is_decoded_like_a_short_one():
    word = b"=?utf-8?q?=C3=A9?= "
    assert decode_header(word * 200) == "é" * 200 + " "


def test_value_is_cut():
    assert Headers(b"Subject: " + b"x" * 10000 + b"\n\n").get(b"subject") == b"x" * 4095
    assert len(Headers(b"Subject: " + b"x\n " * 10000 + b"\n\n").get(b"subject")) <= 4096


def test_section_is_cut_at_the_limit():
    raw = b"Subject: s\n" + b"X: y\n" * 100000 + b"\nbody"
    headers = Headers(raw)
    assert len(headers.raw) <= HEADER_LIMIT
    assert headers.complete
    assert headers.get(b"subject") == b"s"


@pytest.mark.parametrize(
    "start, unit",
    [
        (b"Subject: ", b"x"),
        (b"Subject: ", b"\n "),
        (b"", b"Subject: x\n"),
        (b"X", b" "),
        (b"Subject: ", b"=?utf-8?q?"),
        (b"", b"\0"),
    ],
    ids=["one line", "folds", "fields", "blanks", "words", "NUL"],
)
def test_100_mb(start, unit):
    raw = start + unit * (HUGE // len(unit))
    tracemalloc.start()
    began = time.process_time()
    headers = Headers(raw)
    decoded = [decode_header(line) for line in headers.lines()]
    headers.get(b"subject")
    list(headers.all(b"x-missing"))
    took = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(map(len, decoded)) <= HEADER_LIMIT
    assert peak < 16 << 20
    assert took < 5
