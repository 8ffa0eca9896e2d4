# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queues that are watched: how many messages, how old, and how many of them failure notices."""

__all__ = ["Reading", "count", "measure", "notices", "oldest", "read"]

import os
from collections import namedtuple
from itertools import chain, islice
from time import monotonic

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.counts import COUNTS

# ``total`` is None where the queue cannot be read, and ``error`` says why; ``age`` (s) and ``notices`` (percent) are
# None where nobody asked or there is nothing to judge by.
Reading = namedtuple("Reading", "total age notices error")

# What is looked at in one run: of a larger queue the ages come by and by, and the share is that of a sample.
_AGES = 5000
_SAMPLE = 500
# Fewer, where there was no time for more, tell nothing.
_FEWEST = 50
_LONGEST_REASON = 200
# Seconds that nothing takes.
_LONG = 10**6
_WORDS = {"age": "age of the oldest message", "notices": "share of failure notices"}


def read(queue, settings, memory, seconds=_LONG):
    """Return the Reading of a queue. ``memory``: a dict that is kept for the next run."""
    return measure(queue, count(queue), settings, memory, seconds)[0]


def count(queue):
    """Return the Reading of a queue with the number of its messages alone."""
    try:
        total = sum(map(COUNTS.of(queue["mta"]).count, queue["directories"]))
    except RescueError as error:
        return Reading(None, None, None, str(error))
    except OSError as error:
        return Reading(None, None, None, "%s: %s." % (error.filename or queue["name"], error.strerror or error))
    return Reading(total, None, None, None)


def measure(queue, reading, settings, memory, seconds):
    """Return a Reading with what else is asked for, and a list of sentences on what is not known of it.

    Each part may take some ``seconds``. What is not known stays as it was in ``reading``.
    """
    problems = []
    if reading.total is None:
        return reading, problems
    wanted = {"age": bool(settings["age"]), "notices": bool(settings["bounce_share"])}
    if reading.total <= settings.get("bounce_minimum", 0):
        wanted["notices"] = False
        reading = reading._replace(notices=None)
    for name in sorted(name for name in wanted if wanted[name]):
        try:
            value = oldest(queue, settings["wall"], memory, seconds) if name == "age" else notices(queue, seconds)
            reading = reading._replace(**{name: value})
        except Exception as error:  # neither a file nor a memory that is spoilt may void the number
            for spoilt in ("next", "oldest"):
                memory.pop(spoilt, None)
            problems.append("%s not known: %s" % (_WORDS[name], _reason(error)))
    return reading, problems


def _reason(error):
    text = str(error) if isinstance(error, RescueError) else "%s: %s" % (type(error).__name__, error)
    return visible(shorten(text, _LONGEST_REASON))


def oldest(queue, now, memory, seconds=_LONG):
    """Return the age of the oldest message in seconds, or None; told by directory entries and inodes.

    In a large queue each run goes on where the last one ended, and looks again at the oldest that was found so far.
    """
    ends = monotonic() + seconds
    start = memory.get("next", 0)
    known = [memory["oldest"]] if memory.get("oldest") else []
    found, seen, late = None, -len(known), False
    arrival = COUNTS.of(queue["mta"]).arrival
    for index, name in chain(known, islice(_names(queue), start, start + _AGES)):
        when = arrival(os.path.join(queue["directories"][index], name))
        if when is not None and (found is None or when < found[0]):
            found = (when, index, name)
        seen += 1
        # One at least, so that the next run is further on.
        late = seen > 0 and monotonic() > ends
        if late:
            break
    memory["next"] = start + seen if late or seen == _AGES else 0
    memory["oldest"] = None if found is None else [found[1], found[2]]
    return None if found is None else max(0, int(now - found[0]))


def _names(queue):
    for index, directory in enumerate(queue["directories"]):
        for name in COUNTS.of(queue["mta"]).paths(directory):
            yield index, name


def notices(queue, seconds=_LONG):
    """Return how many percent of a sample of the messages are failure notices, or None. Opens messages.

    RescueError where too few could be opened in so many ``seconds``.
    """
    ends = monotonic() + seconds
    # Most runs have no need of it.
    from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import HEADER

    counts = COUNTS.of(queue["mta"])
    reader = counts.reader(queue["directories"])
    parts = list(reader.early_parts()) + list(reader.parts())
    filled = [part for part in parts if counts.holds_any(queue["directories"][part[0]], part)]
    step = max(1, len(filled) // counts.sampled_parts)
    chosen = filled[::step]
    seen = found = 0
    for left, part in zip(range(len(chosen), 0, -1), chosen):
        for message in islice(reader.read(part, _ignore), max(1, (_SAMPLE - seen) // left)):
            if monotonic() > ends:
                if seen < _FEWEST:
                    raise RescueError("only %d messages could be opened in time" % seen)
                return _percent(found, seen)
            # qmail reaps its own leftovers by the time at which somebody last read them.
            if message.queue == "incomplete":
                continue
            try:
                reader.load(message, HEADER)
            except (Vanished, Damaged, OSError):
                continue
            seen += 1
            found += message.bounced is not None
    return _percent(found, seen)


def _percent(found, seen):
    return None if not seen else int(round(100.0 * found / seen))


def _ignore(*unused):
    pass
