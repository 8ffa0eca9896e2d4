"""A run was killed, and qmail-send was started before the next one: what was in todo is not any more."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.faults import kill_points
from tests.support.purging import messages, queue_purge, queue_restore
from tests.support.qmail_double import QmailDouble

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


@pytest.fixture
def doubles():
    """What makes a qmail with two messages in todo, one at a time."""
    made = []

    def make():
        while made:
            shutil.rmtree(made.pop())
        made.append(tempfile.mkdtemp(prefix="rescue-", dir=MEMORY))
        double = QmailDouble(made[-1] + "/queue")
        double.texts = {}
        for number in range(2):
            one = str(double.inject("Subject: spam %d\n\n" % number, "a@example.net", ["r@example.org"]))
            double.texts[one] = messages(double.path)[one]["mess"]
        return double

    yield make
    while made:
        shutil.rmtree(made.pop())


def purge(double):
    queue_purge(double.path, all=True, unprocessed=True)


def verify(double, point):
    """Each is preprocessed in the queue, or in the batch as it was; never in both, and never by halves."""
    double.preprocess()
    queue_purge(double.path, select={"subject": "^nobody$"})
    found = []
    for one, files in messages(double.path).items():
        assert set(files) == {"mess", "info", "remote"}, point
        assert files["mess"] == double.texts[one], point
        found.append(one)
    for batch in Path(double.path + ".quarantine").glob("*/files"):
        for one, files in messages(batch).items():
            assert set(files) == {"mess", "todo", "intd"}, point
            assert files["mess"] == double.texts[one], point
            found.append(one)
    assert sorted(found) == sorted(double.texts), point


def test_purge_killed(doubles):
    assert kill_points(doubles, purge, verify, STEP) > 100 // STEP


def test_restore_killed(doubles):
    def prepare():
        double = doubles()
        purge(double)
        return double

    assert kill_points(prepare, lambda double: queue_restore(double.path), verify) > 40
