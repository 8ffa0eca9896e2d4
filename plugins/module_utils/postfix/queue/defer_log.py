# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why recipients were deferred: the files in defer/ (src/global/bounce_log.c of Postfix's sources)."""

__all__ = ["parse_defer_log", "reasons_for"]

import re

_OLD_STYLE = re.compile(rb"^<([^\n]*)>: ([^\n]*)", re.MULTILINE)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"(@[^@]*)?\Z', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def parse_defer_log(data):
    """Return {recipient: reason} of the bytes of a defer log, the last reason for each recipient.

    Recipients are in the printable, quoted form in which Postfix logs them.
    """
    reasons = {}
    entries = data.split(b"\nrecipient=")
    for entry in entries[1:]:
        end = entry.find(b"\n\n")
        reason = entry.find(b"\nreason=", 0, end if end >= 0 else len(entry))
        if reason >= 0:
            reasons[_line(entry, 0)] = _line(entry, reason + 8).strip()
    if len(entries) == 1:
        # The form before Postfix 2.1, which newer ones still write in front of their own.
        for found in _OLD_STYLE.finditer(data):
            reasons[found.group(1)] = found.group(2).strip()
    return reasons


def _line(data, at):
    end = data.find(b"\n", at)
    return data[at:end] if end >= 0 else data[at:]


def reasons_for(recipients, logged):
    """Return {address: reason} for those of ``recipients`` (list of Recipient) that ``logged`` has a reason for."""
    if len(logged) == len(recipients) == 1 and recipients[0].address in logged:
        return logged
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
