"""What is proposed selects exactly what was counted, on queues in the MTAs' own formats."""

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import findings
from tests.support.inspecting import queue_info
from tests.support.postfix_queue import Client, PostfixQueue
from tests.support.qmail_queue import QmailQueue


def letter(subject):
    return b"Subject: %s\n\nx\n" % subject


@pytest.fixture
def postfix(tmp_path):
    queue = PostfixQueue(tmp_path / "spool")
    logins = ["Sales"] * 40 + ["sales"] * 20 + ["SALES@example.com"] * 25
    subjects = [b"Invoice"] * 60 + [b"INVOICE"] * 25
    senders = ["Info@Example.com"] * 30 + ["info@example.com"] * 30 + ["INFO@EXAMPLE.COM"] * 25
    addresses = ["2001:db8::1"] * 85
    for login, subject, sender, address in zip(logins, subjects, senders, addresses):
        queue.add(letter(subject), sender, ["a@Big.example"], client=Client(address, "x.example", sasl_username=login))
    return queue.path


@pytest.fixture
def qmail(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3)
    for number in range(40):
        sender, subject = (b"A@x.example", b"One") if number % 4 else (b"a@X.example", b"ONE")
        queue.add(letter(subject), sender, remote=[b"alice" if number % 3 else b"bob@y.example"])
    return queue.path


@pytest.mark.parametrize("mta", ["postfix", "qmail"])
def test_a_proposal_selects_what_was_counted(mta, request):
    path = request.getfixturevalue(mta)
    found = findings(queue_info(path, top=10))
    selections = [one for one in found if one.select]
    assert len(selections) >= 2
    for one in selections:
        assert queue_info(path, select=one.select)["counts"]["matched"] == one.count, one


def test_one_identity_in_several_spellings_is_one(postfix):
    top = queue_info(postfix, top=10)["top"]
    assert [(one["value"], one["count"]) for one in top["sasl_username"]] == [("Sales", 60), ("SALES@example.com", 25)]
    assert [one["count"] for one in top["sender"]] == [85]
    assert [(one["value"], one["count"]) for one in top["subject"]] == [("Invoice", 60), ("INVOICE", 25)]


def test_the_name_of_a_user_is_not_a_domain(qmail):
    top = queue_info(qmail, top=10)["top"]
    assert "alice" not in [one["value"] for one in top["recipient_domain"]]
