# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads qmail queues, live or copied, one numbered directory at a time."""

__all__ = ["QmailReader"]

import os
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, open_file, read_all
from ansible_collections.mailops.rescue.plugins.module_utils.mail.bounces import reported_addresses
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import HEADER_LIMIT, Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import (
    ENVELOPE,
    HEADER,
    STAT,
    SUBJECT,
    Message,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.directories import Queue, Split
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.received import origin
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.scanners import Scanners

_FIRST = 16384
_PIECE = 1 << 18
_ENVELOPE_LIMIT = 1 << 26
_REMOTE = ("remote",)


class QmailReader:
    """A Reader, as of mta/contract.py. ``directories``: the queues, as layout.find_queues gives them."""

    mta = "qmail"
    queues = layout.QUEUES

    def __init__(self, directories, queues_of=None):
        """``queues_of``: the queues that these are batches of, where they are batches of a quarantine."""
        self.directories = directories
        self._scanners = [Scanners(one) for one in queues_of or directories]
        self._queues = {}
        self._split = None
        self._data = b""
        self._data_of = None

    returned = 0

    def early_parts(self):
        """Return the parts to be read before all others: none, as a message stays in its numbered directory."""
        return []

    def late_parts(self):
        """Return the parts to be read once more after all others: none."""
        return []

    def state(self):
        """Return what ``merge`` in another process must know: nothing."""

    def merge(self, state):
        """Take over what another process's reader knows: nothing."""

    def gone(self, message):
        """Take note that a message vanished; it went nowhere else."""

    def holds_more_than(self, count):
        """Tell whether there are more than ``count`` messages."""
        for index, number in self.parts():
            with os.scandir(os.path.join(self.directories[index], "mess", str(number))) as found:
                count -= sum(1 for unused in found)
            if count < 0:
                return True
        return False

    def path(self, message):
        """Return the path of a message's text, relative to its queue."""
        return self._split.path("mess", message.id)

    def parts(self):
        """Return the list of ``(index of the directory, number of the split)``."""
        return [
            (index, number)
            for index, directory in enumerate(self.directories)
            for number in layout.splits(directory, "mess")
        ]

    def read(self, part, problem):
        """Yield a Message for each message in a part.

        ``problem(index, path, reason, is_message)`` is told what is damaged.
        """
        index, number = part
        if index not in self._queues:
            self._queues[index] = Queue(self.directories[index], lambda *what: problem(index, *what))
        with Split(self._queues[index], number) as self._split:
            names = IdSet()
            for batch in self._queues[index].batches(self._split.fds["mess"], "mess/%d" % number, True):
                names.update(batch)
                for name in batch:
                    yield self._message(index, name)
            self._split.strays(names.container())
        self._data_of = None

    def _message(self, index, name):
        message = Message(index, name, None)
        listed = self._split.listed
        if (
            name in listed["remote"]
            and name in listed["info"]
            and name not in listed["todo"]
            and name not in listed["local"]
            and name not in listed["bounce"]
        ):
            # The usual case, in short.
            message.state, message.queue, message.queues = "S5", "remote", _REMOTE
            return message
        _classify(message, lambda directory, name: name in listed[directory])
        if message.queue == "incomplete":
            # The directories were listed before this message's: it may have come in between.
            _classify(message, self._split.exists)
        return message

    def load(self, message, fields):
        """Fill in ``fields`` of the message."""
        if fields & (SUBJECT | HEADER):
            fields |= ENVELOPE | STAT | SUBJECT | HEADER
        missing = fields & ~message.loaded
        if missing & (ENVELOPE | STAT) and message.queue != "incomplete":
            try:
                self._load_envelope(message, missing)
            except Vanished:
                # It went from one state to the next, or left the queue.
                before = message.state
                _classify(message, self._split.exists)
                if message.state == before or message.queue == "incomplete":
                    raise
                self._load_envelope(message, missing)
        if missing & HEADER:
            self._load_headers(message)
        elif missing & STAT:
            try:
                self._note(message, os.stat(message.id, dir_fd=self._split.fds["mess"], follow_symlinks=False))
            except FileNotFoundError:
                raise Vanished from None
        message.loaded |= missing

    def _load_envelope(self, message, missing):
        if message.state == "S4":
            if missing & ENVELOPE:
                envelope = self._parse("todo", message.id, layout.parse_todo)
                message.sender = envelope.sender
                message.recipients = envelope.recipients
                message.origin_uid = envelope.uid
            return
        try:
            fd = open_file(message.id, self._split.fds["info"])
            try:
                message.arrival = os.fstat(fd).st_mtime
                if message.arrival > self._split.queue.since:
                    # Its todo file may have come after todo was listed; as long as that is there, the others are half
                    # written. Look before reading: after that, they are whole.
                    _classify(message, self._split.exists)
                if missing & ENVELOPE and message.state != "S4":
                    message.sender = layout.parse_info(os.read(fd, _FIRST))
            finally:
                os.close(fd)
        except Damaged as error:
            error.path = self._split.path("info", message.id)
            raise
        except OSError as error:
            raise Damaged("cannot be read: %s" % error.strerror, self._split.path("info", message.id)) from None
        if message.state == "S4":
            message.arrival = None
            self._load_envelope(message, missing)
            return
        if missing & ENVELOPE:
            recipients = []
            for channel in ("local", "remote"):
                if channel in message.queues:
                    try:
                        recipients += self._parse(channel, message.id, layout.PARSE_CHANNEL[channel])
                    except Vanished:
                        # qmail-send removes a channel's file with its last recipient.
                        continue
            message.recipients = recipients

    def _parse(self, name, queue_id, parse):
        try:
            return parse(read_all(queue_id, self._split.fds[name], _ENVELOPE_LIMIT))
        except Damaged as error:
            error.path = self._split.path(name, queue_id)
            raise

    @staticmethod
    def _note(message, found):
        if not stat.S_ISREG(found.st_mode):
            raise Damaged("not a regular file (%s)" % FileKind.of(found.st_mode))
        message.size = found.st_size
        if message.arrival is None:
            message.arrival = found.st_mtime

    def _load_headers(self, message):
        headers = message.headers = self._read_headers(message)
        where = origin(headers, self._scanners[message.place].judge)
        if where.kind is not None or message.origin_uid is None:
            message.origin_uid = where.uid
        message.origin_from = where.source
        message.client_address = where.client_address
        message.client_name = where.client_name
        message.sasl_username = where.sasl_username
        if message.sender in (b"", b"#@[]"):
            body = self._data[headers.body_offset :]
            message.bounced = reported_addresses(headers, body, where.kind == "bounce")

    def _read_headers(self, message):
        """Return the message's Headers, with the first part of its text kept at hand."""
        if self._data_of is not message:
            fd = self._open(message)
            try:
                self._data = os.read(fd, _FIRST)
                if 0 < len(self._data) < _FIRST and message.arrival is not None:
                    message.size = len(self._data)
                else:
                    self._note(message, os.fstat(fd))
            finally:
                os.close(fd)
            self._data_of = message
        headers = message.headers or Headers(self._data)
        if not headers.complete and len(self._data) == _FIRST:
            fd = self._open(message)
            try:
                pieces = []
                while sum(map(len, pieces)) < HEADER_LIMIT + _FIRST:
                    pieces.append(os.read(fd, _PIECE))
                    if not pieces[-1]:
                        break
                self._data = b"".join(pieces)
            finally:
                os.close(fd)
            headers = Headers(self._data)
        return headers

    def _open(self, message):
        return open_file(message.id, self._split.fds["mess"])

    def body(self, message):
        """Yield what follows the message's headers, in pieces of bytes."""
        offset = self._read_headers(message).body_offset
        if len(self._data) < _FIRST:
            yield self._data[offset:]
            return
        fd = self._open(message)
        try:
            os.lseek(fd, offset, os.SEEK_SET)
            piece = os.read(fd, _PIECE)
            while piece:
                yield piece
                piece = os.read(fd, _PIECE)
        finally:
            os.close(fd)


def _classify(message, holds):
    """Set the message's state and queues; ``holds(directory, id)`` tells where it has files."""
    name = message.id
    found = ()
    if holds("todo", name):
        message.state, message.queue = "S4", "todo"
    elif not holds("info", name):
        message.state, message.queue = "S3" if holds("intd", name) else "S2", "incomplete"
    else:
        found = tuple(queue for queue in ("local", "remote") if holds(queue, name))
        reports = holds("bounce", name)
        message.state = "S5"
        message.queue = "+".join(found) or ("bounce" if reports else "done")
        if reports:
            found += ("bounce",)
    message.queues = found or (message.queue,)
