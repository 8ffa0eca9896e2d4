"""Every key of the selection language, on a queue of each MTA."""

import pytest

from tests.support.inspecting import queue_info

ALL = ["big", "notice", "six", "stolen", "waiting", "web"]


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ({}, ALL),
        ({"sender": "^info@"}, ["stolen"]),
        ({"sender": "^big@"}, ["big"]),
        ({"sender": "^big@", "ignore_case": False}, []),
        ({"sender": "<>"}, ["notice"]),
        ({"sender": ["<>", "^web@"]}, ["notice", "web"]),
        ({"recipient": r"@example\.org$"}, ["stolen"]),
        ({"subject": "^(spam ?)+$"}, ["stolen"]),
        ({"subject": "こんにちは"}, ["big"]),
        ({"header": "^x-mailer: evil"}, ["big"]),
        ({"body": "^needle$"}, ["big"]),
        ({"body": "word\nneedle"}, ["big"]),
        ({"body": "^body"}, ["web"]),
        ({"bounce": True}, ["notice"]),
        ({"bounce": False}, ["big", "six", "stolen", "waiting", "web"]),
        ({"sasl_username": "INFO@example.com"}, ["stolen"]),
        ({"sasl_username": "info"}, []),
        ({"client_address": "192.0.2.0/29"}, ["stolen"]),
        ({"client_address": ["2001:db8::/32", "192.0.2.7"]}, ["six", "stolen"]),
        ({"origin_uid": 33}, ["web"]),
        ({"older_than": "7d"}, ["six"]),
        ({"older_than": "1h", "newer_than": "3h"}, ["stolen"]),
        ({"newer_than": 60}, ["web"]),
        ({"larger_than": "10k"}, ["big"]),
        ({"smaller_than": "10k"}, ["notice", "six", "stolen", "waiting", "web"]),
        ({"sender": "example.com", "newer_than": "60s"}, ["web"]),
    ],
)
def test_select(sample, select, names):
    result = queue_info(sample.path, select=select)
    assert sample.names(result) == names
    assert (result["counts"]["matched"], result["counts"]["total"]) == (len(names), 6)
    assert (result["undecided"], result["damaged"]) == ([], [])
    left = queue_info(sample.path, exclude=select or None)
    if select:
        assert sample.names(left) == [name for name in ALL if name not in names]


def test_ids(sample):
    result = queue_info(sample.path, select={"ids": [sample["web"], sample["six"], "999999999"]})
    assert sample.names(result) == ["six", "web"]


def test_select_and_exclude(sample):
    result = queue_info(sample.path, select={"sender": "example.com$"}, exclude={"subject": "hello", "origin_uid": 33})
    assert sample.names(result) == ["big", "stolen", "waiting"]


@pytest.mark.parametrize(
    ("queue", "names"),
    [({"qmail": "todo", "postfix": "maildrop"}, ["waiting"]), ({"qmail": "local", "postfix": "hold"}, ["six"])],
)
def test_queue(sample, queue, names):
    result = queue_info(sample.path, select={"queue": queue[sample.mta]})
    assert sample.names(result) == names
    counts = result["counts"]
    assert {name: count for name, count in counts["matched_by_queue"].items() if count} == {queue[sample.mta]: 1}
    assert sum(counts["by_queue"].values()) == 6


def test_delay_reason(sample):
    result = queue_info(sample.path, select={"delay_reason": "421"})
    assert sample.names(result) == (["web"] if sample.mta == "postfix" else [])


def test_top_lists_are_of_the_selected(sample):
    result = queue_info(sample.path, select={"sasl_username": "info@example.com"})
    top = result["top"]
    assert top["sender"] == [{"value": "info@example.com", "count": 1}]
    assert top["client_address"] == [{"value": "192.0.2.7", "count": 1}]
    assert top["recipient_domain"] == [{"value": "example.org", "count": 1}]
    assert result["oldest"]["id"] == result["newest"]["id"] == sample["stolen"]
    assert [one["count"] for one in result["age_histogram"] if one["count"]] == [1]


def test_top_lists_of_all(sample):
    result = queue_info(sample.path)
    assert result["top"]["bounced_recipient_domain"] == [{"value": "mail.example.com", "count": 1}]
    assert result["top"]["sender_domain"][0] == {"value": "example.com", "count": 4}
    assert result["bounces"] == 1
    assert set(result["top_errors"].values()) == {0}
    assert (result["oldest"]["id"], result["newest"]["id"]) == (sample["six"], sample["web"])


@pytest.mark.parametrize("limit", [0, 1, 3, 6, 7])
def test_first_messages_first(sample, limit):
    result = queue_info(sample.path, limit=limit)
    arrivals = [one["arrival_time"] for one in result["messages"]]
    assert arrivals == sorted(arrivals)
    assert len(arrivals) == min(limit, 6)
    if limit:
        assert result["messages"][0]["id"] == sample["six"]
    assert result["truncated"] is (limit < 6)


@pytest.mark.parametrize(
    ("content", "size", "shown"),
    [
        ("none", 100, None),
        ("headers", 16384, ["Subject: hello"]),
        ("message", 16384, ["Subject: hello", "", "body"]),
    ],
)
def test_content(sample, content, size, shown):
    result = queue_info(sample.path, select={"ids": sample["web"]}, content=content, content_bytes=size)
    (found,) = result["messages"]
    assert ("content" in found) is (shown is not None)
    if shown:
        assert found["content"].rstrip("\n").split("\n")[-len(shown) :] == shown


@pytest.mark.parametrize("size", [1, 50, 16384])
def test_content_is_bounded(sample, size):
    result = queue_info(sample.path, select={"ids": sample["big"]}, content="message", content_bytes=size)
    assert len(result["messages"][0]["content"]) == size


def test_counting_alone_opens_no_message(sample, monkeypatch):
    """Only Postfix keeps a message's arrival and size inside its file."""
    monkeypatch.setattr(
        "ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader.QmailReader._read_headers", None
    )
    monkeypatch.setattr(
        "ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader.PostfixReader._load_headers", None
    )
    result = queue_info(sample.path, top=0, limit=0)
    assert (result["counts"]["total"], result["top"], result["bounces"]) == (6, {}, None)
    assert result["counts"]["bytes"] > 20000
