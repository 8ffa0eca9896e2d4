# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the batches of a queue are kept: a directory beside it, on the same filesystem."""

__all__ = ["Quarantine", "batch_name", "locate"]

import errno
import fcntl
import os
import stat
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_directory
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.batch import Batch, is_name

_MANY = 100000
_MARK = "removed.json"


def batch_name(now):
    """Return a new name for a batch of time ``now`` (epoch seconds)."""
    return time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime(now)) + "%02x%02x" % tuple(os.urandom(2))


def locate(parts, queue_directory, given=None):
    """Return the path of the quarantine of a queue; nothing is made.

    ``parts``: the directories of the queue that messages are moved out of; ``given``: the option. Without it, a
    directory beside the queue, or inside where the queue is a filesystem of its own. Raises RescueError where it is on
    another filesystem.
    """
    present = [part for part in parts if os.path.isdir(os.path.join(queue_directory, part))]
    devices = {os.stat(os.path.join(queue_directory, part)).st_dev for part in present or [""]}
    if len(devices) > 1:
        raise RescueError(
            "quarantine: %s has its parts on several filesystems; messages cannot be moved out of it without being "
            "copied. Only quarantine=discard is possible." % queue_directory
        )
    device = devices.pop()
    queue = os.path.realpath(queue_directory)
    if given:
        if not os.path.isabs(given):
            raise RescueError("quarantine: expected an absolute path or discard, got %s." % given)
        if not _fits(given, device):
            raise RescueError(
                "quarantine: %s is on another filesystem than the queue %s; name a directory on the queue's own."
                % (given, queue_directory)
            )
        _check_outside(os.path.realpath(given), queue, given)
        return given
    beside, inside = queue + ".quarantine", os.path.join(queue, "quarantine")
    for path in (beside, inside):
        if os.path.lexists(path) and _fits(path, device):
            return path
    for path in (beside, inside):
        if _fits(path, device):
            return path
    raise RescueError(
        "quarantine: there is no place on the filesystem of %s beside it; name a directory there by quarantine, or say "
        "discard." % queue_directory
    )


def _fits(path, device):
    """Tell whether ``path`` is, or would be, on a filesystem."""
    while True:
        try:
            return os.stat(path).st_dev == device
        except FileNotFoundError:
            path = os.path.dirname(path)
        except NotADirectoryError:
            return False


def _check_outside(path, queue, given):
    inside = os.path.relpath(path, queue)
    if inside == "." or (not inside.startswith("..") and inside != "quarantine"):
        raise RescueError("quarantine: %s is inside the queue; name a directory outside." % given)
    if not os.path.relpath(queue, path).startswith(".."):
        raise RescueError("quarantine: %s holds the queue itself; name a directory of its own." % given)


