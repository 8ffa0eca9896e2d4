"""The record that users see."""

import json

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message, Recipient, iso_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (1795292616.7, "2026-11-21T20:23:36Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (1 << 62, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_iso_time(seconds, text):
    assert iso_time(seconds) == text


def test_message_of_which_nothing_is_known():
    shown = Message(0, "1", "incomplete").to_dict(0, "/q")
    known = {
        "id": "1",
        "queue": "incomplete",
        "queue_directory": "/q",
        "recipients": [],
        "recipient_count": 0,
        "is_bounce": False,
        "bounced_recipients": [],
    }
    assert {name: value for name, value in shown.items() if value is not None} == known
    assert len(shown) == 22


def test_hostile_message():
    message = Message(0, "1", "remote")
    message.sender = b"\x1b[2Ja@\xff\x00"
    message.recipients = [Recipient(b"x" * 5000, False, "remote")] * 50
    message.reasons = {b"x" * 5000: "\u202ereversed".encode()}
    message.headers = Headers(b"Subject: =?utf-8?B?G10wO3gH?= {{ 1 }}\nFrom: <script>\n\n")
    message.client_name = b"a\nb"
    message.bounced = [b"\x9b2J@b"] * 30
    message.arrival = 100.9
    shown = message.to_dict(50, "/q")
    assert shown["sender"].startswith("\\x1b[2Ja@")
    assert (shown["recipient_count"], len(shown["recipients"]), len(shown["bounced_recipients"])) == (50, 20, 20)
    assert len(shown["recipients"][0]["address"]) <= 510
    assert (shown["age"], shown["arrival_time"]) == (0, "1970-01-01T00:01:40Z")
    assert shown["is_bounce"] is True
    assert "\\u001b" not in json.dumps(shown)
    for text in (
        shown["subject"],
        shown["client_name"],
        shown["bounced_recipients"][0],
        shown["recipients"][0]["delay_reason"],
    ):
        assert text.isprintable()
    assert shown["header_from"] == "<script>"


def test_message_counts_in_its_own_queue_unless_said_otherwise():
    message = Message(3, "1", "hold")
    assert (message.queues, message.place, message.loaded) == (("hold",), 3, 0)


@pytest.mark.parametrize(("text", "subject"), [(b"Subject:  x \n\n", b"x"), (b"Other: x\n\n", None)])
def test_subject(text, subject):
    message = Message(0, "1", "remote")
    assert message.subject() is None
    message.headers = Headers(text)
    assert (message.subject() or b"").strip() == (subject or b"")
    assert (message.subject() is None) is (subject is None)
