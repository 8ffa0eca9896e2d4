"""The selection language: what it selects, what it refuses, and how little it reads."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import (
    BODY,
    ENVELOPE,
    HEADER,
    NAME,
    REASON,
    STAT,
    SUBJECT,
    Message,
    Recipient,
)
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import Context
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import _KEYS, Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import TimeLimit
from tests.unit.plugins.module_utils.cases import cases

NOW = 1000000
BODIES = {"spam": b"viagra\nsecond line\nNot-A-Header: x\n", "notice": b"Sorry, no mailbox here\n"}


class Reader:
    def body(self, message):
        yield BODIES.get(message.id, b"")


def message(name, queues, headers=None, **fields):
    made = Message(0, name, queues[0])
    made.queues = queues
    made.headers = None if headers is None else Headers(headers)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def messages():
    return [
        message(
            "spam",
            ("remote", "local"),
            b"Subject: Buy\n cheap pills now\x1b[0m\nX-Mailer: evil 2\n\n",
            sender=b"info@example.com",
            arrival=NOW - 7200.0,
            size=20480,
            client_address=b"192.0.2.7",
            sasl_username=b"Info@Example.com",
            reasons={b"a@example.net": b"connection timed out"},
            recipients=[
                Recipient(b"a@example.net", False, "remote"),
                Recipient(b"second@example.org", False, "local"),
                Recipient(b"done@example.org", True, "remote"),
            ],
        ),
        message(
            "notice",
            ("remote",),
            b"Subject: failure notice\nFrom: MAILER-DAEMON\n\n",
            sender=b"",
            arrival=NOW - 60.0,
            size=2000,
            bounced=[b"x@example.org"],
            client_address=b"::ffff:203.0.113.5",
            reasons={b"b@example.org": b"refused"},
        ),
        message(
            "local",
            ("local",),
            b"Subject: =?utf-8?B?6KuL5rGC?=\n\n",
            sender="user@müller.example".encode(),
            arrival=NOW - 600.0,
            size=1000,
            client_address=b"2001:db8::1",
            origin_uid=33,
        ),
        message("bare", ("deferred",), origin_uid=0),
    ]


def selected(selection, load=lambda message, fields: None):
    with TimeLimit(10) as limit:
        limit.begin()
        context = Context(NOW, Reader(), limit)
        return [one.id for one in messages() if selection.test(one, context, load)]


def _only_selects(case):
    return case.get("select") and "exclude" not in case


@pytest.mark.parametrize("case", cases("selection"))
def test_selects(case):
    assert selected(Selection(case.get("select"), case.get("exclude"))) == case["expect"]


@pytest.mark.parametrize("case", [one for one in cases("selection") if _only_selects(one.values[0])])
def test_excluding_selects_the_others(case):
    expected = [one.id for one in messages() if one.id not in case["expect"]]
    assert selected(Selection(exclude=case["select"])) == expected


def test_every_key_has_a_case_that_fits_and_one_that_does_not():
    fits, fails = set(), set()
    for one in cases("selection"):
        case = one.values[0]
        if len(case.get("select") or ()) == 1:
            fits |= set(case["select"]) if case["expect"] else set()
            fails |= set(case["select"]) if len(case["expect"]) < 4 else set()
    assert fits >= set(_KEYS)
    assert fails >= set(_KEYS)


@pytest.mark.parametrize("case", cases("selection_errors"))
def test_refuses(case):
    with pytest.raises(RescueError) as caught:
        Selection(case.get("select"), case.get("exclude"))
    error = str(caught.value)
    assert error.startswith(case["option"])
    assert all(text in error for text in case["says"]), error
    assert error.endswith(".")


def test_error_names_one_option_of_both():
    with pytest.raises(RescueError, match=r"^exclude\.body: "):
        Selection({"body": "fine"}, {"body": "("})


@pytest.mark.parametrize(
    "select, exclude, is_all",
    [
        (None, None, True),
        ({}, {}, True),
        ({"ignore_case": True}, None, True),
        ({"ids": "1"}, None, False),
        (None, {"ids": "1"}, False),
    ],
)
def test_is_all(select, exclude, is_all):
    assert Selection(select, exclude).is_all is is_all


def test_unknown_queue_is_refused_with_the_nearest():
    selection = Selection({"queue": "remot"})
    with pytest.raises(RescueError, match=r"^select\.queue: .*'remot'.*did you mean remote\?.*local, remote"):
        selection.check_queues(("local", "remote"))
    with pytest.raises(RescueError, match=r"^exclude\.queue: "):
        Selection(exclude={"queue": ["local", "hold"]}).check_queues(("local", "remote"))
    Selection({"queue": ["local", "remote"]}).check_queues(("local", "remote"))


NEEDS = {
    NAME: {"ids": "spam", "queue": "remote"},
    STAT: {"older_than": "1s", "newer_than": "1w", "larger_than": 1, "smaller_than": "1G"},
    ENVELOPE: {"sender": ".", "recipient": "."},
    SUBJECT: {
        "subject": ".",
        "bounce": False,
        "sasl_username": "info@example.com",
        "client_address": "0.0.0.0/0",
        "origin_uid": 1,
    },
    HEADER: {"header": "."},
    REASON: {"delay_reason": "."},
    BODY: {"body": "."},
}


@pytest.mark.parametrize(
    "fields, key, value", [(fields, key, value) for fields, keys in NEEDS.items() for key, value in keys.items()]
)
def test_each_key_needs_its_own_fields_only(fields, key, value):
    asked = set()
    selection = Selection({key: value})
    selected(selection, lambda message, fields: asked.add(fields))
    assert asked == ({fields} if fields else set())
    assert selection.needs == fields


def test_all_keys_are_tried():
    assert {key for keys in NEEDS.values() for key in keys} == set(_KEYS)


def asked_of(message_id, select=None, exclude=None):
    asked = []
    selected(Selection(select, exclude), lambda message, fields: message.id == message_id and asked.append(fields))
    return asked


def test_cheap_fields_come_first():
    select = {"body": ".", "delay_reason": ".", "subject": ".", "sender": ".", "older_than": "1s", "ids": "spam"}
    assert asked_of("spam", select) == [STAT, ENVELOPE, SUBJECT, REASON, BODY]


@pytest.mark.parametrize(
    "select, asked",
    [
        ({"ids": "other", "sender": ".", "body": "."}, []),
        ({"older_than": "1w", "sender": ".", "body": "."}, [STAT]),
        ({"sender": "nobody", "subject": ".", "body": "."}, [ENVELOPE]),
        ({"older_than": "1s", "subject": "nothing", "delay_reason": ".", "body": "."}, [STAT, SUBJECT]),
        ({"subject": ".", "delay_reason": "nothing", "body": "."}, [SUBJECT, REASON]),
    ],
)
def test_nothing_is_read_once_a_test_fails(select, asked):
    assert asked_of("spam", select) == asked


def test_nothing_is_read_once_an_exclusion_does_not_fit():
    assert asked_of("spam", None, {"sender": "nobody", "body": "."}) == [ENVELOPE]
    assert asked_of("spam", {"older_than": "1s"}, {"ids": "other", "body": "."}) == [STAT]
    assert asked_of("spam", {"subject": "."}, {"sender": "nobody", "body": "."}) == [ENVELOPE, SUBJECT]
    assert asked_of("spam", {"subject": "."}, {"sender": "info", "body": "."}) == [ENVELOPE, SUBJECT, BODY]


def test_exclusion_is_not_looked_at_where_nothing_is_selected():
    assert asked_of("spam", {"ids": "other"}, {"body": "."}) == []
