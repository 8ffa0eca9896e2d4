"""A purge while qmail-send runs, which is played by a double: its traps, and kills at each call."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_purge as engine
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import online
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service
from tests.support.faults import fail_points, hooked, kill_points
from tests.support.power_loss import Ended, losses
from tests.support.purging import messages, queue_purge, queue_restore, snapshot, whole
from tests.support.qmail_double import QmailDouble

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 31
LOSS_STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 43
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
SPAM = {"subject": "spam"}
NOBODY = {"subject": "^nobody$"}


class State:
    """Three spams, one of them with a failure to be reported, and two other messages; and what there was at first."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="rescue-online-", dir=MEMORY))
        self.double = QmailDouble(self.directory / "queue")
        self.queue = self.double.queue
        self.path = self.double.path
        self.spam = [
            self.queue.add(
                b"Subject: spam 1\n\nx\n",
                b"a@example.net",
                remote=[b"r@example.org", b"s@example.org"],
                done=[b"s@example.org"],
                arrival=1700000000,
            ),
            self.queue.add(
                b"Subject: spam 2\n\n",
                b"victim@example.net",
                local=[b"l@example.com"],
                remote=[b"t@example.org"],
                bounce_text="<x@example.org>:\nno\n\n",
                arrival=1700000001,
            ),
            self.queue.add(b"Subject: spam 3\n\n", b"", remote=[b"u@example.org"], arrival=1700000002),
        ]
        self.other = [
            self.queue.add(b"Subject: hello\n\n", b"b@example.net", remote=[b"r@example.org"]),
            self.queue.add(b"Subject: hello\n\n", b"b@example.net", local=[b"l@example.com"]),
        ]
        self.messages = whole(self.path)
        self.files = self.shape()

    def purge(self, **options):
        return queue_purge(self.path, **dict({"select": SPAM, "mode": "online"}, **options))

    def shape(self):
        """Return what there is, but for inodes, as copies have their own, and atimes: qmail-send reads too."""
        return {path: what[:6] + what[7:] for path, what in snapshot(self.path, inodes=False).items()}

    def in_queue(self):
        return set(map(int, messages(self.path)))

    def batches(self):
        return sorted(Path(self.path + ".quarantine").glob("*/files"))


class Running:
    """What the engine sees of qmail-send: `busy` are (channel, recipient) in flight; `state` is whose double it is."""

    def __init__(self):
        self.busy = set()
        self.state = None
        self.flushed = 0

    def flush(self, service, how):
        assert (how, service.queue) == ("flushed", self.state.path)
        self.flushed += 1
        self.state.double.drain()

    def in_flight(self):
        return set(self.busy)


@pytest.fixture
def running(monkeypatch):
    running = Running()
    monkeypatch.setattr(online.OnlineRemover, "_in_flight", lambda hand: running.in_flight())
    monkeypatch.setattr(Service, "send", lambda service, how: running.flush(service, how))  # noqa: PLW0108
    monkeypatch.setattr(online, "_POLL", 0.001)
    monkeypatch.setattr(online, "_NUDGES", (0, 0.002, 0.01, 0.05))
    monkeypatch.setattr(engine, "_AGAIN", 0.001)
    return running


@pytest.fixture
def states(running):
    """What makes States, one at a time, and removes them in the end."""
    made = []

    def make():
        while made:
            shutil.rmtree(str(made.pop().directory))
        made.append(State())
        running.state = made[-1]
        return made[-1]

    yield make
    while made:
        shutil.rmtree(str(made.pop().directory))


@pytest.fixture
def state(states):
    return states()


def test_selected_messages_are_dropped_by_qmail_send(state, running):
    result = state.purge()
    assert (result["purged"], result["left"], result["service"]) == (3, [], [])
    assert state.in_queue() == set(state.other)
    assert whole(state.path) == state.messages
    assert running.flushed and state.double.notices == []


def test_batch_has_all_as_it_was_before_it_was_marked(state):
    before = messages(state.path)
    result = state.purge()
    batch = messages(result["batches"][0]["path"] + "/files")
    assert batch == {one: before[one] for one in map(str, state.spam)}
    assert b"T" in batch[str(state.spam[0])]["remote"] and batch[str(state.spam[1])]["info"] == b"Fvictim@example.net\0"


def test_restore_is_exact(state):
    state.purge()
    result = queue_restore(state.path)
    assert (result["restored"], result["left"]) == (3, [])
    assert state.shape() == state.files
    # What makes its number: the very file.
    for number in state.spam:
        assert os.stat("%s/mess/%d/%d" % (state.path, number % 23, number)).st_ino == number


