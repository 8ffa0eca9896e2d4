"""No message is lost or doubled, wherever a purge or a restore is killed, and whatever the disk refuses."""

import itertools
import os
import shutil
import tempfile

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.faults import fail_points, kill_points
from tests.support.postfix_cases import add_log, small_queue
from tests.support.postfix_purge import contents, digests, purge, put_in_order, restore, snapshot

SPAM = {"sender": [r"^spam[267]@"]}
ALL_POINTS = os.environ.get("RESCUE_FAULTS") == "all"
STEP = 1 if ALL_POINTS else 5


@pytest.fixture
def folder():
    """A directory in memory, where there is one: each run makes hundreds of calls that wait for the disk."""
    path = tempfile.mkdtemp(prefix="rescue-faults-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield path
    shutil.rmtree(path)


class Case:
    """A queue before a run: what a verdict needs to know of it."""

    def __init__(self, path, taken=False):
        self.queue, self.ids = small_queue(path)
        add_log(self.queue, "defer", self.ids["flying"], 1)
        self.path = self.queue.path
        self.before = digests(self.path)
        self.snapshot = snapshot(self.path)
        self.spam = {self.ids[name] for name in ("second", "flying", "dropped")}
        if taken:
            purge(self.path, SPAM)

    def is_innocent(self, path):
        name = os.path.basename(path)
        return len(name) > 1 and "/" in path and name not in self.spam

    def logs(self):
        """Return {id: sorted logs} of a queue's or batch's files."""
        found = {}
        for root in [self.path] + self.batches():
            for path in snapshot(root):
                first, name = path.split("/")[0], os.path.basename(path)
                if first in ("defer", "bounce", "trace") and "/" in path and len(name) > 1:
                    found.setdefault(name, []).append((root == self.path, first))
        return found

    def batches(self):
        beside = self.path + ".quarantine"
        if not os.path.isdir(beside):
            return []
        return [os.path.join(beside, name, "files") for name in os.listdir(beside)]


def _cases(folder, taken=False):
    serial = itertools.count()

    def prepare():
        # One at a time: memory is where they are.
        for name in os.listdir(folder):
            shutil.rmtree(os.path.join(folder, name))
        return Case(os.path.join(folder, "queue%d" % next(serial)), taken)

    return prepare


def _whole(case, point):
    """Every message is in the queue or in quarantine, whole, once; and its logs are where it is."""
    put_in_order(case.path)
    put_in_order(case.path)
    assert digests(case.path) == case.before, point
    in_queue = set(contents(case.path))
    assert set(case.ids.values()) - case.spam <= in_queue, point
    before = {path: what for path, what in case.snapshot.items() if case.is_innocent(path)}
    after = snapshot(case.path)
    assert {path: after.get(path) for path in before} == before, point
    for queue_id, logs in case.logs().items():
        assert all(place == (queue_id in in_queue) for place, unused in logs), (point, queue_id, logs)


def _restorable(case, point):
    """And all of it can come back, exactly."""
    _whole(case, point)
    reasons = restore(case.path, release=True)
    assert not [reason for unused, reason in reasons if reason], (point, reasons)
    assert snapshot(case.path) == case.snapshot, point


def test_a_purge_that_is_killed(folder):
    points = kill_points(_cases(folder), lambda case: purge(case.path, SPAM), _restorable, STEP)
    assert points >= (90 if ALL_POINTS else 18)


def test_a_purge_that_is_killed_can_be_run_again(folder):
    def verify(case, point):
        put_in_order(case.path)
        purge(case.path, SPAM)
        assert not set(contents(case.path)) & case.spam, point
        _restorable(case, point)

    assert kill_points(_cases(folder), lambda case: purge(case.path, SPAM), verify, STEP, 2)


def test_a_restore_that_is_killed(folder):
    points = kill_points(_cases(folder, True), lambda case: restore(case.path, release=True), _restorable, STEP)
    assert points >= (30 if ALL_POINTS else 6)


def test_a_restore_to_hold_that_is_killed(folder):
    def verify(case, point):
        _whole(case, point)
        for queue_id, reason in restore(case.path):
            assert reason is None or queue_id == case.ids["dropped"], point
        assert contents(case.path)[case.ids["second"]] == ["hold/" + case.ids["second"]], point
        _whole(case, point)

    assert kill_points(_cases(folder, True), lambda case: restore(case.path), verify, STEP, 1)


def test_a_recovery_that_is_killed(folder):
    make = _cases(folder)

    def prepare():
        case = make()
        purge(case.path, SPAM, complete=False)
        # As left by a kill right after the message went.
        for batch in case.batches():
            for log in ("defer/%s" % case.ids["second"][0], "bounce", "trace"):
                os.rename(
                    os.path.join(batch, log, case.ids["second"]), os.path.join(case.path, log, case.ids["second"])
                )
        return case

    assert kill_points(prepare, lambda case: put_in_order(case.path), _restorable, 1) > 6


def test_a_discard_that_is_killed_leaves_each_message_whole_or_gone(folder):
    def verify(case, point):
        after = snapshot(case.path)
        before = {path: what for path, what in case.snapshot.items() if case.is_innocent(path)}
        assert {path: after.get(path) for path in before} == before, point
        whole = set(case.before)
        assert set(digests(case.path)) <= whole, point
        assert all(len(paths) == 1 for paths in contents(case.path).values()), point

    assert kill_points(_cases(folder), lambda case: purge(case.path, SPAM, discard=True), verify, 1) > 12


def _purge_that_may_fail(case):
    case.taker = None
    try:
        case.taker = purge(case.path, SPAM)
    except (OSError, RescueError):
        # No batch could be made, or completed.
        pass


def test_a_disk_that_fails_during_a_purge(folder):
    def verify(case, point):
        if case.taker is not None:
            # What it says it took is what left the queue.
            gone = len(case.before) - sum(map(len, contents(case.path).values()))
            assert case.taker.taken[0][0] == gone, (point, case.taker.failure)
            assert case.taker.failure or gone == 3, point
        _restorable(case, point)

    points = fail_points(_cases(folder), _purge_that_may_fail, verify, step=STEP)
    assert points >= (450 if ALL_POINTS else 90)


def _restore_that_may_fail(case):
    try:
        case.done = restore(case.path, release=True)
    except (OSError, RescueError):
        case.done = None


def test_a_disk_that_fails_during_a_restore(folder):
    def verify(case, point):
        if case.done is not None:
            assert not [reason for unused, reason in case.done if reason], point
        _restorable(case, point)

    assert fail_points(_cases(folder, True), _restore_that_may_fail, verify, step=STEP) >= (150 if ALL_POINTS else 30)


def test_a_disk_that_fails_during_a_discard(folder):
    def verify(case, point):
        found = contents(case.path)
        assert all(len(paths) == 1 for paths in found.values()), point
        assert set(case.ids.values()) - case.spam <= set(found), point
        assert set(digests(case.path)) <= set(case.before), point
        assert case.taker.taken[0][0] == len(case.before) - len(found), (point, case.taker.failure)

    def run(case):
        case.taker = purge(case.path, SPAM, discard=True)

    assert fail_points(_cases(folder), run, verify, ("EIO", "EROFS")) > 20
