# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pass over a queue counts: mergeable, in memory that does not grow with the queue."""

__all__ = ["Summary", "TOP_LISTS"]

from bisect import bisect_right

from ansible_collections.mailops.rescue.plugins.module_utils.headers import decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.records import iso_time
from ansible_collections.mailops.rescue.plugins.module_utils.text import decode, shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.toplist import TopList

TOP_LISTS = (
    "sender", "sender_domain", "recipient_domain", "subject", "client_address", "sasl_username", "origin_uid",
    "delay_reason", "bounced_recipient_domain",
)  # fmt: skip
# Upper ends of the age classes in seconds: those of qshape, which operators know.
_AGES = [minutes * 60 for minutes in (5, 10, 20, 40, 80, 160, 320, 640, 1280)]
_LISTED = 50
_VALUE = 200
_TRIM = 256
_ELLIPSIS = "\u2026".encode()


class Summary:
    """Counts over messages. ``now`` in epoch seconds; ``with_top`` says whether top lists are wanted."""

    def __init__(self, now, queues, directories, with_top=True):
        self.now = now
        self.with_top = with_top
        self.total = self.matched = self.bytes = self.bounces = 0
        self.by_queue = dict.fromkeys(queues, 0)
        self.matched_by_queue = dict.fromkeys(queues, 0)
        self.by_directory = [0] * directories
        self.oldest = self.newest = None
        self.ages = [0] * (len(_AGES) + 1)
        self.tops = {name: TopList() for name in TOP_LISTS} if with_top else {}
        self._counts = {name: top.counts for name, top in self.tops.items()}
        self.vanished = 0
        self.damaged, self.damaged_count = [], 0
        self.undecided, self.undecided_count = [], 0

    def count(self, message):
        """Count a message that is in the queue, selected or not."""
        self.total += 1
        self.by_directory[message.place] += 1
        for queue in message.queues:
            if queue in self.by_queue:
                self.by_queue[queue] += 1

    def damage(self, index, path, reason, is_message, queues=()):
        """Note a damaged file; ``is_message`` says that it stands for a message, which is in ``queues``."""
        self.damaged_count += 1
        if len(self.damaged) < _LISTED:
            self.damaged.append((index, visible(shorten(path, _VALUE)), reason))
        if is_message:
            self.total += 1
            self.by_directory[index] += 1
            for queue in queues:
                if queue in self.by_queue:
                    self.by_queue[queue] += 1

    def leave_undecided(self, message, reason):
        """Note a message on which matching took too long."""
        self.undecided_count += 1
        if len(self.undecided) < _LISTED:
            self.undecided.append((message.place, message.id, reason))

    def add(self, message):
        """Count a selected message."""
        self.matched += 1
        for queue in message.queues:
            if queue in self.matched_by_queue:
                self.matched_by_queue[queue] += 1
        self.bytes += message.size or 0
        arrival = message.arrival
        if arrival is not None:
            self.ages[bisect_right(_AGES, self.now - arrival)] += 1
            if self.oldest is None or (arrival, message.id) < self.oldest:
                self.oldest = (arrival, message.id)
            if self.newest is None or (arrival, message.id) > self.newest:
                self.newest = (arrival, message.id)
        if self.with_top:
            self._add_top(message)

    def _add_top(self, message):
        counts = self._counts
        sender = message.sender
        if sender is not None:
            _count(counts["sender"], _cut(sender))
            if sender:
                _count(counts["sender_domain"], _domain(sender))
        if message.recipients:
            _count_domains(counts["recipient_domain"], [one.address for one in message.recipients if not one.done])
        if message.headers is not None:
            subject = message.headers.get(b"subject")
            if subject is not None:
                if len(subject) > 2 * _VALUE:
                    # Cut after decoding: an encoded word cannot be cut.
                    subject = shorten(decode_header(subject), _VALUE).encode("utf-8", "replace")
                _count(counts["subject"], subject)
        if message.client_address is not None:
            _count(counts["client_address"], message.client_address)
        if message.sasl_username is not None:
            _count(counts["sasl_username"], _cut(message.sasl_username))
        if message.origin_uid is not None:
            _count(counts["origin_uid"], message.origin_uid)
        if message.reasons:
            for reason in {_cut(one, 2 * _VALUE) for one in message.reasons.values()}:
                _count(counts["delay_reason"], reason)
        if message.bounced is not None:
            self.bounces += 1
            _count_domains(counts["bounced_recipient_domain"], message.bounced)
        if self.matched % _TRIM == 0 or len(message.recipients) > _TRIM:
            for top in self.tops.values():
                top.trim()

    def merge(self, other):
        """Add what another process counted on other messages."""
        for name in ("total", "matched", "bytes", "bounces", "vanished", "damaged_count", "undecided_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in (
            (self.by_queue, other.by_queue),
            (self.matched_by_queue, other.matched_by_queue),
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

    def age_histogram(self):
        """Return the age classes as [{from, to, count}], ages in seconds."""
        edges = [0] + _AGES + [None]
        return [{"from": edges[i], "to": edges[i + 1], "count": count} for i, count in enumerate(self.ages)]

    def edge(self, which):
        """Return ``oldest`` or ``newest`` as {id, arrival_time, age}, or None."""
        if which is None:
            return None
        return {"id": which[1], "arrival_time": iso_time(which[0]), "age": max(0, int(self.now - which[0]))}

    def top(self, length):
        """Return ``({list name: [{value, count}]}, {list name: error})``."""
        lists, errors = {}, {}
        for name, top in self.tops.items():
            found = top.top(length, _SHOW[name])
            lists[name] = [{"value": value, "count": count} for value, count in found]
            errors[name] = top.error
        return lists, errors


def _count(counts, value):
    counts[value] = counts.get(value, 0) + 1


def _cut(raw, length=_VALUE):
    return raw if len(raw) <= length else raw[: length - 3] + _ELLIPSIS


def _domain(address):
    return address[address.rfind(b"@") + 1 :][:_VALUE].lower()


def _count_domains(counts, addresses):
    if len(addresses) == 1:
        _count(counts, _domain(addresses[0]))
        return
    for domain in {_domain(address) for address in addresses}:
        _count(counts, domain)


def _show_text(raw):
    return visible(shorten(decode(raw), _VALUE))


def _show_header(raw):
    return visible(shorten(decode_header(raw), _VALUE))


_SHOW = dict.fromkeys(TOP_LISTS, _show_text)
_SHOW.update(subject=_show_header, origin_uid=int)
