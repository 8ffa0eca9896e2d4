# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves files that do not belong in a queue into a batch of its quarantine, which is made when the first one comes."""

__all__ = ["Aside", "Group", "settle"]

import errno
import os
import stat
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import (
    Entry,
    FileRecord,
    examine,
    to_line,
)

# Files that go together. ``items``: (path relative to the queue, name, dir_fd) each, in the order in which they may
# leave the queue; ``queue``: a word for where they were; ``reason``: why they go.
Group = namedtuple("Group", "id queue items reason")

_CHUNK = 500
_GONE = "it left the queue in the meantime"
_REPLACED = "it was replaced while it was being moved"


class Aside:
    """``batch``: the Batch, or None as long as nothing was moved; ``count``: files moved.

    ``make()`` returns a new Batch.
    """

    def __init__(self, make):
        self.batch = None
        self.count = 0
        self._make = make
        self._chunk = 0
        self._is_whole = True

    def take(self, groups):
        """Move groups of files; yield ``(group, reason)``, with None as reason for each that was moved.

        All files of a group are in the batch, on disk, before the first of them leaves the queue.
        """
        for start in range(0, len(groups), _CHUNK):
            yield from self._take(groups[start : start + _CHUNK])

    def _take(self, groups):
        if self.batch is None:
            self.batch = self._make()
        self._chunk += 1
        whole, self._is_whole = self._is_whole, False
        left, examined = {}, []
        for number, group in enumerate(groups):
            try:
                examined.append([self._examine(*item) for item in group.items])
            except Vanished:
                examined.append([])
                left[number] = _GONE
        self.batch.append(
            [
                dict(to_line(_entry(group, records), "repair.%d" % self._chunk), reason=group.reason)
                for group, records in zip(groups, examined)
                if records
            ]
        )
        touched = set()
        for number, group in enumerate(groups):
            if number not in left:
                reason = self._link(group, examined[number])
                if reason is not None:
                    left[number] = reason
                touched.update(path.rpartition("/")[0] for path, unused, unused_fd in group.items)
        self.batch.sync(touched)
        changed = set()
        for number, group in enumerate(groups):
            if number not in left:
                before = self.count
                left[number] = self._unlink(group, examined[number], changed)
                # Half of a group is still there.
                whole = whole and (left[number] is None or self.count == before)
        for fd in changed:
            disk.sync_directory(fd)
        self._is_whole = whole
        for number, group in enumerate(groups):
            yield group, left[number]

    @staticmethod
    def _examine(path, name, dir_fd):
        try:
            return examine(path, name, dir_fd)[0]
        except Damaged:
            # What cannot be read can still be moved.
            try:
                found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            except FileNotFoundError:
                raise Vanished from None
            return FileRecord(
                path,
                found.st_size,
                stat.S_IMODE(found.st_mode),
                found.st_uid,
                found.st_gid,
                found.st_atime_ns,
                found.st_mtime_ns,
                found.st_ino,
                None,
                False,
            )

    def _link(self, group, records):
        """Link the files of a group into the batch; return why not, or None."""
        done = []
        reason = None
        for (path, name, dir_fd), record in zip(group.items, records):
            there = self.batch.directory(path.rpartition("/")[0])
            try:
                disk.link(name, dir_fd, name, there)
            except FileNotFoundError:
                reason = _GONE
                break
            except OSError as error:
                reason = error.strerror
                break
            done.append((name, there))
            if os.stat(name, dir_fd=there, follow_symlinks=False).st_ino != record.inode:
                reason = _REPLACED
                break
        if reason is not None:
            for name, there in done:
                disk.unlink(name, there)
        return reason

    def _unlink(self, group, records, changed):
        for (_unused, name, dir_fd), record in zip(group.items, records):
            try:
                if os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_ino != record.inode:
                    return _REPLACED
                disk.unlink(name, dir_fd)
            except FileNotFoundError:
                continue
            except OSError as error:
                return os.strerror(error.errno or errno.EIO)
            changed.add(dir_fd)
            self.count += 1
        return None

    def finish(self):
        """Say in the batch that the run came to its end; where a group was cut in two, ``settle`` is left to do it."""
        if self.batch is not None:
            with self.batch:
                if self._is_whole:
                    self.batch.complete({"files": self.count})


def settle(batch, place):
    """Bring a batch of a killed run into order; return how many files are in it.

    Groups that had begun to leave the queue leave it; the others stay there alone. ``place(path)`` returns (name,
    dir_fd) in the queue, or raises OSError.
    """
    count = 0
    touched, changed = set(), set()
    for line in batch.ledger():
        paths = [one["path"] for one in line.get("files", ())]
        there = [path for path in paths if batch.status(path) is not None]
        in_queue = [path for path in there if _is_in_queue(batch, path, place)]
        if len(there) == len(paths) and len(in_queue) < len(there):
            for path in in_queue:
                name, dir_fd = place(path)
                disk.unlink(name, dir_fd)
                changed.add(dir_fd)
            in_queue = []
        for path in in_queue:
            disk.unlink(*batch.find(path))
            touched.add(path.rpartition("/")[0])
        count += len(there) - len(in_queue)
    for fd in changed:
        disk.sync_directory(fd)
    batch.sync(touched)
    batch.complete({"files": count, "cut_off": True})
    return count


def _is_in_queue(batch, path, place):
    """Tell whether the queue still has the very file that the batch has."""
    try:
        name, dir_fd = place(path)
        found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return False
    return found.st_ino == batch.status(path).st_ino


def _entry(group, records):
    first = records[0]
    return Entry(group.id, group.queue, None, None, [], 0, None, first.size, records)
