# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From readings and thresholds to what is told, and when."""

__all__ = ["conditions", "growth", "remember", "step"]

from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment, elapsed

# An alert ends below this share of a threshold, so that a queue around it does not alert again and again.
_CLEAR = 0.8
_SAMPLES = 200
_LONGEST_GAP = 86400


def growth(samples, total, now, window, interval):
    """Return by how many messages a minute a queue has grown, or None where the history does not tell.

    ``samples``: [moment, total] in the order in which they were taken. The one compared with is the oldest within
    ``window`` seconds; after missed periods the last one before that.
    """
    earlier = None
    for moment, before in samples:
        seconds = elapsed(Moment(*moment), now)
        if seconds is None or seconds > _LONGEST_GAP:
            continue
        if seconds < interval / 2.0:
            # A run by hand right after the last: a handful of messages in a second would pass for a flood.
            break
        earlier = (seconds, before)
        if seconds <= window * 1.1:
            break
    if earlier is None:
        return None
    return (total - earlier[1]) * 60.0 / earlier[0]


def remember(samples, total, now):
    """Return the samples with a new one, as many as are kept."""
    return ([one for one in samples if elapsed(Moment(*one[0]), now) is not None] + [[list(now), total]])[-_SAMPLES:]


def conditions(settings, reading, rate, held):
    """Return what is wrong, as dicts with name, value, threshold.

    ``held``: names of what was wrong at the last look, which holds until it is clearly over.
    """
    if reading.error:
        return [{"name": "unreadable", "value": None, "threshold": None, "reason": reading.error}]
    found = []
    for name, value, threshold in (
        ("count", reading.total, settings["threshold"]),
        ("age", reading.age, settings["age"]),
        ("growth", rate, settings["growth"]),
        ("bounces", reading.notices, settings["bounce_share"]),
    ):
        if threshold and value is not None and value > threshold * (_CLEAR if name in held else 1):
            found.append({"name": name, "value": value, "threshold": threshold})
    return found


def step(memory, found, total, now, cooldown):
    """Take note of conditions in a queue's ``memory``; return the event to tell: alert, reminder, recovery or None."""
    alert, last = memory.get("alert"), memory.get("last")
    if not found:
        memory["alert"] = None
        return "recovery" if alert and alert["told"] else None
    if not alert:
        alert = memory["alert"] = {"since": list(now), "told": False, "peak": 0, "names": []}
    names = [one["name"] for one in found]
    alert["names"] = names
    alert["peak"] = max(alert["peak"], total or 0)
    over = last is None or _is_over(last, now, cooldown)
    if alert["told"]:
        event = "reminder" if over or ("unreadable" in names and "unreadable" not in last["values"]) else None
    else:
        # Soon after a recovery, only what is new or twice as bad as what was told is worth another alert.
        event = "alert" if over or _is_worse(found, last["values"]) else None
    if event:
        alert["told"] = True
        memory["last"] = {"at": list(now), "values": {one["name"]: one["value"] for one in found}}
    return event


def _is_over(last, now, cooldown):
    seconds = elapsed(Moment(*last["at"]), now)
    # Where nothing tells how long ago it was, an alert too many is better than none.
    return seconds is None or seconds >= cooldown


def _is_worse(found, values):
    return any(
        one["name"] not in values
        or (one["value"] is not None and values[one["name"]] is not None and one["value"] >= 2 * values[one["name"]])
        for one in found
    )