def test_nobody_is_told_of_failures_and_arrival_stays(state, running):
    """What qmail-send finds when it looks: sender of a double bounce, no pending recipient, the same arrival."""
    seen = {}

    def look(service, how):
        if not seen:
            for number in state.spam:
                info = Path("%s/info/%d/%d" % (state.path, number % 23, number))
                seen[number] = info.read_bytes(), info.stat().st_mtime, info.stat().st_mode & 0o777
                for channel in ("local", "remote"):
                    path = Path("%s/%s/%d/%d" % (state.path, channel, number % 23, number))
                    assert not path.exists() or b"T" not in {one[:1] for one in path.read_bytes().split(b"\0")}
        state.double.drain()

    running.flush = look
    state.purge()
    assert seen == {number: (b"F#@[]\0", 1700000000 + place, 0o600) for place, number in enumerate(state.spam)}
    assert state.double.notices == []


def test_double_reports_failures_where_the_sender_stays(state):
    """Guards the test above."""
    number = state.spam[1]
    for channel in ("local", "remote"):
        path = Path("%s/%s/%d/%d" % (state.path, channel, number % 23, number))
        path.write_bytes(path.read_bytes().replace(b"T", b"D", 1))
    assert state.double.drain() == [number] and state.double.notices == [b"victim@example.net"]


def test_messages_being_delivered_are_left(state, running):
    running.busy = {("remote", b"u@example.org"), ("local", b"t@example.org"), ("remote", b"s@example.org")}
    before = snapshot(state.path)
    result = state.purge(watch_timeout=0, select={"subject": "spam 3"})
    assert (result["purged"], [one["reason"] for one in result["left"]]) == (0, ["it is being delivered"])
    assert snapshot(state.path) == before
    # In flight to another channel, or to a recipient that is done: not this message.
    result = state.purge(watch_timeout=5, select={"subject": "spam [12]"})
    assert (result["purged"], result["left"]) == (2, [])


def test_messages_being_delivered_are_taken_once_that_has_ended(state, running):
    running.busy = {("remote", b"u@example.org")}
    calls = []

    def in_flight():
        calls.append(1)
        if len(calls) > 4:
            running.busy = set()
        return set(running.busy)

    running.in_flight = in_flight
    result = state.purge()
    assert (result["purged"], result["left"]) == (3, [])
    assert whole(state.path) == state.messages
    assert len(state.batches()) == 1


def test_delivery_that_begins_after_it_was_counted_is_seen(state, running):
    calls = []

    def in_flight():
        calls.append(1)
        # Once to count, once to take; and once more right before they are taken.
        return {("remote", b"u@example.org")} if len(calls) == 3 else set()

    running.in_flight = in_flight
    result = state.purge(watch_timeout=0)
    assert [one["id"] for one in result["left"] if one["reason"] == "it is being delivered"] == [str(state.spam[2])]
    assert state.spam[2] in state.in_queue()
    assert result["purged"] == 2


def test_unprocessed_messages_are_left(state):
    number = state.queue.add(b"Subject: spam 4\n\n", b"", remote=[b"r@example.org"], state="S4")
    before = messages(state.path)[str(number)]
    result = state.purge()
    assert (result["purged"], [one["id"] for one in result["left"]]) == (3, [str(number)])
    assert messages(state.path)[str(number)] == before


def test_message_that_qmail_send_changes_meanwhile_is_left(state):
    """A recipient is done between the look and the copy; another message is preprocessed anew."""
    done, anew = state.spam[0], state.spam[2]

    def meanwhile(function, *arguments, **keywords):
        result = function(*arguments, **keywords)
        if function is os.link and arguments[0] == str(done):
            with open("%s/remote/%d/%d" % (state.path, done % 23, done), "r+b") as file:
                file.write(b"D")
        if function is os.link and arguments[0] == str(anew):
            Path("%s/todo/%d" % (state.path, anew)).write_bytes(b"u0\0p1\0F\0Tu@example.org\0")
        return result

    with hooked(meanwhile):
        result = state.purge()
    assert result["purged"] == 1
    assert {one["id"]: one["reason"] for one in result["left"]} == {
        str(done): "it changed while it was being taken",
        str(anew): "it changed while it was being taken",
    }
    # The one that is done has been dropped by qmail-send, by right; the other one waits.
    assert state.in_queue() == {anew, *state.other}
    assert set(messages(state.batches()[0])) == {str(state.spam[1])}


