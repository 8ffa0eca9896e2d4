# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts messages of a batch back into the qmail queue that they came from, exactly as they were."""

__all__ = ["QmailRestorer"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.message_files import (
    QueueFiles,
    decisive,
    others,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reinjection import Injector
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import examine

_COMPARED = ("size", "mode", "uid", "gid", "mtime", "sha256")


class QmailRestorer:
    """For the queue at ``queue_directory``, whose qmail-send must be stopped, and one ``batch`` (a Batch)."""

    def __init__(self, queue_directory, batch):
        self._batch = batch
        self._files = QueueFiles(queue_directory)
        self._same_split = batch.manifest.get("split") == self._files.split

    def problem(self, entry, method="exact"):
        """Return why a message cannot come back by ``method``, as a phrase, or None. Reads all of it."""
        for record in entry.files:
            changed = self._changed(record, method)
            if changed:
                return "%s in the batch %s" % (record.path, changed)
        if method == "reinject":
            return None
        for path in self._files.paths(entry.id, self._number(entry.files[0].path)).values():
            if self._files.status(path) is not None:
                return "%s is in the queue, of a message with the same id" % path
        return None

    @staticmethod
    def queues(entry):
        """Return the names of the queues in which a message counts once it is back."""
        if entry.state == "S4":
            return ("todo",)
        names = (record.path.partition("/")[0] for record in entry.files)
        return [name for name in names if name in ("local", "remote", "bounce")]

    def _changed(self, record, method):
        place = self._batch.find(record.path)
        if place is None:
            return "is missing"
        try:
            found = examine(record.path, *place)[0]
        except Vanished:
            return "is missing"
        except Damaged as error:
            return str(error)
        if method == "reinject":
            return None if found.sha256 == record.sha256 else "is not as it was taken (sha256)"
        if found.inode != record.inode and not record.copied:
            return "is a copy, with another inode number: it can only come back by method=reinject"
        different = [name for name in _COMPARED if getattr(found, name) != getattr(record, name)]
        return "is not as it was taken (%s)" % ", ".join(different) if different else None

    def _number(self, path):
        number = int(path.split("/")[1])
        # queue_repair may have split the queue anew since.
        return number if self._same_split else None

    def _target(self, record, paths):
        return paths[record.path.partition("/")[0]]

    def give_back(self, entries):
        """Put these messages back; yield ``(entry, reason)``, with None as reason for each that came back."""
        self._batch.begin_return([entry.id for entry in entries])
        left = {}
        for entry in entries:
            reason = self._link(entry)
            if reason is not None:
                left[entry.id] = reason
        self._files.sync()
        back = [entry for entry in entries if entry.id not in left]
        for entry in back:
            self._hand_over(entry)
        self._files.sync()
        touched = {record.path.rpartition("/")[0] for entry in back for record in entry.files}
        self._batch.sync(touched)
        for entry in back:
            self._forget(entry)
        self._batch.sync(touched)
        self._batch.end_return()
        for entry in entries:
            yield entry, left.get(entry.id)

    def reinject(self, entries):
        """Hand these messages to qmail-queue as new mail; yield as ``give_back``."""
        injector = Injector(self._files.directory)
        for entry in entries:
            # Killed between this and its end, nobody can tell whether qmail-queue has it: it is not tried again.
            self._batch.begin_return([entry.id], "reinject")
            reason, unsure = injector.inject(self._batch, entry)
            if reason is None:
                self._forget(entry)
                self._batch.sync({record.path.rpartition("/")[0] for record in entry.files})
            elif unsure:
                self._batch.append([{"unsure": [entry.id]}])
            self._batch.end_return()
            yield entry, reason

    def _link(self, entry):
        """Link a message's files into the queue, all but the decisive one; return why not, or None."""
        paths = self._paths(entry)
        done = []
        for record in reversed(others(entry)):
            target = self._target(record, paths)
            name, fd = self._files.place(target)
            try:
                disk.link(*self._batch.find(record.path), name, fd)
            except FileExistsError:
                for name, fd in reversed(done):
                    disk.unlink(name, fd)
                return "%s is in the queue, of a message with the same id" % target
            self._files.note(target)
            done.append((name, fd))
        return None

    def _hand_over(self, entry):
        """Move the decisive file: in this one step the message ceases to be the batch's and becomes the queue's."""
        record = decisive(entry)
        target = self._target(record, self._paths(entry))
        disk.move(*self._batch.find(record.path), *self._files.place(target))
        self._files.note(target)

    def _forget(self, entry):
        """Remove a message that is back in the queue from the batch."""
        # The text last: it tells what is in the batch.
        for record in [decisive(entry)] + others(entry):
            if self._batch.status(record.path) is not None:
                disk.unlink(*self._batch.find(record.path))

    def recover(self):
        """Bring into order what a run that was killed while it gave back has left."""
        ids = self._batch.returning()
        if ids is None:
            return
        if self._batch.return_method() == "reinject":
            self._batch.append([{"unsure": ids}])
            self._batch.end_return()
            return
        wanted = set(ids)
        touched = set()
        for entry in self._batch.entries():
            if entry.id in wanted:
                self._recover(entry)
                touched.update(record.path.rpartition("/")[0] for record in entry.files)
        self._files.sync()
        self._batch.sync(touched)
        self._batch.end_return()

    def _recover(self, entry):
        if self._batch.status(decisive(entry).path) is None:
            # The queue has it, or had it.
            self._forget(entry)
            return
        paths = self._paths(entry)
        for record in others(entry):
            found = self._batch.status(record.path)
            if found is not None:
                self._files.remove(self._target(record, paths), found.st_ino)

    def _paths(self, entry):
        return self._files.paths(entry.id, self._number(entry.files[0].path))

    def finish(self):
        """Bring everything to the disk."""
        self._files.sync()

    def close(self):
        self._files.close()
