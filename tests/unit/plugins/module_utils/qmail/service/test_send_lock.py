"""qmail-send's lock: taken, refused, held by others."""

import fcntl
import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import (
    SendLock,
    holder,
    other_holder,
)
from tests.support.fake_proc import FakeProc
from tests.support.inspecting import as_nobody
from tests.support.waiting import wait_for


@pytest.fixture
def queue(tmp_path):
    (tmp_path / "queue" / "lock").mkdir(parents=True)
    (tmp_path / "queue" / "lock" / "sendmutex").touch()
    return str(tmp_path / "queue")


def mutex(queue):
    return os.path.join(queue, "lock", "sendmutex")


def free(queue):
    with open(mutex(queue)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_held_and_released(queue):
    with SendLock.acquire(queue) as lock:
        assert not free(queue)
        assert SendLock.acquire(queue) is None
        assert lock.is_valid()
    assert free(queue)
    lock.release()


def test_a_child_process_does_not_keep_it(queue):
    lock = SendLock.acquire(queue)
    pid = os.fork()
    if pid == 0:
        os.execv("/bin/sleep", ["sleep", "2"])
    lock.release()
    try:
        # Between fork and exec it still has it.
        wait_for(lambda: free(queue), 1)
    finally:
        os.waitpid(pid, 0)


def test_nothing_is_changed(queue):
    before = os.stat(mutex(queue))
    SendLock.acquire(queue).release()
    after = os.stat(mutex(queue))
    assert (before.st_mtime_ns, before.st_atime_ns, before.st_size) == (
        after.st_mtime_ns,
        after.st_atime_ns,
        after.st_size,
    )


def test_copy_without_the_file(queue):
    os.unlink(mutex(queue))
    with SendLock.acquire(queue) as lock:
        assert lock.is_valid()
        assert SendLock.acquire(queue) is None
        assert os.listdir(os.path.join(queue, "lock")) == []


def test_replaced_while_held(queue):
    with SendLock.acquire(queue) as lock:
        os.rename(mutex(queue), mutex(queue) + ".old")
        open(mutex(queue), "w").close()
        assert not lock.is_valid()


def refused(queue):
    with pytest.raises(RescueError) as caught:
        SendLock.acquire(queue)
    return str(caught.value)


def test_link(queue, tmp_path):
    os.unlink(mutex(queue))
    os.symlink(tmp_path / "elsewhere", mutex(queue))
    assert refused(queue) == "queue_directory: %s cannot be locked: it is a symbolic link." % mutex(queue)


def test_fifo(queue):
    os.unlink(mutex(queue))
    os.mkfifo(mutex(queue))
    assert refused(queue) == "queue_directory: %s cannot be locked: it is no regular file." % mutex(queue)


def test_no_queue(tmp_path):
    assert "cannot be locked: No such file or directory." in refused(str(tmp_path / "absent"))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: needs root")
def test_not_root(public_path):
    (public_path / "lock").mkdir()
    (public_path / "lock" / "sendmutex").touch(0o600)
    with as_nobody():
        assert refused(str(public_path)).endswith("lock/sendmutex cannot be opened: run as root (become: true).")


@pytest.fixture
def fake(tmp_path, queue):
    """One holder and others that only look like it."""
    fake = FakeProc(tmp_path)
    inode = os.stat(mutex(queue)).st_ino
    fake.locks("1: FLOCK  ADVISORY  WRITE 7 fd:01:%d 0 EOF" % inode)
    fake.add(8, "qmail-send", opened=[mutex(queue)])
    return fake


def test_holder(fake, queue):
    fake.add(7, "qmail-send", opened=["/dev/null", mutex(queue)])
    assert holder(queue, Procfs(fake.root)).pid == 7


@pytest.mark.parametrize("held", [True, False])
def test_holder_whose_files_may_not_be_seen(fake, queue, held, monkeypatch):
    fake.add(7, "qmail-send", opened=["/dev/null"])
    monkeypatch.setattr(Procfs, "has_open", lambda *unused: None)
    lock = SendLock.acquire(queue)
    if not held:
        lock.release()
    found = holder(queue, Procfs(fake.root))
    lock.release()
    assert (found.pid if held else found) == (7 if held else None)


def test_holder_under_another_name(fake, queue):
    fake.add(7, "python3", arguments=[b"/usr/bin/qmail-send"], opened=[mutex(queue)])
    assert holder(queue, Procfs(fake.root)).pid == 7


def test_holder_of_the_same_inode_elsewhere(fake, queue):
    fake.add(7, "qmail-send", opened=["/dev/null"])
    assert holder(queue, Procfs(fake.root)) is None


def test_holder_that_is_not_qmail_send(fake, queue):
    fake.add(7, "python3", arguments=[b"python3", b"qmail-send"], opened=[mutex(queue)])
    assert holder(queue, Procfs(fake.root)) is None
    assert other_holder(queue, Procfs(fake.root)) == "process 7 (python3)"


def test_holder_that_is_not_seen(fake, queue):
    assert holder(queue, Procfs(fake.root)) is None
    assert other_holder(queue, Procfs(fake.root)) == ("a process that cannot be seen from here (in another container?)")
