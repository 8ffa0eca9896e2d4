# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a Postfix queue file (src/global/rec_type.h of its sources), as a pure function of bytes."""

__all__ = ["Envelope", "TooShort", "find_subject", "parse_content", "parse_envelope"]

import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient

_MOST_JUMPS = 10000
_FIELD = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
# How the names of those attributes begin that anybody asks for.
_WANTED = frozenset((b"client_name=", b"client_addre", b"log_client_n", b"log_client_a", b"sasl_usernam"))
# As Recipient() without the call in between.
_new = tuple.__new__
_MOST_LENGTH_BITS = 28


class TooShort(Exception):
    """The file goes on beyond the bytes at hand. ``offset``: the byte that is needed next."""

    def __init__(self, offset):
        super().__init__(offset)
        self.offset = offset


class Envelope:
    """What stands before a message's text, and what was extracted from it after it.

    ``size`` (of the text) and ``arrival`` (epoch seconds) are None where the file does not say; ``attributes`` maps
    names of attributes of the client and of SASL to values, bytes; ``recipients`` is a list of Recipient; ``content``
    is the offset of the first record of the text, ``announced`` the number of recipients that the file says it holds.
    """

    __slots__ = ("size", "arrival", "sender", "attributes", "recipients", "content", "announced")

    def __init__(self):
        self.size = self.arrival = self.sender = self.content = self.announced = None
        self.attributes = {}
        self.recipients = []


def _long_record(data, at):
    """Return (start, stop) of the record at ``at``, whose length takes more than one byte."""
    length = data[at + 1] & 127
    start, shift = at + 2, 7
    while True:
        byte = data[start]
        start += 1
        length |= (byte & 127) << shift
        if byte < 128:
            return start, start + length
        shift += 7
        if shift > _MOST_LENGTH_BITS:
            raise Damaged("not a queue file: a record has an impossible length")


def parse_envelope(data, trusted=True):
    """Return the Envelope in ``data``: the first bytes of a queue file, or what acts like all of them.

    ``trusted``: written by cleanup(8), not by a user through postdrop(1). Raises TooShort where more bytes are needed
    to know all of it, and Damaged where this is no queue file.
    """
    envelope = Envelope()
    at = _parse_until(data, 0, b"M", envelope)
    envelope.content = at
    if envelope.sender is None:
        raise Damaged("not a queue file: no sender in it")
    if not trusted and not envelope.recipients:
        # sendmail -t. How long the text is, only its records tell.
        _parse_until(data, at, b"E", envelope)
    size = envelope.size if trusted else None
    if size is not None and envelope.announced is not None and len(envelope.recipients) < envelope.announced:
        # Recipients out of the message's own headers (sendmail -t), or added by a milter, stand after the text.
        _parse_until(data, at + size, b"E", envelope)
    return envelope


def _parse_until(data, at, last, envelope):
    """Read records into ``envelope`` up to one of type ``last``; return the offset after it."""
    end = len(data)
    last = last[0]
    jumps = set()
    recipients, attributes = envelope.recipients, envelope.attributes
    # This loop is most of what reading a queue costs: no call in it that is not needed.
    while True:
        try:
            kind = data[at]
            stop = data[at + 1]
            start = at + 2
            if stop < 128:
                stop += start
            else:
                start, stop = _long_record(data, at)
        except IndexError:
            raise TooShort(at) from None
        if stop > end:
            raise TooShort(at)
        if kind == 65:  # A: name=value
            if data[start : start + 12] in _WANTED:
                name, unused, value = data[start:stop].partition(b"=")
                attributes[name] = value
        elif kind == 82:  # R: recipient
            recipients.append(_new(Recipient, (data[start:stop], False, None)))
        elif kind == 68:  # D: recipient that was delivered to
            recipients.append(_new(Recipient, (data[start:stop], True, None)))
        elif kind == 112:  # p: go on elsewhere
            target = _number(data[start:stop])
            if target:
                # What is read next depends on the place alone: whoever comes to one again goes round for ever.
                if target in jumps or len(jumps) > _MOST_JUMPS or target >= 1 << 40:
                    raise Damaged("not a queue file: its pointers lead nowhere")
                jumps.add(target)
                at = target
                continue
        elif kind == 83:  # S: sender
            if envelope.sender is not None:
                raise Damaged("not a queue file: it has two senders")
            envelope.sender = data[start:stop]
        elif kind == 67:  # C: sizes
            # In columns of 15 bytes with a blank between them.
            envelope.size = _number(data[start : start + 15])
            envelope.announced = _number(data[start + 32 : min(start + 47, stop)])
        elif kind == 84:  # T: arrival, in seconds and microseconds
            if envelope.arrival is None:
                numbers = data[start:stop].split()
                seconds = _number(numbers[0]) if numbers else None
                if seconds is not None:
                    micro = _number(numbers[1]) if len(numbers) > 1 else None
                    envelope.arrival = seconds + (micro or 0) % 1000000 / 1e6
        elif kind == last:
            return stop
        elif kind == 69:  # E: end of the file, before what was looked for
            raise Damaged("not a queue file: it ends before the message")
        elif not 33 <= kind <= 126:
            raise Damaged("not a queue file: a record of impossible type %d" % kind)
        at = stop


