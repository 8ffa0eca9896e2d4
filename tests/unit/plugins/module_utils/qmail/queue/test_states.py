"""What a message is told to be from where its files are."""

import pytest

from tests.support.inspecting import message, queue_info

SENDER, LOCAL, REMOTE = b"a@example.net", b"l@mail.example.com", b"r@example.org"
NONE = {"local": 0, "remote": 0, "todo": 0, "incomplete": 0, "bounce": 0}


def shown(address, channel, status="pending"):
    return {"address": address, "channel": channel, "status": status, "delay_reason": None}


@pytest.mark.parametrize(
    ("state", "queue_name", "sender", "recipients"),
    [
        ("S2", "incomplete", None, []),
        ("S3", "incomplete", None, []),
        ("S4", "todo", "a@example.net", [shown("r@example.org", None)]),
        ("S5", "remote", "a@example.net", [shown("r@example.org", "remote")]),
    ],
)
def test_states(queue, state, queue_name, sender, recipients):
    number = queue.add(b"Subject: x\n\n", SENDER, remote=[REMOTE], origin="uid 33", state=state, arrival=1795289067)
    result = queue_info(queue.path)
    found = message(result, number)
    assert (found["state"], found["queue"]) == (state, queue_name)
    assert (found["sender"], found["recipients"]) == (sender, recipients)
    assert (found["subject"], found["origin_uid"]) == ("x", 33)
    assert found["arrival_time"] == "2026-11-21T19:24:27Z"
    assert result["counts"]["by_queue"] == dict(NONE, **{queue_name: 1})
    assert result["counts"]["total"] == 1
    assert result["damaged"] == []


@pytest.mark.parametrize(
    ("local", "remote", "bounce_text", "queue_name", "counted"),
    [
        ([LOCAL], [], None, "local", ["local"]),
        ([LOCAL], [REMOTE], None, "local+remote", ["local", "remote"]),
        ([], [REMOTE], b"<x>:\ngone\n\n", "remote", ["remote", "bounce"]),
        ([], [], b"<x>:\ngone\n\n", "bounce", ["bounce"]),
        ([], [], None, "done", []),
    ],
)
def test_preprocessed_messages_count_in_each_channel_and_once_in_total(
    queue, local, remote, bounce_text, queue_name, counted
):
    number = queue.add(b"\n", SENDER, local, remote, bounce_text=bounce_text)
    result = queue_info(queue.path)
    assert message(result, number)["queue"] == queue_name
    assert result["counts"]["by_queue"] == dict(NONE, **dict.fromkeys(counted, 1))
    assert result["counts"]["matched_by_queue"] == result["counts"]["by_queue"]
    assert result["counts"]["total"] == result["counts"]["matched"] == 1


def test_done_and_pending_recipients(queue):
    number = queue.add(b"\n", SENDER, [LOCAL], [REMOTE, b"s@example.org"], done=[LOCAL, b"s@example.org"])
    assert message(queue_info(queue.path), number)["recipients"] == [
        shown("l@mail.example.com", "local", "done"),
        shown("r@example.org", "remote"),
        shown("s@example.org", "remote", "done"),
    ]


def test_envelope_of_todo_wins_over_a_half_written_one(queue):
    """qmail-send writes info, local and remote before it removes todo; until then they are its scratch."""
    number = queue.add(b"\n", SENDER, remote=[REMOTE], state="S4")
    queue.add_preprocessed(number, b"scratch@example.net", [], [b"scratch@example.org"], 1)
    result = queue_info(queue.path)
    found = message(result, number)
    assert (found["state"], found["queue"], found["sender"]) == ("S4", "todo", "a@example.net")
    assert found["recipients"] == [shown("r@example.org", None)]
    assert result["counts"]["by_queue"] == dict(NONE, todo=1)


@pytest.mark.parametrize(
    ("sender", "expected"),
    [(b"", ""), (b"#@[]", "#@[]"), (b"l-@example.org-@[]", "l-@example.org-@[]"), (b"a b@\xe3\x81\x82", "a b@あ")],
)
@pytest.mark.parametrize("state", ["S4", "S5"])
def test_senders(queue, sender, expected, state):
    number = queue.add(b"\n", sender, remote=[REMOTE], state=state)
    assert message(queue_info(queue.path), number)["sender"] == expected


def test_arrival_is_when_info_was_written(queue):
    number = queue.add(b"\n", SENDER, remote=[REMOTE], arrival=1795289067, retry=1795299999)
    assert message(queue_info(queue.path), number)["arrival_time"] == "2026-11-21T19:24:27Z"


def test_size_is_that_of_the_text(queue):
    number = queue.add(b"\n" + b"x" * 100000, SENDER, remote=[REMOTE], origin="network")
    with open("%s/mess/%d/%d" % (queue.path, number % 23, number), "rb") as stream:
        size = len(stream.read())
    result = queue_info(queue.path)
    assert message(result, number)["size"] == result["counts"]["bytes"] == size > 100000


def test_many_recipients_are_counted_and_the_first_shown(queue):
    many = [b"r%05d@example.org" % n for n in range(20000)]
    number = queue.add(b"\n", SENDER, remote=many)
    found = message(queue_info(queue.path), number)
    assert found["recipient_count"] == 20000
    assert [one["address"] for one in found["recipients"]] == [one.decode() for one in many[:20]]
