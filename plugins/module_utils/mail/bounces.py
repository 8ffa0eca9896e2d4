# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failure notices, and the addresses that they report, told from their own text."""

__all__ = ["reported_addresses"]

import re
from typing import Iterable, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers

_MOST = 20
# QSBMF, the format of qmail's notices: paragraphs, one for each recipient, up to one that begins with a dash.
_QSBMF = b"Hi. This is the"
_QSBMF_RECIPIENT = re.compile(rb"\n<([^\n]{0,1000})>:\r?\n")
# RFC 3464
_ACTION = re.compile(rb"^Action:[ \t]*([a-z]{1,20})", re.MULTILINE | re.IGNORECASE)
_FINAL = re.compile(rb"^(?:Final|Original)-Recipient:[ \t]*[a-z0-9-]{1,20};[ \t]*<?([^\s>]{1,1000})", re.M | re.I)
_REPORT = re.compile(rb"multipart/report", re.IGNORECASE)
_DELIVERY = re.compile(rb"report-type[ \t]*=[ \t]*\"?delivery-status", re.IGNORECASE)
_DAEMON = re.compile(rb"(?:^|<|\s)(?:mailer-daemon|postmaster)(?:@|>|\s|$)", re.IGNORECASE)


def reported_addresses(headers: Headers, body: bytes, generated: bool) -> Optional[List[bytes]]:
    """Return the addresses (list of bytes, 20 at most) whose failure a message reports, or None where it reports none.

    ``body`` is the first part of the text after ``headers``. Call it for messages from the null sender
    (or qmail's ``#@[]``). ``generated`` says that qmail-send itself wrote the message.
    """
    if generated or body.startswith(_QSBMF):
        if body.startswith(_QSBMF):
            return _qsbmf(body)
        return []
    kind = headers.get(b"content-type") or b""
    if _REPORT.search(kind) and _DELIVERY.search(kind):
        actions = {action.lower() for action in _ACTION.findall(body)}
        # Without any Action the report may lie further down than was read: it is a notice all the same.
        if actions and b"failed" not in actions:
            return None
        return _unique(_FINAL.findall(body))
    failed = headers.get(b"x-failed-recipients")
    if failed is not None:
        return _unique(one.strip() for one in failed.split(b","))
    sender = headers.get(b"from") or b""
    if _DAEMON.search(sender) and headers.get(b"auto-submitted") != b"auto-generated":
        return []
    return None


def _qsbmf(body: bytes) -> List[bytes]:
    end = body.find(b"\n-")
    return _unique(_QSBMF_RECIPIENT.findall(body, 0, end if end >= 0 else len(body)))


def _unique(addresses: Iterable[bytes]) -> List[bytes]:
    reported: List[bytes] = []
    for address in addresses:
        if address and address not in reported:
            reported.append(address)
            if len(reported) == _MOST:
                break
    return reported
