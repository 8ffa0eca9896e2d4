# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a queued message is, whichever MTA holds it. Text stays bytes until ``Message.to_dict``."""

__all__ = ["BODY", "ENVELOPE", "HEADER", "Message", "NAME", "REASON", "Recipient", "STAT", "SUBJECT", "iso_time"]

import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers, decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible

# Groups of fields, by what a reader must open to know them, the cheap ones first. SUBJECT and REASON include ENVELOPE,
# HEADER includes SUBJECT.
NAME = 0  # id, queue
STAT = 1  # state, size, arrival
ENVELOPE = 2  # sender, recipients
SUBJECT = 32  # Subject, client, SASL username, origin, failure notice
HEADER = 4  # all headers
REASON = 8  # reasons for deferrals
BODY = 16  # text after the headers; not kept in the record

_SHOWN = 20
_WIDTH = 500


class Recipient(NamedTuple):
    """One address that a message is for. ``channel``: local or remote, once qmail-send has chosen; None of Postfix."""

    address: bytes
    done: bool
    channel: Optional[str]


def iso_time(seconds: Optional[float]) -> Optional[str]:
    """Return epoch ``seconds`` as ISO 8601 in UTC, or None for None and for times that no calendar has."""
    if seconds is None:
        return None
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return None


def _text(raw: Optional[bytes]) -> Optional[str]:
    return None if raw is None else visible(shorten(decode(raw), _WIDTH))


def _header(raw: Optional[bytes]) -> Optional[str]:
    return None if raw is None else visible(shorten(decode_header(raw), _WIDTH))


class Message:
    """One message in a queue.

    ``id`` and ``queue`` are str, ``queues`` the names of all queues it counts in. ``arrival`` is in epoch seconds,
    ``size`` in bytes, ``origin_uid`` an int; ``recipients`` is a sequence of Recipient and ``reasons`` maps addresses
    to the reason of their last deferral. Other texts are bytes. What is not known, or was not asked for, is None.
    """

    # Defaults of the class, not set one by one for each of a million messages.
    state: Optional[str] = None
    arrival: Optional[float] = None
    size: Optional[int] = None
    sender: Optional[bytes] = None
    headers: Optional[Headers] = None
    client_address: Optional[bytes] = None
    client_name: Optional[bytes] = None
    sasl_username: Optional[bytes] = None
    origin_uid: Optional[int] = None
    # How the three before are known: None, "header" or "hidden".
    origin_from: Optional[str] = None
    reasons: Optional[Dict[bytes, bytes]] = None
    # Addresses that a failure notice reports; None where the message is no failure notice.
    bounced: Optional[List[bytes]] = None
    recipients: Sequence[Recipient] = ()
    # The raw Subject, where a reader knows it without the other headers.
    found_subject: Optional[bytes] = None
    # What a reader has filled in.
    loaded = 0

    def __init__(self, place: int, queue_id: str, queue: str) -> None:
        """``place``: index of the queue among the reader's directories."""
        self.place = place
        self.id = queue_id
        self.queue = queue
        self.queues: Sequence[str] = (queue,)

    def subject(self) -> Optional[bytes]:
        """Return the raw Subject, or None."""
        if self.headers is None:
            return self.found_subject
        return self.headers.get(b"subject")

    def to_dict(self, now: float, queue_directory: str) -> Dict[str, Any]:
        """Return the record as shown to users: JSON values only, texts decoded and harmless."""
        return {
            "id": self.id,
            "queue_directory": queue_directory,
            "queue": self.queue,
            "state": self.state,
            "sender": _text(self.sender),
            "recipients": [self._recipient(recipient) for recipient in self.recipients[:_SHOWN]],
            "recipient_count": len(self.recipients),
            "arrival_time": iso_time(self.arrival),
            "age": None if self.arrival is None else max(0, int(now - self.arrival)),
            "size": self.size,
            "subject": _header(self.subject()),
            "header_from": self._field(b"from"),
            "header_to": self._field(b"to"),
            "message_id": self._field(b"message-id"),
            "date": self._field(b"date"),
            "client_address": _text(self.client_address),
            "client_name": _text(self.client_name),
            "sasl_username": _text(self.sasl_username),
            "origin_uid": self.origin_uid,
            "origin_from": self.origin_from,
            "is_bounce": self.bounced is not None,
            "bounced_recipients": [_text(address) for address in (self.bounced or ())[:_SHOWN]],
        }

    def _recipient(self, recipient: Recipient) -> Dict[str, Any]:
        return {
            "address": _text(recipient.address),
            "status": "done" if recipient.done else "pending",
            "channel": recipient.channel,
            "delay_reason": _text((self.reasons or {}).get(recipient.address)),
        }

    def _field(self, name: bytes) -> Optional[str]:
        return None if self.headers is None else _header(self.headers.get(name))
