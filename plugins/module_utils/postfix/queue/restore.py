# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts messages of a batch back into the Postfix queue that they came from.

A message's logs go first, then its own file, each by one rename(2): what Postfix can see is whole. Without ``release``
it goes on hold. With it, it goes where it was; but only qmgr(8) may put mail into "active", and only cleanup(8) into
"incoming", so where Postfix runs, mail from there goes into "deferred", where qmgr finds it.
"""

__all__ = ["PostfixRestorer"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.hashing import find_hashing
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_running
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.purge import is_taken
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reinjection import Injector
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import examine, from_line

_MAILDROP = "it was in maildrop, where nothing can be held: it can come back only with release"
_COPY = "is a copy, with another inode number: it can only come back by method=reinject"
_COMPARED = ("size", "mode", "uid", "gid", "mtime", "sha256")


class PostfixRestorer:
    """For the queue at ``queue_directory`` and one ``batch`` (a Batch).

    ``release``: whether the messages are to be delivered, not held; ``running``: whether Postfix runs on this queue,
    None to find out; ``hashing``: its Hashing, None to find out.
    """

    def __init__(self, queue_directory, batch, release=False, running=None, hashing=None):
        self._directory = queue_directory
        self._batch = batch
        self._release = release
        self._running = is_running(queue_directory) if running is None else running
        self._tree = Tree(queue_directory)
        self._hashing = find_hashing(queue_directory, self._running) if hashing is None else hashing
        self._deepest = {name: layout.existing_depth(queue_directory, name) for name in layout.QUEUES}
        self._injector = None

    def problem(self, entry, method="exact"):
        """Return why a message cannot come back by ``method``, as a phrase, or None. Reads all of it."""
        records = entry.files if method == "exact" else entry.files[:1]
        for record in records:
            changed = self._changed(record, method)
            if changed:
                return "%s in the batch %s" % (record.path, changed)
        if method == "reinject":
            return None
        if entry.queue == "maildrop" and not self._release:
            return _MAILDROP
        return self._in_the_way(entry)

    def queues(self, entry):
        """Return the names of the queues in which a message counts once it is back."""
        return (self._target(entry, entry.files[0]).partition("/")[0],)

    def _changed(self, record, method):
        place = self._batch.find(record.path)
        try:
            if place is None:
                raise Vanished
            found = examine(record.path, *place)[0]
        except Vanished:
            return "is missing"
        except Damaged as error:
            return str(error)
        if method == "reinject":
            return None if found.sha256 == record.sha256 else "is not as it was taken (sha256)"
        if found.inode != record.inode or record.copied:
            return _COPY
        different = [name for name in _COMPARED if getattr(found, name) != getattr(record, name)]
        return "is not as it was taken (%s)" % ", ".join(different) if different else None

    def _in_the_way(self, entry):
        for queue in layout.QUEUES:
            for depth in range(self._deepest[queue] + 1):
                path = layout.place(queue, entry.id, depth)
                if self._tree.status(path) is not None:
                    return "%s is in the queue, of a message with the same id" % path
        return None

    def _target(self, entry, record):
        """Return the path in the queue where a file of a message goes."""
        queue = record.path.partition("/")[0]
        if queue not in layout.LOGS:
            wanted = queue
            if queue not in ("maildrop", "corrupt"):
                if not self._release:
                    wanted = "hold"
                elif self._running and queue in ("active", "incoming"):
                    wanted = "deferred"
            if wanted != queue:
                return self._hashing.place(wanted, entry.id)
        if not self._running and self._tree.directory(record.path.rpartition("/")[0]) is not None:
            return record.path
        return self._hashing.place(queue, entry.id)

    def give_back(self, entries):
        """Put these messages back; yield ``(entry, reason)``, with None as reason for each that came back.

        Raises OSError after it has told of those before; then ``recover`` puts the rest in order.
        """
        self._batch.begin_return([entry.id for entry in entries])
        done, failure, sources, targets = [], None, set(), set()
        for entry in entries:
            try:
                done.append((entry, self._give_back(entry, sources, targets)))
            except OSError as error:
                failure = error
                break
        if failure is None:
            self._tree.sync(targets)
            self._batch.sync(sources)
            self._batch.end_return()
        yield from done
        if failure is not None:
            raise failure

    def _give_back(self, entry, sources, targets):
        for record in entry.files[1:] + entry.files[:1]:
            path = self._target(entry, record)
            parent, unused, name = path.rpartition("/")
            # Remembered before: what follows may fail after it was done.
            sources.add(record.path.rpartition("/")[0])
            targets.add(parent)
            place = self._batch.find(record.path)
            try:
                disk.move(place[0], place[1], name, self._tree.make(parent))
            except FileExistsError:
                if record is not entry.files[0]:
                    # No queue has this id: it is what qmgr logged when it missed the message, and ours is not needed.
                    continue
                self._take_back_logs(entry)
                return "%s is in the queue already" % path
        return None

    def _take_back_logs(self, entry):
        """Bring the logs of a message that stays in the batch back to it."""
        for record in entry.files[1:]:
            path = self._target(entry, record)
            found = self._tree.status(path)
            if found is not None and found.st_ino == record.inode and self._batch.status(record.path) is None:
                parent, unused, name = path.rpartition("/")
                disk.move(name, self._tree.directory(parent), *self._batch.find(record.path))

    def recover(self):
        """Bring into order what a run that was killed while it gave back has left."""
        ids = self._batch.returning()
        if ids is None:
            return
        if self._batch.return_method() == "reinject":
            self._batch.append([{"unsure": ids}])
            self._batch.end_return()
            return
        wanted, sources, targets = set(ids), set(), set()
        for line in self._batch.ledger():
            if line.get("id") not in wanted or "files" not in line:
                continue
            entry = from_line(line)
            if is_taken(self._batch, entry):
                self._take_back_logs(entry)
            sources.update(record.path.rpartition("/")[0] for record in entry.files)
            targets.update(self._target(entry, record).rpartition("/")[0] for record in entry.files)
        self._tree.sync(targets)
        self._batch.sync(sources)
        self._batch.end_return()

    def reinject(self, entries):
        """Hand these messages to sendmail(1) as new mail; yield as ``give_back``."""
        if self._injector is None:
            self._injector = Injector(self._directory)
        for entry in entries:
            # Killed between this and its end, nobody can tell whether sendmail has it: it is not tried again.
            self._batch.begin_return([entry.id], "reinject")
            reason, unsure = self._injector.inject(self._batch, entry)
            if reason is None:
                self._forget(entry)
            elif unsure:
                self._batch.append([{"unsure": [entry.id]}])
            self._batch.end_return()
            yield entry, reason

    def _forget(self, entry):
        """Remove a message that was injected from the batch."""
        for record in entry.files:
            if self._batch.status(record.path) is not None:
                disk.unlink(*self._batch.find(record.path))
        self._batch.sync({record.path.rpartition("/")[0] for record in entry.files})

    def finish(self):
        """Nothing is left to be done: everything is on the disk already."""

    def close(self):
        self._tree.close()
