# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of queue ids in 24 bytes or less for each, where a set of str takes over 100."""

__all__ = ["IdSet"]

from array import array

_MASK = (1 << 64) - 1
_SMALL = 20000


class IdSet:
    """A growing set of str. Beyond 20,000 entries it keeps 64-bit hashes (open addressing): for a million ids, the
    chance that one is taken for another is below one in ten million.
    """

    __slots__ = ("_few", "_table", "_count")

    def __init__(self):
        self._few = set()
        self._table = None
        self._count = 0

    def update(self, ids):
        """Add all of a list of str."""
        if self._few is not None and len(self._few) + len(ids) <= _SMALL:
            self._few.update(ids)
            self._count = len(self._few)
            return
        for one in ids:
            self.add(one)

    def merge(self, other):
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

    def put(self, one):
        """Add ``one``; tell whether it is new."""
        before = self._count
        self.add(one)
        return self._count > before

    def container(self):
        """Return what answers "in" fastest; it must not be changed, nor this set after the call."""
        return self if self._few is None else self._few

    def __len__(self):
        return self._count

    def __contains__(self, one):
        if self._few is not None:
            return one in self._few
        return self._table[self._slot(hash(one) & _MASK or 1)] != 0

    def add(self, one):
        if self._few is not None:
            self._few.add(one)
            self._count = len(self._few)
            if self._count > _SMALL:
                self._grow(65536, [hash(each) & _MASK or 1 for each in self._few])
                self._few = None
            return
        self._put(hash(one) & _MASK or 1)
        if self._count * 3 > len(self._table) * 2:
            self._grow(len(self._table) * 2, self._table)

    def _slot(self, value):
        table = self._table
        last = len(table) - 1
        slot = value & last
        while table[slot] not in (0, value):
            slot = (slot + 1) & last
        return slot

    def _put(self, value):
        slot = self._slot(value)
        if not self._table[slot]:
            self._table[slot] = value
            self._count += 1

    def _grow(self, size, values):
        self._table = array("Q", bytes(8 * size))
        self._count = 0
        for value in values:
            if value:
                self._put(value)
