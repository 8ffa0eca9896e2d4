# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages out of a Postfix queue, running or not, into a batch of the quarantine; or deletes them.

A message's file goes by one rename(2), so at every instant it is either in the queue or in the batch; its logs follow.
The batch is laid out like a queue directory. Of the ledger's messages, those are in the batch whose own file is.
"""

__all__ = ["PostfixRemover", "is_taken", "recover", "skeleton"]

import os
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_file
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.file_bytes import FileBytes
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_locked, is_running, try_lock
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import TooShort, parse_envelope
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import (
    RECIPIENTS,
    Entry,
    examine,
    from_line,
    to_line,
)

_GONE = "it left this queue while it was being taken"
_CHANGED = "it changed while it was being taken"
_OTHER = "another message has this id by now"
_DELIVERING = "it is being delivered"
_DELIVERED = "it was delivered, and Postfix is about to remove it"
_INCOMPLETE = "it is still being written"
_MAILDROP = "it is in maildrop, where pickup(8) may be reading it; it will be in incoming soon"
_LINKED = "it has %d links, and Postfix refuses such a file"
# The two first records of a queue file, and what begins the third.
_SIZE_AND_ARRIVAL = 128
_TWICE = "the batch already holds a file of this id"


skeleton = layout.skeleton


class PostfixRemover:
    """A Taker's remover on one queue directory.

    ``batch``: a Batch that was made with ``skeleton``, or None to delete; ``running``: whether Postfix runs on this
    queue, None to find out.
    """

    fields = STAT | ENVELOPE

    def __init__(self, queue_directory, batch, running=None):
        self._tree = Tree(queue_directory)
        self._logs = _Logs(queue_directory, self._tree)
        self._batch = batch
        self._running = is_running(queue_directory) if running is None else running
        # By path, the change time of what was examined and is not taken yet: nothing can happen to a file without it.
        self._changed = {}
        self._touched = set()

    def refusal(self, message):
        if message.state == "incomplete":
            return _INCOMPLETE
        if self._running and message.queue == "maildrop":
            return _MAILDROP
        if self._running and message.queue == "active":
            if message.recipients and all(one.done for one in message.recipients):
                return _DELIVERED
            if self._is_being_delivered(message.id):
                return _DELIVERING
        return None

    def _is_being_delivered(self, queue_id):
        for depth in range(self._logs.depth("active") + 1):
            found = self._tree.status(layout.place("active", queue_id, depth))
            if found is not None:
                return is_locked(found.st_ino)
        return False

    def examine(self, message, path):
        before = self._tree.status(path)
        if before is None:
            raise Vanished
        if before.st_nlink > 1:
            raise Damaged(_LINKED % before.st_nlink, path)
        parent, unused, name = path.rpartition("/")
        record, head = examine(path, name, self._tree.directory(parent))
        if record.inode != before.st_ino:
            raise Damaged(_OTHER, path)
        self._check_content(message, path, record, head)
        records = [record] + [self._examine_log(log) for log, unused in self._logs.find(message.id, path)]
        records = [one for one in records if one is not None]
        self._changed[path] = before.st_ctime_ns
        return Entry(
            message.id,
            message.queue,
            message.state,
            message.sender,
            message.recipients[:RECIPIENTS],
            len(message.recipients),
            message.arrival,
            message.size,
            records,
        )

    def _check_content(self, message, path, record, head):
        """Raise Damaged where this is not the message that was selected, but a later one of the same id."""
        trusted = message.queue != "maildrop"
        # Faster than reading it all again: two messages of one id do not arrive within the same microsecond.
        begins = head[:_SIZE_AND_ARRIVAL]
        if trusted and _arrival_record(message.arrival) in begins and _record(83, message.sender) in head:
            return
        try:
            envelope = parse_envelope(head, trusted)
        except TooShort:
            parent, unused, name = path.rpartition("/")
            fd = open_file(name, self._tree.directory(parent))
            try:
                envelope = parse_envelope(FileBytes(fd), trusted)
            except TooShort:
                raise Damaged(_CHANGED, path) from None
            finally:
                os.close(fd)
        arrival = message.arrival if envelope.arrival is None else envelope.arrival
        if (envelope.sender, arrival) != (message.sender, message.arrival):
            raise Damaged(_OTHER, path)
        if message.size != (envelope.size if trusted and envelope.size is not None else record.size):
            raise Damaged(_OTHER, path)

    def _examine_log(self, path):
        parent, unused, name = path.rpartition("/")
        try:
            return examine(path, name, self._tree.directory(parent))[0]
        except Vanished:
            return None

    def take(self, entries, chunk):
        try:
            if self._batch is not None:
                self._announce(entries, chunk)
            for entry in entries:
                failures = []
                yield entry, self._take(entry, failures)
                if failures:
                    raise failures[0]
        finally:
            self._changed.clear()

    def _announce(self, entries, chunk):
        """Bring to the disk what must be there before the first message goes."""
        new = set()
        for entry in entries:
            for record in entry.files:
                parent = record.path.rpartition("/")[0]
                if parent not in self._touched:
                    self._batch.directory(parent)
                    new.add(parent)
        self._touched |= new
        self._batch.sync(new)
        self._batch.append([to_line(entry, chunk) for entry in entries])

    def _take(self, entry, failures):
        """Take one message; return why it stays, or None. ``failures`` receives an OSError that struck after that."""
        record = entry.files[0]
        parent, unused, name = record.path.rpartition("/")
        source = self._tree.directory(parent)
        if source is None:
            return _GONE
        try:
            fd = open_file(name, source)
        except Vanished:
            return _GONE
        except Damaged as error:
            return str(error)
        try:
            reason = self._differs(fd, record)
            if reason is not None:
                return reason
            if entry.queue == "active":
                # Locked only after the rename: see try_lock.
                if is_locked(record.inode):
                    return _DELIVERING
            elif not try_lock(fd):
                return _DELIVERING
            self._touched.add(parent)
            if self._batch is None:
                reason = self._delete(entry, fd, name, parent)
            else:
                reason = self._move(entry, fd, name, source, self._batch.directory(parent))
        finally:
            os.close(fd)
        if reason is None:
            try:
                self._take_logs(entry)
            except OSError as error:
                failures.append(error)
        return reason

    def _differs(self, fd, record):
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return _OTHER
        if found.st_ino != record.inode:
            return _OTHER
        if found.st_nlink != 1:
            return _LINKED % found.st_nlink if found.st_nlink else _GONE
        if found.st_ctime_ns != self._changed[record.path]:
            return _CHANGED
        return None

    def _move(self, entry, fd, name, source, target):
        """Rename a message's file, and back where it turns out that it is not to be taken; return why, or None."""
        try:
            disk.move(name, source, name, target)
        except FileNotFoundError:
            return _GONE
        except FileExistsError:
            return _TWICE
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
        record = entry.files[0]
        reason = None
        if found.st_ino != record.inode:
            reason = _OTHER
        elif entry.queue == "active":
            # From here on no delivery agent can open it: this finds those that did before.
            if not try_lock(fd):
                reason = _DELIVERING
            elif (found.st_size, found.st_mtime_ns) != (record.size, record.mtime) or self._logs_differ(entry):
                reason = _CHANGED
        if reason is not None:
            try:
                disk.move(name, target, name, source)
            except FileExistsError:
                # Only in maildrop can somebody have taken the name once more.
                pass
        return reason

    def _logs_differ(self, entry):
        found = {
            (path, status.st_ino, status.st_size, status.st_mtime_ns)
            for path, status in self._logs.find(entry.id, entry.files[0].path)
        }
        return found != {(one.path, one.inode, one.size, one.mtime) for one in entry.files[1:]}

    def _delete(self, entry, fd, name, parent):
        source = self._tree.directory(parent)
        if entry.queue == "active":
            # Out of delivery agents' sight, to see whether one has it; where we are killed, it is on hold.
            aside = self._tree.directory("hold")
            if aside is None:
                return _DELIVERING
            reason = self._move(entry, fd, name, source, aside)
            if reason is not None:
                return reason
            self._touched.add("hold")
            source = aside
        try:
            # While it is open, no new file gets its inode, and so none gets its id.
            if os.stat(name, dir_fd=source, follow_symlinks=False).st_ino != entry.files[0].inode:
                return _OTHER
            disk.unlink(name, source)
        except FileNotFoundError:
            return _GONE
        return None

    def _take_logs(self, entry):
        if entry.queue == "active":
            paths = [path for path, unused in self._logs.find(entry.id, entry.files[0].path)]
        else:
            paths = [one.path for one in entry.files[1:]]
        for path in paths:
            parent, unused, name = path.rpartition("/")
            self._touched.add(parent)
            source = self._tree.directory(parent)
            try:
                if self._batch is None:
                    disk.unlink(name, source)
                else:
                    disk.move(name, source, name, self._batch.directory(parent))
            except (FileNotFoundError, FileExistsError):
                continue

    def finish(self):
        if self._batch is not None:
            self._batch.sync(self._touched)
        self._tree.sync(self._touched)
        self._touched = set()

    def close(self):
        self._tree.close()


