"""Failure notices of several MTAs are known by their own text, and nothing else passes for one."""

from pathlib import Path

import pytest
import yaml

from ansible_collections.mailops.rescue.plugins.module_utils.mail.bounces import reported_addresses
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers

DATA = Path(__file__).parents[1] / "data" / "notices"
EXPECTED = yaml.safe_load((DATA / "expected.yml").read_text("utf-8"))


def report(raw):
    headers = Headers(raw)
    generated = raw.startswith(b"Received: (qmail 4") and b"invoked for bounce" in raw.split(b"\n")[0]
    return reported_addresses(headers, raw[headers.body_offset :], generated)


def test_every_message_has_an_expectation():
    assert {path.stem for path in DATA.glob("*.eml")} == set(EXPECTED)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_reported_addresses(name, line_end):
    raw = (DATA / (name + ".eml")).read_bytes().replace(b"\n", line_end)
    expected = EXPECTED[name]
    assert report(raw) == (None if expected is None else [address.encode() for address in expected])


@pytest.mark.parametrize("name", [name for name in sorted(EXPECTED) if EXPECTED[name] is not None])
def test_a_notice_without_its_body_is_one(name):
    raw = (DATA / (name + ".eml")).read_bytes()
    head = raw[: Headers(raw).body_offset]
    # qmail's own are told by where they come from; other qmails' are told by their text alone.
    if name != "qsbmf-elsewhere":
        assert report(head) is not None


def test_twenty_addresses_at_most():
    rest = b"".join(b"\n<r%d@example.org>:\nno\n" % number for number in range(30))
    raw = b"Subject: failure notice\n\nHi. This is the qmail-send program at mail.example.com.\n" + rest
    assert report(raw) == [b"r%d@example.org" % number for number in range(20)]


def test_an_address_of_any_length_is_bounded():
    raw = b"\n\nHi. This is the qmail-send program.\n\n<%s>:\nno\n\n<a@example.org>:\nno\n" % (b"x" * 100000)
    assert report(b"Subject: x" + raw) == [b"a@example.org"]
