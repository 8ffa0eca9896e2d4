# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the messages that a scan selects out of their queues, in chunks; or only tells what it would take.

How, each queue's Remover knows (see mta/contract.py).
"""

__all__ = ["BUSY", "IGNORED", "Chooser", "Left", "Taker"]

import binascii
import os

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished, disk_failed
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import identity

# Reasons that a Remover gives and that mean more than their words: an earlier pass took it; a later pass may take it.
IGNORED = ""
BUSY = "it is being delivered"
_CHUNK = 1000
_SHOWN = 50
_REASONS = 500
# A message may have 100,000 of them.
_RECIPIENTS = 20000
_GONE = "it left the queue while it was being taken"
_OTHER = "another message has this id by now"


class Left:
    """Messages that were selected and stay: ``count``, the first 50 as ``(place, id, reason)``, and all ``reasons``."""

    def __init__(self):
        self.count = 0
        self.shown = []
        self.reasons = set()

    def add(self, place, queue_id, reason):
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append((place, queue_id, reason))
        if len(self.reasons) < _REASONS:
            self.reasons.add(reason)

    def merge(self, other):
        self.count += other.count
        self.shown = (self.shown + other.shown)[:_SHOWN]
        self.reasons |= other.reasons


class Chooser:
    """A scan's collector that counts what a Taker would take: ``count``, ``bytes``, ``by_queue``, ``left``.

    ``known``: an IdSet that receives the messages' identities, or None.
    """

    def __init__(self, removers, remember):
        self.removers = removers
        self.count = self.bytes = 0
        self.by_queue = {}
        self.left = Left()
        self.known = IdSet() if remember else None

    def add(self, message, reader):
        remover = self.removers[message.place]
        try:
            reader.load(message, remover.fields | (ENVELOPE | STAT if self.known is not None else STAT))
        except (Vanished, Damaged):
            self.left.add(message.place, message.id, _GONE)
            return
        reason = remover.refusal(message)
        if reason is not None:
            if reason != IGNORED:
                self.left.add(message.place, message.id, reason)
            return
        if self.known is not None:
            self.known.add(identity(message))
        self.count += 1
        self.bytes += message.size or 0
        for queue in message.queues:
            self.by_queue[queue] = self.by_queue.get(queue, 0) + 1

    def finish(self):
        """Nothing is left to be done."""

    def state(self):
        return self.count, self.bytes, self.by_queue, self.left, self.known

    def merge(self, state):
        count, size, by_queue, left, known = state
        self.count += count
        self.bytes += size
        for queue, number in by_queue.items():
            self.by_queue[queue] = self.by_queue.get(queue, 0) + number
        self.left.merge(left)
        if known is not None:
            self.known.merge(known)


class Taker:
    """A scan's collector that takes what the scan selects.

    ``taken``: [messages, bytes] of each remover's queue; ``left``: those that stay.

    ``known``: identities of the messages that may be taken, or None for all. ``late``: why others are left. ``number``:
    of the process, as of scan. ``failure``: why the run was cut short, or None.
    """

    def __init__(self, removers, number=0, known=None, late=_OTHER):
        self.removers = removers
        self.taken = [[0, 0] for unused in removers]
        self.left = Left()
        self.failure = None
        self._known = known
        self._late = late
        # A batch may see several passes.
        self._name = "%d.%s" % (number, binascii.hexlify(os.urandom(4)).decode("ascii"))
        self._parent = os.getppid() if number else None
        self._chunks = [[] for unused in removers]
        self._recipients = [0 for unused in removers]
        self._serial = 0

    def add(self, message, reader):
        if self.failure is not None:
            self.left.add(message.place, message.id, self.failure)
            return
        remover = self.removers[message.place]
        try:
            reader.load(message, ENVELOPE | STAT | remover.fields)
            # Before the other reason to leave it: of what was refused when it was counted, nothing is known.
            reason = remover.refusal(message)
            if reason is None and self._known is not None and identity(message) not in self._known:
                reason = self._late
            if reason is not None:
                if reason != IGNORED:
                    self.left.add(message.place, message.id, reason)
                return
            entry = remover.examine(message, reader.path(message))
        except Vanished:
            self.left.add(message.place, message.id, _GONE)
            return
        except Damaged as error:
            self.left.add(message.place, message.id, str(error))
            return
        chunk = self._chunks[message.place]
        chunk.append(entry)
        self._recipients[message.place] += len(entry.recipients)
        if len(chunk) >= _CHUNK or self._recipients[message.place] > _RECIPIENTS:
            self._take(message.place)

    def finish(self):
        """Take what is still waiting, and bring all to the disk."""
        for place, remover in enumerate(self.removers):
            if self._chunks[place] and self.failure is None:
                self._take(place)
            try:
                remover.finish()
            except OSError as error:
                self.failure = self.failure or disk_failed(error)

    def _take(self, place):
        if self._parent is not None and os.getppid() != self._parent:
            # Whoever started us was killed: what holds the queue's lock must not live on unseen.
            os._exit(1)
        entries, self._chunks[place], self._recipients[place] = self._chunks[place], [], 0
        self._serial += 1
        done = 0
        try:
            for entry, reason in self.removers[place].take(entries, "%s.%d" % (self._name, self._serial)):
                done += 1
                if reason is None:
                    self.taken[place][0] += 1
                    self.taken[place][1] += entry.size or 0
                else:
                    self.left.add(place, entry.id, reason)
        except OSError as error:
            self.failure = disk_failed(error)
            for entry in entries[done:]:
                self.left.add(place, entry.id, self.failure)

    def state(self):
        return self.taken, self.left, self.failure

    def merge(self, state):
        taken, left, failure = state
        for mine, theirs in zip(self.taken, taken):
            mine[0] += theirs[0]
            mine[1] += theirs[1]
        self.left.merge(left)
        self.failure = self.failure or failure
