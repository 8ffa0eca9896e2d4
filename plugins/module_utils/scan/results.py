# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of results that several modules return, each of bounded size."""

__all__ = ["RESULT", "check_bounds", "check_timeout", "counted", "fitting", "noted", "size", "top_lists"]

import json
import math

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

# Bytes of JSON that a whole result may take.
RESULT = 250 * 1024
_TOP = 80 * 1024
_NOTED = 24 * 1024


def check_bounds(params, bounds):
    """Raise RescueError where an option is out of ``bounds``, {option: (lowest, highest, unit)}."""
    for name, (low, high, unit) in bounds.items():
        if not low <= params[name] <= high:
            raise RescueError("%s: expected %d to %d %s, got %d." % (name, low, high, unit, params[name]))


def check_timeout(seconds):
    """Raise RescueError where ``seconds`` is no ``timeout_per_message``."""
    if not (math.isfinite(seconds) and 0.01 <= seconds <= 3600):
        raise RescueError("timeout_per_message: expected 0.01 to 3600 seconds, got %s." % seconds)


def size(value):
    """Return how many bytes ``value`` takes as JSON."""
    return len(json.dumps(value))


def fitting(entries, room):
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


def counted(summary):
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


def noted(summary, directories):
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


def top_lists(summary, length):
    """Return a Summary's ``top`` and ``top_errors``, the lists of at most ``length`` entries, and ``origins``."""
    top, errors = summary.top(length)
    while size(top) > _TOP:
        length //= 2
        top = {name: entries[:length] for name, entries in top.items()}
    return {"top": top, "top_errors": errors, "origins": dict(summary.origins)}
