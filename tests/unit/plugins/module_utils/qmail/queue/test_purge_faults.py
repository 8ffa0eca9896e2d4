"""Killed, or with a failing disk, at any call that changes it: every message is there, whole, exactly once.

All points are tried by `make test-faults`; else a sample of them.
"""

import errno
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import removal
from tests.support.faults import fail_points, hooked, kill_points
from tests.support.purging import messages, queue_purge, queue_restore, snapshot, whole
from tests.support.qmail_queue import QmailQueue

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 17
SPAM = {"subject": "spam"}


class State:
    """A queue with three spams and two other messages, and what there was at first."""

    def __init__(self):
        # In memory, where possible: each run waits for the disk dozens of times.
        place = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.directory = Path(tempfile.mkdtemp(prefix="rescue-", dir=place))
        self.queue = QmailQueue(self.directory / "queue", split=2)
        self.spam = [
            self.queue.add(b"Subject: spam 1\n\nx\n", b"a@example.net", remote=[b"r@example.org"]),
            self.queue.add(
                b"Subject: spam 2\n\n",
                b"",
                local=[b"l@example.com"],
                remote=[b"r@example.org"],
                bounce_text="<x@example.org>:\nno\n\n",
            ),
            self.queue.add(b"Subject: spam 3\n\n", b"", remote=[b"r@example.org"], state="S4"),
        ]
        self.other = [
            self.queue.add(b"Subject: hello\n\n", b"b@example.net", remote=[b"r@example.org"]),
            self.queue.add(b"Subject: hello\n\n", b"b@example.net", remote=[b"r@example.org"], state="S3"),
        ]
        self.messages = whole(self.queue.path)
        self.files = snapshot(self.queue.path)

    def purge(self, **options):
        return queue_purge(self.queue.path, select=SPAM, unprocessed=True, **options)

    def restore(self):
        return queue_restore(self.queue.path)

    def in_queue(self):
        return set(map(int, messages(self.queue.path)))


@pytest.fixture
def states():
    """What makes States, and removes them in the end."""
    made = []

    def make():
        # One at a time: full runs make thousands.
        while made:
            shutil.rmtree(str(made.pop().directory))
        made.append(State())
        return made[-1]

    yield make
    while made:
        shutil.rmtree(str(made.pop().directory))


def is_valid(state, point):
    """What stands at this very instant, with no recovery: everything is somewhere, and the queue is one for its MTA."""
    there = {number: dict(files) for number, files in state.messages}
    batches = [messages(path / "files") for path in (state.directory / "queue.quarantine").glob("*")]
    queue = messages(state.queue.path)
    for number, files in there.items():
        copies = [one[number] for one in batches if one.get(number) == files]
        assert queue.get(number) == files or copies, point
        now = queue.get(number, {})
        if "info" in now and "todo" not in now and not copies:
            # qmail-send would take it for done.
            assert now == files, point
        if "todo" not in files and now:
            assert "mess" in now, point


def test_killed_while_it_purges_then_run_again(states):
    def verify(state, point):
        is_valid(state, point)
        result = state.purge()
        assert result["left"] == [], point
        assert whole(state.queue.path) == state.messages, point
        assert state.in_queue() == set(state.other), point
        assert state.purge()["changed"] is False, point

    assert kill_points(states, State.purge, verify, STEP) > 60 // STEP


def test_killed_while_it_purges_then_undone(states):
    def verify(state, point):
        if (state.directory / "queue.quarantine").exists():
            try:
                state.restore()
            except RescueError as error:
                assert "there are no batches" in str(error), point
        if snapshot(state.queue.path) != state.files:
            # The restore found no batch of its own, but one to be put in order.
            state.purge()
            state.restore()
        assert snapshot(state.queue.path) == state.files, point

    assert kill_points(states, State.purge, verify, STEP, first=1) > 60 // STEP


