import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.defer_log import parse_defer_log, reasons_for
from tests.support.postfix_records import defer_entry


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", {}),
        (b"\0\xff garbage\n\n\nreason=\n", {}),
        (defer_entry(b"a@b", b"late", 1), {b"a@b": b"late"}),
        (defer_entry(b"a@b", b"late", 1, diagnostic=b"421 x", mta=b"mx"), {b"a@b": b"late"}),
        (defer_entry(b"a@b", b"first", 1) + defer_entry(b"a@b", b"last", 1), {b"a@b": b"last"}),
        (defer_entry(b"a@b", b"one", 1) + defer_entry(b"c@d", b"two", 2), {b"a@b": b"one", b"c@d": b"two"}),
        (defer_entry(b"a@b", b"one", 1, original=b"alias@b"), {b"a@b": b"one"}),
        (b"<old@b>: old style\n", {b"old@b": b"old style"}),
        (defer_entry(b"a@b", b"said: reason=x recipient=y", 1), {b"a@b": b"said: reason=x recipient=y"}),
        (b"recipient=a@b\nstatus=4.0.0\n\nreason=of nobody\n", {}),
    ],
)
def test_parse(data, expected):
    assert parse_defer_log(data) == expected


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        (b"a@b", b"a@b"),
        (b"a b@example.net", b'"a b"@example.net'),
        (b'a"\\b@example.net', b'"a\\"\\\\b"@example.net'),
        (b"\xe3\x81\x82@example.net", b"???@example.net"),
        (b"", b"MAILER-DAEMON"),
    ],
)
def test_address_as_it_is_logged(address, logged):
    recipients = [Recipient(b"other@b", False, None), Recipient(address, False, None)]
    assert reasons_for(recipients, {logged: b"late"}) == {address: b"late"}


def test_recipient_without_a_reason():
    assert reasons_for([Recipient(b"a@b", False, None)], {b"c@d": b"late"}) == {}
