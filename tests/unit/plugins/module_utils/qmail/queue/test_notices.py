"""Failure notices in qmail's queue, and the addresses that they report."""

import pytest

from tests.support.inspecting import message, queue_info
from tests.support.qmail_queue import failure_notice, received

ORIGINAL = received("network", 9, 1795289067) + b"Subject: spam\n\n<not@reported.example>:\n"


@pytest.mark.parametrize("sender", [b"victim@example.org", b""])
def test_notice_of_qmail_send(queue, sender):
    failures = [(b"x@mail.example.com", b"Sorry, no mailbox here"), (b"y@Mail.example.com", b"Gone")]
    notice = failure_notice(sender, failures, ORIGINAL)
    recipient = sender or b"postmaster@example.org"
    number = queue.add(notice, b"" if sender else b"#@[]", remote=[recipient], origin="bounce")
    result = queue_info(queue.path)
    found = message(result, number)
    assert found["is_bounce"] is True
    assert found["bounced_recipients"] == ["x@mail.example.com", "y@Mail.example.com"]
    assert found["subject"] == "failure notice"
    assert result["bounces"] == 1
    assert result["top"]["bounced_recipient_domain"] == [{"value": "mail.example.com", "count": 1}]


@pytest.mark.parametrize(
    ("sender", "content", "expected"),
    [
        (b"", b"From: Bob <bob@example.net>\nSubject: out of office\n\nI am away\n", False),
        (b"a@example.net", failure_notice(b"v@example.org", [(b"x@mail.example.com", b"no")], ORIGINAL), False),
        (b"", failure_notice(b"v@example.org", [(b"x@mail.example.com", b"no")], ORIGINAL), True),
        (b"", b"From: MAILER-DAEMON@example.org\nSubject: returned mail\n\nno\n", True),
    ],
)
def test_others(queue, sender, content, expected):
    number = queue.add(content, sender, remote=[b"r@example.org"], origin="network")
    result = queue_info(queue.path)
    assert message(result, number)["is_bounce"] is expected
    assert result["bounces"] == int(expected)
    assert queue_info(queue.path, select={"bounce": True})["counts"]["matched"] == int(expected)