def test_killed_while_it_restores_then_run_again(states):
    def prepare():
        state = states()
        state.purge()
        return state

    def verify(state, point):
        is_valid(state, point)
        state.restore()
        assert snapshot(state.queue.path) == state.files, point
        assert whole(state.queue.path) == state.messages, point
        assert state.restore()["changed"] is False, point

    assert kill_points(prepare, State.restore, verify, STEP) > 40 // STEP


def test_killed_while_it_discards_then_run_again(states):
    def verify(state, point):
        state.purge(quarantine="discard")
        left = state.messages - whole(state.queue.path)
        assert {int(number) for number, _ in left} == set(state.spam), point
        assert all(dict(files).get("mess") is not None for _, files in whole(state.queue.path)), point

    assert kill_points(states, lambda state: state.purge(quarantine="discard"), verify, max(1, STEP // 4)) > 20 // STEP


def test_disk_fails_while_it_purges(states):
    def run(state):
        try:
            state.result = state.purge()
        except RescueError as error:
            state.result = error.result

    def verify(state, point):
        is_valid(state, point)
        if not state.result:
            assert snapshot(state.queue.path) == state.files, point
        result = state.purge()
        assert result["left"] == [], point
        assert whole(state.queue.path) == state.messages, point
        assert state.in_queue() == set(state.other), point

    assert fail_points(states, run, verify, step=STEP, first=2) > 300 // STEP


def test_disk_fails_while_it_restores(states):
    def prepare():
        state = states()
        state.purge()
        return state

    def run(state):
        try:
            state.restore()
        except RescueError as error:
            assert str(error)

    def verify(state, point):
        is_valid(state, point)
        state.restore()
        assert snapshot(state.queue.path) == state.files, point

    assert fail_points(prepare, run, verify, step=STEP, first=1) > 200 // STEP


def test_failure_says_how_far_it_got(states):
    state = states()
    seen = Counter()

    def hook(function, *arguments, **keywords):
        seen[function.__name__] += 1
        if function is os.unlink and seen["unlink"] == 4:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return function(*arguments, **keywords)

    words = "the disk failed .Input/output error.*3 messages were taken"
    with hooked(hook), pytest.raises(RescueError, match=words) as caught:
        state.purge()
    # What was committed before the failure is brought to its end.
    assert caught.value.result["purged"] == 3 and caught.value.result["changed"] is True
    assert state.in_queue() == set(state.other)
    assert whole(state.queue.path) == state.messages


def test_what_qmail_send_preprocessed_before_the_recovery_stays_with_it(states):
    state = states()
    number = state.spam[2]
    todo = "%s/todo/%d" % (state.queue.path, number)

    def hook(function, *arguments, **keywords):
        if function is os.rename and arguments[0] == str(number):
            os._exit(3)
        return function(*arguments, **keywords)

    pid = os.fork()
    if pid == 0:
        with hooked(hook):
            state.purge()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    assert os.path.exists(todo)
    # What qmail-send does first with a message in todo.
    state.queue.add_preprocessed(number, b"", [], [b"r@example.org"], 1)
    os.unlink(todo.replace("todo", "intd"))
    os.unlink(todo)
    expected = messages(state.queue.path)[str(number)]
    queue_purge(state.queue.path, select={"ids": ["-"]})
    assert messages(state.queue.path)[str(number)] == expected
    assert [dict(one[1]) for one in whole(state.queue.path) if one[0] == str(number)] == [expected]


def test_nothing_of_a_message_stays_in_a_batch_that_a_run_had_just_begun_to_take(states, monkeypatch):
    monkeypatch.setattr(removal, "_CHUNK", 1)
    seen = Counter()

    def hook(function, *arguments, **keywords):
        result = function(*arguments, **keywords)
        seen[function.__name__] += 1
        if function is os.link and seen["rename"]:
            os._exit(3)
        return result

    state = states()
    pid = os.fork()
    if pid == 0:
        with hooked(hook):
            state.purge()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    assert queue_purge(state.queue.path, select={"ids": ["-"]})["recovered"][0]["messages"] == 1
    assert whole(state.queue.path) == state.messages
