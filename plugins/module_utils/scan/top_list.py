# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most frequent values of a stream, in bounded memory (Misra-Gries; merging as in Agarwal et al., 2012)."""

__all__ = ["TopList"]

from collections import Counter
from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Tuple, Union

_KEPT = 4096

Value = Union[bytes, int]
Shown = Union[str, int]


class TopList:
    """Counts values (bytes or int). ``error``: by how much a count may be too low, 0 as long as it is exact."""

    __slots__ = ("counts", "error")

    def __init__(self) -> None:
        self.counts: "Counter[Value]" = Counter()
        self.error = 0

    def update(self, values: Iterable[Value]) -> None:
        """Count a list of values; of some hundreds, as counting one by one is slow."""
        self.counts.update(values)
        if len(self.counts) >= 2 * _KEPT:
            self._shrink()

    def merge(self, other: "TopList") -> None:
        """Add another TopList's counts to this one."""
        self.counts.update(other.counts)
        self.error += other.error
        if len(self.counts) >= 2 * _KEPT:
            self._shrink()

    def _shrink(self) -> None:
        """Take the same from every count, so much that 4,096 values stay at most."""
        cut = sorted(self.counts.values(), reverse=True)[_KEPT]
        self.counts = Counter({value: count - cut for value, count in self.counts.items() if count > cut})
        self.error += cut

    def top(
        self, length: int, shown: Callable[[Any], Shown], identity: Optional[Callable[[Any], Hashable]] = None
    ) -> Tuple[List[Tuple[Shown, int]], int]:
        """Return ``([(shown(value), count)], error)`` of the ``length`` most frequent.

        Values shown alike are counted together, and so are their errors. ``identity(text)`` is the same for texts that
        stand for one thing: these are counted together too, under the commonest of them.
        """
        merged: "Counter[Shown]" = Counter()
        alike: "Counter[Shown]" = Counter()
        for value, count in self.counts.items():
            text = shown(value)
            merged[text] += count
            alike[text] += 1
        if identity is not None:
            merged, alike = _united(merged, alike, identity)
        found = sorted(merged.items(), key=lambda entry: (-entry[1], str(entry[0])))[:length]
        return found, self.error * max((alike[text] for text, count in found), default=1)


def _united(
    counts: "Counter[Shown]", alike: "Counter[Shown]", identity: Callable[[Any], Hashable]
) -> Tuple["Counter[Shown]", "Counter[Shown]"]:
    """Return both Counters with what has one identity under its commonest text."""
    groups: Dict[Hashable, List[Shown]] = {}
    for text in counts:
        groups.setdefault(identity(text), []).append(text)
    merged: "Counter[Shown]" = Counter()
    together: "Counter[Shown]" = Counter()
    for texts in groups.values():
        name = min(texts, key=lambda text: (-counts[text], text))
        merged[name] = sum(counts[text] for text in texts)
        together[name] = sum(alike[text] for text in texts)
    return merged, together
