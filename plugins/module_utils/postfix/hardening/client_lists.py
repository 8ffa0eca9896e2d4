# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of clients such as mynetworks: whom they hold, and whether that is whoever comes."""

__all__ = ["Networks"]

import bisect
import ipaddress
import re

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Unreadable, split

# Networks that are larger belong to more than one owner, but within these. What ipaddress says of a network as large
# as all of them differs between versions of Python.
_LARGEST = {4: 16, 6: 32}
# So many networks of that size are not one owner's either, wherever they are.
_TOGETHER = 256
_BITS = {4: 32, 6: 128}
_KIND = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
_DEEPEST = 10
_MOST_NAMED = 10
# What all clients have that have no name, and names below which everybody may have one.
_ANY_NAME = re.compile(r"unknown\Z|\.?[a-z]{2,4}\Z", re.IGNORECASE)
_PREFIX = re.compile(r"\d{1,3}(\.\d{1,3}){0,2}\Z")
_CONDITION = re.compile(r"(if|endif)\Z", re.IGNORECASE)


class Networks:
    """``everyone``: the words that hold clients of whatever owner; ``doubts``: phrases on what was not read.

    The first word that a client matches decides, as in Postfix. ``tables``: a Tables, or None to read none.
    """

    def __init__(self, value, tables=None):
        self.doubts = []
        self._tables = tables
        # (whether it lets in, what it is called, {version: ranges} or None where nobody knows)
        self._steps = []
        self._walk(split(value), True, None, ())
        self.everyone = self._everyone()

    def holds(self, address):
        """Tell whether an ip_address is in it; None where nobody knows."""
        for lets_in, _name, ranges in self._steps:
            if ranges is None:
                return None
            if any(first <= int(address) <= last for first, last in ranges[address.version]):
                return lets_in
        return False

    def _walk(self, words, lets_in, origin, within):
        for word in words:
            name = word if origin is None else "%s in %s" % (word, origin)
            plain = word.lstrip("!")
            positive = lets_in != bool((len(word) - len(plain)) % 2)
            ranges = _ranges(plain)
            if ranges is not None:
                self._steps.append((positive, name, ranges))
            elif plain.startswith("/"):
                self._file(plain, positive, name, within)
            elif ":" in plain and not plain.startswith("["):
                self._table(plain, positive, name)
            else:
                self._steps.append((positive, name, None))
                if positive and _ANY_NAME.match(plain):
                    self.doubts.append("%s is a name that clients of anybody may have" % name)

    def _file(self, path, lets_in, name, within):
        if path in within or len(within) >= _DEEPEST:
            self._unknown(lets_in, name, "files name each other")
            return
        try:
            if self._tables is None:
                raise Unreadable("it is not read")
            for line in self._tables.lines(path):
                self._walk(split(line), lets_in, path, within + (path,))
        except Unreadable as error:
            self._unknown(lets_in, name, str(error))

    def _table(self, table, lets_in, name):
        try:
            if self._tables is None and not table.startswith("static:"):
                raise Unreadable("it is not read")
            kind, entries = ("static", ()) if self._tables is None else self._tables.entries(table)
            if kind == "pattern":
                raise Unreadable("whom its patterns hold is not known")
            if kind == "static":
                self._steps.append((lets_in, name, _all()))
            elif kind == "cidr":
                # Whatever stands beside it: a network that is found is in the list.
                self._steps += [(lets_in, "%s in %s" % (key, name), _cidr(key)) for key, _value in entries]
            else:
                self._exact(entries, lets_in, name)
        except Unreadable as error:
            self._unknown(lets_in, name, str(error))

    def _exact(self, entries, lets_in, name):
        for key, _value in entries:
            ranges = _ranges(key)
            is_network = ranges is not None and any(first != last for one in ranges.values() for first, last in one)
            if is_network or _PREFIX.match(key):
                self.doubts.append("%s has %s, which no client's address is" % (name, key))
            elif ranges is None and _ANY_NAME.match(key):
                self.doubts.append("%s has %s, a name that clients of anybody may have" % (name, key))
            self._steps.append((lets_in, "%s in %s" % (key, name), ranges if not is_network else None))

    def _unknown(self, lets_in, name, why):
        self._steps.append((lets_in, name, None))
        self.doubts.append("%s could not be read: %s" % (name, why))

    def _everyone(self):
        trusted, decided = {4: [], 6: []}, {4: [], 6: []}
        at = 0
        while at < len(self._steps):
            lets_in, end = self._steps[at][0], at
            while end < len(self._steps) and self._steps[end][0] == lets_in:
                end += 1
            found = _union(ranges for _lets, _name, ranges in self._steps[at:end] if ranges is not None)
            for version in found:
                if lets_in:
                    trusted[version] = _merge(trusted[version] + _without(found[version], decided[version]))
                decided[version] = _merge(decided[version] + found[version])
            at = end
        large = {version: _large(version, _without(ranges, _PRIVATE[version])) for version, ranges in trusted.items()}
        # Keys of a dict, as a set has no order.
        names = {
            name: None
            for lets_in, name, ranges in self._steps
            if lets_in and ranges is not None and any(_overlap(ranges[version], large[version]) for version in large)
        }
        more = len(names) - _MOST_NAMED
        return list(names)[:_MOST_NAMED] + (["%d more" % more] if more > 0 else [])


