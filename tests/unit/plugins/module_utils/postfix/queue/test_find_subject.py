"""The short way to the Subject of a queue file finds what all headers say, or says that it cannot tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import find_subject, parse_content
from tests.support.postfix_records import record

PIECE = st.sampled_from(
    [
        b"Subject",
        b"subject",
        b"SUBJECT",
        b" ",
        b"\t",
        b":",
        b"To",
        b"X-Long-Name",
        b"hello",
        b"a",
        b"\r",
        b"From ",
        b"\x80",
        b"N",
        b"\x05",
        b"=?utf-8?q?a?=",
        b"x" * 130,
    ]
)
LINE = st.lists(PIECE, max_size=5).map(b"".join)


def build(lines):
    return b"".join(record("N", line) for line in lines) + record("X")


def slow(data):
    return Headers(parse_content(data, 0, 0, header_only=True)[0]).get(b"subject")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b"From: a", b"Subject: hello ", b"To: b", b"", b"body"], b"hello"),
        ([b"Subject:", b"To: b", b""], b""),
        ([b"Received: from a", b"\tby b", b"Subject: x", b"", b""], b"x"),
        ([b"Subject: folded", b" \t here ", b"\tand here", b"To: b", b""], b"folded here  and here"),
        # Only all headers can tell.
        ([b"Subject: a\r", b"To: b", b""], None),
        ([b"Subject: folded", b" " * 200, b""], None),
        ([b"Subject: folded"] + [b" " + b"x" * 100] * 12 + [b""], None),
        ([b"SUBJECT: first", b"Subject: second", b""], None),
        ([b"Subject : first", b"Subject: second", b""], None),
        ([b"no field", b"Subject: in the body", b""], None),
        ([b"", b"Subject: in the body"], None),
        ([b"To: b", b"", b"body"], None),
        ([b"X: " + b"x" * 200, b"Subject: late", b""], None),
    ],
)
def test_subject(lines, found):
    assert find_subject(build(lines), 0) == found


def test_subject_at_the_end_of_the_bytes_at_hand():
    data = build([b"To: b", b"Subject: hello", b""])
    for end in range(data.index(b"hello") + 5):
        assert find_subject(data[:end], 0) is None


def test_text_within_a_record_is_no_record():
    data = build([b"X: N\x0eSubject: false", b"Subject: true", b""])
    assert find_subject(data, 0) == b"true"


@given(st.lists(LINE, max_size=8))
def test_as_all_headers_say(lines):
    data = build(lines)
    found = find_subject(data, 0)
    assert found is None or found == slow(data)
