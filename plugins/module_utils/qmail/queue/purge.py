# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages out of a qmail queue whose qmail-send is stopped, and puts in order what a killed run left."""

__all__ = ["QmailRemover", "recover", "roll_back"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.message_files import (
    QueueFiles,
    decisive,
    others,
)
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import (
    RECIPIENTS,
    Entry,
    examine,
    to_line,
)

_UNPROCESSED = "qmail-send has not preprocessed it yet (unprocessed=true takes it too)"
_INJECTING = "it is still being injected"
_DONE = "it is in a batch already, and qmail-send is about to drop it"
_REPLACED = "its files were replaced while it was being taken"


class QmailRemover:
    """A Remover for the queue at ``queue_directory``; ``batch``: a Batch, or None to remove for good.

    ``unprocessed``: whether messages in todo may be taken.
    """

    fields = STAT | ENVELOPE

    def __init__(self, queue_directory, batch, unprocessed=False):
        self.batch = batch
        self._files = QueueFiles(queue_directory)
        self._unprocessed = unprocessed

    def refusal(self, message):
        if message.state == "S5":
            return _DONE if self._is_done(message) else None
        if message.state == "S4":
            return None if self._unprocessed else _UNPROCESSED
        return _INJECTING

    def _is_done(self, message):
        if not all(one.done for one in message.recipients):
            return False
        found = self._files.status(self._files.paths(message.id)["mess"])
        return found is not None and found.st_nlink > 1

    def examine(self, message, path):
        paths = self._files.paths(message.id, int(path.split("/")[1]))
        names = ["mess"]
        if message.state == "S4":
            # A qmail-send that was killed while it preprocessed leaves more than these two.
            names += ["todo", "intd"]
            names += [name for name in ("info", "local", "remote") if self._files.status(paths[name])]
        else:
            names += ["info"] + [name for name in ("local", "remote", "bounce") if name in message.queues]
        records = [examine(paths[name], *self._files.place(paths[name]))[0] for name in names]
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

    def take(self, entries, chunk):
        if self.batch is None:
            for entry in entries:
                self._disbelieve(entry)
                for record in [decisive(entry)] + others(entry):
                    self._files.remove(record.path, record.inode)
                yield entry, None
            return
        self.batch.append([to_line(entry, chunk) for entry in entries])
        left = {}
        for entry in entries:
            reason = self._link(entry)
            if reason is not None:
                left[entry.id] = reason
        touched = {record.path.rpartition("/")[0] for entry in entries for record in entry.files}
        self.batch.sync(touched)
        for entry in entries:
            if entry.id not in left:
                self._take_over(entry)
        self.batch.sync(touched)
        self._files.sync()
        for entry in entries:
            if entry.id not in left:
                for record in others(entry):
                    self._files.remove(record.path, record.inode)
            yield entry, left.get(entry.id)

    def _link(self, entry):
        """Link a message's files into the batch, all but the decisive one; return why not, or None."""
        done = []
        reason = None
        # The text first: it tells what is in the batch.
        for record in reversed(others(entry)):
            name, fd = self._files.place(record.path)
            there = self.batch.directory(record.path.rpartition("/")[0])
            try:
                disk.link(name, fd, name, there)
            except FileNotFoundError:
                reason = "it left the queue while it was being taken"
                break
            done.append((name, there))
            if os.stat(name, dir_fd=there, follow_symlinks=False).st_ino != record.inode:
                reason = _REPLACED
                break
        if reason is None and not self._files.is_same(decisive(entry).path, decisive(entry).inode):
            reason = _REPLACED
        if reason is not None:
            for name, there in done:
                disk.unlink(name, there)
        return reason

    def _take_over(self, entry):
        """Move the decisive file: in this one step the message ceases to be the queue's and becomes the batch's."""
        self._disbelieve(entry)
        record = decisive(entry)
        name, fd = self._files.place(record.path)
        disk.move(name, fd, name, self.batch.directory(record.path.rpartition("/")[0]))
        self._files.note(record.path)

    def _disbelieve(self, entry):
        """Remove the info file that a killed qmail-send left of a message in todo: without todo it would count."""
        for record in others(entry):
            if record.path.startswith("info/"):
                self._files.remove(record.path, record.inode)

    def finish(self):
        self._files.sync()

    def close(self):
        self._files.close()


def recover(queue_directory, batch):
    """Bring a batch whose run was killed into order; qmail-send must be stopped. Return (messages, bytes) in it.

    What the batch has not taken over stays in the queue; of the rest, what is still in the queue leaves it.
    """
    queue = QueueFiles(queue_directory)
    try:
        count = size = 0
        touched = set()
        for entry in batch.entries():
            if batch.status(decisive(entry).path) is None:
                roll_back(batch, entry)
            else:
                count += 1
                size += entry.size or 0
                for record in others(entry):
                    found = batch.status(record.path)
                    if found is not None:
                        queue.remove(record.path, found.st_ino)
            touched.update(record.path.rpartition("/")[0] for record in entry.files)
        batch.sync(touched)
        queue.sync()
        return count, size
    finally:
        queue.close()


def roll_back(batch, entry):
    """Remove from the batch what there is of a message that stays in the queue."""
    # The text last: it tells what is in the batch.
    for record in [decisive(entry)] + others(entry):
        if batch.status(record.path) is not None:
            disk.unlink(*batch.find(record.path))
