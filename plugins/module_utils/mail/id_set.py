# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of queue ids in 24 bytes or less for each, where a set of str takes over 100."""

__all__ = ["IdSet"]

from array import array
from typing import Container, Iterable, List, Optional, Set

_MASK = (1 << 64) - 1
_SMALL = 20000


class IdSet:
    """A growing set of str. Beyond 20,000 entries it keeps 64-bit hashes (open addressing): for a million ids, the
    chance that one is taken for another is below one in ten million.
    """

    __slots__ = ("_few", "_table", "_count")

    def __init__(self) -> None:
        self._few: Optional[Set[str]] = set()
        self._table: "array[int]" = array("Q")
        self._count = 0

    def update(self, ids: List[str]) -> None:
        """Add all of a list of str."""
        if self._few is not None and len(self._few) + len(ids) <= _SMALL:
            self._few.update(ids)
            self._count = len(self._few)
            return
        for queue_id in ids:
            self.add(queue_id)

    def merge(self, other: "IdSet") -> None:
        """Add all of another IdSet."""
        if other._few is not None:
            self.update(list(other._few))
            return
        if self._few is not None:
            self._grow(65536, [hash(each) & _MASK or 1 for each in self._few])
            self._few = None
        for value in other._table:
            if value:
                self._put(value)
                if self._count * 3 > len(self._table) * 2:
                    self._grow(len(self._table) * 2, self._table)

    def put(self, queue_id: str) -> bool:
        """Add ``queue_id``; tell whether it is new."""
        before = self._count
        self.add(queue_id)
        return self._count > before

    def container(self) -> Container[str]:
        """Return what answers "in" fastest; it must not be changed, nor this set after the call."""
        return self if self._few is None else self._few

    def __len__(self) -> int:
        return self._count

    def __contains__(self, queue_id: object) -> bool:
        if self._few is not None:
            return queue_id in self._few
        return self._table[self._slot(hash(queue_id) & _MASK or 1)] != 0

    def add(self, queue_id: str) -> None:
        if self._few is not None:
            self._few.add(queue_id)
            self._count = len(self._few)
            if self._count > _SMALL:
                self._grow(65536, [hash(each) & _MASK or 1 for each in self._few])
                self._few = None
            return
        self._put(hash(queue_id) & _MASK or 1)
        if self._count * 3 > len(self._table) * 2:
            self._grow(len(self._table) * 2, self._table)

    def _slot(self, value: int) -> int:
        table = self._table
        last = len(table) - 1
        slot = value & last
        while table[slot] not in (0, value):
            slot = (slot + 1) & last
        return slot

    def _put(self, value: int) -> None:
        slot = self._slot(value)
        if not self._table[slot]:
            self._table[slot] = value
            self._count += 1

    def _grow(self, size: int, values: Iterable[int]) -> None:
        self._table = array("Q", bytes(8 * size))
        self._count = 0
        for value in values:
            if value:
                self._put(value)
