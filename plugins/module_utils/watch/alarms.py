# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From readings and thresholds to what is told, and when."""

__all__ = ["conditions", "due", "growth", "missed", "remember", "step", "told", "waits"]

from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment, elapsed

# An alert ends below this share of a threshold, so that a queue around it does not alert again and again.
_CLEAR = 0.8
_SAMPLES = 200
_LONGEST_GAP = 86400
_DOUBLED = 20


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


def step(alert, found, total, now):
    """Return the alert that is on with these conditions, or None. ``alert``: the one that was on until now."""
    if not found:
        return None
    alert = alert or {"since": list(now), "peak": 0}
    return dict(alert, names=[one["name"] for one in found], peak=max(alert["peak"], total or 0))


def due(known, alert, found, now, cooldown):
    """Return what somebody is to be told: alert, reminder, recovery or None.

    ``known``: what ``told`` and ``missed`` noted of him.
    """
    if not alert:
        return "recovery" if known.get("state") else None
    last = known.get("last")
    if last is None:
        return "alert"
    same = last["since"] == alert["since"]
    if _is_over(last, now, cooldown):
        return "reminder" if same else "alert"
    if same:
        worse = "unreadable" not in last["values"] and any(one["name"] == "unreadable" for one in found)
        return "reminder" if worse else None
    # Soon after a recovery, only what is new or twice as bad as what was told is worth another alert.
    return "alert" if known["state"] == "missed" or _is_worse(found, last["values"]) else None


def told(known, event, since, found, now):
    """Take note that somebody got the notice, or that it is of no use to try again."""
    known.pop("try", None)
    known["state"] = None if event == "recovery" else "told"
    if event != "recovery":
        known["last"] = {"since": since, "at": list(now), "values": {one["name"]: one["value"] for one in found}}


def missed(known, event, since, now):
    """Take note that somebody did not get the notice."""
    tried = known.get("try")
    count = tried["count"] + 1 if tried and (tried["event"], tried["since"]) == (event, since) else 1
    known["try"] = {"event": event, "since": since, "at": list(now), "count": count}
    if event == "alert":
        known["state"] = "missed"


def waits(known, event, since, now, interval, cooldown):
    """Tell whether it is too early to try this notice again."""
    tried = known.get("try")
    if not tried or (tried["event"], tried["since"]) != (event, since):
        return False
    seconds = elapsed(Moment(*tried["at"]), now)
    # Periods are not of one length.
    wanted = min(interval * 2 ** min(tried["count"] - 1, _DOUBLED), cooldown) - interval / 2.0
    return seconds is not None and seconds < wanted


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
