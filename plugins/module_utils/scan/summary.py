# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pass over a queue counts: mergeable, in memory that does not grow with the queue."""

__all__ = ["Summary", "TOP_LISTS"]

import ipaddress
from bisect import bisect_right
from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message, iso_time
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.scan.top_list import Shown, TopList

TOP_LISTS = (
    "sender",
    "sender_domain",
    "recipient_domain",
    "subject",
    "client_address",
    "sasl_username",
    "origin_uid",
    "delay_reason",
    "bounced_recipient_domain",
)
# Upper ends of the age classes in seconds: those of qshape, which operators know.
_AGES = [minutes * 60 for minutes in (5, 10, 20, 40, 80, 160, 320, 640, 1280)]
_LISTED = 50
_VALUE = 200
_BATCH = 512
_ELLIPSIS = "\u2026".encode()
# Epoch seconds of a message's arrival, and its id.
_Edge = Tuple[float, str]
_CUT = {"sender": _VALUE, "sasl_username": _VALUE, "delay_reason": 2 * _VALUE}


class Summary:
    """Counts over messages. ``now`` in epoch seconds; ``with_top`` says whether top lists are wanted."""

    def __init__(self, now: float, queues: Iterable[str], directories: int, with_top: bool = True) -> None:
        self.now = now
        self.with_top = with_top
        self.total = self.matched = self.bytes = self.bounces = 0
        self.by_queue = dict.fromkeys(queues, 0)
        self.matched_by_queue = dict.fromkeys(queues, 0)
        self.by_directory = [0] * directories
        self.oldest: Optional[_Edge] = None
        self.newest: Optional[_Edge] = None
        self.ages = [0] * (len(_AGES) + 1)
        self.tops: Dict[str, TopList] = {name: TopList() for name in TOP_LISTS} if with_top else {}
        self._noted: Dict[str, List[bytes]] = {name: [] for name in self.tops if name != "origin_uid"}
        self._uids: List[int] = []
        self.origins = {"header": 0, "hidden": 0}
        self.vanished = 0
        # Index of the queue, path or id, and reason.
        self.damaged: List[Tuple[int, str, str]] = []
        self.damaged_count = 0
        self.undecided: List[Tuple[int, str, str]] = []
        self.undecided_count = 0

    def count(self, message: Message) -> None:
        """Count a message that is in the queue, selected or not."""
        self.total += 1
        self.by_directory[message.place] += 1
        _count_queues(self.by_queue, message.queues)

    def damage(self, index: int, path: str, reason: str, is_message: bool, queues: Sequence[str] = ()) -> None:
        """Note a damaged file; ``is_message`` says that it stands for a message, which is in ``queues``."""
        self.damaged_count += 1
        if len(self.damaged) < _LISTED:
            self.damaged.append((index, visible(shorten(path, _VALUE)), reason))
        if is_message:
            self.total += 1
            self.by_directory[index] += 1
            _count_queues(self.by_queue, queues)

    def leave_undecided(self, message: Message, reason: str) -> None:
        """Note a message on which matching took too long."""
        self.undecided_count += 1
        if len(self.undecided) < _LISTED:
            self.undecided.append((message.place, message.id, reason))

    def add(self, message: Message) -> None:
        """Count a selected message."""
        self.matched += 1
        _count_queues(self.matched_by_queue, message.queues)
        self.bytes += message.size or 0
        arrival = message.arrival
        if arrival is not None:
            self.ages[bisect_right(_AGES, self.now - arrival)] += 1
            if self.oldest is None or arrival <= self.oldest[0]:
                self.oldest = min(self.oldest or (arrival, message.id), (arrival, message.id))
            if self.newest is None or arrival >= self.newest[0]:
                self.newest = max(self.newest or (arrival, message.id), (arrival, message.id))
        if self.with_top:
            self._note_top(message)
            if self.matched % _BATCH == 0 or len(message.recipients) > _BATCH:
                self._count_top()

    def _note_top(self, message: Message) -> None:
        noted = self._noted
        if message.sender is not None:
            noted["sender"].append(message.sender)
        recipients = message.recipients
        if len(recipients) == 1:
            if not recipients[0].done:
                noted["recipient_domain"].append(_domain(recipients[0].address))
        elif recipients:
            noted["recipient_domain"].extend({_domain(one.address) for one in recipients if not one.done})
        subject = message.subject()
        if subject is not None:
            noted["subject"].append(subject)
        if message.client_address is not None:
            noted["client_address"].append(message.client_address)
        if message.sasl_username is not None:
            noted["sasl_username"].append(message.sasl_username)
        if message.origin_uid is not None:
            self._uids.append(message.origin_uid)
        if message.origin_from is not None:
            self.origins[message.origin_from] += 1
        if message.reasons:
            noted["delay_reason"].extend(set(message.reasons.values()))
        if message.bounced is not None:
            self.bounces += 1
            noted["bounced_recipient_domain"].extend({_domain(one) or one[:_VALUE].lower() for one in message.bounced})

    def _count_top(self) -> None:
        """Count what was noted: in batches, as the counting then costs little."""
        noted = self._noted
        noted["sender_domain"] = [_domain(one) for one in noted["sender"] if one]
        noted["subject"] = [one if len(one) <= 2 * _VALUE else _cut_subject(one) for one in noted["subject"]]
        for name, values in noted.items():
            if name in _CUT:
                values = [one if len(one) <= _CUT[name] else _cut(one, _CUT[name]) for one in values]
            self.tops[name].update(values)
            noted[name] = []
        self.tops["origin_uid"].update(self._uids)
        self._uids = []

    def state(self) -> "Summary":
        """Return what ``merge`` in another process takes."""
        if self.with_top:
            self._count_top()
        return self

    def merge(self, other: "Summary") -> None:
        """Add what another process counted on other messages."""
        for name in ("total", "matched", "bytes", "bounces", "vanished", "damaged_count", "undecided_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in (
            (self.by_queue, other.by_queue),
            (self.matched_by_queue, other.matched_by_queue),
            (self.origins, other.origins),
        ):
            for queue, count in theirs.items():
                mine[queue] += count
        self.by_directory = [mine + theirs for mine, theirs in zip(self.by_directory, other.by_directory)]
        self.ages = [mine + theirs for mine, theirs in zip(self.ages, other.ages)]
        self.oldest = min((one for one in (self.oldest, other.oldest) if one), default=None)
        self.newest = max((one for one in (self.newest, other.newest) if one), default=None)
        self.damaged = (self.damaged + other.damaged)[:_LISTED]
        self.undecided = (self.undecided + other.undecided)[:_LISTED]
        for name, top in self.tops.items():
            top.merge(other.tops[name])

    def age_histogram(self) -> List[Dict[str, Optional[int]]]:
        """Return the age classes as [{from, to, count}], ages in seconds."""
        edges = [0] + _AGES + [None]
        return [{"from": edges[i], "to": edges[i + 1], "count": count} for i, count in enumerate(self.ages)]

    def edge(self, which: Optional[_Edge]) -> Optional[Dict[str, Any]]:
        """Return ``oldest`` or ``newest`` as {id, arrival_time, age}, or None."""
        if which is None:
            return None
        return {"id": which[1], "arrival_time": iso_time(which[0]), "age": max(0, int(self.now - which[0]))}

    def top(self, length: int) -> Tuple[Dict[str, List[Dict[str, Shown]]], Dict[str, int]]:
        """Return ``({list name: [{value, count}]}, {list name: error})``."""
        lists: Dict[str, List[Dict[str, Shown]]] = {}
        errors: Dict[str, int] = {}
        if self.with_top:
            self._count_top()
        for name, top in self.tops.items():
            found, errors[name] = top.top(length, _SHOW[name], _IDENTITY.get(name))
            lists[name] = [{"value": value, "count": count} for value, count in found]
        return lists, errors