def test_told_at_least_once_whatever_the_time(state, running):
    state.purge(watch_timeout=0)
    assert running.flushed == 1


def test_what_does_not_go_is_told(state, running):
    running.flush = lambda service, how: None
    result = state.purge(watch_timeout=0)
    assert (result["purged"], result["left_count"]) == (3, 3)
    assert {one["reason"] for one in result["left"]} == {
        "it is in the batch and marked as done, and qmail-send has not dropped it yet"
    }
    # It goes whenever qmail-send looks, and is not taken a second time.
    again = state.purge(watch_timeout=0)
    assert again["purged"] == 0 or again["batches"] == []
    assert set(state.double.drain()) == set(state.spam)
    assert whole(state.path) == state.messages


def again(state, point):
    """Purge once more; what was only marked by that goes when qmail-send looks next."""
    result = state.purge()
    assert {one["reason"] for one in result["left"]} <= {
        "it is in a batch already, and qmail-send is about to drop it"
    }, point
    state.double.drain()


def strays(state):
    """Return what else is in the batches."""
    return [path for batch in state.batches() for path in batch.iterdir() if path.is_file()]


def test_killed_then_put_in_order_with_qmail_send_stopped(states):
    def verify(state, point):
        queue_purge(state.path, select=NOBODY)
        assert whole(state.path) == state.messages, point
        assert strays(state) == [], point
        taken = {int(one) for batch in state.batches() for one in messages(batch)}
        assert state.in_queue() == set(state.spam + state.other) - taken, point
        # What is not in a batch was not touched.
        restored(state, point)

    assert kill_points(states, State.purge, verify, STEP) > 90 // STEP


def restored(state, point):
    for batch in state.batches():
        manifest = batch.parent / "manifest.json"
        # It is written last: without it, or with an empty one, no message came in here yet.
        if manifest.exists() and manifest.stat().st_size:
            # Of what a killed run was marking, it is not known whether it was delivered; here it was not.
            assert queue_restore(state.path, batch=batch.parent.name, unsure=True)["left"] == [], point
    assert state.shape() == state.files, point
    assert state.double.notices == [], point


def test_killed_while_qmail_send_went_on_then_run_again(states):
    def verify(state, point):
        # It looks whenever it likes.
        state.double.drain()
        again(state, point)
        assert state.in_queue() == set(state.other), point
        assert whole(state.path) == state.messages, point
        assert strays(state) == [], point
        assert state.purge()["changed"] is False, point
        restored(state, point)

    assert kill_points(states, State.purge, verify, STEP, 1) > 90 // STEP


def test_disk_fails(states):
    def run(state):
        try:
            state.purge()
        except RescueError as error:
            assert str(error).endswith("."), error

    def verify(state, point):
        state.double.drain()
        again(state, point)
        assert whole(state.path) == state.messages, point
        restored(state, point)

    step = 5 if STEP == 1 else 61
    assert fail_points(states, run, verify, ("ENOSPC", "EIO", "EROFS", "SHORT"), step=step, first=3) > 200 // step


def test_power_lost_while_it_purges_then_run_again(states, running, monkeypatch):
    def end(unused_service, unused_how):
        raise Ended

    def take(state):
        monkeypatch.setattr(Service, "send", end)
        state.purge()

    def verify(state, loss):
        running.state = state
        recovered = state.purge(select=NOBODY)["recovered"]
        state.double.drain()
        assert state.double.notices == [], loss
        # What the batch has is exact, and so is what the queue has: sender, recipients, text.
        assert whole(state.path) == state.messages, (loss, recovered)
        state.purge()
        assert whole(state.path) == state.messages, loss
        assert state.in_queue() == set(state.other), loss

    assert losses(states, take, verify, LOSS_STEP) > 100 // LOSS_STEP


@pytest.mark.parametrize("left", [b"", b"F", b"\0" * 21])
def test_sender_that_is_neither_old_nor_new_costs_no_message(states, left):
    seen = []

    def hook(function, *arguments, **keywords):
        if function is os.rename and arguments[0].startswith("info-"):
            seen.append(1)
            if len(seen) == 2:
                os._exit(3)
        return function(*arguments, **keywords)

    state = states()
    pid = os.fork()
    if pid == 0:
        with hooked(hook):
            state.purge()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    for number in state.spam:
        paths = [path for path in Path(state.path).glob("info/*/%d" % number) if path.read_bytes() == b"F#@[]\0"]
        for path in paths:
            path.write_bytes(left)
    state.purge(select=NOBODY)
    state.double.drain()
    assert state.double.notices == []
    assert whole(state.path) == state.messages
