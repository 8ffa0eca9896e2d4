# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages out of a qmail queue while qmail-send runs: it drops by itself what has no pending recipient.

A message's text is linked into the batch, which keeps its id from being used again; its other files are copied, as they
are about to change. Then the sender becomes that of a double bounce, whose failures qmail-send throws away, and each
pending recipient is marked as done, one byte in place, as qmail-send does it.
"""

__all__ = ["OnlineHand", "recover", "watch"]

import os
import time
from array import array

from ansible_collections.mailops.rescue.plugins.module_utils import files
from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.ledger import from_line, to_line
from ansible_collections.mailops.rescue.plugins.module_utils.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.deliveries import find_recipients
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.purge import QmailHand, roll_back
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue_files import QueueFiles, disappearing
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.sendlock import holder
from ansible_collections.mailops.rescue.plugins.module_utils.queuefiles import read_all
from ansible_collections.mailops.rescue.plugins.module_utils.taking import IGNORED

BUSY = "it is being delivered"
_UNPROCESSED = "qmail-send has not preprocessed it yet; that takes a moment"
_CHANGED = "it changed while it was being taken"
_DOUBLE_BOUNCE = b"F#@[]\0"
_LIMIT = 1 << 26
_CHANNELS = ("local", "remote")
# qmail-send retries all other mail too whenever it is told to.
_NUDGES = (0, 3, 15, 60, 240)
_POLL = 0.2


class OnlineHand(QmailHand):
    """As QmailHand; ``batch`` may be None only for counting."""

    def __init__(self, queue_directory, batch, proc=None):
        super().__init__(queue_directory, batch)
        self._proc = proc or Procfs()
        self._busy = None

    def _in_flight(self):
        process = holder(self._files.directory, self._proc)
        if process is None:
            raise RescueError("mode: qmail-send of %s is not running; use mode=offline." % self._files.directory)
        return find_recipients(process, self._proc)

    def refusal(self, message):
        if message.state == "S4":
            return _UNPROCESSED
        if self.batch is not None and self.batch.status(self._files.paths(message.id)["mess"]) is not None:
            return IGNORED
        reason = super().refusal(message)
        if reason is not None:
            return reason
        if self._busy is None:
            self._busy = self._in_flight()
        pending = ((one.channel, one.address) for one in message.recipients if not one.done)
        return BUSY if self._busy and any(one in self._busy for one in pending) else None

    def examine(self, message, path):
        entry = super().examine(message, path)
        return entry._replace(files=[one._replace(copied=not one.path.startswith("mess/")) for one in entry.files])

    def take(self, entries, chunk):
        busy = self._in_flight()
        left = {}
        self.batch.append([to_line(entry, chunk) for entry in entries])
        for entry in entries:
            reason = BUSY if self._is_busy(entry, busy) else self._save(entry)
            if reason is not None:
                left[entry.id] = reason
        files.sync_all()
        self.batch.append([{"committed": chunk, "left": sorted(left)}])
        for entry in entries:
            if entry.id not in left:
                mark(self._files, self.batch, entry)
            yield entry, left.get(entry.id)
        files.sync_all()
        self._busy = None

    @staticmethod
    def _is_busy(entry, busy):
        return any((one.channel, one.address) in busy for one in entry.recipients if not one.done)

    def _save(self, entry):
        """Put a message into the batch; return why not, or None."""
        reason = None
        try:
            for record in entry.files:
                name, fd = self._files.place(record.path)
                there = self.batch.directory(record.path.rpartition("/")[0])
                if record.copied:
                    files.copy(name, fd, name, there, read_all(name, fd, _LIMIT))
                else:
                    files.link(name, fd, name, there)
            if not self._is_as_examined(entry):
                reason = _CHANGED
        except (Vanished, FileNotFoundError):
            reason = "it left the queue while it was being taken"
        except Damaged as error:
            reason = str(error)
        if reason is not None:
            roll_back(self.batch, entry)
        return reason

    def _is_as_examined(self, entry):
        """Tell whether all is in the batch as the ledger has it, and qmail-send has not begun to change it."""
        for record in entry.files:
            saved, now = self.batch.status(record.path), self._files.status(record.path)
            if now is None or (now.st_ino, now.st_mtime_ns, now.st_size) != (record.inode, record.mtime, record.size):
                return False
            if saved.st_size != record.size or (saved.st_ino != record.inode and not record.copied):
                return False
        paths = self._files.paths(entry.id, int(entry.files[0].path.split("/")[1]))
        return self._files.status(paths["todo"]) is None


def mark(queue, batch, entry):
    """Mark a message that is in the batch as done in the queue, if it still is there; ``queue``: its QueueFiles."""
    text = entry.files[0]
    found = batch.status(text.path)
    if found is None or not queue.is_same(text.path, found.st_ino):
        return
    paths = queue.paths(entry.id, int(text.path.split("/")[1]))
    _disown(queue, batch, paths["info"])
    for channel in _CHANNELS:
        _mark_channel(queue, paths[channel])


def _disown(queue, batch, path):
    """Have no failure of this message reported to anybody."""
    name, fd = queue.place(path)
    there, temporary = batch.directory(""), _clear(batch, name)
    try:
        if read_all(name, fd, _LIMIT) == _DOUBLE_BOUNCE:
            return
        # Its mtime is the message's arrival.
        files.copy(name, fd, temporary, there, _DOUBLE_BOUNCE)
    except (Vanished, FileNotFoundError):
        return
    files.replace(temporary, there, name, fd)
    queue.note(path)


def _clear(batch, queue_id):
    """Remove what was to become a message's new info file when a run was killed; return its name in the batch."""
    temporary = "info-%s" % queue_id
    if batch.status(temporary) is not None:
        files.unlink(temporary, batch.directory(""))
    return temporary


