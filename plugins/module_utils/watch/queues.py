# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queues that are watched: how many messages, how old, and how many of them failure notices."""

__all__ = ["Reading", "notices", "oldest", "read"]

import os
from collections import namedtuple
from itertools import islice

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.postfix import counting as postfix_counting
from ansible_collections.mailops.rescue.plugins.module_utils.qmail import counting as qmail_counting
from ansible_collections.mailops.rescue.plugins.module_utils.qmail import layout as qmail_layout
from ansible_collections.mailops.rescue.plugins.module_utils.watch.birth import birth

# ``total`` is None where the queue cannot be read, and ``error`` says why; ``age`` (s) and ``notices`` (percent) are
# None where nobody asked or there is nothing to judge by.
Reading = namedtuple("Reading", "total age notices error")

# What is looked at in one run: of a larger queue the ages come in turns, and the share is that of a sample.
_AGES = 5000
_SAMPLE = 500
# qmail's reader lists a part's directories as a whole.
_SAMPLED_PARTS = {"qmail": 2, "postfix": 64}


def read(queue, settings, memory):
    """Return the Reading of a queue. ``memory``: a dict that is kept for the next run."""
    try:
        total = sum(_count(queue["mta"], one) for one in queue["directories"])
        age = share = None
        if settings["age"]:
            age = oldest(queue, total, settings["wall"], memory)
        if settings["bounce_share"] and total > settings["bounce_minimum"]:
            share = notices(queue)
    except RescueError as error:
        return Reading(None, None, None, str(error))
    except OSError as error:
        return Reading(None, None, None, "%s: %s." % (error.filename or queue["name"], error.strerror or error))
    return Reading(total, age, share, None)


def _count(kind, directory):
    if kind == "postfix":
        return sum(postfix_counting.count(directory).values())
    qmail_layout.find_queues(directory)
    return qmail_counting.count(directory)


def oldest(queue, total, now, memory):
    """Return the age of the oldest message in seconds, or None; told by directory entries and inodes.

    In a large queue each run looks at another part, and once more at the oldest message that an earlier one found.
    """
    turns = total // _AGES + 1
    turn = memory.get("turn", 0) % turns
    memory["turn"] = turn + 1
    found = None
    last = memory.get("oldest")
    for index, directory in enumerate(queue["directories"]):
        names = islice((postfix_counting if queue["mta"] == "postfix" else qmail_counting).paths(directory),
                       turn, None, turns)  # fmt: skip
        if last and last[0] == index and isinstance(last[1], str):
            names = _before(last[1], names)
        for name in names:
            when = _arrival(queue["mta"], os.path.join(directory, name))
            if when is not None and (found is None or when < found[0]):
                found = (when, index, name)
    memory["oldest"] = None if found is None else [found[1], found[2]]
    return None if found is None else max(0, int(now - found[0]))


def _before(first, others):
    yield first
    yield from others


def _arrival(kind, path):
    if kind == "postfix":
        when = birth(path)
        return None if when is None else postfix_counting.arrival(os.path.basename(path), when)
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return None


def notices(queue):
    """Return how many percent of a sample of the messages are failure notices, or None. Opens messages."""
    # Most runs have no need of these.
    if queue["mta"] == "postfix":
        from ansible_collections.mailops.rescue.plugins.module_utils.postfix.reader import PostfixReader as Reader
    else:
        from ansible_collections.mailops.rescue.plugins.module_utils.qmail.reader import QmailReader as Reader
    from ansible_collections.mailops.rescue.plugins.module_utils.records import HEADER

    reader = Reader(queue["directories"])
    parts = list(reader.early_parts()) + list(reader.parts())
    filled = [part for part in parts if queue["mta"] == "qmail" or _holds_any(queue, part)]
    step = max(1, len(filled) // _SAMPLED_PARTS[queue["mta"]])
    chosen = filled[::step]
    seen = found = 0
    for left, part in zip(range(len(chosen), 0, -1), chosen):
        for message in islice(reader.read(part, _ignore), max(1, (_SAMPLE - seen) // left)):
            # qmail reaps its own leftovers by the time at which somebody last read them.
            if message.queue == "incomplete":
                continue
            try:
                reader.load(message, HEADER)
            except (Vanished, Damaged, OSError):
                continue
            seen += 1
            found += message.bounced is not None
    return None if not seen else int(round(100.0 * found / seen))


def _holds_any(queue, part):
    with os.scandir(os.path.join(queue["directories"][part[0]], part[2])) as entries:
        return any(len(entry.name) > 1 for entry in entries)


def _ignore(*unused):
    pass
