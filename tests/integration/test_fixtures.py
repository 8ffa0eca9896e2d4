"""The archives of real qmail queues: every figure of their README comes out."""

import json
import re

import pytest

from tests.support.archives import unpack
from tests.support.inspecting import queue_info

NO_MAILBOX = r"Sorry, no mailbox here by that name\."
EMPTY = {"local": 0, "remote": 0, "todo": 0, "incomplete": 0, "bounce": 0}


@pytest.fixture(scope="module")
def incident(tmp_path_factory):
    return unpack("qmail-incident", tmp_path_factory.mktemp("incident"))


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    return unpack("qmail-states", tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="module")
def messages(states):
    """The messages of every state by their senders, without the domain."""
    found = queue_info(states, limit=1000)["messages"]
    assert len(found) == 26
    return {one["sender"].replace("@sender.example", ""): one for one in found if one["sender"] is not None}


@pytest.mark.parametrize("workers", [1, 4])
def test_incident(incident, workers):
    result = queue_info(incident, workers=workers)
    assert result["counts"]["total"] == 2045
    assert result["counts"]["by_queue"] == dict(EMPTY, local=10, remote=2035)
    assert result["bounces"] == 1996
    assert (result["damaged"], result["vanished"], result["undecided"]) == ([], 0, [])
    assert result["top"]["subject"][0] == {"value": "failure notice", "count": 1996}
    assert result["top"]["sender"][0] == {"value": "", "count": 1996}
    assert result["top"]["bounced_recipient_domain"] == [{"value": "mail.example.com", "count": 1996}]


@pytest.mark.parametrize(
    ("options", "matched", "local", "remote"),
    [
        ({"select": {"body": NO_MAILBOX}}, 1996, 0, 1996),
        ({"select": {"bounce": True}}, 1996, 0, 1996),
        ({"select": {"sender": "<>", "subject": "^failure notice$"}}, 1996, 0, 1996),
        ({"exclude": {"body": NO_MAILBOX}}, 49, 10, 39),
        ({"select": {"bounce": False}}, 49, 10, 39),
        ({"select": {"queue": "local"}}, 10, 10, 0),
        ({"select": {"queue": "remote"}, "exclude": {"bounce": True}}, 39, 0, 39),
    ],
)
def test_what_a_purge_of_the_incident_would_take_and_leave(incident, options, matched, local, remote):
    result = queue_info(incident, **options)
    assert result["counts"]["matched"] == matched
    assert result["counts"]["matched_by_queue"] == dict(EMPTY, local=local, remote=remote)


def test_every_notice_of_the_incident_names_whom_it_is_about(incident, tmp_path):
    listing = tmp_path / "list.jsonl"
    queue_info(incident, select={"bounce": True}, listing=str(listing), workers=2)
    notices = [json.loads(line) for line in listing.read_text().splitlines()]
    assert len(notices) == 1996
    for one in notices:
        assert len(one["bounced_recipients"]) == 1
        assert one["bounced_recipients"][0].endswith("@mail.example.com")
        assert one["state"] == "S5"


def test_counts_of_every_state(states):
    result = queue_info(states)
    assert result["counts"]["total"] == 26
    assert result["counts"]["by_queue"] == dict(EMPTY, remote=19, todo=5, incomplete=2, bounce=1)
    assert sorted(one["state"] for one in result["messages"]) == ["S2", "S3"] + ["S4"] * 5 + ["S5"] * 19
    assert (result["damaged"], result["vanished"]) == ([], 0)


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("mixed", "mixed recipients"),
        ("list-@lists.example-@[]", "verp sender"),
        ("#@[]", "double bounce"),
        ("", "null sender"),
        ("esc", "\\x1b]0;owned\\x07\\x1b[31mred"),
        ("jinja", "{{ lookup('pipe','touch canary') }}"),
        ("html", "<script>alert(1)</script>"),
        ("nul", "nul\\x00byte"),
        ("nosep", "no blank line after this header"),
        ("empty", None),
        ("crlf", "crlf line ends"),
        ("sjis", "件名は生のシフトJIS"),
        ("iso2022", "未承諾広告※お知らせ"),
        ("raw2022", "生のメール"),
        ("folded", "folded over three lines"),
        ("long", "long header"),
        ("many", "five hundred recipients"),
        ("eighté", "8-bit envelope"),
        ("space in", "odd envelope"),
        ("todo0", "not yet preprocessed 0"),
        ("todo4", "not yet preprocessed 4"),
    ],
)
def test_senders_and_subjects(messages, sender, subject):
    assert messages[sender]["subject"] == subject


def test_half_injected_messages(states):
    result = queue_info(states, select={"queue": "incomplete"})
    assert [(one["state"], one["sender"], one["subject"], one["size"]) for one in result["messages"]] == [
        ("S2", None, None, 0),
        ("S3", None, "injection cut off", 172),
    ]


def test_bounce_file_beside_pending_remote_recipients(messages, states):
    found = messages["mixed"]
    assert [
        (one["address"], one["status"], one["channel"]) for one in found["recipients"] if one["channel"] == "remote"
    ] == [("r1@far.example", "pending", "remote"), ("r2@far.example", "pending", "remote")]
    result = queue_info(states, select={"queue": "bounce"})
    assert [one["id"] for one in result["messages"]] == [found["id"]]


def test_500_recipients(messages):
    found = messages["many"]
    assert found["recipient_count"] == 500
    assert [one["address"] for one in found["recipients"]] == ["u%d@far.example" % number for number in range(20)]


def test_500th_recipient_is_found(states):
    result = queue_info(states, select={"recipient": "^u499@"})
    assert [one["recipient_count"] for one in result["messages"]] == [500]


def test_header_of_200000_bytes(messages, states):
    assert messages["long"]["size"] > 200000
    result = queue_info(states, select={"larger_than": "190k"}, content="headers", content_bytes=16384)
    (found,) = result["messages"]
    assert found["subject"] == "long header"
    assert re.search("x{5000}|a{5000}|[A-Za-z]{5000}", found["content"])


def test_8_bit_and_odd_addresses(messages):
    assert messages["eighté"]["recipients"][0]["address"] == "rÿ18@far.example"
    assert messages["space in"]["recipients"][0]["address"] == 'quote"d@far.example'


def test_waiting_messages_have_no_channel_yet(messages):
    for number in range(5):
        found = messages["todo%d" % number]
        assert (found["state"], found["queue"], found["recipient_count"]) == ("S4", "todo", 2)
        assert {one["channel"] for one in found["recipients"]} == {None}


def test_origin(messages):
    assert {one["origin_uid"] for one in messages.values()} == {0}