def _mark_channel(queue, path):
    name, place = queue.place(path)
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    except FileNotFoundError:
        return
    try:
        data = os.read(fd, _LIMIT)
        position = 0
        for record in data.split(b"\0")[:-1]:
            if record[:1] == b"T":
                files.overwrite(fd, b"D", position)
            position += len(record) + 1
    finally:
        os.close(fd)


def watch(queue_directory, batch, flush, timeout):
    """Wait until qmail-send has dropped what is in the batch; return an array of the ids that it has not.

    ``flush()`` tells qmail-send to try everything now; ``timeout`` in seconds.
    """
    queue = QueueFiles(queue_directory)
    try:
        waiting = array("Q", (int(entry.id) for entry in batch.entries()))
        begin = time.monotonic()
        nudges = list(_NUDGES)
        while True:
            waiting = array("Q", (one for one in waiting if _is_there(queue, batch, str(one))))
            if not waiting:
                return waiting
            passed = time.monotonic() - begin
            # However short the time, it is told once.
            if nudges and passed >= nudges[0]:
                nudges.pop(0)
                flush()
            if passed > timeout:
                return waiting
            time.sleep(_POLL)
    finally:
        queue.close()


def _is_there(queue, batch, queue_id):
    paths = queue.paths(queue_id)
    found = batch.status(paths["mess"])
    if found is None:
        return False
    if queue.is_same(paths["mess"], found.st_ino):
        return True
    # Ours may have come after qmail-send had removed its own. No other message can have this id.
    info = queue.status(paths["info"])
    if info is not None:
        queue.remove(paths["info"], info.st_ino)
    return False


def recover(queue_directory, batch, online):
    """Bring a batch whose online run was killed into order; return (messages, bytes) in it.

    ``online``: whether qmail-send runs; where it does not, what is in the batch leaves the queue at once.
    """
    queue = QueueFiles(queue_directory)
    try:
        committed = {line["committed"]: set(line["left"]) for line in batch.ledger() if "committed" in line}
        count = size = 0
        for line in batch.ledger():
            if "files" not in line:
                continue
            entry = from_line(line)
            _clear(batch, entry.id)
            left = committed.get(line["chunk"])
            if left is None or entry.id in left:
                roll_back(batch, entry)
            elif batch.status(entry.files[0].path) is not None:
                count += 1
                size += entry.size or 0
                if online:
                    mark(queue, batch, entry)
                else:
                    _remove(queue, batch, entry)
        files.sync_all()
        return count, size
    finally:
        queue.close()


def _remove(queue, batch, entry):
    text = entry.files[0]
    if queue.is_same(text.path, batch.status(text.path).st_ino):
        paths = queue.paths(entry.id, int(text.path.split("/")[1]))
        for record in disappearing([text._replace(path=path) for path in paths.values()]):
            found = queue.status(record.path)
            if found is not None:
                queue.remove(record.path, found.st_ino)
