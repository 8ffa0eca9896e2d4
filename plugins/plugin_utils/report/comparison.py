# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since the run before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["SHARED", "UnusablePrevious", "changes", "usable"]

# What is the same on most hosts stands in the list of controls once, and with a host only where it differs.
SHARED = ("title", "severity", "expected", "rationale", "remedy", "references")
MAX_QUEUES = 50
_WORST = ("fail", "unreachable", "unknown", "pass")
_RANK = {"not_applicable": 0, "pass": 0, "waived": 1, "error": 2, "fail": 3}


class UnusablePrevious(Exception):
    """The document of the run before cannot be compared with. The message is a phrase that says why."""


def usable(document: object) -> dict[str, Any]:
    """`document`, as read from a file, if it can be compared with; raises UnusablePrevious."""
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UnusablePrevious("it is no report")
    if document["schema_version"] != 1:
        raise UnusablePrevious("its schema_version is %s, and 1 is known here" % document["schema_version"])
    try:
        changes(document, document)
        known = {
            one["id"]: (one["title"] + one["severity"], *(one[name] for name in SHARED)) for one in document["controls"]
        }
        for host in document["hosts"]:
            for one in host["controls"]:
                known[one["id"]]
        for one in document["history"]:
            for name in ("hosts", "fail", "error", "messages"):
                if not isinstance(one[name], (int, type(None))):
                    raise TypeError
    except (AttributeError, KeyError, TypeError) as error:
        raise UnusablePrevious("it has not the shape of a report") from error
    return document


def changes(previous: dict[str, Any] | None, document: dict[str, Any]) -> dict[str, Any] | None:
    """The differences, or None where there is no `previous` document."""
    if previous is None:
        return None
    before = {host["name"]: host for host in previous["hosts"]}
    after = {host["name"]: host for host in document["hosts"]}
    both = [name for name in after if name in before]
    controls = [one for name in both for one in _controls(name, before[name], after[name])]
    queues = [one for name in both for one in _queue(name, before[name], after[name])]
    hosts = [
        {"name": name, "before": before[name]["status"], "after": after[name]["status"]}
        for name in both
        if before[name]["status"] != after[name]["status"]
    ]
    return {
        "since": previous["run"]["finished"],
        "hosts": sorted(hosts, key=lambda one: _WORST.index(one["after"])),
        "added": [name for name in after if name not in before],
        "missing": [name for name in before if name not in after],
        "controls": sorted(controls, key=_order),
        "queues": sorted(queues, key=lambda one: -abs(one["after"] - one["before"]))[:MAX_QUEUES],
    }


def _order(change: dict[str, Any]) -> tuple[int, int]:
    return ("worse", "better", "other").index(change["kind"]), -_RANK[change["after"]]


def _controls(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    old = {one["id"]: one["status"] for one in before["controls"]}
    for one in after["controls"]:
        was, now = old.get(one["id"]), one["status"]
        # A control that is new is worth a word only where it does not hold.
        if was == now or (was is None and _RANK[now] == 0):
            continue
        difference = _RANK[now] - (0 if was is None else _RANK.get(was, 0))
        kind = "worse" if difference > 0 else "better" if difference < 0 else "other"
        yield {"host": name, "id": one["id"], "before": was, "after": now, "kind": kind}


def _queue(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not before["queues"] or not after["queues"]:
        return
    old, new = (sum(queue["total"] for queue in host["queues"]) for host in (before, after))
    if old != new:
        yield {"host": name, "before": old, "after": new}
