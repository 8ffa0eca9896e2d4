# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the few messages that a result shows, and writes the listing of all of them."""

__all__ = ["Collector", "Tally"]

import heapq
import json

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import HEADER
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, visible


class _Kept:
    """A message as shown; the one that arrived last is the smallest, so that a heap gives it away first."""

    __slots__ = ("key", "shown")

    def __init__(self, key, shown):
        self.key = key
        self.shown = shown

    def __lt__(self, other):
        return self.key > other.key


class Collector:
    """``limit``: messages to keep, the first to arrive; ``content``: none, headers or message, of which
    ``content_bytes`` are kept; ``directories``: paths of the queues; ``listing``: a binary file, or None.
    """

    def __init__(self, now, directories, limit, content="none", content_bytes=0, listing=None):
        self._now = now
        self._directories = directories
        self._limit = limit
        self._content = content
        self._content_bytes = content_bytes
        self._listing = listing
        self._heap = []

    def add(self, message, reader):
        if self._listing is not None:
            line = json.dumps(self._show(message), sort_keys=True)
            self._listing.write(line.encode("ascii") + b"\n")
        if not self._limit:
            return
        key = (message.arrival or 0, message.place, message.id)
        if len(self._heap) < self._limit or key < self._heap[0].key:
            self._keep(_Kept(key, self._show(message, reader)))

    def _keep(self, kept):
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, kept)
        else:
            heapq.heapreplace(self._heap, kept)

    def _show(self, message, reader=None):
        if reader is not None:
            try:
                reader.load(message, HEADER)
            except (Vanished, Damaged, OSError):
                # It was counted; what is known of it is shown.
                pass
        shown = message.to_dict(self._now, self._directories[message.place])
        if reader is not None and self._content != "none":
            shown["content"] = self._piece(message, reader)
        return shown

    def _piece(self, message, reader):
        if message.headers is None:
            return None
        data = message.headers.raw[: self._content_bytes]
        if self._content == "message" and len(data) < self._content_bytes:
            data += b"" if data.endswith(b"\n") else b"\n"
            data += b"\n"
            try:
                for piece in reader.body(message):
                    data += piece[: max(0, self._content_bytes - len(data))]
                    if len(data) >= self._content_bytes:
                        break
            except (Vanished, Damaged):
                return None
        return visible(decode(data[: self._content_bytes].replace(b"\r\n", b"\n")), lines=True)

    def finish(self):
        """Nothing is left to be done."""

    def state(self):
        """Return what ``merge`` of another process's Collector needs; the listing is left to whoever opened it."""
        if self._listing is not None:
            self._listing.flush()
        return [(one.key, one.shown) for one in self._heap]

    def merge(self, state):
        for key, shown in state:
            if len(self._heap) < self._limit or key < self._heap[0].key:
                self._keep(_Kept(key, shown))

    def messages(self):
        """Return the kept messages as shown, the first to arrive first."""
        return [one.shown for one in sorted(self._heap, key=lambda one: one.key)]


class Tally:
    """What one process counts and collects."""

    def __init__(self, summary, collector):
        self.summary = summary
        self.collector = collector

    def finish(self):
        """Do what the collector still has to do when its process has read its last message."""
        self.collector.finish()

    def state(self):
        return self.summary.state(), self.collector.state()

    def merge(self, state):
        self.summary.merge(state[0])
        self.collector.merge(state[1])