class Quarantine:
    """The quarantine at ``path``, of one queue: its batches, and a lock that keeps our own runs apart.

    ``queue_directory``: several queues may share a quarantine that was named; only this one's batches are seen. With
    None, those of all queues are.
    """

    def __init__(self, path, queue_directory):
        self.path = path
        self.queue_directory = None if queue_directory is None else os.path.realpath(queue_directory)
        self._fd = None

    def exists(self):
        return os.path.lexists(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def create(self):
        """Make the directory where it is missing (mode 0700), and open it."""
        parent, name = os.path.split(os.path.abspath(self.path))
        try:
            fd = open_directory(os.path.realpath(parent))
        except OSError as error:
            raise RescueError("quarantine: %s cannot be opened: %s." % (parent, error.strerror)) from None
        try:
            if disk.make_directory(name, fd):
                disk.sync_directory(fd)
        except OSError as error:
            raise RescueError("quarantine: %s cannot be made: %s." % (self.path, error.strerror)) from None
        finally:
            os.close(fd)
        self.open()

    def open(self):
        """Open the directory. RescueError where others may write in it."""
        if self._fd is not None:
            return
        try:
            fd = open_directory(self.path)
        except PermissionError:
            raise RescueError("quarantine: %s cannot be read: run as root (become: true)." % self.path) from None
        except OSError as error:
            why = "it is a symbolic link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else error.strerror
            raise RescueError("quarantine: %s cannot be opened: %s." % (self.path, why)) from None
        found = os.fstat(fd)
        if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o077:
            os.close(fd)
            raise RescueError(
                "quarantine: expected %s to be root's (or your own) with mode 0700, found owner %d and mode %04o."
                % (self.path, found.st_uid, stat.S_IMODE(found.st_mode))
            )
        self._fd = fd

    def lock(self):
        """Keep other runs of ours from working on this quarantine until it is closed. RescueError where one does."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = self.at_work()
            who = " (process %d, since %s)" % (found["pid"], found["since"]) if found else ""
            raise RescueError(
                "quarantine: another run is at work in %s%s; try again after it." % (self.path, who)
            ) from None

    def at_work(self):
        """Return a dict, for a result, of the other run that has the lock; None where none is seen."""
        if self._fd is None:
            return None
        proc, status = Procfs(), os.fstat(self._fd)
        for pid in sorted(proc.flock_holders(status) - {os.getpid()}):
            process = proc.process(pid)
            if process is not None and proc.has_open(pid, status):
                began = time.gmtime(time.time() - proc.age(process))
                return {"path": self.path, "pid": pid, "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", began)}
        return None

    def new_batch(self, name, manifest, directories):
        """Make a Batch of this queue."""
        manifest = dict(manifest, queue_directory=self.queue_directory)
        try:
            return Batch.create(self.path, self._fd, name, manifest, directories)
        except OSError as error:
            raise RescueError("quarantine: no batch can be made in %s: %s." % (self.path, error.strerror)) from None

    def batches(self, damaged=None):
        """Yield the Batches of this queue, oldest first, each open until the next one is asked for.

        ``damaged(name, reason)`` is told of what cannot be read as a batch.
        """
        for name in self.names():
            try:
                batch = self.batch(name)
            except Vanished:
                continue
            except Damaged as error:
                if damaged is not None:
                    damaged(name, str(error))
                continue
            with batch:
                if self.queue_directory in (None, batch.manifest.get("queue_directory")):
                    yield batch

    def batch(self, name):
        """Open the Batch in the directory ``name``. Raises as Batch.open."""
        return Batch.open(self.path, self._fd, name)

    def names(self):
        """Return the sorted names of all that may be a batch, of whatever queue."""
        if self._fd is None:
            return []
        found = sorted(name for name in os.listdir(self._fd) if is_name(name))
        return found[:_MANY]

    def remove(self, batch):
        """Remove a Batch with all that is in it."""
        fd = open_directory(batch.name, self._fd)
        try:
            # From here on it is no batch any more, and whatever stops us, the mark says that it was to go.
            disk.replace("manifest.json", fd, _MARK, fd)
            disk.sync_directory(fd)
            self._clear(batch.name, fd)
        finally:
            os.close(fd)

    def is_remains(self, name):
        """Tell whether a directory is what is left of a batch whose removal, or making, was cut off.

        Raises Damaged where it cannot be read; Vanished where it is gone.
        """
        try:
            fd = open_directory(name, self._fd)
        except FileNotFoundError:
            raise Vanished from None
        except OSError as error:
            raise Damaged("cannot be opened: %s" % error.strerror) from None
        try:
            # Without the mark, only a batch that no message ever came into.
            return _MARK in os.listdir(fd) or self._is_bare(fd)
        finally:
            os.close(fd)

    def remove_remains(self, name):
        """Remove what is left of a batch whose removal, or making, was cut off."""
        fd = open_directory(name, self._fd)
        try:
            self._clear(name, fd)
        finally:
            os.close(fd)

    def _is_bare(self, fd):
        """Tell whether there are no files but empty ones below a directory."""
        for name in os.listdir(fd):
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                below = open_directory(name, fd)
                try:
                    if not self._is_bare(below):
                        return False
                finally:
                    os.close(below)
            elif found.st_size or name not in ("ledger.jsonl", "manifest.json"):
                return False
        return True

    def _clear(self, name, fd):
        for one in os.listdir(fd):
            if one != _MARK:
                self._drop(one, fd)
        # All else must be gone for good first: without the mark, its messages would look like lost ones.
        disk.sync_directory(fd)
        if _MARK in os.listdir(fd):
            disk.unlink(_MARK, fd)
        disk.remove_directory(name, self._fd)
        disk.sync_directory(self._fd)

    def _drop(self, name, fd):
        if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            below = open_directory(name, fd)
            try:
                for one in os.listdir(below):
                    self._drop(one, below)
            finally:
                os.close(below)
            disk.remove_directory(name, fd)
        else:
            disk.unlink(name, fd)