def _network(text):
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _ranges(text):
    """Return {version: [(first, last)]} of a network or an address; None for all else."""
    network = _network(text)
    if network is None:
        return None
    found = {4: [], 6: []}
    found[network.version] = [(int(network.network_address), int(network.broadcast_address))]
    return found


def _cidr(key):
    """Return the ranges of an entry of a cidr table. Raises Unreadable."""
    if _CONDITION.match(key):
        raise Unreadable("it has conditions")
    plain = key.lstrip("!")
    ranges = _ranges(plain)
    if ranges is None:
        raise Unreadable("a line in it is not understood")
    if (len(key) - len(plain)) % 2:
        version = 4 if ranges[4] else 6
        ranges[version] = _without(_all()[version], ranges[version])
    return ranges


def _all():
    return {version: [(0, (1 << bits) - 1)] for version, bits in _BITS.items()}


def _union(many):
    found = {4: [], 6: []}
    for ranges in many:
        for version in found:
            found[version] += ranges[version]
    return {version: _merge(ranges) for version, ranges in found.items()}


def _merge(ranges):
    found = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _without(ranges, others):
    """Return merged ranges without other merged ranges."""
    found, at = [], 0
    for first, last in ranges:
        while at < len(others) and others[at][1] < first:
            at += 1
        here = at
        while here < len(others) and others[here][0] <= last:
            if others[here][0] > first:
                found.append((first, others[here][0] - 1))
            first = others[here][1] + 1
            here += 1
        if first <= last:
            found.append((first, last))
    return found


def _overlap(ranges, others):
    """Tell whether ranges have anything in common with merged ranges."""
    for first, last in ranges:
        at = bisect.bisect_right(others, (last, last)) - 1
        if at >= 0 and others[at][1] >= first:
            return True
    return False


def _large(version, ranges):
    """Return the networks among merged ranges that belong to more than one owner."""
    size = 1 << (_BITS[version] - _LARGEST[version])
    if sum(last - first + 1 for first, last in ranges) >= _TOGETHER * size:
        return ranges
    kind = _KIND[version]
    return [
        (int(network.network_address), int(network.broadcast_address))
        for first, last in ranges
        if last - first + 1 > size
        for network in ipaddress.summarize_address_range(kind(first), kind(last))
        if network.prefixlen < _LARGEST[version]
    ]


_PRIVATE = _union(
    _ranges(one)
    for one in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "198.18.0.0/15",
        "fc00::/7",
        "fe80::/10",
    )
)