def _number(data):
    data = data.strip()
    return int(data) if len(data) <= 15 and data.isdigit() else None


def find_subject(data, at):
    """Return the raw Subject in the records of ``data`` from ``at`` on, or None where only all headers can tell.

    ``data``: the first bytes of the file. What it returns is what a Headers of the same text has for a Subject.
    """
    try:
        while data[at] == 78:
            length = data[at + 1]
            start, stop = at + 2, at + 2 + length
            if not 0 < length < 128:
                return None
            if data.startswith(b"Subject:", start):
                return _unfold(data, data[start + 8 : stop], stop)
            if data[start] not in b" \t" and (
                _FIELD.match(data, start, stop) is None or data[start : start + 7].lower() == b"subject"
            ):
                return None
            at = stop
    except IndexError:
        pass
    return None


def _unfold(data, value, at):
    """Return ``value`` with the continuation lines that follow at ``at``, or None where it may go on out of sight."""
    while data[at] == 78 and data[at + 1] < 128 and len(value) < 1000:
        stop = at + 2 + data[at + 1]
        if stop == at + 2 or data[at + 2] not in b" \t":
            return None if b"\r" in value else value.strip()
        value += b" " + data[at + 2 : stop].lstrip(b" \t")
        at = stop
    return None


def _short_lines(data, at):
    """Return ``(text, at)`` of the lines up to and with an empty one; None where there is another kind of record."""
    lines = []
    try:
        while data[at] == 78:
            length = data[at + 1]
            if length > 127:
                return None
            if not length:
                lines.append(b"\n")
                return b"\n".join(lines), at + 2
            lines.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    except IndexError:
        pass
    return None


def parse_content(data, base, at, header_only=False, jumps=None):
    """Return ``(text, at, complete)``: the message text in the records of ``data`` from file offset ``at`` on.

    ``base`` is the file offset of ``data``. ``at``: the file offset where the text goes on; ``complete``: whether it
    is at its end, or with ``header_only`` at the end of the headers. ``jumps``: an empty set, the same for all pieces
    of a text; in it are the places that pointers led to. Raises Damaged.
    """
    end = len(data)
    pieces, new_line = [], True
    if header_only:
        # Headers are lines of less than 128 bytes most of the time.
        found = _short_lines(data, at - base)
        if found is not None:
            return found[0], found[1] + base, True
    jumps = set() if jumps is None else jumps
    at -= base
    while 0 <= at < end:
        try:
            kind = data[at]
            length = data[at + 1]
            start = at + 2
            if length < 128:
                stop = start + length
            else:
                start, stop = _long_record(data, at)
        except IndexError:
            break
        if stop > end:
            break
        if kind == 78:  # N: a line, or the rest of one
            pieces.append(data[start:stop])
            pieces.append(b"\n")
            if header_only and new_line and start == stop:
                return b"".join(pieces), stop + base, True
            new_line = True
        elif kind == 76:  # L: a line that goes on in the next record
            pieces.append(data[start:stop])
            new_line = False
        elif kind == 112:
            target = _number(data[start:stop])
            if target:
                if target in jumps or len(jumps) > _MOST_JUMPS:
                    raise Damaged("not a queue file: its pointers lead nowhere")
                jumps.add(target)
                at = target - base
                continue
        elif kind in (88, 69):  # X: what was extracted from the message; E: end
            return b"".join(pieces), at + base, True
        elif not 33 <= kind <= 126:
            raise Damaged("not a queue file: a record of impossible type %d" % kind)
        at = stop
    return b"".join(pieces), at + base, False
