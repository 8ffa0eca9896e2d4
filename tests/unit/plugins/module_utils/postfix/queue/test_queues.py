"""Messages in every queue, under every id and hash depth."""

import pytest

from tests.support.inspecting import message, queue_info
from tests.support.postfix_queue import PostfixQueue, Recipient

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
NONE = dict.fromkeys(QUEUES, 0)
RAW = b"not a queue file"


@pytest.mark.parametrize("queue_name", ["maildrop", "incoming", "active", "deferred", "hold"])
@pytest.mark.parametrize("long_ids", [False, True])
def test_queues(tmp_path, queue_name, long_ids):
    queue = PostfixQueue(tmp_path, long_ids=long_ids)
    name = queue.add("Subject: x\n\nbody\n", "a@example.com", ["b@example.net"], queue_name, arrival=1795292616.703711)
    result = queue_info(tmp_path)
    found = message(result, name)
    assert (found["queue"], found["state"], found["subject"]) == (queue_name, "ready", "x")
    assert (found["sender"], found["arrival_time"]) == ("a@example.com", "2026-11-21T20:23:36Z")
    assert found["recipients"] == [
        {"address": "b@example.net", "status": "pending", "channel": None, "delay_reason": None}
    ]
    assert result["counts"]["by_queue"] == dict(NONE, **{queue_name: 1})
    assert (result["counts"]["total"], result["damaged"]) == (1, [])


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("long_ids", [False, True])
def test_hash_depths(tmp_path, long_ids, depth):
    queue = PostfixQueue(tmp_path, hash_depth=depth, long_ids=long_ids)
    reasons = {}
    for number in range(40):
        name = queue.add(
            "x\n",
            "a@example.com",
            [Recipient("b@example.net", reason="reason %d" % number)],
            arrival=1795292616 + number * 0.0263,
        )
        reasons[name] = "reason %d" % number
    result = queue_info(tmp_path)
    assert {one["id"]: one["recipients"][0]["delay_reason"] for one in result["messages"]} == reasons
    assert (result["counts"]["by_queue"]["deferred"], result["damaged"]) == (40, [])


@pytest.mark.parametrize("depths", [(0, 1), (1, 0), (2, 1), (1, 3)])
@pytest.mark.parametrize("queue_name", ["deferred", "active", "hold"])
def test_log_at_another_depth_than_its_message(tmp_path, depths, queue_name):
    """hash_queue_depth was changed, or the message is in a queue that is not hashed."""
    queue = PostfixQueue(tmp_path, hash_depth=depths[0])
    name = queue.add("x\n", "a@example.com", ["b@example.net"], queue_name, arrival=1795292616.703711)
    other = PostfixQueue(tmp_path / "other", hash_depth=depths[1])
    logged = other.add("x\n", "a@example.com", [Recipient("b@example.net", reason="late")], arrival=1795292616.703711)
    (source,) = (path for path in (tmp_path / "other" / "defer").rglob(logged))
    target = tmp_path / "defer" / source.relative_to(tmp_path / "other" / "defer").with_name(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    assert message(queue_info(tmp_path), name)["recipients"][0]["delay_reason"] == "late"


def test_log_of_another_message_is_not_read(queue):
    name = queue.add("x\n", "a@example.com", ["b@example.net"])
    queue.add("x\n", "a@example.com", [Recipient("b@example.net", reason="late")])
    assert message(queue_info(queue.path), name)["recipients"][0]["delay_reason"] is None


@pytest.mark.parametrize(
    ("options", "state"), [({"expired": True}, "expired"), ({"complete": False}, "incomplete"), ({}, "ready")]
)
def test_states(queue, options, state):
    name = queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], "incoming", **options)
    result = queue_info(queue.path)
    assert message(result, name)["state"] == state
    assert (result["counts"]["total"], result["damaged"]) == (1, [])


@pytest.mark.parametrize("size", [0, 3, 110, 300])
def test_file_that_cleanup_has_just_begun(queue, size):
    name = queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], "incoming", complete=False)
    with open("%s/incoming/%s" % (queue.path, name), "r+b") as stream:
        stream.truncate(size)
    result = queue_info(queue.path)
    assert message(result, name)["state"] == "incomplete"
    assert (result["counts"]["by_queue"]["incoming"], result["damaged"]) == (1, [])


def test_corrupt_queue(queue):
    """What postsuper and qmgr threw out is listed, readable or not."""
    name = queue.add_raw("corrupt", RAW)
    result = queue_info(queue.path)
    assert result["counts"]["by_queue"] == dict(NONE, corrupt=1)
    assert result["counts"]["total"] == 1
    assert [one["path"] for one in result["damaged"]] == ["corrupt/" + name]


def test_readable_message_in_corrupt(queue, tmp_path):
    name = queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], "hold")
    (tmp_path / "queue" / "hold" / name).rename(tmp_path / "queue" / "corrupt" / name)
    found = message(queue_info(queue.path), name)
    assert (found["state"], found["subject"]) == ("corrupt", "x")
