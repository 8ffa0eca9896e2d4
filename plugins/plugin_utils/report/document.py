# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one document of plain data, from what a Collector holds; docs/report.schema.json describes it."""

from __future__ import annotations

from collections import Counter

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES, STATUSES
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import SHARED, changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.records import TOPS, clean
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import natural

__all__ = ["HOST_STATUSES", "SCHEMA_VERSION", "build"]

SCHEMA_VERSION = 1
HOST_STATUSES = ("pass", "fail", "unknown", "unreachable")
MAX_HISTORY = 60
MAX_TOP = 10


def build(collector, run, title, previous=None, notes=(), restore_command=None):
    """The document.

    `run`: a dict as in the schema. `previous`: the document of the run before, or None. `restore_command`: makes the
    command from a host and a batch.
    """
    before = {host["name"]: host for host in previous["hosts"]} if previous else {}
    known = _known(collector, previous)
    hosts, catalogue = [], {}
    for name in sorted(collector.hosts, key=natural):
        hosts.append(_host(name, collector.hosts[name], known, before.get(name), catalogue, restore_command))
    controls = _catalogue(hosts, catalogue)
    document = {
        "schema_version": SCHEMA_VERSION,
        "generator": "mailops.rescue",
        "title": clean(title, 200),
        "masked": False,
        "run": run,
        "summary": _summary(hosts, controls),
        "fleet": _fleet(hosts),
        "changes": None,
        "controls": controls,
        "hosts": hosts,
        "history": [],
        "notes": [clean(note) for note in notes],
    }
    document["changes"] = changes(previous, document)
    document["history"] = ((previous or {}).get("history") or [])[-(MAX_HISTORY - 1) :] + [_moment(document)]
    return document


def _known(collector, previous):
    """Each control's definition, for hosts that could not say which ones they have."""
    found = {one["id"]: one for one in (previous or {}).get("controls") or ()}
    for host in collector.hosts.values():
        found.update(host.controls)
    return found


def _host(name, host, known, before, catalogue, restore_command):
    lost = host.unreachable or host.failed or host.spoilt
    recorded = dict(host.controls)
    if lost:
        recorded = _unknown(recorded, known, before, "unreachable: " + lost if host.unreachable else lost)
    made = {
        "name": name,
        "status": _status(host, recorded),
        "reason": lost or next((one["reason"] for one in host.errors), None) if lost or not recorded else None,
        "controls": [_slim(recorded[control], catalogue) for control in sorted(recorded, key=natural)],
        "queues": [host.queues[directory] for directory in sorted(host.queues)],
        "probes": host.probes,
        "purges": [dict(one) for one in host.purges],
        "restores": host.restores,
        "errors": host.errors,
    }
    for one in made["purges"]:
        if one["batch"] and one["messages"] and not one["checked"] and not one["discarded"] and restore_command:
            one["restore_command"] = restore_command(name, one["batch"])
    return made


def _unknown(recorded, known, before, reason):
    """The controls of a host that failed: what had passed until then is not known any more; what failed has failed."""
    names = {one["id"] for one in before["controls"] if one["status"] != "not_applicable"} if before else set(known)
    made = {}
    for control in names | set(recorded):
        if control in recorded and recorded[control]["status"] == "fail":
            made[control] = recorded[control]
            continue
        one = recorded.get(control) or known.get(control)
        if one is not None:
            made[control] = dict(one, status="error", observed="", reason=reason, waiver=None)
    return made


def _status(host, recorded):
    found = {one["status"] for one in recorded.values()}
    if host.unreachable:
        return "unreachable"
    if "fail" in found:
        return "fail"
    if host.failed or host.spoilt or "error" in found or (host.errors and not recorded):
        return "unknown"
    return "pass"


def _slim(control, catalogue):
    shared = catalogue.setdefault(control["id"], {name: control[name] for name in ("id", *SHARED)})
    made = {name: control[name] for name in ("id", "status", "observed", "reason", "waiver")}
    made["reason"] = made["reason"] or None
    made.update((name, control[name]) for name in SHARED if control[name] != shared[name])
    return made


def _catalogue(hosts, catalogue):
    counts = {name: Counter() for name in catalogue}
    for host in hosts:
        for control in host["controls"]:
            counts[control["id"]][control["status"]] += 1
    return [
        dict(catalogue[name], counts={status: counts[name][status] for status in STATUSES})
        for name in sorted(catalogue, key=natural)
    ]


def _summary(hosts, controls):
    statuses = Counter(host["status"] for host in hosts)
    severity = {one["id"]: one["severity"] for one in controls}
    results = Counter()
    failed = dict.fromkeys(reversed(SEVERITIES), 0)
    for host in hosts:
        for one in host["controls"]:
            results[one["status"]] += 1
            if one["status"] == "fail":
                failed[one.get("severity", severity[one["id"]])] += 1
    made = {
        "hosts": {"total": len(hosts), **{status: statuses[status] for status in HOST_STATUSES}},
        "controls": {"total": sum(results.values()), **{status: results[status] for status in STATUSES}},
        "failed_by_severity": failed,
    }
    unknown = statuses["unknown"] + statuses["unreachable"] + results["error"]
    made["worst"] = "fail" if results["fail"] else "unknown" if unknown or not hosts else "pass"
    made["exit_code"] = _exit_code(made, failed)
    return made


def _exit_code(summary, failed):
    """As monitoring plugins end: 2 critical, 3 unknown, 1 warning, 0 fine; a fault that weighs little hides nothing."""
    if failed["critical"] or failed["high"]:
        return 2
    if (
        summary["worst"] == "unknown"
        or summary["controls"]["error"]
        or summary["hosts"]["unreachable"]
        or summary["hosts"]["unknown"]
    ):
        return 3
    return 1 if summary["worst"] == "fail" else 0


def _fleet(hosts):
    found = [queue for host in hosts for queue in host["queues"]]
    ages = [queue["oldest_age"] for queue in found if queue["oldest_age"] is not None]
    classes = Counter()
    for queue in found:
        for one in queue["age_histogram"]:
            classes[one["from"], one["to"]] += one["count"]
    order = sorted(classes, key=lambda span: (span[0], span[1] is None, span[1] or 0))
    return {
        "hosts": sum(1 for host in hosts if host["queues"]),
        "messages": sum(queue["total"] for queue in found),
        "bytes": sum(queue["bytes"] for queue in found),
        "oldest_age": max(ages) if ages else None,
        "age_histogram": [{"from": start, "to": end, "count": classes[start, end]} for start, end in order],
        "top": {name: entries for name in TOPS for entries in [_top(found, name)] if entries},
        "purged": _sum(hosts, "purges"),
        "restored": _sum(hosts, "restores"),
    }


def _top(found, name):
    counts = Counter()
    for queue in found:
        for one in queue["top"].get(name) or ():
            counts[one["value"]] += one["count"]
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"value": value, "count": count} for value, count in order[:MAX_TOP]]


def _sum(hosts, what):
    return sum(one["messages"] or 0 for host in hosts for one in host[what] if not one["checked"])


def _moment(document):
    summary = document["summary"]
    return {
        "finished": document["run"]["finished"],
        "hosts": summary["hosts"]["total"],
        "fail": summary["controls"]["fail"],
        "error": summary["controls"]["error"],
        "messages": document["fleet"]["messages"] if document["fleet"]["hosts"] else None,
    }
