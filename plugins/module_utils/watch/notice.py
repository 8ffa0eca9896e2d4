# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert in words and as JSON: numbers, thresholds and the next command; nothing that a message says."""

__all__ = ["body", "document", "line", "problem"]

from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import iso_time
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible

_LONGEST_REASON = 300
_HEADS = {
    "alert": "ALERT",
    "reminder": "STILL",
    "recovery": "RECOVERED",
    "test": "TEST",
}


def document(event, settings, queue, reading, found, since, peak, now, rate=None):
    """Return the notice as a dict of JSON values. ``since`` and ``now`` in epoch seconds."""
    made = {
        "version": 1,
        "event": event,
        "host": settings["host"],
        "queue": queue["name"],
        "mta": queue["mta"],
        "queue_directories": queue["directories"],
        "messages": reading.total,
        "oldest_seconds": reading.age,
        "growth_per_minute": None if rate is None else round(rate, 1),
        "bounce_percent": reading.notices,
        "conditions": [_condition(one) for one in found],
        "peak": peak,
        "since": iso_time(since),
        "time": iso_time(now),
        "next": "ansible-playbook mailops.rescue.inspect -l '%s'" % settings["host"],
    }
    made["text"] = line(made)
    return made


def _condition(one):
    made = {"name": one["name"], "value": one["value"], "threshold": one["threshold"], "text": problem(one)}
    if isinstance(made["value"], float):
        made["value"] = round(made["value"], 1)
    return made


def problem(one):
    """Return a condition in words."""
    if one["name"] == "unreadable":
        return "the queue cannot be read: %s" % visible(shorten(one["reason"], _LONGEST_REASON)).rstrip(".")
    return {
        "count": "%(value)d messages, threshold %(threshold)d",
        "age": "oldest message %(value)s old, threshold %(threshold)s",
        "growth": "grows by %(value)d messages a minute, threshold %(threshold)d",
        "bounces": "%(value)d %% failure notices, threshold %(threshold)d %%",
    }[one["name"]] % (
        dict(one, value=_long(one["value"]), threshold=_long(one["threshold"])) if one["name"] == "age" else one
    )


def _long(seconds):
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return "%d %s" % (seconds // size, unit)
    return "%d s" % seconds


def line(made):
    """Return the notice in one line."""
    head = "%s %s queue %s" % (_HEADS[made["event"]], made["host"], made["queue"])
    if made["event"] == "test":
        return "%s: this is a test; %s messages now" % (head, _number(made["messages"]))
    if made["event"] == "recovery":
        return "%s: %s messages, %d at most, since %s" % (
            head,
            _number(made["messages"]),
            made["peak"],
            made["since"],
        )
    problems = "; ".join(one["text"] for one in made["conditions"])
    return "%s: %s; since %s" % (head, problems, made["since"])


def _number(value):
    return "unknown" if value is None else "%d" % value


def body(made):
    """Return the notice as the text of a mail."""
    lines = [made["text"], ""]
    rows = [
        ("Host", made["host"]),
        ("Queue", "%s (%s), %s" % (made["queue"], made["mta"], ", ".join(made["queue_directories"]))),
        ("Messages", _number(made["messages"])),
        ("Since", made["since"]),
        ("Now", made["time"]),
    ]
    if made["oldest_seconds"] is not None:
        rows.append(("Oldest", _long(made["oldest_seconds"])))
    if made["growth_per_minute"] is not None:
        rows.append(("Growth", "%.1f messages a minute" % made["growth_per_minute"]))
    if made["bounce_percent"] is not None:
        rows.append(("Failure notices", "%d %%" % made["bounce_percent"]))
    lines += ["%-16s%s" % (name + ":", value) for name, value in rows]
    lines += ["", "Next, to see what it is:", "", "  %s" % made["next"], ""]
    return "\n".join(lines)
