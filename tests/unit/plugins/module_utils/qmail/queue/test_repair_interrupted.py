"""A repair that is killed, or whose disk fails, at any call: nothing is lost, and the next one finishes it."""

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.faults import fail_points, kill_points
from tests.support.inspecting import queue_info
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import contents, queue_repair, read, with_owners

ALL = os.environ.get("RESCUE_FAULTS") == "all"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class State:
    def __init__(self, path, seed, split):
        shutil.rmtree(str(path), ignore_errors=True)
        path.mkdir()
        self.queue = QmailQueue(path / "queue", split=3, owners=with_owners())
        self.root = Path(self.queue.path)
        self.split = split
        self.subjects = set()
        seed(self)
        self.kept = contents(self.root)

    def add(self, subject, **options):
        self.subjects.add(subject)
        return self.queue.add("Subject: %s\n\nx\n" % subject, b"%s@example.com" % subject.encode(), **options)

    def rename(self, number, other, names):
        for name in names:
            split = name in ("mess", "info", "local", "remote")
            for one in (number, other):
                place = "%d/%d" % (one % 3, one) if split else str(one)
                if one is number:
                    old = self.root / name / place
            old.rename(self.root / name / place)

    def place(self, name, number):
        return self.root / name / str(number % 3) / str(number)


def ids(state):
    """Messages of every kind with wrong ids, two of them with each other's."""
    rename = state.rename
    rename(state.add("plain", remote=[b"plain@example.net"]), 5000000011, ("mess", "info", "remote"))
    number = state.add("mixed", local=[b"mixed@example.net"], remote=[b"r@example.net"], bounce_text="<x>:\nno\n\n")
    rename(number, 5000000012, ("mess", "info", "local", "remote", "bounce"))
    rename(state.add("todo", remote=[b"todo@example.net"], state="S4"), 5000000013, ("mess", "todo", "intd"))
    one, other = (state.add(name, remote=[b"%s@example.net" % name.encode()]) for name in ("one", "other"))
    names = ("mess", "info", "remote")
    rename(one, 5000000014, names)
    rename(other, one, names)
    rename(5000000014, other, names)


def places(state):
    for name, options in (("plain", {}), ("todo", {"state": "S4"}), ("third", {})):
        state.add(name, remote=[b"%s@example.net" % name.encode()], **options)
    number = state.add("alone", remote=[b"alone@example.net"])
    for name in ("mess", "info", "remote"):
        wrong = (number + 1) % 3
        state.place(name, number).rename(state.root / name / str(wrong) / str(number))


def junk(state):
    state.add("sound", remote=[b"sound@example.net"])
    # The texts of these are no messages afterwards.
    number = state.queue.add("Subject: damaged\n\nx\n", b"d@example.com", [b"l@example.com"], [b"d@example.net"])
    state.place("info", number).write_bytes(b"?")
    number = state.queue.add("Subject: old\n\nx\n", state="S3")
    os.utime(str(state.place("mess", number)), (1700000000, 1700000000))
    number = state.queue.add("Subject: orphan\n\nx\n", b"o@example.com", remote=[b"d@example.net"])
    state.place("mess", number).unlink()
    (state.root / "mess" / "1" / "core").write_bytes(b"core")
    (state.root / "local" / "2" / "77").symlink_to("/etc/passwd")
    os.mkfifo(str(state.root / "todo" / "78"))
    (state.root / "lock" / "trigger").unlink()
    (state.root / "lock" / "sendmutex").unlink()
    (state.root / "pid").rmdir()


def run(state):
    queue_repair(state.root, split=state.split)


def is_somewhere(state, name, number, text):
    """Tell whether an envelope file of this id, in whatever number, has this text."""
    found = list(state.root.glob("%s/*/%d" % (name, number))) + list(state.root.glob("%s/%d" % (name, number)))
    return any(text in read(path) for path in found)


def verify(state, point):
    after = contents(state.root)
    after.pop(EMPTY, None)
    kept = state.kept.copy()
    kept.pop(EMPTY, None)
    assert after == kept, point
    # qmail-send, started now, would find each message once, with its envelope.
    seen = []
    for path in state.root.glob("mess/*/*"):
        data = read(path) if path.is_file() else b""
        subject = data.partition(b"Subject: ")[2].split(b"\n")[0].decode()
        if subject in state.subjects:
            seen.append(subject)
            number, sender = int(path.name), ("F%s@example.com\0" % subject).encode()
            recipient = ("T%s@example.net\0" % subject).encode()
            has_todo = is_somewhere(state, "todo", number, sender) and is_somewhere(state, "todo", number, recipient)
            channels = [is_somewhere(state, name, number, recipient) for name in ("local", "remote")]
            assert has_todo or (is_somewhere(state, "info", number, sender) and any(channels)), (point, subject)
    assert sorted(seen) == sorted(state.subjects), point
    finish(state, point)


def finish(state, point):
    """Another run brings it to its end, and nothing is lost."""
    result = queue_repair(state.root, split=state.split)
    assert (result["left"], queue_repair(state.root)["faults"]) == ([], []), point
    after = contents(state.root)
    after.pop(EMPTY, None)
    kept = state.kept.copy()
    kept.pop(EMPTY, None)
    assert after == kept, point
    messages = queue_info(state.root, limit=100)["messages"]
    envelopes = {one["subject"]: (one["sender"], one["recipients"][0]["address"]) for one in messages}
    expected = {name: (name + "@example.com", name + "@example.net") for name in state.subjects}
    assert (envelopes, len(messages)) == (expected, len(expected)), point
    assert list((state.root / "pid").iterdir()) == [], point


CASES = [(ids, None), (places, 5), (junk, None)]


@pytest.mark.parametrize(("seed", "split"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_killed(tmp_path, seed, split):
    step = 1 if ALL else 5
    count = kill_points(lambda: State(tmp_path / "state", seed, split), run, verify, step=step)
    assert count >= 5


def failing(state):
    try:
        run(state)
    except (OSError, RescueError):
        pass


@pytest.mark.parametrize(("seed", "split"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_failing_disk(tmp_path, seed, split):
    step = 1 if ALL else 17
    count = fail_points(lambda: State(tmp_path / "state", seed, split), failing, verify, step=step)
    assert count >= 5
