"""Reading while qmgr moves mail about: each message counts once."""

import os
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from tests.support.inspecting import meddle, queue_info
from tests.support.postfix_queue import PostfixQueue, Recipient
from tests.unit.plugins.module_utils.postfix.paths import place


@pytest.fixture
def flat(tmp_path):
    return PostfixQueue(tmp_path / "queue", hash_depth=0)


def move(queue, name, source, target):
    os.rename(os.path.join(queue.path, source, name), os.path.join(queue.path, target, name))


def add(queue, queue_name="deferred"):
    return queue.add("x\n", "a@example.com", [Recipient("b@example.net", reason="late")], queue_name)


@pytest.mark.parametrize(
    "options", [{}, {"top": 0, "limit": 0}, {"select": {"body": "x"}}, {"select": {"ids": "none"}}]
)
def test_moved_to_active_before_it_was_opened(flat, monkeypatch, options):
    name, other = add(flat), add(flat)

    def retry(message, part):
        if message.id == name and message.queue == "deferred":
            move(flat, name, "deferred", "active")

    meddle(monkeypatch, PostfixReader, retry)
    result = queue_info(flat.path, **options)
    assert (result["counts"]["total"], result["vanished"], result["damaged"]) == (2, 0, [])
    if options.get("select", {}).get("ids") != "none":
        assert result["counts"]["matched"] == 2
        assert result["counts"]["by_queue"]["active"] == 1
    if not options:
        assert sorted(one["id"] for one in result["messages"]) == sorted([name, other])


def test_moved_to_active_and_back_and_seen_in_both(flat, monkeypatch):
    """Read in active first, it is in deferred when that is listed."""
    name = add(flat)
    move(flat, name, "deferred", "active")
    seen = []

    def defer(message, part):
        seen.append(message.queue)

    original = PostfixReader.parts

    def parts(self):
        if os.path.exists(os.path.join(flat.path, "active", name)):
            move(flat, name, "active", "deferred")
        return original(self)

    monkeypatch.setattr(PostfixReader, "parts", parts)
    meddle(monkeypatch, PostfixReader, defer)
    result = queue_info(flat.path)
    assert seen == ["active"]
    assert (result["counts"]["total"], result["vanished"]) == (1, 0)


def test_moved_round_and_round(flat, monkeypatch):
    """At every message that is read, all others change places."""
    names = [add(flat) for _ in range(60)]

    def churn(message, part):
        for name in names:
            if name != message.id:
                for source, target in (("deferred", "active"), ("active", "deferred")):
                    if os.path.exists(os.path.join(flat.path, source, name)):
                        move(flat, name, source, target)
                        break

    meddle(monkeypatch, PostfixReader, churn)
    result = queue_info(flat.path, limit=1000)
    shown = [one["id"] for one in result["messages"]]
    assert len(shown) == len(set(shown)) == result["counts"]["total"]
    assert result["damaged"] == []
    assert result["counts"]["total"] + result["vanished"] <= 60


def test_delivered_before_it_was_opened(flat, monkeypatch):
    name, other = add(flat), add(flat)

    def deliver(message, part):
        if message.id == name:
            os.unlink(os.path.join(flat.path, "deferred", name))

    meddle(monkeypatch, PostfixReader, deliver)
    result = queue_info(flat.path)
    assert (result["counts"]["total"], result["vanished"], result["damaged"]) == (1, 1, [])
    assert result["messages"][0]["id"] == other


def test_hash_directory_removed_before_it_was_read(queue, monkeypatch):
    path = Path(queue.path, place(queue, queue.add("x\n", "a@example.com", ["b@example.net"])))
    original = PostfixReader.parts

    def parts(self):
        found = original(self)
        if path.exists():
            path.unlink()
            path.parent.rmdir()
        return found

    monkeypatch.setattr(PostfixReader, "parts", parts)
    result = queue_info(queue.path)
    assert (result["counts"]["total"], result["damaged"]) == (0, [])


def test_released_from_hold_while_several_processes_read(queue, monkeypatch):
    """The message that one process saw vanish turns up in a queue that the parent reads again."""
    from ansible_collections.mailops.rescue.plugins.module_utils.scan import scan

    monkeypatch.setattr(scan, "_WORTH_A_PROCESS", 1)
    held = [queue.add("x\n", "a@example.com", ["b@example.net"], "hold") for _ in range(5)]
    for _ in range(20):
        queue.add("x\n", "a@example.com", ["b@example.net"])

    def release(message, part):
        if message.id == held[0] and message.queue == "hold":
            move(queue, held[0], "hold", "incoming")

    meddle(monkeypatch, PostfixReader, release)
    result = queue_info(queue.path, workers=3)
    assert (result["counts"]["total"], result["vanished"]) == (25, 0)
    assert result["counts"]["by_queue"]["hold"] == 4
    assert result["counts"]["by_queue"]["incoming"] == 1
