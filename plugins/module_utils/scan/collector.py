# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the few messages that a result shows, and writes the listing of all of them."""

__all__ = ["Collector", "Tally"]

import heapq
import json
from typing import IO, TYPE_CHECKING, Any, Dict, Generic, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import HEADER, Message
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, visible
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

if TYPE_CHECKING:
    from typing import Protocol

    class Loader(Protocol):
        """What a collector may ask of a reader, for the message that this has yielded last."""

        def load(self, message: Message, fields: int) -> None: ...
        def body(self, message: Message) -> Iterator[bytes]: ...

    class Collecting(Protocol):
        """What is given each selected message. ``state`` is picklable, and ``merge`` of another process's takes it."""

        def add(self, message: Message, reader: Loader) -> None: ...
        def finish(self) -> None: ...
        def state(self) -> Any: ...
        def merge(self, state: Any) -> None: ...


# When a message arrived, in which queue it is, and its id.
_Key = Tuple[float, int, str]
_Collecting = TypeVar("_Collecting", bound="Collecting")


class _Kept:
    """A message as shown; the one that arrived last is the smallest, so that a heap gives it away first."""

    __slots__ = ("key", "shown")

    def __init__(self, key: _Key, shown: Dict[str, Any]) -> None:
        self.key = key
        self.shown = shown

    def __lt__(self, other: "_Kept") -> bool:
        return self.key > other.key


class Collector:
    """``now``: in epoch seconds; ``limit``: messages to keep, the first to arrive; ``content``: none, headers or
    message, of which ``content_bytes`` are kept; ``directories``: paths of the queues; ``listing``: a binary file, or
    None.
    """

    def __init__(
        self,
        now: float,
        directories: Sequence[str],
        limit: int,
        content: str = "none",
        content_bytes: int = 0,
        listing: Optional[IO[bytes]] = None,
    ) -> None:
        self._now = now
        self._directories = directories
        self._limit = limit
        self._content = content
        self._content_bytes = content_bytes
        self._listing = listing
        self._heap: List[_Kept] = []

    def add(self, message: Message, reader: "Loader") -> None:
        if self._listing is not None:
            line = json.dumps(self._show(message), sort_keys=True)
            self._listing.write(line.encode("ascii") + b"\n")
        if not self._limit:
            return
        key = (message.arrival or 0, message.place, message.id)
        if len(self._heap) < self._limit or key < self._heap[0].key:
            self._keep(_Kept(key, self._show(message, reader)))

    def _keep(self, kept: _Kept) -> None:
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, kept)
        else:
            heapq.heapreplace(self._heap, kept)

    def _show(self, message: Message, reader: "Optional[Loader]" = None) -> Dict[str, Any]:
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

    def _piece(self, message: Message, reader: "Loader") -> Optional[str]:
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

    def finish(self) -> None:
        """Nothing is left to be done."""

    def state(self) -> List[Tuple[_Key, Dict[str, Any]]]:
        """Return what ``merge`` of another process's Collector needs; the listing is left to whoever opened it."""
        if self._listing is not None:
            self._listing.flush()
        return [(kept.key, kept.shown) for kept in self._heap]

    def merge(self, state: Iterable[Tuple[_Key, Dict[str, Any]]]) -> None:
        for key, shown in state:
            if len(self._heap) < self._limit or key < self._heap[0].key:
                self._keep(_Kept(key, shown))

    def messages(self) -> List[Dict[str, Any]]:
        """Return the kept messages as shown, the first to arrive first."""
        return [kept.shown for kept in sorted(self._heap, key=lambda kept: kept.key)]


class Tally(Generic[_Collecting]):
    """What one process counts and collects."""

    def __init__(self, summary: Summary, collector: _Collecting) -> None:
        self.summary = summary
        self.collector = collector

    def finish(self) -> None:
        """Do what the collector still has to do when its process has read its last message."""
        self.collector.finish()

    def state(self) -> Tuple[Summary, Any]:
        return self.summary.state(), self.collector.state()

    def merge(self, state: Tuple[Summary, Any]) -> None:
        self.summary.merge(state[0])
        self.collector.merge(state[1])
