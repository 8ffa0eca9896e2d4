# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock that qmail-send holds for its whole life, and who holds it."""

__all__ = ["SendLock", "holder"]

import errno
import fcntl
import os
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_PATH = os.path.join("lock", "sendmutex")
# indimail's copy of qmail-send for slow queues.
_NAMES = ("qmail-send", "slowq-send")


class SendLock:
    """qmail-send's lock on ``queue``, held by us: qmail-send is not running, and cannot start. A context manager.

    In a copy of a queue without the lock's file, the queue's directory is locked, which keeps our own runs apart.
    ``acquire`` returns the lock, or None where somebody holds it.
    """

    def __init__(self, queue, fd):
        self.queue = queue
        self._fd = fd

    @classmethod
    def acquire(cls, queue):
        """Return the lock, held; or None where another process holds it. Raises RescueError."""
        path = os.path.join(queue, _PATH)
        try:
            fd = cls._open(queue, path)
        except PermissionError:
            raise RescueError("%s cannot be opened: run as root (become: true)." % path) from None
        except OSError as error:
            why = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise RescueError("queue_directory: %s cannot be locked: %s." % (path, why)) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError as error:
            os.close(fd)
            raise RescueError("queue_directory: %s cannot be locked: %s." % (path, error.strerror)) from None
        lock = cls(queue, fd)
        if not lock.is_valid():
            lock.release()
            raise RescueError("queue_directory: %s was replaced while it was being locked." % path)
        return lock

    @staticmethod
    def _open(queue, path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            # Made by root it would be root's, and qmail-send could not open it.
            return os.open(queue, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "it is no regular file")
        return fd

    def is_valid(self):
        """Tell whether what is locked is still what qmail-send would lock."""
        ours = os.fstat(self._fd)
        there = _status(self.queue)
        if there is None:
            there = os.stat(self.queue)
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def release(self):
        """Give the lock up; a second time does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.release()


def _status(queue):
    try:
        return os.stat(os.path.join(queue, _PATH), follow_symlinks=False)
    except FileNotFoundError:
        return None
    except PermissionError:
        path = os.path.join(queue, _PATH)
        raise RescueError("%s cannot be looked at: run as root (become: true)." % path) from None


def is_qmail_send(process, proc):
    """Tell whether a Process is called as qmail-send is."""
    if process.name in _NAMES:
        return True
    return any(os.path.basename(one).decode("utf-8", "replace") in _NAMES for one in proc.arguments(process.pid)[:1])


def holder(queue, proc):
    """Return the Process of the qmail-send that holds the lock of ``queue``, or None.

    Where it can be avoided, it does not try the lock: that could make a qmail-send that is just starting believe that
    another one runs.
    """
    status = _status(queue)
    if status is None:
        return None
    unseen = []
    for pid in proc.flock_holders(status):
        process = proc.process(pid)
        if process is not None and is_qmail_send(process, proc):
            opened = proc.has_open(pid, status)
            if opened:
                return process
            if opened is None:
                unseen.append(process)
    # It may lock a file of the same number on another filesystem.
    if len(unseen) == 1 and _is_locked(queue):
        return unseen[0]
    return None


def _is_locked(queue):
    lock = SendLock.acquire(queue)
    if lock is None:
        return True
    lock.release()
    return False


def other_holder(queue, proc):
    """Return a phrase that says who holds the lock of ``queue``, when it is not its qmail-send."""
    status = _status(queue)
    for pid in proc.flock_holders(status) if status is not None else ():
        process = proc.process(pid)
        if process is not None and proc.has_open(pid, status) is not False:
            return "process %d (%s)" % (pid, process.name)
    return "a process that cannot be seen from here (in another container?)"
