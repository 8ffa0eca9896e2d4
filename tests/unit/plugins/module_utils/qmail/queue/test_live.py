"""Reading while qmail works on the queue."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import directories
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader
from tests.support.inspecting import meddle, message, queue_info


def remove(queue, number, *names):
    """Remove a message's files from the directories `names`, from all without."""
    for name in names or ("local", "remote", "bounce", "info", "todo", "intd", "mess"):
        for path in (
            "%s/%s/%d/%d" % (queue.path, name, number % queue.split, number),
            "%s/%s/%d" % (queue.path, name, number),
        ):
            if os.path.isfile(path):
                os.unlink(path)


def preprocess(queue, number):
    queue.add_preprocessed(number, b"a@example.net", [b"l@mail.example.com"], [b"r@example.org"], 1795289067)
    remove(queue, number, "intd", "todo")


def once(number, action):
    def hook(found, part):
        if found.id == str(number):
            action()

    return hook


def test_preprocessed_between_listing_and_opening(queue, monkeypatch):
    number = queue.add(b"Subject: x\n\n", b"a@example.net", remote=[b"r@example.org"], state="S4")
    meddle(monkeypatch, QmailReader, once(number, lambda: preprocess(queue, number)))
    result = queue_info(queue.path)
    found = message(result, number)
    assert (found["state"], found["queue"], found["subject"]) == ("S5", "local+remote", "x")
    assert [one["channel"] for one in found["recipients"]] == ["local", "remote"]
    assert found["arrival_time"] == "2026-11-21T19:24:27Z"
    assert (result["vanished"], result["damaged"], result["counts"]["total"]) == (0, [], 1)


@pytest.mark.parametrize("state", ["S2", "S3", "S4", "S5"])
@pytest.mark.parametrize("options", [{}, {"top": 0, "limit": 0}, {"select": {"body": "y"}}])
def test_gone_between_listing_and_opening(queue, monkeypatch, state, options):
    number = queue.add(b"Subject: x\n\ny", b"a@example.net", remote=[b"r@example.org"], state=state)
    other = queue.add(b"Subject: other\n\ny", b"b@example.net", remote=[b"r@example.org"], state=state)
    meddle(monkeypatch, QmailReader, once(number, lambda: remove(queue, number)))
    result = queue_info(queue.path, **options)
    assert (result["vanished"], result["damaged"]) == (1, [])
    assert result["counts"]["total"] == result["counts"]["matched"] == 1
    assert result["oldest"]["id"] == str(other)


def test_preprocessed_and_gone_between_listing_and_opening(queue, monkeypatch):
    number = queue.add(b"\n", b"a@example.net", remote=[b"r@example.org"], state="S4")

    def work():
        preprocess(queue, number)
        remove(queue, number)

    meddle(monkeypatch, QmailReader, once(number, work))
    result = queue_info(queue.path)
    assert (result["vanished"], result["damaged"], result["counts"]["total"]) == (1, [], 0)


def test_last_remote_recipient_delivered_between_listing_and_opening(queue, monkeypatch):
    number = queue.add(b"\n", b"a@example.net", [b"l@mail.example.com"], [b"r@example.org"])
    meddle(monkeypatch, QmailReader, once(number, lambda: remove(queue, number, "remote")))
    result = queue_info(queue.path)
    assert [one["address"] for one in message(result, number)["recipients"]] == ["l@mail.example.com"]
    assert (result["vanished"], result["damaged"], result["counts"]["total"]) == (0, [], 1)


@pytest.mark.parametrize(("state", "queue_name"), [("S2", "incomplete"), ("S4", "todo"), ("S5", "remote")])
def test_arrived_after_the_listings_of_other_directories(small, monkeypatch, state, queue_name):
    """mess is listed last; what is new in it is looked up."""
    enter = directories.Split.__enter__
    added = []

    def listed_then_arrived(self):
        found = enter(self)
        added.append(small.add(b"\n", b"a@example.net", remote=[b"r@example.org"], state=state))
        return found

    monkeypatch.setattr(directories.Split, "__enter__", listed_then_arrived)
    result = queue_info(small.path)
    assert message(result, added[0])["queue"] == queue_name
    assert (result["counts"]["by_queue"][queue_name], result["counts"]["total"]) == (1, 1)
    assert result["damaged"] == []


def test_files_of_a_message_that_left_during_the_listing_are_no_strays(small, monkeypatch):
    """Its info was listed, its mess no more: by then its info is gone too."""
    number = small.add(b"\n", b"a@example.net", remote=[b"r@example.org"])
    enter = directories.Split.__enter__

    def listed_then_left(self):
        found = enter(self)
        remove(small, number)
        return found

    monkeypatch.setattr(directories.Split, "__enter__", listed_then_left)
    result = queue_info(small.path)
    assert (result["damaged"], result["counts"]["total"], result["vanished"]) == ([], 0, 0)


@pytest.mark.parametrize("finished", [False, True])
def test_preprocessing_begins_after_todo_was_listed(small, monkeypatch, finished):
    """Its info is listed, its todo is not, and its remote file is half written, if it is there at all."""
    listed = directories.Queue.listed
    added = []

    def listed_then_arrived(self, name):
        found = listed(self, name)
        if name == "bounce":
            number = small.add(b"\n", b"a@example.net", remote=[b"r@example.org"], state="S4")
            small.add_preprocessed(number, b"a@example.net", [], [b"r@exam"], os.stat(small.path).st_mtime + 60)
            added.append(number)
        return found

    def finish(message, part):
        if finished:
            remove(small, added[0], "local", "remote", "info")
            preprocess(small, added[0])
            for name in ("info", "local", "remote"):
                os.utime("%s/%s/0/%d" % (small.path, name, added[0]))

    monkeypatch.setattr(directories.Queue, "listed", listed_then_arrived)
    meddle(monkeypatch, QmailReader, finish)
    result = queue_info(small.path)
    found = message(result, added[0])
    channels = ["local", "remote"] if finished else [None]
    assert [one["channel"] for one in found["recipients"]] == channels
    assert found["recipients"][-1]["address"] == "r@example.org"
    assert found["state"] == ("S5" if finished else "S4")
    assert (result["damaged"], result["vanished"], result["counts"]["total"]) == ([], 0, 1)


def test_files_of_a_message_that_the_listing_missed_are_no_strays(small, monkeypatch):
    """A directory that changes while it is listed may leave out what came in."""
    small.add(b"\n", b"a@example.net", remote=[b"r@example.org"])
    batches = directories.Queue.batches

    def without_messages(self, fd, path, are_messages):
        return iter([[]]) if are_messages else batches(self, fd, path, are_messages)

    monkeypatch.setattr(directories.Queue, "batches", without_messages)
    assert queue_info(small.path)["damaged"] == []
