# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many hosts' results of queue_info say together, as text for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import (
    MIN_MESSAGES,
    SEVERITIES,
    Finding,
    findings,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation, next_commands
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import failure
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.rendering import render
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import age, number, percent

__all__ = ["Summary", "natural", "show_messages", "show_summary", "summarise", "top_lists"]

BAR = 24
# Values of fewer messages than this share tell nothing at a glance; the module's result has them.
WORTH = 0.01
MARKS = {"alarm": "!!", "warning": " !", "note": " -"}
# The order in which a reader at night wants them, and what to call them.
TOPS = (
    ("sasl_username", "Logins"),
    ("origin_uid", "Local uids"),
    ("client_address", "Clients"),
    ("sender", "Senders"),
    ("sender_domain", "Sender domains"),
    ("subject", "Subjects"),
    ("recipient_domain", "Recipient domains"),
    ("bounced_recipient_domain", "Reported domains"),
    ("delay_reason", "Delays"),
)


class Summary:
    """Results of many hosts, sorted out once.

    `results`: host to result, for hosts that were read, worst first. `findings`: host to list of Finding, in
    the same order. `failed`: host to reason. `selected`: whether the hosts were read in part.
    """

    def __init__(self, results: dict[str, Any], known: Iterable[str] = (), selected: bool = False) -> None:
        self.selected = selected
        reasons = {host: failure(result) for host, result in results.items()}
        self.failed = {host: reason for host, reason in reasons.items() if reason is not None}
        found = {host: findings(results[host], known) for host, reason in reasons.items() if reason is None}
        worst = sorted(found, key=lambda host: _badness(host, results[host], found[host]))
        self.results = {host: results[host] for host in worst}
        self.findings = {host: found[host] for host in worst}

    def count(self, name: str) -> int:
        return sum(result["counts"].get(name) or 0 for result in self.results.values())


def _badness(host: str, result: dict[str, Any], found: list[Finding]) -> tuple[int, int, list[int | str]]:
    severity = min((SEVERITIES.index(one.severity) for one in found), default=len(SEVERITIES))
    return severity, -(result["counts"].get("matched") or 0), natural(host)


def natural(host: str) -> list[int | str]:
    """What to sort host names by."""
    # mx2 before mx10; text and number alternate, so that only like is compared with like.
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d{1,18})", host))]


def summarise(results: dict[str, Any], known: Iterable[str] = (), selected: bool = False) -> Summary:
    """The Summary of `results`, a dict of host to plain result (None for a host that has none).

    `known` are the keys of the selection by which the hosts were read; `selected` says that it was a part.
    """
    return Summary(results, known, selected or bool(known))


def show_summary(
    summary: Summary, invocation: Invocation | None = None, detail: int = 10, top: int = 3, width: int = 72
) -> str:
    """Text of `summary`: fleet, hosts that were not read, `detail` worst hosts, others, next commands."""
    hosts = list(summary.results)
    detailed, others = hosts[:detail], hosts[detail:]
    return render(
        "summary.txt.j2",
        summary=summary,
        messages=summary.count("matched" if summary.selected else "total"),
        hosts=[_host(host, summary, top) for host in detailed],
        others=[_line(host, summary) for host in others],
        fleet=top_lists(summary.results.values(), top) if len(hosts) > 1 and top else [],
        commands=next_commands(summary.findings, invocation or Invocation()),
        marks=MARKS,
        width=width,
    )


def show_messages(summary: Summary, width: int = 72) -> str:
    """Text of the messages that the results of `summary` hold, one after another."""
    return render("messages.txt.j2", summary=summary, width=width)


def _host(host: str, summary: Summary, top: int) -> dict[str, Any]:
    result = summary.results[host]
    counts = result["counts"]
    by_queue = "matched_by_queue" if summary.selected else "by_queue"
    return {
        "name": host,
        "mta": " ".join(part for part in (result.get("mta"), result.get("version")) if part),
        "counts": counts,
        "queues": [queue for queue in result.get("queues") or [] if len(result["queues"]) > 1],
        "by_queue": [(name, count) for name, count in (counts.get(by_queue) or {}).items() if count],
        "oldest": result.get("oldest"),
        "newest": result.get("newest"),
        "histogram": _histogram(result.get("age_histogram") or []),
        "findings": summary.findings[host],
        "tops": top_lists([result], top) if top else [],
        "messages": result.get("messages") or [],
        "listing": result.get("listing"),
    }


def _line(host: str, summary: Summary) -> dict[str, Any]:
    found = summary.findings[host]
    result = summary.results[host]
    return {
        "name": host,
        "mark": MARKS[found[0].severity] if found else "  ",
        "count": result["counts"].get("matched") or 0,
        "oldest": age(result["oldest"]["age"]) if result.get("oldest") else "",
        "why": _why(found[0]) if found else "",
    }


def _why(finding: Finding) -> str:
    if finding.kind in ("damaged", "undecided", "corrupt", "vanished"):
        return finding.text
    return "%s %s" % (percent(finding.share, 1.0), finding.what)


def _histogram(classes: list[dict[str, Any]]) -> list[dict[str, str]]:
    filled = [index for index, one in enumerate(classes) if one["count"]]
    if not filled:
        return []
    most = max(one["count"] for one in classes)
    rows = []
    for one in classes[filled[0] : filled[-1] + 1]:
        label = ">= " + age(one["from"]) if one["to"] is None else "< " + age(one["to"])
        # A class that is not empty must not look empty.
        length = max(1, round(BAR * one["count"] / most)) if one["count"] else 0
        rows.append({"label": label, "count": number(one["count"]), "bar": "#" * length})
    return rows


def top_lists(results: Iterable[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    """Titles and the `length` most frequent values of the results of some hosts together."""
    results = list(results)
    total = sum(result["counts"].get("matched") or 0 for result in results)
    worth = max(2, WORTH * total) if total >= MIN_MESSAGES else 1
    tops = []
    for name, title in TOPS:
        counter: Counter[str] = Counter()
        exact, holders = True, 0
        for result in results:
            entries = (result.get("top") or {}).get(name) or []
            holders += bool(entries)
            exact = exact and not (result.get("top_errors") or {}).get(name)
            for entry in entries:
                if name != "sender_domain" or entry["value"]:
                    counter[_value(name, entry["value"])] += entry["count"]
        # Not in a host's list is not the same as not in its queue.
        at_least = not exact or holders > 1
        entries = [(value, count) for value, count in counter.items() if count >= worth]
        entries = sorted(entries, key=lambda item: (-item[1], item[0]))[:length]
        if entries:
            tops.append({"title": title + (" (at least)" if at_least else ""), "entries": entries})
    return tops


def _value(name: str, value: str | int | None) -> str:
    if value is None:
        return "(none)"
    if value == "":
        return "<>" if name == "sender" else "(empty)"
    return str(value)
