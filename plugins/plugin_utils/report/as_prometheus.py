# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a textfile for Prometheus' node exporter. No label holds a mail address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

MISSING: ImportError | None = None
try:
    from prometheus_client import CollectorRegistry, Gauge, generate_latest
except ImportError as error:
    MISSING = error

__all__ = ["MISSING", "render"]


def render(document: dict[str, Any]) -> str:
    """The text of the file."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge("mailops_" + name, text, labels, registry=registry)

    run, summary = document["run"], document["summary"]
    finished = datetime.fromisoformat(run["finished"].replace("Z", "+00:00")).timestamp()
    gauge("report_timestamp_seconds", "When the run ended that this is about.").set(finished)
    gauge("report_duration_seconds", "How long that run took.").set(run["seconds"])
    gauge("report_status", "0 fine, 1 warning, 2 critical, 3 unknown.").set(summary["exit_code"])
    _sums(gauge, summary)
    _controls(gauge, document)
    _hosts(gauge, document["hosts"])
    return generate_latest(registry).decode("utf-8")


def _sums(gauge: Callable[..., Gauge], summary: dict[str, Any]) -> None:
    hosts = gauge("hosts", "Hosts by status.", ["status"])
    for status, count in summary["hosts"].items():
        if status != "total":
            hosts.labels(status).set(count)
    failed = gauge("controls_failed", "Failed results of controls on all hosts, by severity.", ["severity"])
    for severity, count in summary["failed_by_severity"].items():
        failed.labels(severity).set(count)


def _controls(gauge: Callable[..., Gauge], document: dict[str, Any]) -> None:
    found = gauge("control_hosts", "Hosts by control and by its status there.", ["control", "severity", "status"])
    for control in document["controls"]:
        for status, count in control["counts"].items():
            found.labels(_label(control["id"]), control["severity"], status).set(count)


def _hosts(gauge: Callable[..., Gauge], hosts: list[dict[str, Any]]) -> None:
    status = gauge("host_status", "1 for the status that the host has.", ["host", "status"])
    controls = gauge("host_controls", "Controls of a host by status.", ["host", "status"])
    queue = ["host", "mta", "queue"]
    messages = gauge("queue_messages", "Messages in the queues of a host, each counted once.", ["host", "mta"])
    by_queue = gauge("queue_part_messages", "Messages in a part of the queue, as deferred or remote.", queue)
    age = gauge("queue_oldest_age_seconds", "Age of the oldest message.", ["host"])
    purged = gauge("purged_messages", "Messages that this run took out of the queue.", ["host"])
    for host in hosts:
        name = _label(host["name"])
        for one in ("pass", "fail", "unknown", "unreachable"):
            status.labels(name, one).set(int(host["status"] == one))
        for one, count in Counter(control["status"] for control in host["controls"]).items():
            controls.labels(name, one).set(count)
        for one in host["queues"]:
            mta = _label(one["mta"])
            # Several queues of one host add up.
            messages.labels(name, mta).inc(one["total"])
            for part, count in one["by_queue"].items():
                by_queue.labels(name, mta, _label(part)).inc(count)
        ages = [one["oldest_age"] for one in host["queues"] if one["oldest_age"] is not None]
        if ages:
            age.labels(name).set(max(ages))
        done = [one["messages"] or 0 for one in host["purges"] if not one["checked"]]
        if done:
            purged.labels(name).set(sum(done))


def _label(text: str) -> str:
    return "masked" if "@" in text else " ".join(text.split())