def _record(kind, data):
    """Return a record of a queue file; short ones only, as longer ones are none that one could find."""
    return bytes(bytearray([kind, min(len(data), 255)])) + data


def _arrival_record(arrival):
    """Return the record of this time, as cleanup(8) writes it right behind that of the sizes."""
    return _record(84, b"%d %d" % divmod(int(round(arrival * 1000000)), 1000000)) + b"A"


class _Logs:
    """Where a message's logs may be."""

    def __init__(self, queue_directory, tree):
        self._queue_directory = queue_directory
        self._tree = tree
        self._depths = {}

    def depth(self, queue):
        """Return how deep a queue, or a directory of logs, was hashed when this was asked first."""
        if queue not in self._depths:
            self._depths[queue] = layout.existing_depth(self._queue_directory, queue)
        return self._depths[queue]

    def find(self, queue_id, path):
        """Return ``(path, os.stat_result)`` of each file that is a log of the message whose own file is ``path``."""
        found = []
        names = layout.hash_names(queue_id)
        for log in layout.LOGS:
            # Postfix makes a hash directory when it first needs it; "defer" is as deep as "deferred".
            deepest = max(self.depth(log), path.count("/") - 1 if log == "defer" else 0)
            for depth in range(min(deepest, len(names)) + 1):
                place = "/".join((log,) + names[:depth] + (queue_id,))
                status = self._tree.status(place)
                if status is not None and stat.S_ISREG(status.st_mode):
                    found.append((place, status))
        return found


def is_taken(batch, entry):
    """Tell whether a message of the ledger is in the batch, whole or not, as the very file that was in the queue."""
    found = batch.status(entry.files[0].path)
    return found is not None and (found.st_ino == entry.files[0].inode or entry.files[0].copied)


def recover(queue_directory, batch):
    """Put a batch in order whose run was cut off: messages that are in it get their logs.

    Returns how many messages are in the batch, and their bytes. Raises OSError; may be called again at any time.
    """
    tree = Tree(queue_directory)
    try:
        count = size = 0
        touched, seen = set(), IdSet()
        logs = _Logs(queue_directory, tree)
        for line in batch.ledger():
            if "files" not in line:
                continue
            entry = from_line(line)
            if not is_taken(batch, entry) or not seen.put(entry.files[0].path):
                continue
            count += 1
            size += entry.size or 0
            for path, unused in logs.find(entry.id, entry.files[0].path):
                parent, unused, name = path.rpartition("/")
                try:
                    disk.move(name, tree.directory(parent), name, batch.directory(parent))
                except (FileNotFoundError, FileExistsError):
                    continue
                touched.add(parent)
        batch.sync(touched)
        tree.sync(touched)
        return count, size
    finally:
        tree.close()
