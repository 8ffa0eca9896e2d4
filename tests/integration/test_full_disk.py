"""Purging and restoring on a disk that is really full: it works, or says so in one sentence, and nothing is lost."""

import contextlib
import errno
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.postfix_queue import PostfixQueue, Recipient
from tests.support.purging import messages, queue_purge, queue_restore, snapshot
from tests.support.qmail_queue import QmailQueue

SPAM = {"subject": "^spam"}
SIZE = 16 << 20
MANY = 80


def _ext4(folder, inodes):
    image = folder / "image"
    with open(image, "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", "-N", str(inodes), str(image)], check=True)
    return ["-o", "loop", str(image)]


def _tmpfs(folder, inodes):
    return ["-t", "tmpfs", "-o", "size=%d,nr_inodes=%d,mode=755" % (SIZE, inodes), "tmpfs"]


@pytest.fixture(params=["ext4", "tmpfs"])
def disk(request, tmp_path):
    """A function that mounts a small filesystem with so many inodes, and returns where."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED ON A FULL DISK: needs root to mount one")
    if request.param == "ext4" and shutil.which("mkfs.ext4") is None:
        pytest.skip("NOT TESTED ON A FULL DISK (ext4): there is no mkfs.ext4")
    mounted = []

    def disk(inodes=1200):
        options = {"ext4": _ext4, "tmpfs": _tmpfs}[request.param](tmp_path, inodes)
        path = tmp_path / "disk"
        path.mkdir()
        done = subprocess.run(["mount", *options, str(path)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("NOT TESTED ON A FULL DISK (%s): %s" % (request.param, done.stderr.strip()))
        mounted.append(path)
        return path

    yield disk
    for path in mounted:
        # A test that has failed may keep files open.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill_qmail(path):
    queue = QmailQueue(path / "queue", split=2)
    for number in range(MANY):
        queue.add("Subject: spam %d\n\nx\n" % number, "a@example.com", remote=["b@example.net"], arrival=1790000000)
    queue.add("Subject: hello\n\nx\n", "a@example.com", remote=["b@example.net"])
    return queue.path


def fill_postfix(path):
    queue = PostfixQueue(path / "queue")
    late = [Recipient("b@example.net", reason="timed out")]
    for number in range(MANY):
        queue.add("Subject: spam %d\n\nx\n" % number, "a@example.com", late, arrival=1790000000 + number / 1000)
    queue.add("Subject: hello\n\nx\n", "a@example.com", late)
    return queue.path


@pytest.fixture(params=["qmail", "postfix"])
def fill(request):
    """A function that makes a queue of one spam too many, and one message that is none."""
    return {"qmail": fill_qmail, "postfix": fill_postfix}[request.param]


def use_up(path):
    """Write until not a single byte more fits; return the file."""
    hog = path / "hog"
    with open(hog, "ab", 0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    # A directory that has to grow finds nothing either, nor does a new file.
    for number in range(100000):
        try:
            (path / ("hog-%d" % number)).write_bytes(b"x" * 100)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            break
    return hog


def use_up_inodes(path):
    folder = path / "hogs"
    folder.mkdir()
    with contextlib.suppress(OSError):
        for number in range(100000):
            os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))
    assert os.statvfs(path).f_ffree == 0


def free(path):
    for one in path.glob("hog*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def everything(queue):
    """Return a Counter of (id, files) of all messages in the queue and beside it."""
    roots = [Path(queue), *Path(queue + ".quarantine").glob("*/files")]
    found = Counter()
    for root in roots:
        if (root / "mess").exists():
            found.update((one, tuple(sorted(files.items()))) for one, files in messages(root).items())
        else:
            for folder in ("maildrop", "incoming", "active", "deferred", "hold", "defer"):
                found.update(
                    (folder.replace("hold", "deferred"), path.name, read(path))
                    for path in (root / folder).rglob("*")
                    if path.is_file()
                )
    return found


def read(path):
    """Return a file's bytes, and leave its atime."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOATIME), "rb") as file:
        return file.read()


def attempt(run, *arguments, **options):
    """Return (result, None), or (what was done, the sentence)."""
    try:
        return run(*arguments, **options), None
    except RescueError as error:
        return error.result, str(error)


def is_a_sentence(text):
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text
    assert text.startswith("quarantine: ")


SHORTAGES = pytest.mark.parametrize("exhaust", [use_up, use_up_inodes])


@SHORTAGES
def test_purge(disk, fill, exhaust):
    path = disk()
    queue = fill(path)
    before, all_before = snapshot(queue), everything(queue)
    exhaust(path)
    result, sentence = attempt(queue_purge, queue, select=SPAM)
    assert everything(queue) == all_before
    if sentence is None:
        assert result["purged"] == MANY
    else:
        is_a_sentence(sentence)
        assert "No space left on device" in sentence
        if not result.get("purged"):
            assert snapshot(queue) == before
    free(path)
    again = queue_purge(queue, select=SPAM)
    assert (result.get("purged") or 0) + sum(one["messages"] for one in again["recovered"]) + again["purged"] == MANY
    assert everything(queue) == all_before
    give_all_back(queue)
    assert snapshot(queue) == before


def give_all_back(queue):
    names = {
        name
        for name in os.listdir(queue + ".quarantine")
        if os.path.exists("%s.quarantine/%s/manifest.json" % (queue, name))
    }
    for name in names:
        queue_restore(queue, batch=name, release=True)


@SHORTAGES
def test_purge_in_many_chunks_that_runs_full_half_way(disk, fill, exhaust, monkeypatch):
    """Room is left for the batch and some of its ledger only."""
    from ansible_collections.mailops.rescue.plugins.module_utils.host import disk as files
    from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import removal

    path = disk()
    queue = fill(path)
    before, all_before = snapshot(queue), everything(queue)
    monkeypatch.setattr(removal, "_CHUNK", 20)
    perform, seen = files._perform, []

    def perform_until_full(function, *arguments, **keywords):
        seen.append(function)
        # Half of the chunks have been announced.
        if function is os.write and len([one for one in seen if one is os.write]) == 8:
            exhaust(path)
        return perform(function, *arguments, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_perform", perform_until_full)
        result, sentence = attempt(queue_purge, queue, select=SPAM)
    assert everything(queue) == all_before
    if sentence is not None:
        is_a_sentence(sentence)
        assert result["changed"] is (result["purged"] != 0)
    free(path)
    queue_purge(queue, select=SPAM)
    assert everything(queue) == all_before
    give_all_back(queue)
    assert snapshot(queue) == before


@SHORTAGES
def test_restore(disk, fill, exhaust):
    path = disk()
    queue = fill(path)
    before, all_before = snapshot(queue), everything(queue)
    assert queue_purge(queue, select=SPAM)["purged"] == MANY
    purged = snapshot(queue)
    exhaust(path)
    result, sentence = attempt(queue_restore, queue, release=True)
    assert everything(queue) == all_before
    if sentence is None:
        assert (result["restored"], result["left"]) == (MANY, [])
        assert snapshot(queue) == before
    else:
        is_a_sentence(sentence)
        assert "No space left on device" in sentence
        if not result.get("restored"):
            assert snapshot(queue) == purged
    free(path)
    queue_restore(queue, release=True)
    assert everything(queue) == all_before
    assert snapshot(queue) == before
