"""A summary counts what it was given, and parts of one add up to the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message, Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import TOP_LISTS, Summary

NOW = 1000000
QUEUES = ("local", "remote", "bounce")


def message(name="1", queues=("remote",), place=0, subject=None, recipients=(), **fields):
    made = Message(place, name, queues[0] if queues else "done")
    made.queues = queues
    made.recipients = [Recipient(one, False, None) for one in recipients]
    if subject is not None:
        made.headers = Headers(b"Subject: %s\n\n" % subject)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def summary(messages, with_top=True):
    made = Summary(NOW, QUEUES, 2, with_top)
    for one in messages:
        made.count(one)
        made.add(one)
    return made


def top(messages, name, length=10):
    return [(one["value"], one["count"]) for one in summary(messages).top(length)[0][name]]


def facts(made):
    names = (
        "total",
        "matched",
        "bytes",
        "bounces",
        "by_queue",
        "matched_by_queue",
        "by_directory",
        "oldest",
        "newest",
        "ages",
        "vanished",
        "damaged_count",
        "undecided_count",
    )
    return {name: getattr(made, name) for name in names}, made.top(20)


MESSAGES = st.lists(
    st.builds(
        message,
        name=st.sampled_from("abcdef"),
        queues=st.sampled_from([("local",), ("remote",), ("local", "remote"), ("remote", "bounce"), ()]),
        place=st.integers(0, 1),
        subject=st.none() | st.sampled_from([b"one", b"two", b"=?utf-8?q?one?="]),
        recipients=st.lists(st.sampled_from([b"a@x", b"b@x", b"a@y"]), max_size=3),
        arrival=st.none() | st.sampled_from([NOW - 10.0, NOW - 400.0, NOW - 1e5, NOW + 5.0]),
        size=st.none() | st.integers(0, 1000),
        sender=st.none() | st.sampled_from([b"", b"a@x", b"b@X"]),
        client_address=st.none() | st.sampled_from([b"192.0.2.1", b"192.0.2.2"]),
        sasl_username=st.none() | st.just(b"user"),
        origin_uid=st.none() | st.integers(0, 2),
        bounced=st.none() | st.lists(st.sampled_from([b"a@x", b"a@y"]), max_size=2),
        reasons=st.none() | st.dictionaries(st.sampled_from([b"a@x", b"b@x"]), st.sampled_from([b"late", b"busy"])),
    ),
    max_size=30,
)


@given(MESSAGES, st.integers(1, 4))
def test_parts_add_up_to_the_whole(messages, parts):
    merged = summary([])
    for part in range(parts):
        merged.merge(summary(messages[part::parts]).state())
    assert facts(merged) == facts(summary(messages))


def test_damage_and_undecided_add_up():
    parts = []
    for number in range(3):
        part = summary([message()])
        part.damage(0, "mess/1/1", "why", True, ("remote",))
        part.damage(1, "mess/1/x", "why not", False)
        part.leave_undecided(message(str(number)), "select.body took too long")
        part.vanished += 1
        parts.append(part)
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part.state())
    assert (whole.total, whole.matched, whole.vanished) == (6, 3, 3)
    assert (whole.damaged_count, len(whole.damaged)) == (6, 6)
    assert [one[1] for one in whole.undecided] == ["0", "1", "2"]
    assert whole.by_queue == {"local": 0, "remote": 6, "bounce": 0}
    assert whole.by_directory == [6, 0]


def test_lists_of_faults_are_bounded_and_their_counts_are_not():
    made = summary([])
    for number in range(120):
        made.damage(0, "mess/%d" % number, "why", False)
        made.leave_undecided(message(), "why")
    other = summary([])
    other.damage(0, "mess/x", "why", False)
    made.merge(other.state())
    assert (len(made.damaged), made.damaged_count) == (50, 121)
    assert (len(made.undecided), made.undecided_count) == (50, 120)


def test_path_of_a_damaged_file_is_harmless():
    made = summary([])
    made.damage(0, "mess/\x1b]0;x", "why", False)
    assert made.damaged[0][1] == "mess/\\x1b]0;x"


def test_queues():
    made = summary([message(queues=("local", "remote")), message(queues=("remote",)), message(queues=())])
    assert made.by_queue == made.matched_by_queue == {"local": 1, "remote": 2, "bounce": 0}
    assert made.total == 3


@pytest.mark.parametrize(
    "age, where",
    [(-100, 0), (0, 0), (299, 0), (300, 1), (599, 1), (600, 2), (76799, 8), (76800, 9), (1e9, 9)],
)
def test_age_histogram(age, where):
    histogram = summary([message(arrival=NOW - age)]).age_histogram()
    assert [one["count"] for one in histogram] == [int(number == where) for number in range(10)]
    assert histogram[where]["from"] <= max(age, 0)
    assert histogram[where]["to"] is None or age < histogram[where]["to"]


def test_oldest_and_newest():
    early = [message(name, arrival=900.0) for name in "bac"]
    made = summary([*early, message("c", arrival=5000.0), message("d")])
    assert made.edge(made.oldest) == {"id": "a", "arrival_time": "1970-01-01T00:15:00Z", "age": 999100}
    assert made.edge(made.newest)["id"] == "c"
    assert made.edge(None) is None


def test_arrival_in_the_future_has_no_negative_age():
    made = summary([message(arrival=NOW + 100.0)])
    assert made.edge(made.newest)["age"] == 0


@pytest.mark.parametrize(
    "messages, name, expected",
    [
        ([message(sender=b"a@x"), message(sender=b"a@x"), message(sender=b"")], "sender", [("a@x", 2), ("", 1)]),
        ([message(sender=b"a@X.example"), message(sender=b"b@x.Example")], "sender_domain", [("x.example", 2)]),
        ([message(sender=b"")], "sender_domain", []),
        ([message(recipients=[b"a@x", b"b@x", b"a@y"])], "recipient_domain", [("x", 1), ("y", 1)]),
        ([message(subject=b"=?utf-8?q?one?="), message(subject=b"one")], "subject", [("one", 2)]),
        ([message(subject=b"a\x1b[0m")], "subject", [("a\\x1b[0m", 1)]),
        ([message(subject=b"=?utf-8?b?%s?=" % (b"6KuL" * 60))], "subject", [("請" * 60, 1)]),
        (
            [message(subject=b"=?utf-8?b?%s?= =?utf-8?b?%s?=" % (b"6KuL" * 60, b"6KuL" * 60))],
            "subject",
            [("請" * 120, 1)],
        ),
        ([message(client_address=b"192.0.2.1")], "client_address", [("192.0.2.1", 1)]),
        ([message(sasl_username=b"u\xe2\x80\xae")], "sasl_username", [("u\\u202e", 1)]),
        ([message(origin_uid=0), message(origin_uid=33), message(origin_uid=33)], "origin_uid", [(33, 2), (0, 1)]),
        ([message(reasons={b"a": b"late", b"b": b"late"})], "delay_reason", [("late", 1)]),
        (
            [message(bounced=[b"a@x", b"b@X", b"c"]), message(bounced=[])],
            "bounced_recipient_domain",
            [("c", 1), ("x", 1)],
        ),
        ([message(sender="ü".encode() * 150)], "sender", [("ü" * 98 + "\ufffd…", 1)]),
    ],
)
def test_top_list(messages, name, expected):
    assert top(messages, name) == expected


def test_recipients_that_were_delivered_to_do_not_count():
    made = message()
    made.recipients = [Recipient(b"a@x", True, None), Recipient(b"a@y", False, None)]
    assert top([made], "recipient_domain") == [("y", 1)]
    made.recipients = [Recipient(b"a@x", True, None)]
    assert top([made], "recipient_domain") == []


def test_shown_values_are_short():
    long = b"x" * 5000
    lists, unused = summary([message(subject=long, sender=long, sasl_username=long, reasons={b"a": long})]).top(10)
    shown = [one["value"] for values in lists.values() for one in values]
    assert len(shown) >= 4
    assert all(len(value) <= 200 for value in shown)


def test_length_of_lists():
    messages = [message(sender=b"%d@x" % number) for number in range(30)]
    assert len(top(messages, "sender", 7)) == 7


def test_errors_are_told_for_every_list():
    messages = [message(sender=b"%d@x" % number) for number in range(10000)]
    lists, errors = summary(messages).top(1)
    assert set(lists) == set(errors) == set(TOP_LISTS)
    assert errors["sender"] > 0
    assert errors["sender_domain"] == 0
    assert lists["sender_domain"] == [{"value": "x", "count": 10000}]


def test_bounces_are_counted():
    assert summary([message(bounced=[]), message(bounced=[b"a@x"]), message()]).bounces == 2


def test_without_top_lists():
    made = summary([message(sender=b"a@x")], with_top=False)
    made.merge(summary([message(sender=b"a@x")], with_top=False).state())
    assert made.matched == 2
    assert made.top(10) == ({}, {})
