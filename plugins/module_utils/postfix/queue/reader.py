# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Postfix queues, live or copied, one directory at a time."""

__all__ = ["PostfixReader"]

import os
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import (
    entries,
    open_directory,
    open_file,
    read_all,
)
from ansible_collections.mailops.rescue.plugins.module_utils.mail.bounces import reported_addresses
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import HEADER_LIMIT, Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import (
    ENVELOPE,
    HEADER,
    REASON,
    STAT,
    SUBJECT,
    Message,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.content_filters import find_filters
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.defer_log import parse_defer_log, reasons_for
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.file_bytes import FileBytes
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import is_loopback, origin
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import (
    TooShort,
    find_subject,
    parse_content,
    parse_envelope,
)

_FIRST = 16384
_PIECE = 1 << 18
_LOG_LIMIT = 1 << 26
_READY, _EXPIRED = stat.S_IXUSR, stat.S_IXGRP


class PostfixReader:
    """A Reader, as of mta/contract.py. ``directories``: the queue directories, one for each instance; ``queues_of``:
    those that Postfix has them as, the same but for batches of a quarantine; ``configurations``: directories of
    configurations that postmulti may not list.
    """

    mta = "postfix"
    queues = layout.QUEUES

    def __init__(self, directories, queues_of=None, configurations=()):
        self.directories = directories
        self._queues_of = queues_of or directories
        self._configurations = configurations
        self._filters = {}
        self._owner = None
        self._is_trusted = True
        self.returned = 0
        self._seen = [IdSet() for unused in directories]
        self._also_seen = []
        self._gone = [set() for unused in directories]
        self._fd = None
        self._relative = None
        self._likely_log = None
        self._hashed = False
        self._data = b""
        self._data_of = None
        self._envelope = None
        self._defer = {}

    def early_parts(self):
        return self._parts(layout.FLOW)

    def parts(self):
        return self._parts(layout.REST)

    def late_parts(self):
        """Return the queues into which mail may have moved back after they were read."""
        return [part + ("again",) for part in self._parts(layout.FLOW[1:])]

    def _parts(self, queues):
        """Return ``(index, queue, path)`` of every directory that may hold messages; ``path`` begins with the queue."""
        found = []
        for index, directory in enumerate(self.directories):
            for queue in queues:
                for path in _hash_directories(directory, queue, 0):
                    found.append((index, queue, path))
        return found

    def holds_more_than(self, count):
        for index, _queue, path in self.parts():
            with os.scandir(os.path.join(self.directories[index], path)) as found:
                for _unused in found:
                    count -= 1
                    if count < 0:
                        return True
        return False

    def state(self):
        return self._seen, self._gone

    def merge(self, state):
        seen, gone = state
        self._also_seen.append(seen)
        for mine, theirs in zip(self._gone, gone):
            mine |= theirs

    def gone(self, message):
        self._gone[message.place].add(message.id)

    def _is_known(self, index, name):
        if name in self._gone[index]:
            self._gone[index].discard(name)
            self.returned += 1
            return False
        return name in self._seen[index] or any(name in seen[index] for seen in self._also_seen)

    def path(self, message):
        return "%s/%s" % (self._relative, message.id)

    def read(self, part, problem):
        index, queue, self._relative = part[:3]
        # The likeliest place for a log is as deep as the message's own file.
        self._likely_log = "defer" + self._relative[len(queue) :] if queue == "deferred" else None
        again = len(part) > 3
        try:
            self._fd = open_directory(os.path.join(self.directories[index], self._relative))
        except FileNotFoundError:
            return
        try:
            seen = self._seen[index]
            for name, kind in entries(self._fd):
                if kind is None and layout.is_id(name):
                    if not (again and self._is_known(index, name)) and (seen.put(name) or again):
                        yield Message(index, name, queue)
                elif not again:
                    self._tell(problem, index, queue, name, kind)
        finally:
            os.close(self._fd)
            self._data_of = self._envelope = None

    def _tell(self, problem, index, queue, name, kind):
        """Tell ``problem`` of what is no queue file, unless it is a hash directory."""
        path = "%s/%s" % (self._relative, name)
        if kind is None:
            problem(index, path, "not a queue id", False, ())
        elif kind != "directory" or not layout.HASH_NAME.match(name):
            problem(index, path, "not a regular file (%s)" % kind, layout.is_id(name), (queue,))

    def load(self, message, fields):
        if fields & (SUBJECT | HEADER | REASON):
            fields |= ENVELOPE | STAT
        missing = fields & ~message.loaded
        if missing & (STAT | ENVELOPE):
            self._open(message)
        if missing & SUBJECT and not missing & HEADER and not self._find_subject(message):
            missing |= HEADER
        if missing & HEADER:
            missing |= SUBJECT
            self._load_headers(message)
        if missing & REASON:
            logged = self._logged(message)
            message.reasons = reasons_for(message.recipients, logged) if logged else None
        message.loaded |= missing

    def _open(self, message):
        """Read the message's envelope, and keep the first part of its file at hand."""
        if self._data_of is message:
            return
        fd = open_file(message.id, self._fd)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise Damaged("not a regular file")
            self._data = os.read(fd, _FIRST)
            self._data_of = message
            message.state = "corrupt" if message.queue == "corrupt" else _state(found.st_mode)
            if found.st_nlink > 1:
                raise Damaged("it has %d links, and Postfix refuses such a file" % found.st_nlink)
            trusted = message.queue != "maildrop" or self._is_requeued(found)
            self._owner = found.st_uid or None
            try:
                envelope = parse_envelope(self._data, trusted)
            except TooShort:
                envelope = self._long_envelope(fd, message, trusted)
        finally:
            os.close(fd)
        self._envelope = envelope
        self._is_trusted = trusted
        message.size = found.st_size
        message.arrival = found.st_mtime
        if envelope is not None:
            self._note(message, envelope, trusted)
        if not trusted:
            # postdrop(1) is set-gid: the file still belongs to whoever submitted it.
            message.origin_uid = found.st_uid
        message.loaded |= STAT | ENVELOPE

    def _is_requeued(self, found):
        """Tell whether a file in maildrop is Postfix's own: postsuper -r put it there, with all that was known."""
        return found.st_uid != 0 and found.st_uid == os.fstat(self._fd).st_uid

    @staticmethod
    def _long_envelope(fd, message, trusted):
        try:
            return parse_envelope(FileBytes(fd), trusted)
        except TooShort:
            if message.state == "incomplete":
                return None
            raise Damaged("not a queue file: it ends too early") from None

    @staticmethod
    def _note(message, envelope, trusted):
        message.sender = envelope.sender
        message.recipients = envelope.recipients
        if envelope.arrival is not None:
            message.arrival = envelope.arrival
        if trusted:
            if envelope.size is not None:
                message.size = envelope.size
            attributes = envelope.attributes
            message.sasl_username = attributes.get(b"sasl_username")
            # After a content filter, the client of the log is the real one (XFORWARD).
            address = attributes.get(b"log_client_address") or attributes.get(b"client_address")
            if address and address != b"unknown":
                message.client_address = address[5:] if address[:5].lower() == b"ipv6:" else address
                name = attributes.get(b"log_client_name") or attributes.get(b"client_name")
                message.client_name = None if name == b"unknown" else name

    def _find_subject(self, message):
        """Find the Subject without reading all headers; tell whether they are not needed for what goes with it."""
        # Of local mail and of what a filter gave back they tell the source, and of mail from the null sender whether it
        # is a failure notice.
        if self._envelope is None or message.client_address is None or not message.sender:
            return False
        if self._is_through(message) and self._may_be_filtered(message):
            return False
        message.found_subject = find_subject(self._data, self._envelope.content)
        return message.found_subject is not None

    def _is_through(self, message):
        """Tell whether a message came in by SMTP from this host itself, without a login."""
        address = self._envelope.attributes.get(b"client_address")
        return address is not None and address[:1] in b"1:" and message.sasl_username is None and is_loopback(address)

    def _may_be_filtered(self, message):
        filters = self._filters_of(message)
        return filters is None or bool(filters.destinations)

    def _filters_of(self, message):
        index = message.place
        if index not in self._filters:
            self._filters[index] = find_filters(self._queues_of[index], self._configurations)
        return self._filters[index]

    def _note_origin(self, message):
        """Take who sent the message from its headers, where the envelope does not tell."""
        is_through = self._is_through(message)
        # Without a client it came through sendmail(1), or did so at last.
        if message.client_address is not None and not (is_through and self._may_be_filtered(message)):
            return
        found = origin(message.headers, message.id.encode(), self._owner, is_through, self._filters_of(message))
        if message.origin_uid is None:
            message.origin_uid = found.uid
        if found.source is None:
            return
        if message.sasl_username is None:
            message.sasl_username = found.login
        took = found.uid is not None or found.login is not None
        known = message.client_address
        if found.address is not None and (known is None or is_loopback(known)):
            message.client_address, message.client_name = found.address, found.name
            took = True
        if took or found.source == "hidden":
            message.origin_from = found.source

    def _load_headers(self, message):
        if self._envelope is None:
            message.headers = Headers(b"")
            return
        text, unused, complete = parse_content(self._data, 0, self._envelope.content, header_only=True)
        if not complete:
            pieces, size = [], 0
            for piece in self._content(message, self._envelope.content):
                pieces.append(piece)
                size += len(piece)
                if size > HEADER_LIMIT:
                    break
            text = b"".join(pieces)
        headers = message.headers = Headers(text)
        if self._is_trusted:
            self._note_origin(message)
        if message.sender == b"":
            body = text
            if complete:
                body = parse_content(self._data, 0, self._envelope.content)[0]
            message.bounced = reported_addresses(headers, body[headers.body_offset :], False)

    def body(self, message):
        """Yield what follows the message's headers, in pieces of bytes."""
        self.load(message, HEADER)
        if self._envelope is None:
            return
        skip = message.headers.body_offset
        for piece in self._content(message, self._envelope.content):
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))

    def _content(self, message, at):
        """Yield the message's text from the record at file offset ``at`` on."""
        jumps = set()
        text, at, complete = parse_content(self._data, 0, at, jumps=jumps)
        yield text
        if complete or len(self._data) < _FIRST:
            return
        fd = open_file(message.id, self._fd)
        try:
            # Each piece but those that a pointer ends moves on by at least half of what is read.
            for _unused in range(20000 + 2 * os.fstat(fd).st_size // _PIECE):
                before = at
                data = os.pread(fd, _PIECE, at)
                text, at, complete = parse_content(data, at, at, jumps=jumps)
                yield text
                if complete or not data or at == before:
                    return
            raise Damaged("not a queue file: its pointers lead nowhere")
        finally:
            os.close(fd)

    def _logged(self, message):
        """Return {recipient: reason} of the message's defer log; empty where there is none."""
        likely = self._likely_log
        logged = self._read_log(message, likely) if likely else None
        if logged is None:
            names = layout.hash_names(message.id)
            for depth in range(min(self._log_depth(message.place), len(names)), -1, -1):
                directory = "/".join(("defer",) + names[:depth])
                if directory != likely:
                    logged = self._read_log(message, directory)
                    if logged is not None:
                        break
        return logged or {}

    def _read_log(self, message, directory):
        """Return what the message's log in ``directory`` says, or None where there is none."""
        fd = self._log_fd(message.place, directory)
        if fd is None:
            return None
        try:
            return parse_defer_log(read_all(message.id, fd, _LOG_LIMIT))
        except Vanished:
            return None
        except Damaged as error:
            error.path = "%s/%s" % (directory, message.id)
            raise

    def _log_depth(self, index):
        key = (index, None)
        if key not in self._defer:
            paths = _hash_directories(self.directories[index], "defer", 0)
            self._defer[key] = max([path.count("/") for path in paths], default=0)
        return self._defer[key]

    def _log_fd(self, index, directory):
        key = (index, directory)
        if key not in self._defer:
            try:
                self._defer[key] = open_directory(os.path.join(self.directories[index], directory))
            except OSError:
                self._defer[key] = None
        return self._defer[key]


def _state(mode):
    if not mode & _READY:
        return "incomplete"
    return "expired" if mode & _EXPIRED else "ready"


def _hash_directories(directory, path, depth):
    """Return ``path`` and the hash directories below it; none where it is no directory."""
    if depth > 8:
        return []
    try:
        with os.scandir(os.path.join(directory, path)) as found:
            named = [one for one in found if layout.HASH_NAME.match(one.name)]
            below = sorted(one.name for one in named if one.is_dir(follow_symlinks=False))
    except OSError:
        return []
    paths = [path]
    for name in below:
        paths += _hash_directories(directory, "%s/%s" % (path, name), depth + 1)
    return paths
