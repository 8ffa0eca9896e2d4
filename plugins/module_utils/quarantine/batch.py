# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One batch: the messages that one run took out of one queue, and what is known of them.

A batch is a directory of mode 0700::

    manifest.json   who took what from where, and by which selection
    ledger.jsonl    a line for each message, synced before it leaves the queue, the last one counting; and lines that
                    name messages whose delivery or injection was under way when they were taken or put back ("unsure")
    files/          the messages' own files, under their paths in the queue
    complete.json   totals; without it the run was cut off, and the next one puts that in order
    returning.json  the messages that are on their way back into the queue
"""

__all__ = ["FORMAT", "Batch", "is_name"]

import fcntl
import json
import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import (
    open_directory,
    open_file,
    read_all,
)
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import dump, from_line

FORMAT = 1
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}(\.[0-9]{1,3})?\Z")
_MANIFEST, _LEDGER, _COMPLETE, _RETURNING = "manifest.json", "ledger.jsonl", "complete.json", "returning.json"
_LIMIT = 1 << 26


def is_name(name):
    """Tell whether a directory of a quarantine can be a batch."""
    return _NAME.match(name) is not None


class Batch:
    """An open batch. A context manager.

    ``manifest``: a dict; ``path``: for people; ``is_complete``: whether the run that made it came to its end.
    """

    def __init__(self, path, fd, manifest):
        self.path = path
        self.name = os.path.basename(path)
        self.manifest = manifest
        self._fd = fd
        self._opened = None
        self._unsynced = set()
        self._ledger = None
        self.is_complete = self._has(_COMPLETE)

    @classmethod
    def create(cls, quarantine, quarantine_fd, name, manifest, directories):
        """Make a batch in a quarantine; ``directories``: those that ``files`` holds from the start."""
        disk.make_directory(name, quarantine_fd)
        manifest = dict(manifest, format=FORMAT)
        batch = cls(os.path.join(quarantine, name), open_directory(name, quarantine_fd), manifest)
        fd = batch._fd
        try:
            disk.make_directory("files", fd)
            for directory in directories:
                batch.directory(directory)
            disk.write_new(_LEDGER, fd, b"")
            # Last: what has no manifest holds no messages.
            disk.write_new(_MANIFEST, fd, dump(manifest))
            batch.sync([])
            disk.sync_directory(fd)
            disk.sync_directory(quarantine_fd)
            return batch
        except BaseException:
            batch.close()
            raise

    @classmethod
    def open(cls, quarantine, quarantine_fd, name):
        """Open a batch. Raises Damaged where it is none, or one of a later format; Vanished where it is gone."""
        try:
            fd = open_directory(name, quarantine_fd)
        except FileNotFoundError:
            raise Vanished from None
        except OSError as error:
            raise Damaged("cannot be opened: %s" % error.strerror) from None
        try:
            try:
                manifest = json.loads(read_all(_MANIFEST, fd, _LIMIT).decode("ascii"))
            except Vanished:
                raise Damaged("has no manifest.json") from None
            except ValueError:
                raise Damaged("has a manifest.json that is none") from None
            if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
                raise Damaged("was not written by this version (format %d)" % FORMAT)
            return cls(os.path.join(quarantine, name), fd, manifest)
        except BaseException:
            os.close(fd)
            raise

    @property
    def _tree(self):
        if self._opened is None:
            self._opened = Tree("files", self._fd)
        return self._opened

    def directory(self, path):
        """Return a descriptor of the directory ``path`` below ``files``, which is made where it is missing."""
        fd = self._tree.directory(path)
        if fd is not None:
            return fd
        parent, unused, name = path.rpartition("/")
        above = self.directory(parent)
        if disk.make_directory(name, above):
            self._unsynced.add(parent)
        return self._tree.directory(path)

    def find(self, path):
        """Return ``(name, dir_fd)`` of a file's path below ``files``, or None where its directory is missing."""
        parent, unused, name = path.rpartition("/")
        try:
            fd = self._tree.directory(parent)
        except FileNotFoundError:
            return None
        return None if fd is None else (name, fd)

    def status(self, path):
        """Return the os.stat_result of a file below ``files``, or None where there is none."""
        try:
            return self._tree.status(path)
        except FileNotFoundError:
            # Somebody has removed the directory "files".
            return None

    def sync(self, directories):
        """Bring the names in these directories below ``files`` to the disk, and those of new directories."""
        for path in sorted(self._unsynced.union(directories)):
            disk.sync_directory(self.directory(path))
        self._unsynced.clear()

    def append(self, lines):
        """Add dicts to the ledger, and sync it."""
        if self._ledger is None:
            self._ledger = os.open(_LEDGER, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        # A write that falls short goes on where another process's may have come in between.
        fcntl.flock(self._ledger, fcntl.LOCK_EX)
        try:
            # A line that a full disk has cut off must not spoil the next one.
            disk.append(self._ledger, b"\n" + b"".join(map(dump, lines)))
        finally:
            fcntl.flock(self._ledger, fcntl.LOCK_UN)

    def ledger(self):
        """Yield the dicts in the ledger; torn lines are passed over, as nothing was done yet for them."""
        with os.fdopen(open_file(_LEDGER, self._fd), "rb", 1 << 18) as file:
            for raw in file:
                try:
                    line = json.loads(raw.decode("ascii"))
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line

    def entries(self):
        """Yield the Entry of each message that is in the batch now: its last one where the ledger has several."""
        seen, again = IdSet(), {}
        for line in self.ledger():
            if "files" in line and not seen.put(line["id"]):
                again[line["id"]] = None
        for line in self.ledger():
            if "files" in line and self.status(line["files"][0]["path"]) is not None:
                if line["id"] in again:
                    again[line["id"]] = line
                else:
                    yield from_line(line)
        for line in again.values():
            if line is not None:
                yield from_line(line)

    def unsure(self):
        """Return the ids of messages of which nobody knows whether they were delivered, or injected, already."""
        return {one for line in self.ledger() for one in line.get("unsure", ())}

    def holds_mail(self):
        """Tell whether it holds messages; what queue_repair sets aside never was a whole one."""
        return self.manifest.get("kind", "purge") == "purge"

    def is_in_order(self):
        """Tell whether no run was cut off that took messages into it or gave them back."""
        return self.is_complete and self.returning() is None

    def complete(self, totals):
        """Say that the run that made this batch is over; ``totals``: a dict."""
        if not self._has(_COMPLETE):
            disk.write_new(_COMPLETE, self._fd, dump(totals))
            disk.sync_directory(self._fd)
        self.is_complete = True

    def totals(self):
        """Return the dict that ``complete`` was given; empty where the run was cut off."""
        return self._json(_COMPLETE) or {}

    def begin_return(self, ids, method="exact"):
        """Take note, on disk, of the messages that are about to go back into the queue, and how."""
        disk.write_new(_RETURNING, self._fd, dump({"ids": ids, "method": method}))
        disk.sync_directory(self._fd)

    def returning(self):
        """Return the ids that ``begin_return`` noted and ``end_return`` has not removed, or None."""
        found = self._json(_RETURNING)
        return None if found is None else found.get("ids", [])

    def return_method(self):
        """Return how they were to go back: exact or reinject; None where ``returning`` is."""
        found = self._json(_RETURNING)
        return None if found is None else found.get("method", "exact")

    def end_return(self):
        """Remove the note of ``begin_return``."""
        disk.unlink(_RETURNING, self._fd)
        disk.sync_directory(self._fd)

    def _json(self, name):
        try:
            return json.loads(read_all(name, self._fd, _LIMIT).decode("ascii"))
        except Vanished:
            return None
        except ValueError:
            # Cut off while it was written: then nothing was done yet that it would have told of.
            return {}
        except Damaged as error:
            raise RescueError("quarantine: %s/%s %s." % (self.path, name, error)) from None

    def _has(self, name):
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def close(self):
        if self._opened is not None:
            self._opened.close()
        for fd in [self._fd] + ([] if self._ledger is None else [self._ledger]):
            os.close(fd)
        self._fd = self._ledger = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._fd is not None:
            self.close()
