# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run is worth an alert, and the alert in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible

__all__ = ["no_report", "turned", "unchecked", "vanished"]

# An alert as it is sent: JSON values, and as `body` the text of a mail.
Notice = dict[str, Any]

_GRAVE = ("critical", "high")
_UNKNOWN = ("unknown", "unreachable")
# A chat or a mail is not the report.
_MOST_HOSTS, _MOST_CONTROLS = 50, 20
_LONGEST_REASON = 300
# In one line.
_MOST_NAMES = 5


def unchecked(document: dict[str, Any]) -> str | None:
    """Return why no host of a report was checked, or None where one was."""
    for host in document["hosts"]:
        if host["status"] in ("pass", "fail") or any(one["status"] != "error" for one in host["controls"]):
            return None
    total = len(document["hosts"])
    if not total:
        return "; ".join(["there was no host to check"] + vanished(document))
    return "; ".join(["none of %d hosts could be checked" % total] + vanished(document))


def vanished(document: dict[str, Any]) -> list[str]:
    """Return, in a list of one phrase or none, which hosts are in the last report and not in this one."""
    gone = _missing(document)
    return ["no longer in the inventory: " + _some(gone)] if gone else []


def turned(document: dict[str, Any], settings: dict[str, Any]) -> Notice | None:
    """Return the alert that a report is worth, or None.

    Told are hosts that turned to fail, those that fail and are new, and grave controls that turned to fail on a host
    that had failed for another reason. With `alert_unknown`, hosts that cannot be checked any more, too.
    """
    changes = document["changes"]
    wanted = ("fail", *_UNKNOWN) if settings["alert_unknown"] else ("fail",)
    before = {host["name"]: None for host in document["hosts"]}
    if changes is not None:
        before = {host["name"]: host["status"] for host in document["hosts"]}
        before.update(dict.fromkeys(changes["added"]))
        before.update({host["name"]: host["before"] for host in changes["hosts"]})
    severity = {one["id"]: one["severity"] for one in document["controls"]}
    fresh: dict[str, list[str]] = {}
    for one in changes["controls"] if changes else ():
        if one["after"] == "fail":
            fresh.setdefault(one["host"], []).append(one["id"])
    told = []
    for host in document["hosts"]:
        name, was, now = host["name"], before[host["name"]], host["status"]
        # With a host stands only what is not the same for all.
        failing = {
            one["id"]: one.get("severity") or severity.get(one["id"], "low")
            for one in host["controls"]
            if one["status"] == "fail"
        }
        if was is not None:
            failing = {one: how for one, how in failing.items() if one in fresh.get(name, ())}
        grave = any(how in _GRAVE for how in failing.values())
        if (now in wanted and now != was) or grave:
            told.append({"name": name, "before": was, "after": now, "controls": _controls(failing)})
    if not told:
        return None
    told.sort(key=lambda one: (one["after"] != "fail", one["name"]))
    more = vanished(document) if changes is not None else ["there was no report to compare with"]
    words = "fails now" if len(told) == 1 else "fail now"
    if any(one["after"] != "fail" for one in told):
        words += " or cannot be checked"
    names = _some([one["name"] for one in told])
    text = "ALERT mail servers: %d of %d %s: %s" % (len(told), len(document["hosts"]), words, names)
    return _notice("alert", "; ".join([text, *more]), told, settings, _missing(document))


def no_report(reason: object, settings: dict[str, Any]) -> Notice:
    """Return the alert that there is no report of a run."""
    reason = visible(shorten(str(reason), _LONGEST_REASON)).rstrip(".")
    return _notice("no_report", "ALERT mail servers: they were not checked: %s" % reason, [], settings)


def _missing(document: dict[str, Any]) -> list[str]:
    return sorted(document["changes"]["missing"]) if document["changes"] else []


def _some(names: list[str]) -> str:
    told = ", ".join(visible(one) for one in names[:_MOST_NAMES])
    return told + " and %d more" % (len(names) - _MOST_NAMES) if len(names) > _MOST_NAMES else told


def _controls(failing: dict[str, str]) -> list[dict[str, str]]:
    rank = ("critical", "high", "medium", "low")
    known = [{"id": one, "severity": how} for one, how in failing.items()]
    return sorted(known, key=lambda one: (rank.index(one["severity"]), one["id"]))


def _notice(
    event: str, text: str, told: list[dict[str, Any]], settings: dict[str, Any], missing: Sequence[str] = ()
) -> Notice:
    shown = [dict(one, controls=one["controls"][:_MOST_CONTROLS]) for one in told[:_MOST_HOSTS]]
    made = {
        "version": 1,
        "event": event,
        "host": settings["name"],
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "report": settings["report_directory"],
        "count": len(told),
        "hosts": shown,
        "missing": list(missing[:_MOST_HOSTS]),
        "text": text,
    }
    lines = [text, ""]
    for one in shown:
        was = "new" if one["before"] is None else one["before"]
        lines.append("%s: %s, now %s" % (visible(one["name"]), was, one["after"]))
        lines += ["  %s (%s)" % (visible(control["id"]), control["severity"]) for control in one["controls"]]
    if len(told) > len(shown):
        lines.append("and %d more" % (len(told) - len(shown)))
    lines += [""] * bool(told) + ["Report: %s on %s" % (visible(settings["report_directory"]), settings["name"]), ""]
    made["body"] = "\n".join(lines)
    return made
