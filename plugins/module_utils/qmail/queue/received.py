# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a message in a qmail queue came from, out of the Received lines that qmail put on top of it."""

__all__ = ["Origin", "origin"]

import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.scanners import LOCAL, NEVER, UNKNOWN

# kind: "uid", "network", "bounce", "alias" or None; uid: int or None; source: "header" where the client was read below
# the line of a user who passes on the mail of others, else None; the rest bytes or None.
Origin = namedtuple("Origin", "kind uid client_address client_name sasl_username source")
Origin.__new__.__defaults__ = (None,)

_QUEUE = re.compile(rb"Received: \(qmail \d{1,10} invoked (?:by uid (\d{1,10})|(by alias|from network|for bounce))\);")
# Written by qmail-smtpd with safeput(): no byte in it but letters, digits and .@%+/=:-[] was the client's.
_SMTP = re.compile(
    rb"from (\S{1,255})(?: \(HELO [^()]{0,255}\))?"
    rb" \((?:([^()]{1,255})@)?(?:IPv6:|::ffff:)?\[?([0-9A-Fa-f.:]{2,45})\]?\)"
    rb"([^;]{0,600});"
)
_PATCHED_AUTH = re.compile(rb"\(smtp-auth username ([^\s,()]{1,255})")
_AUTHENTICATED = re.compile(rb"with (?:UTF8)?(?:E?SMTPS?A|ASMTP)\b", re.IGNORECASE)
# qmail-scanner names who ran it.
_SCANNED = re.compile(
    rb"(?:from \S{1,255} )?by \S{1,255} \(envelope-from [^()]{0,600}, uid (\d{1,10})\) with qmail-scanner"
)
# Scanners such as simscan add lines of their own between qmail-queue's and qmail-smtpd's.
_LOOKED_AT = 4


def origin(headers, judge=None):
    """Return the Origin told by a message's Headers.

    The first line is qmail-queue's own. The client's is to be relied on where the kind is "network"; after "uid" it may
    be a scanner that passed on what qmail-smtpd wrote, or a local user's invention: ``judge(uid)`` tells, as
    Scanners.judge; without it no user is known.
    """
    first = _QUEUE.match(headers.raw)
    if first is None:
        return Origin(None, None, None, None, None)
    kind = {None: "uid", b"by alias": "alias", b"from network": "network", b"for bounce": "bounce"}[first.group(2)]
    uid = int(first.group(1)) if first.group(1) else None
    nothing = Origin(kind, uid, None, None, None)
    judge = judge or _unknown
    if kind == "bounce" or (kind == "uid" and judge(uid) == LOCAL):
        return nothing
    for number, value in enumerate(headers.all(b"received")):
        if number > _LOOKED_AT:
            break
        scanned = _SCANNED.match(value)
        if scanned and kind == "uid" and judge(int(scanned.group(1))) == LOCAL:
            return nothing._replace(uid=int(scanned.group(1)), source="header")
        found = _SMTP.match(value)
        if found:
            name, info, address, rest = found.groups()
            user = _PATCHED_AUTH.search(rest)
            if user:
                user = user.group(1)
            elif info and _AUTHENTICATED.search(rest):
                user = info
            source = None if kind == "network" else "header"
            return Origin(kind, None, address, None if name == b"unknown" else name, user, source)
    return nothing


def _unknown(uid):
    return LOCAL if uid in NEVER else UNKNOWN