def _count_queues(counts: Dict[str, int], queues: Iterable[str]) -> None:
    for queue in queues:
        # A message of qmail's with nothing left to do is in none.
        if queue in counts:
            counts[queue] += 1


def _cut(raw: bytes, length: int) -> bytes:
    return decode(raw[: length - 3]).encode("utf-8", "replace") + _ELLIPSIS


def _cut_subject(raw: bytes) -> bytes:
    # Cut after decoding: an encoded word cannot be cut.
    return shorten(decode_header(raw), _VALUE).encode("utf-8", "replace")


def _domain(address: bytes) -> bytes:
    # Without an "@" there is none: qmail's recipients may be the names of users.
    unused, at, domain = address.rpartition(b"@")
    return domain[:_VALUE].lower() if at else b""


def _show_text(raw: bytes) -> str:
    return visible(shorten(decode(raw), _VALUE))


def _show_header(raw: bytes) -> str:
    return visible(shorten(decode_header(raw), _VALUE))


def _client(text: str) -> Hashable:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return getattr(address, "ipv4_mapped", None) or address


# As the selection language compares them.
_IDENTITY: Dict[str, Callable[[str], Hashable]] = {
    "sender": str.lower,
    "sasl_username": str.lower,
    "client_address": _client,
}
_SHOW: Dict[str, Callable[[Any], Shown]] = dict.fromkeys(TOP_LISTS, _show_text)
_SHOW.update(subject=_show_header, origin_uid=int)
