"""The archives of real qmail queues: what a purge takes out of them, a restore puts back without a trace."""

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.integration.test_fixtures import EMPTY
from tests.support.archives import unpack
from tests.support.purging import messages, queue_purge, queue_restore, snapshot
from tests.support.qmail_queue import QmailQueue

BOUNCES = {"bounce": True}


@pytest.fixture(params=["as unpacked", "ids are inodes"])
def unpacked(request, tmp_path):
    """A function that unpacks an archive; the second time, as it was on the host where it was made."""

    def unpacked(name):
        queue = unpack(name, tmp_path)
        if request.param == "ids are inodes":
            renumber(queue)
        return queue

    return unpacked


def renumber(queue):
    """Give each message the number of its inode, as qmail has them."""
    names = {}
    for path in list(queue.glob("mess/*/*")):
        number = path.stat().st_ino
        names[path.name] = number
    for path in [
        one
        for kind in ("mess", "info", "local", "remote", "todo", "intd", "bounce")
        for one in queue.glob(kind + "/**/*")
        if one.is_file()
    ]:
        number = names[path.name]
        is_split = path.parent.name.isdigit()
        folder = path.parent.parent / str(number % 23) if is_split else path.parent
        path.rename(folder / ("new-%d" % number))
    for path in list(queue.rglob("new-*")):
        path.rename(path.with_name(path.name[4:]))


def times(root):
    """Return {path: times} of the directories and all else below `root`."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return found


def test_incident_is_purged_and_undone(unpacked):
    queue = unpacked("qmail-incident")
    before, innocent = snapshot(queue), {}
    for number, files in messages(queue).items():
        if files["info"] != b"F\0":
            innocent[number] = files
    result = queue_purge(queue, select=BOUNCES, workers=2)
    assert (result["purged"], result["left"], result["damaged_count"]) == (1996, [], 0)
    assert result["counts_before"]["by_queue"] == dict(EMPTY, local=10, remote=2035)
    assert result["counts_after"]["by_queue"] == dict(EMPTY, local=10, remote=39)
    assert len(innocent) == 49 and messages(queue) == innocent
    assert len(list(Path(result["batches"][0]["path"]).glob("files/mess/*/*"))) == 1996
    result = queue_restore(queue)
    assert (result["restored"], result["remaining"], result["left"]) == (1996, 0, [])
    assert result["counts_after"]["by_queue"] == dict(EMPTY, local=10, remote=2035)
    assert snapshot(queue) == before


def test_every_state_is_purged_and_undone(unpacked):
    queue = unpacked("qmail-states")
    before = snapshot(queue)
    result = queue_purge(queue, all=True, unprocessed=True)
    # One has mess alone, one mess and intd.
    assert (result["purged"], result["left_count"]) == (24, 2)
    assert {one["reason"] for one in result["left"]} == {"it is still being injected"}
    assert {tuple(sorted(files)) for files in messages(queue).values()} == {("mess",), ("intd", "mess")}
    result = queue_restore(queue)
    assert (result["restored"], result["remaining"], result["left"]) == (24, 0, [])
    assert snapshot(queue) == before


def test_part_by_part_is_the_same(unpacked):
    queue = unpacked("qmail-states")
    before = snapshot(queue)
    batch = queue_purge(queue, all=True, unprocessed=True)["batch"]
    first = queue_restore(queue, batch=batch, select={"queue": "remote"})
    assert first["restored"] == 19 and first["remaining"] == 5
    assert queue_restore(queue, batch=batch, select={"queue": "todo"})["restored"] == 5
    assert snapshot(queue) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: reading without a new atime needs root or the owner")
@pytest.mark.parametrize(
    ("name", "options", "purged"),
    [
        ("qmail-incident", {"select": {"body": "Sorry, no mailbox here by that name"}}, 1996),
        ("qmail-states", {"all": True, "unprocessed": True}, 24),
    ],
)
def test_check_mode_leaves_no_trace(unpacked, name, options, purged):
    queue = unpacked(name)
    files, stamps = snapshot(queue), times(queue)
    result = queue_purge(queue, True, workers=2, **options)
    assert (result["purged"], result["changed"]) == (purged, True)
    now = times(queue)
    # Who lists a directory reads it; qmail never looks at the atime of one.
    for path in stamps:
        if os.path.isdir(path):
            stamps[path], now[path] = stamps[path][1:], now[path][1:]
    assert now == stamps
    assert snapshot(queue) == files
    assert not os.path.exists(str(queue) + ".quarantine")


def test_a_copy_of_the_queue_keeps_its_atimes(unpacked, tmp_path):
    """Guards the test above: an atime that changed would be seen."""
    queue = unpacked("qmail-states")
    path = next(queue.glob("mess/*/*"))
    os.utime(path, (1, path.stat().st_mtime))
    before = times(queue)
    path.read_bytes()
    if times(queue) == before:
        pytest.skip("NOT TESTED: %s is mounted without atimes" % tmp_path)


def test_restored_elsewhere_is_refused(unpacked, tmp_path):
    queue = unpacked("qmail-states")
    queue_purge(queue, all=True)
    other = QmailQueue(tmp_path / "other")
    shutil.copytree(str(queue) + ".quarantine", other.path + ".quarantine", copy_function=shutil.copy2)
    os.chmod(other.path + ".quarantine", 0o700)
    before = snapshot(other.path)
    with pytest.raises(RescueError, match="there are no batches"):
        queue_restore(other.path)
    assert snapshot(other.path) == before
