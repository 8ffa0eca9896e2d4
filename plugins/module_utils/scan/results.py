# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of results that several modules return, each of bounded size."""

__all__ = ["RESULT", "check_bounds", "check_timeout", "counted", "fitting", "noted", "size", "top_lists"]

import json
import math
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple, TypeVar

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

if TYPE_CHECKING:
    from typing import Protocol

    class Summary(Protocol):
        """What is asked of a Summary; modules that only fit lists into their results need not carry it itself."""

        total: int
        matched: int
        bytes: int
        by_queue: Dict[str, int]
        matched_by_queue: Dict[str, int]
        oldest: Optional[Tuple[float, str]]
        newest: Optional[Tuple[float, str]]
        damaged: List[Tuple[int, str, str]]
        damaged_count: int
        undecided: List[Tuple[int, str, str]]
        undecided_count: int
        origins: Dict[str, int]

        def edge(self, which: Optional[Tuple[float, str]]) -> Optional[Dict[str, Any]]: ...
        def age_histogram(self) -> List[Dict[str, Optional[int]]]: ...
        def top(self, length: int) -> Tuple[Dict[str, List[Dict[str, Any]]], Dict[str, int]]: ...


_Entry = TypeVar("_Entry")

# Bytes of JSON that a whole result may take.
RESULT = 250 * 1024
_TOP = 80 * 1024
_NOTED = 24 * 1024


def check_bounds(params: Dict[str, Any], bounds: Dict[str, Tuple[int, int, str]]) -> None:
    """Raise RescueError where an option is out of ``bounds``, {option: (lowest, highest, unit)}."""
    for name, (low, high, unit) in bounds.items():
        if not low <= params[name] <= high:
            raise RescueError("%s: expected %d to %d %s, got %d." % (name, low, high, unit, params[name]))


def check_timeout(seconds: float) -> None:
    """Raise RescueError where ``seconds`` is no ``timeout_per_message``."""
    if not (math.isfinite(seconds) and 0.01 <= seconds <= 3600):
        raise RescueError("timeout_per_message: expected 0.01 to 3600 seconds, got %s." % seconds)


def size(value: object) -> int:
    """Return how many bytes ``value`` takes as JSON."""
    return len(json.dumps(value))


def fitting(entries: Iterable[_Entry], room: int) -> List[_Entry]:
    """Return the first entries that take no more than ``room`` bytes as JSON.

    One that is too large is left out alone: its sender must not hide all others by it.
    """
    kept = []
    for entry in entries:
        needed = size(entry) + 2
        if needed <= room:
            room -= needed
            kept.append(entry)
    return kept


def counted(summary: "Summary") -> Dict[str, Any]:
    """Return a Summary's numbers: counts, oldest, newest, age_histogram and so on."""
    return {
        "counts": {
            "total": summary.total,
            "matched": summary.matched,
            "bytes": summary.bytes,
            "by_queue": summary.by_queue,
            "matched_by_queue": summary.matched_by_queue,
        },
        "oldest": summary.edge(summary.oldest),
        "newest": summary.edge(summary.newest),
        "age_histogram": summary.age_histogram(),
        "damaged_count": summary.damaged_count,
        "undecided_count": summary.undecided_count,
    }


def noted(summary: "Summary", directories: Sequence[str]) -> Dict[str, List[Dict[str, str]]]:
    """Return a Summary's lists ``damaged`` and ``undecided``; ``directories``: of its queues, by index."""
    return {
        "damaged": fitting(
            [{"path": path, "queue_directory": directories[at], "reason": why} for at, path, why in summary.damaged],
            _NOTED,
        ),
        "undecided": fitting(
            [{"id": name, "queue_directory": directories[at], "reason": why} for at, name, why in summary.undecided],
            _NOTED,
        ),
    }


def top_lists(summary: "Summary", length: int) -> Dict[str, Any]:
    """Return a Summary's ``top`` and ``top_errors``, the lists of at most ``length`` entries, and ``origins``."""
    top, errors = summary.top(length)
    while size(top) > _TOP:
        length //= 2
        top = {name: entries[:length] for name, entries in top.items()}
    return {"top": top, "top_errors": errors, "origins": dict(summary.origins)}
