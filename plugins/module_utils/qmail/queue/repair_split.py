# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Into how many numbered directories a queue is to be split: as asked, as qmail was compiled, or as it is."""

__all__ = ["compiled_split", "find_split", "is_prime"]

import itertools
import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.showctl import showctl
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

_PARTS = ("mess", "info", "local", "remote")
_LARGEST = 99999
_SAMPLE = 2000
# With fewer files than these, where they are may be chance.
_CONVINCING = 20


def find_split(directory, given=None):
    """Return the number. RescueError where it cannot be told, or is not what the qmail installed there needs."""
    if given is not None and not 1 <= given <= _LARGEST:
        raise RescueError("split: expected 1 to %d, got %d." % (_LARGEST, given))
    compiled = compiled_split(directory)
    if given is not None and compiled is not None and given != compiled:
        raise RescueError(
            "split: the qmail in %s is compiled for %d (conf-split), so its queue must not be split in %d."
            % (os.path.dirname(directory), compiled, given)
        )
    return given or compiled or _as_it_is(directory)


def compiled_split(directory):
    """Return the number compiled into the qmail that this queue belongs to, or None where it is not installed."""
    text = showctl(os.path.dirname(os.path.realpath(directory)))
    split = re.search(r"^subdirectory split: ([0-9]{1,5})\.$", text, re.MULTILINE)
    return (int(split.group(1)) or None) if split is not None else None


def _as_it_is(directory):
    sizes = {}
    for name in _PARTS:
        try:
            numbers = layout.splits(directory, name)
        except OSError:
            continue
        if numbers:
            sizes[name] = numbers[-1] + 1
    if not sizes:
        raise RescueError(
            "split: %s has no numbered directories; say into how many it is to be split (conf-split)." % directory
        )
    votes = list(sizes.values())
    likely = max(votes, key=lambda size: (votes.count(size), size))
    score = [0] * (max(votes) + 1)
    total = 0
    for queue_id, number in itertools.islice(_files(directory, sizes), _SAMPLE):
        total += 1
        for size in range(1, len(score)):
            score[size] += queue_id % size == number
    best = max(range(1, len(score)), key=lambda size: (score[size], votes.count(size), size))
    if score[best] >= _CONVINCING and score[likely] * 2 < score[best]:
        return best
    if total >= _CONVINCING and score[likely] * 2 < total:
        raise RescueError(
            "split: most files of %s are not where they belong with %d directories; say into how many it is to be "
            "split (conf-split)." % (directory, likely)
        )
    return likely


def _files(directory, sizes):
    """Yield ``(id, number)`` of files in the numbered directories, some of each."""
    for name, size in sorted(sizes.items()):
        share = _SAMPLE // (len(sizes) * size) + 1
        for number in range(size):
            try:
                with os.scandir(os.path.join(directory, name, str(number))) as found:
                    for entry in itertools.islice((one for one in found if layout.is_id(one.name)), share):
                        yield int(entry.name), number
            except OSError:
                continue


def is_prime(number):
    """Tell whether a number is prime, as qmail's conf-split asks for."""
    return number > 1 and all(number % one for one in range(2, int(number**0.5) + 1))
