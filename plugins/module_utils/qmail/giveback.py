# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts messages of a batch back into the qmail queue that they came from, exactly as they were."""

__all__ = ["QmailReturner"]

from ansible_collections.mailops.rescue.plugins.module_utils import files
from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.ledger import examine, from_line
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue_files import QueueFiles, appearing
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.reinject import Injector

_UNSURE = "a run was killed while it injected it: it may have been injected already"
_COMPARED = ("size", "mode", "uid", "gid", "mtime", "sha256")


class QmailReturner:
    """For the queue at ``queue_directory``, whose qmail-send must be stopped, and one ``batch`` (a Batch)."""

    def __init__(self, queue_directory, batch):
        self._batch = batch
        self._tried = None
        self._files = QueueFiles(queue_directory)
        self._same_split = batch.manifest.get("split") == self._files.split

    def problem(self, entry, method="exact"):
        """Return why a message cannot come back by ``method``, as a phrase, or None. Reads all of it."""
        for record in entry.files:
            changed = self._changed(record, method)
            if changed:
                return "%s in the batch %s" % (record.path, changed)
        if method == "reinject":
            return _UNSURE if entry.id in self._unsure() else None
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

    def _unsure(self):
        """Return the ids of messages that a run was injecting when it was killed."""
        if self._tried is None:
            self._tried = {one for line in self._batch.ledger() for one in line.get("unsure", ())}
        return self._tried

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
        for entry in entries:
            if entry.id not in left:
                self._forget(entry)
        self._batch.sync({record.path.rpartition("/")[0] for entry in entries for record in entry.files})
        self._batch.end_return()
        for entry in entries:
            yield entry, left.get(entry.id)

    def reinject(self, entries):
        """Hand these messages to qmail-queue as new mail; yield as ``give_back``."""
        injector = Injector(self._files.directory)
        for entry in entries:
            # Killed between this and its end, nobody can tell whether qmail-queue has it: it is not tried again.
            self._batch.begin_return([entry.id], "reinject")
            reason = injector.inject(self._batch, entry)
            if reason is None:
                self._forget(entry)
                self._batch.sync({record.path.rpartition("/")[0] for record in entry.files})
            self._batch.end_return()
            yield entry, reason

    def _link(self, entry):
        paths = self._files.paths(entry.id, self._number(entry.files[0].path))
        done = []
        for record in appearing(entry.files, entry.state):
            target = self._target(record, paths)
            name, fd = self._files.place(target)
            try:
                files.link(*self._batch.find(record.path), name, fd)
            except FileExistsError:
                for name, fd in reversed(done):
                    files.unlink(name, fd)
                return "%s is in the queue, of a message with the same id" % target
            self._files.note(target)
            done.append((name, fd))
        return None

    def _forget(self, entry):
        """Remove a message that is back in the queue from the batch; what made it valid there goes first."""
        for record in reversed(appearing(entry.files, entry.state)):
            place = self._batch.find(record.path)
            if self._batch.status(record.path) is not None:
                files.unlink(*place)

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
        for line in self._batch.ledger():
            if line.get("id") in wanted and "files" in line:
                entry = from_line(line)
                self._recover(entry)
                touched.update(record.path.rpartition("/")[0] for record in entry.files)
        self._files.sync()
        self._batch.sync(touched)
        self._batch.end_return()

    def _recover(self, entry):
        inodes = {}
        for record in entry.files:
            found = self._batch.status(record.path)
            if found is not None:
                inodes[record.path] = found.st_ino
        if not inodes:
            return
        paths = self._files.paths(entry.id, self._number(entry.files[0].path))
        last = "todo" if entry.state == "S4" else "info"
        path = next(record.path for record in entry.files if record.path.startswith(last + "/"))
        is_back = path not in inodes or self._files.is_same(paths[last], inodes[path])
        if is_back:
            self._forget(entry)
        elif self._was_delivered(entry) or self._was_preprocessed(entry, inodes):
            # It was whole in the queue, and whoever started qmail-send before us let it go its way from there.
            self._forget(entry)
        else:
            for record in reversed(appearing(entry.files, entry.state)):
                if record.path in inodes:
                    self._files.remove(self._target(record, paths), inodes[record.path])

    def _was_preprocessed(self, entry, inodes):
        text = entry.files[0].path
        return text in inodes and self._files.was_preprocessed(entry, inodes[text])

    def _was_delivered(self, entry):
        for record in entry.files:
            if record.path.startswith(("local/", "remote/")) and self._batch.status(record.path) is not None:
                try:
                    found = examine(record.path, *self._batch.find(record.path))[0]
                except (Damaged, Vanished):
                    continue
                if found.sha256 != record.sha256:
                    return True
        return False

    def finish(self):
        """Bring everything to the disk."""
        self._files.sync()
        self._files.close()
