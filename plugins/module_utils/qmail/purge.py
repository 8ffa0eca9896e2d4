# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages out of a qmail queue whose qmail-send is stopped, and puts in order what a killed run left."""

__all__ = ["QmailHand", "recover", "roll_back"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils import files
from ansible_collections.mailops.rescue.plugins.module_utils.ledger import Entry, examine, from_line, to_line
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue_files import QueueFiles, disappearing
from ansible_collections.mailops.rescue.plugins.module_utils.records import ENVELOPE, STAT

_UNPROCESSED = "qmail-send has not preprocessed it yet (unprocessed=true takes it too)"
_INJECTING = "it is still being injected"
_DONE = "it is in a batch already, and qmail-send is about to drop it"
_REPLACED = "its files were replaced while it was being taken"


class QmailHand:
    """A hand, as of taking.py, for the queue at ``queue_directory``; ``batch``: a Batch, or None to remove for good.

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
        return Entry(message.id, message.queue, message.state, message.sender, list(message.recipients),
                     len(message.recipients), message.arrival, message.size, records)  # fmt: skip

    def take(self, entries, chunk):
        left = {}
        if self.batch is not None:
            self.batch.append([to_line(entry, chunk) for entry in entries])
            for entry in entries:
                reason = self._link(entry)
                if reason is not None:
                    left[entry.id] = reason
            linked = [entry for entry in entries if entry.id not in left]
            self.batch.sync({record.path.rpartition("/")[0] for entry in linked for record in entry.files})
            self.batch.append([{"committed": chunk, "left": sorted(left)}])
        for entry in entries:
            if entry.id not in left:
                for record in disappearing(entry.files):
                    self._files.remove(record.path, record.inode)
            yield entry, left.get(entry.id)

    def _link(self, entry):
        """Link all files of a message into the batch; return why not, or None."""
        done = []
        reason = None
        for record in entry.files:
            name, fd = self._files.place(record.path)
            there = self.batch.directory(record.path.rpartition("/")[0])
            try:
                files.link(name, fd, name, there)
            except FileNotFoundError:
                reason = "it left the queue while it was being taken"
                break
            done.append((name, there))
            if os.stat(name, dir_fd=there, follow_symlinks=False).st_ino != record.inode:
                reason = _REPLACED
                break
        if reason is not None:
            for name, there in done:
                files.unlink(name, there)
        return reason

    def finish(self):
        self._files.sync()
        self._files.close()


def recover(queue_directory, batch):
    """Bring a batch whose run was killed into order; qmail-send must be stopped. Return (messages, bytes) in it.

    What was not yet wholly in the batch stays in the queue; of the rest, what is still in the queue leaves it.
    """
    queue = QueueFiles(queue_directory)
    committed = {line["committed"]: set(line["left"]) for line in batch.ledger() if "committed" in line}
    count = size = 0
    for line in batch.ledger():
        if "files" not in line:
            continue
        entry = from_line(line)
        left = committed.get(line["chunk"])
        if left is not None and entry.id not in left and not _was_preprocessed(queue, batch, entry):
            _forward(queue, batch, entry)
            # It may have been restored since.
            if batch.status(entry.files[0].path) is not None:
                count += 1
                size += entry.size or 0
        else:
            roll_back(batch, entry)
    batch.sync(set(_directories(batch)))
    queue.sync()
    queue.close()
    return count, size


def _was_preprocessed(queue, batch, entry):
    """Tell whether a qmail-send that somebody started since has made a message of todo its own."""
    found = batch.status(entry.files[0].path)
    return found is not None and queue.was_preprocessed(entry, found.st_ino)


def _directories(batch):
    for line in batch.ledger():
        for one in line.get("files", ()):
            yield one["path"].rpartition("/")[0]


def _forward(queue, batch, entry):
    for record in disappearing(entry.files):
        found = batch.status(record.path)
        if found is not None and not record.copied:
            queue.remove(record.path, found.st_ino)


def roll_back(batch, entry):
    """Remove from the batch what there is of a message that stays in the queue."""
    for record in disappearing(entry.files):
        if batch.status(record.path) is not None:
            files.unlink(*batch.find(record.path))
