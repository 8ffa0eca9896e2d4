# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why recipients were deferred: the files in defer/ (src/global/bounce_log.c of Postfix's sources)."""

__all__ = ["parse_defer_log", "reasons_for"]

import re

_OLD_STYLE = re.compile(rb"<([^\n]*)>: ([^\n]*)")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"(@[^@]*)?\Z', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def parse_defer_log(data):
    """Return {recipient: reason} of the bytes of a defer log, the last reason for each recipient.

    Recipients are in the printable, quoted form in which Postfix logs them.
    """
    reasons = {}
    at, name = data.find(b"\nreason="), data.find(b"\nrecipient=")
    if 0 <= name < at and data.find(b"\nreason=", at + 1) < 0:
        # The usual log of one recipient.
        reasons[_line(data, name + 11)] = _line(data, at + 8).strip()
        return reasons
    for entry in data.split(b"\n\n"):
        recipient = reason = None
        for line in entry.split(b"\n"):
            if line.startswith(b"recipient="):
                recipient = line[10:]
            elif line.startswith(b"reason="):
                reason = line[7:]
            elif reason is None and line.startswith(b"<"):
                # The form before Postfix 2.1, still written in front of the newer one.
                old = _OLD_STYLE.match(line)
                if old:
                    recipient, reason = old.groups()
        if recipient is not None and reason is not None:
            reasons[recipient] = reason.strip()
    return reasons


def _line(data, at):
    return data[at:].partition(b"\n")[0]


def reasons_for(recipients, logged):
    """Return {address: reason} for those of ``recipients`` (list of Recipient) that ``logged`` has a reason for."""
    reasons = {}
    for one in recipients:
        reason = logged.get(one.address)
        if reason is not None:
            reasons[one.address] = reason
    if len(reasons) < len(logged):
        plain = {_unquote(address): reason for address, reason in logged.items()}
        for one in recipients:
            if one.address not in reasons:
                # What printable() made of bytes that are not ASCII cannot be undone, but can be done again.
                reason = plain.get(one.address) or plain.get(_printable(one.address))
                if reason is not None:
                    reasons[one.address] = reason
    return reasons


def _unquote(address):
    found = _QUOTED.match(address)
    if found is None:
        return b"" if address == b"MAILER-DAEMON" else address
    return _ESCAPED.sub(rb"\1", found.group(1)) + (found.group(2) or b"")


def _printable(address):
    return bytes(bytearray(byte if 32 <= byte < 127 else 63 for byte in address))
