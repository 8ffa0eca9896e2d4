"""Queues of every make: split in any number, todo split too, several of them, copied ones."""

import os
import shutil

import pytest

from tests.support.inspecting import message, queue_info
from tests.support.qmail_queue import QmailQueue


@pytest.mark.parametrize("big_todo", [False, True])
@pytest.mark.parametrize("split", [1, 7, 23, 151])
def test_splits(tmp_path, split, big_todo):
    queue = QmailQueue(tmp_path / "queue", split=split, big_todo=big_todo)
    states = {}
    for number in range(40):
        state = ("S2", "S3", "S4", "S5")[number % 4]
        states[str(queue.add(b"\n", b"%d@example.net" % number, remote=[b"r@example.org"], state=state))] = state
    result = queue_info(queue.path)
    assert {one["id"]: one["state"] for one in result["messages"]} == states
    assert result["counts"]["by_queue"] == {"local": 0, "remote": 10, "todo": 10, "incomplete": 20, "bounce": 0}
    assert result["counts"]["total"] == 40
    assert result["damaged"] == []


def test_several_queues(tmp_path):
    expected = []
    for name in ("queue1", "queue2", "queue10"):
        queue = QmailQueue(tmp_path / name, split=3)
        for _ in range(len(expected) + 1):
            queue.add(b"\n", name + "@example.net", remote=[b"r@example.org"])
        expected.append({"queue_directory": queue.path, "instance": None, "total": len(expected) + 1})
    (tmp_path / "queue3").mkdir()
    (tmp_path / "queue-old").symlink_to("queue1")
    result = queue_info(tmp_path)
    assert result["queues"] == expected
    assert result["queue_directory"] == expected[0]["queue_directory"]
    assert result["counts"]["total"] == 6
    for one in result["messages"]:
        assert one["sender"] == os.path.basename(one["queue_directory"]) + "@example.net"


def test_copy_whose_inodes_are_not_the_ids(queue, tmp_path):
    number = queue.add(b"Subject: x\n\n", b"a@example.net", remote=[b"r@example.org"], bounce_text=b"y")
    shutil.rmtree(os.path.join(queue.path, "lock"))
    copy = tmp_path / "copy"
    shutil.copytree(queue.path, copy)
    assert os.stat(copy / "mess" / str(number % 23) / str(number)).st_ino != number
    result = queue_info(copy)
    assert message(result, number)["subject"] == "x"
    assert result["damaged"] == []
    assert result["counts"]["by_queue"]["bounce"] == 1
