# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a queue: read, select, count, collect; in one process or in several."""

__all__ = ["Context", "process_count", "scan"]

import os
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Pattern, Sequence, Tuple, TypeVar

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.workers import in_processes
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import OVERLAP, PatternTimeout, TimeLimit

if TYPE_CHECKING:
    from typing import Protocol

    from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Collecting, Loader
    from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

    class Reader(Loader, Protocol):
        """What reads the messages of some queues."""

        returned: int

        def early_parts(self) -> List[Any]: ...
        def parts(self) -> List[Any]: ...
        def late_parts(self) -> List[Any]: ...
        def holds_more_than(self, count: int) -> bool: ...
        def read(self, part: Any, problem: Callable[..., None]) -> Iterator[Message]: ...
        def path(self, message: Message) -> str: ...
        def gone(self, message: Message) -> None: ...
        def state(self) -> Any: ...
        def merge(self, state: Any) -> None: ...


_Collecting = TypeVar("_Collecting", bound="Collecting")
_HELD = 1 << 20
_WORTH_A_PROCESS = 4000
# Each takes memory of its own: 64 MiB are to do for all of them, whatever the queue holds.
_MOST_PROCESSES = 3


class Context:
    """What a selection's tests may use: the time, and searches that are bounded in time."""

    def __init__(self, now: float, reader: "Reader", limit: TimeLimit) -> None:
        self.now = now
        self.search = limit.search
        self._limit = limit
        self._reader = reader

    def search_body(self, patterns: Sequence[Pattern[str]], message: Message, option: str) -> bool:
        """Tell whether one of ``patterns`` is found in the message's body, which is read in pieces."""
        carry, rest = "", b""
        for piece in self._reader.body(message):
            rest += piece
            if len(rest) < _HELD:
                continue
            cut = rest.rfind(b"\n") + 1
            if cut <= OVERLAP:
                cut = len(rest)
            text = carry + decode(rest[:cut])
            rest = rest[cut:]
            if self._found(patterns, text, carry, option, False):
                return True
            carry = text[-OVERLAP - 1 :]
        return self._found(patterns, carry + decode(rest), carry, option, True)

    def _found(self, patterns: Sequence[Pattern[str]], text: str, carry: str, option: str, whole: bool) -> bool:
        # The first character carried over only tells whether a line begins after it.
        start = 1 if carry else 0
        return any(self._limit.search(pattern, text, option, whole, start) for pattern in patterns)


def process_count(wanted: int) -> int:
    """Return how many processes to read with: ``wanted``, or for 0 one for each usable core, three at most."""
    if wanted:
        return wanted
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return min(_MOST_PROCESSES, cores)


def scan(
    reader: "Reader",
    selection: Selection,
    needs: int,
    tally: Callable[[int], Tally[_Collecting]],
    seconds: float,
    processes: int = 1,
) -> Tally[_Collecting]:
    """Read all messages of ``reader`` once; return the Tally of them.

    ``needs``: fields to fill in for selected messages. ``tally(number)`` makes the Tally of one process, numbered from
    0. ``seconds``: limit for matching one message. ``processes``: how many may read at the same time.
    """

    def read(parts: Iterable[Any], into: Tally[_Collecting]) -> None:
        with TimeLimit(seconds) as limit:
            context = Context(into.summary.now, reader, limit)
            for part in parts:
                _scan_part(reader, part, selection, needs, into, context, limit)

    def child(parts: Iterable[Any], number: int) -> "Tuple[Tuple[Summary, Any], Any]":
        into = tally(number)
        read(parts, into)
        into.finish()
        return into.state(), reader.state()

    whole = tally(0)
    read(reader.early_parts(), whole)
    parts = reader.parts()
    count = min(len(parts), processes)
    if count > 1 and reader.holds_more_than(_WORTH_A_PROCESS):
        for tally_state, reader_state in in_processes(child, [parts[first::count] for first in range(count)]):
            whole.merge(tally_state)
            reader.merge(reader_state)
    else:
        read(parts, whole)
    read(reader.late_parts(), whole)
    whole.finish()
    whole.summary.vanished -= reader.returned
    return whole


def _scan_part(
    reader: "Reader",
    part: object,
    selection: Selection,
    needs: int,
    tally: Tally[_Collecting],
    context: Context,
    limit: TimeLimit,
) -> None:
    summary, collector, load = tally.summary, tally.collector, reader.load
    selected = True
    for message in reader.read(part, summary.damage):
        try:
            if not selection.is_all:
                limit.begin()
                selected = selection.test(message, context, load)
            if selected:
                load(message, needs)
        except Vanished:
            reader.gone(message)
            summary.vanished += 1
            continue
        except Damaged as error:
            path = error.path or reader.path(message)
            summary.damage(message.place, path, str(error), True, message.queues)
            continue
        except OSError as error:
            # A bad block under one message must not hide all the others.
            why = "cannot be read: %s" % (error.strerror or error)
            summary.damage(message.place, reader.path(message), why, True, message.queues)
            continue
        except PatternTimeout as error:
            summary.leave_undecided(message, str(error))
            selected = False
        summary.count(message)
        if selected:
            summary.add(message)
            collector.add(message, reader)
