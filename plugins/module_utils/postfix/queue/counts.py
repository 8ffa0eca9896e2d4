# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts a Postfix queue by the entries of its directories (see Counts in mta/contract.py); no message is opened."""

__all__ = ["PostfixCounts"]

import os
import re
from typing import Any, Iterator, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.host.birth import birth
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout

_LONG_ID = re.compile(r"([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{6})[0-9A-Za-z]{4}z[0-9A-Za-y]+\Z")
_BASE_52 = {letter: value for value, letter in enumerate("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz")}
_DEEPEST = 8
# A list of names is faster than a walk over entries, but it is held in memory: not for directories above this size.
_LISTED = 8 << 20


class PostfixCounts:
    name = "postfix"
    sampled_parts = 64

    def count(self, directory: str) -> int:
        layout.check(directory)
        return sum(_count(os.path.join(directory, queue), _DEEPEST) for queue in layout.QUEUES)

    def paths(self, directory: str) -> Iterator[str]:
        for queue in layout.QUEUES:
            yield from _paths(directory, queue, _DEEPEST)

    def arrival(self, path: str) -> Optional[float]:
        born = birth(path)
        return None if born is None else _arrival(os.path.basename(path), born)

    def reader(self, directories: List[str]) -> Any:
        # Most runs have no need of it.
        from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader

        return PostfixReader(directories)

    def holds_any(self, directory: str, part: Any) -> bool:
        try:
            with os.scandir(os.path.join(directory, part[2])) as entries:
                return any(len(entry.name) > 1 for entry in entries)
        except FileNotFoundError:
            return False


def _count(path, depth):
    try:
        if os.stat(path).st_size <= _LISTED:
            names = os.listdir(path)
            # Hash directories have names of one digit, which no message has.
            below = [name for name in names if len(name) == 1 and layout.HASH_NAME.match(name)]
            found = len(names) - len(below)
        else:
            found, below = 0, []
            with os.scandir(path) as entries:
                for entry in entries:
                    if len(entry.name) == 1 and layout.HASH_NAME.match(entry.name):
                        below.append(entry.name)
                    else:
                        found += 1
    except (FileNotFoundError, NotADirectoryError):
        # Postfix makes hash directories when it needs them, and not all versions have all queues.
        return 0
    if depth:
        found += sum(_count(os.path.join(path, name), depth - 1) for name in below)
    return found


def _paths(directory, path, depth):
    below = []
    try:
        with os.scandir(os.path.join(directory, path)) as entries:
            for entry in entries:
                if len(entry.name) == 1 and layout.HASH_NAME.match(entry.name):
                    below.append(entry.name)
                else:
                    yield "%s/%s" % (path, entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in below if depth else ():
        yield from _paths(directory, "%s/%s" % (path, name), depth - 1)


def _arrival(name, born):
    """Return when the message with a file of this name and birth arrived: a long queue id tells it by itself."""
    found = _LONG_ID.match(name)
    if not found:
        # The other times are those of the last and the next attempt.
        return born
    seconds = 0
    for letter in found.group(1):
        seconds = seconds * 52 + _BASE_52[letter]
    return float(seconds)
