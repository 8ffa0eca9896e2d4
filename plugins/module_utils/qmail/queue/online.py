# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages out of a qmail queue while qmail-send runs: it drops by itself what has no pending recipient.

A message's text is linked into the batch, which keeps its id from being used again; its other files are copied, as they
are about to change. Then the sender becomes that of a double bounce, whose failures qmail-send throws away, and each
pending recipient is marked as done, one byte in place, as qmail-send does it.

qmail-send may deliver it at any moment of this. What it has done until a recipient is marked, the copy is told; of what
it was doing then, nobody can know the outcome, and the ledger says so ("unsure"): such a message does not come back.
"""

__all__ = ["OnlineRemover", "recover", "watch"]

import os
import time
from array import array

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import read_all
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.message_files import QueueFiles
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.purge import QmailRemover, roll_back
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.deliveries import find_recipients
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import holder
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import examine, to_line
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.removal import BUSY, IGNORED

_UNPROCESSED = "qmail-send has not preprocessed it yet; that takes a moment"
_DELIVERED = "it was delivered while it was being taken"
_CHANGED = "it changed while it was being taken"
_DOUBLE_BOUNCE = b"F#@[]\0"
_LIMIT = 1 << 26
_CHANNELS = ("local", "remote")
# qmail-send retries all other mail too whenever it is told to.
_NUDGES = (0, 3, 15, 60, 240)
_POLL = 0.2
# Few, as qmail-send goes on delivering between the copy and the mark.
_AT_ONCE = 50


class OnlineRemover(QmailRemover):
    """As QmailRemover; ``batch`` may be None only for counting."""

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
        for first in range(0, len(entries), _AT_ONCE):
            yield from self._take(entries[first : first + _AT_ONCE], chunk)
        self._busy = None

    def _take(self, entries, chunk):
        self.batch.append([to_line(entry, chunk) for entry in entries])
        left = {}
        busy = self._in_flight()
        for entry in entries:
            reason = self._save(entry, busy)
            if reason is not None:
                left[entry.id] = reason
        # The copies, and what takes the place of the senders, before any original is changed.
        disk.sync_all()
        disowned = []
        for entry in entries:
            if entry.id not in left:
                if disown(self._files, self.batch, entry):
                    disowned.append(entry)
                else:
                    left[entry.id] = _DELIVERED
                    self._roll_back(entry)
        # Marks whose sender is still the old one would be taken for deliveries after a power loss.
        self._files.sync()
        taken = []
        for entry in disowned:
            if mark(self._files, self.batch, entry):
                taken.append(entry)
            else:
                left[entry.id] = _DELIVERED
                self._roll_back(entry)
        busy = self._in_flight() if taken else ()
        unsure = [entry.id for entry in taken if self._is_busy(entry, busy)]
        disk.sync_all()
        self.batch.append([{"marked": [entry.id for entry in taken], "unsure": unsure}])
        for entry in entries:
            yield entry, left.get(entry.id)

    def _is_busy(self, entry, busy):
        """Tell whether one of the message's recipients, as they were saved, is being delivered."""
        for record in entry.files:
            channel = record.path.partition("/")[0]
            if busy and _is_channel(record):
                data = read_all(*self.batch.find(record.path), limit=_LIMIT)
                if any((channel, one[1:]) in busy for one in data.split(b"\0") if one[:1] == b"T"):
                    return True
        return False

    def _save(self, entry, busy):
        """Put a message into the batch; return why not, or None."""
        reason = None
        try:
            for record in entry.files:
                name, fd = self._files.place(record.path)
                there = self.batch.directory(record.path.rpartition("/")[0])
                if record.copied:
                    disk.copy(name, fd, name, there, read_all(name, fd, _LIMIT))
                else:
                    disk.link(name, fd, name, there)
            _prepare(self._files, self.batch, self._info(entry))
            if not self._is_as_examined(entry):
                reason = _CHANGED
            elif self._is_busy(entry, busy):
                reason = BUSY
        except (Vanished, FileNotFoundError):
            reason = "it left the queue while it was being taken"
        except Damaged as error:
            reason = str(error)
        if reason is not None:
            self._roll_back(entry)
        return reason

    def _roll_back(self, entry):
        _clear(self.batch, entry.id)
        roll_back(self.batch, entry)

    @staticmethod
    def _info(entry):
        return next(one.path for one in entry.files if one.path.startswith("info/"))

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


def disown(queue, batch, entry):
    """Have no failure of a message that is in the batch reported to anybody; return False where it has left the queue.

    ``queue``: its QueueFiles. The names of the new files must be on the disk before ``mark``.
    """
    text = entry.files[0]
    if not queue.is_same(text.path, text.inode):
        return False
    path = queue.paths(entry.id, int(text.path.split("/")[1]))["info"]
    name, fd = queue.place(path)
    temporary = _temporary(entry.id)
    try:
        if read_all(name, fd, _LIMIT) == _DOUBLE_BOUNCE:
            _clear(batch, entry.id)
            return True
        if batch.status(temporary) is None:
            _prepare(queue, batch, path, sync=True)
    except (Vanished, FileNotFoundError):
        _clear(batch, entry.id)
        return True
    disk.replace(temporary, batch.directory(""), name, fd)
    queue.note(path)
    return True


def mark(queue, batch, entry, again=False):
    """Mark a disowned message as done in the queue; return False where it has left the queue.

    ``again``: whether a run that was killed may have marked some of it.
    """
    text = entry.files[0]
    if not queue.is_same(text.path, text.inode):
        return False
    if again:
        for record in entry.files:
            if _is_channel(record):
                _mark_in_queue(queue, record.path)
        return True
    records = [_mark_channel(queue, batch, one) if _is_channel(one) else one for one in entry.files]
    if records != entry.files:
        batch.append([to_line(entry._replace(files=records), "changed")])
    return True


def _is_channel(record):
    return record.path.partition("/")[0] in _CHANNELS


def _prepare(queue, batch, path, sync=False):
    """Write into the batch what is to take the place of a message's info file; it must be synced before it does."""
    name, fd = queue.place(path)
    if read_all(name, fd, _LIMIT) != _DOUBLE_BOUNCE:
        # Its mtime is the message's arrival.
        disk.copy(name, fd, _temporary(name), batch.directory(""), _DOUBLE_BOUNCE, sync)


def _temporary(queue_id):
    return "info-%s" % queue_id


def _clear(batch, queue_id):
    """Remove what was to become a message's new info file, and did not."""
    temporary = _temporary(queue_id)
    if batch.status(temporary) is not None:
        disk.unlink(temporary, batch.directory(""))


def _mark_channel(queue, batch, record):
    """Mark the pending recipients of a channel; return the FileRecord of the copy, which is told of the done ones."""
    saved, there = batch.find(record.path)
    copy = os.open(saved, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=there)
    try:
        kept = os.pread(copy, _LIMIT, 0)
        # qmail-send removes it when all are done.
        data = _mark_in_queue(queue, record.path)
        pending = [at for at, one in _records(kept) if one[:1] == b"T"]
        delivered = [at for at in pending if data is None or data[at : at + 1] == b"D"]
        for at in delivered:
            disk.overwrite(copy, b"D", at)
        if delivered:
            disk.set_times(saved, there, (record.atime, record.mtime))
            # The ledger is about to say so.
            disk.sync_file(copy)
    finally:
        os.close(copy)
    if not delivered:
        return record
    return examine(record.path, saved, there)[0]._replace(inode=record.inode, copied=True)


def _mark_in_queue(queue, path):
    """Mark the pending recipients; return the file as it was before, or None where there is none."""
    name, place = queue.place(path)
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    except FileNotFoundError:
        return None
    try:
        data = os.pread(fd, _LIMIT, 0)
        _mark_pending(fd, data)
        return data
    finally:
        os.close(fd)


def _mark_pending(fd, data):
    for at, record in _records(data):
        if record[:1] == b"T":
            disk.overwrite(fd, b"D", at)


def _records(data):
    """Yield ``(offset, record)`` of a channel's file."""
    position = 0
    for record in data.split(b"\0")[:-1]:
        yield position, record
        position += len(record) + 1


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
        marked = IdSet()
        for line in batch.ledger():
            for one in line.get("marked", ()):
                marked.add(one)
        count = size = 0
        for entry in batch.entries():
            _clear(batch, entry.id)
            found = True if entry.id in marked else _resume(queue, batch, entry)
            if found is False:
                roll_back(batch, entry)
                continue
            count += 1
            size += entry.size or 0
            if found and not online:
                _remove(queue, batch, entry)
        disk.sync_all()
        return count, size
    finally:
        queue.close()


def _resume(queue, batch, entry):
    """Go on with a message that was being taken when the run was cut off.

    Return True where it is the batch's, False where it stays in the queue, and None where that cannot be told: both
    then keep what they have. It stays only where its sender is still there: else the batch's copy is the good one.
    """
    text = entry.files[0]
    path = queue.paths(entry.id, int(text.path.split("/")[1]))["info"]
    if not queue.is_same(text.path, text.inode):
        if not all(batch.status(record.path) for record in entry.files):
            return False
        # It was dropped: because of our marks, or because all was delivered before.
        batch.append([{"unsure": [entry.id]}])
        return True
    try:
        sender = read_all(*queue.place(path), limit=_LIMIT)
        digest = examine(path, *queue.place(path))[0].sha256
    except Vanished:
        # qmail-send is about to drop it, for one of the same reasons.
        sender = digest = None
    is_old = any(one.path == path and one.sha256 == digest for one in entry.files)
    if is_old and (sender != _DOUBLE_BOUNCE or not _is_marked(queue, entry)):
        return False
    if not all(_is_whole(batch, record) for record in entry.files):
        # Nothing is changed in the queue before the batch has all of it on the disk: this was not us.
        return False if sender is None else None
    # Which of the marks in the queue are ours, and which are of deliveries, cannot be told.
    batch.append([{"unsure": [entry.id]}])
    if sender is not None:
        disown(queue, batch, entry)
        queue.sync()
    mark(queue, batch, entry, again=True)
    return True


def _is_whole(batch, record):
    """Tell whether the batch has a file as it was saved, though deliveries may have been noted in it since."""
    found, place = batch.status(record.path), batch.find(record.path)
    if found is None or found.st_size != record.size:
        return False
    try:
        if _is_channel(record):
            data = read_all(*place, limit=_LIMIT)
            return data[-1:] == b"\0" and all(one[:1] in (b"T", b"D") for unused, one in _records(data))
        return examine(record.path, *place)[0].sha256 == record.sha256
    except (Vanished, Damaged):
        return False


def _is_marked(queue, entry):
    for record in entry.files:
        if _is_channel(record) and queue.status(record.path) is not None:
            data = read_all(*queue.place(record.path), limit=_LIMIT)
            if any(one[:1] == b"T" for unused, one in _records(data)):
                return False
    return True


def _remove(queue, batch, entry):
    text = entry.files[0]
    if queue.is_same(text.path, text.inode):
        paths = queue.paths(entry.id, int(text.path.split("/")[1]))
        for kind in ("info", "local", "remote", "bounce", "mess"):
            found = queue.status(paths[kind])
            if found is not None:
                queue.remove(paths[kind], found.st_ino)
