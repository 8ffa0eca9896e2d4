# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML file that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES, STATUSES
from ansible_collections.mailops.rescue.plugins.plugin_utils.report import charts
from ansible_collections.mailops.rescue.plugins.plugin_utils.show import wording
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import natural

__all__ = ["render"]

# Hosts on a page of the list, names in a line, and rows of what changed; beyond that there is a count.
PAGE = 100
MAX_NAMES = 200
MAX_CHANGES = 100
MAX_PURGES = 100
MAX_BARS = 15
# What is longer begins closed, and of hosts all but the first; a browser lays it out when it is asked for.
MAX_SHOWN = 20
MAX_OPEN = 5

_WORDS = {
    "pass": "pass",
    "fail": "fail",
    "waived": "waived",
    "error": "unknown",
    "unknown": "unknown",
    "unreachable": "unreachable",
    "not_applicable": "not applicable",
    None: "new",
}
_WORST = {"fail": 0, "unreachable": 1, "unknown": 2, "pass": 3}
_PROBLEMS = ("fail", "error", "waived")
_FLAG = re.compile(r"(?<!\S)(--?[a-z][a-z-]{0,30})(?!\S)")
_TOPS = (
    ("sender", "Top senders"),
    ("sasl_username", "Top logins"),
    ("client_address", "Top clients"),
    ("recipient_domain", "Top recipient domains"),
    ("subject", "Top subjects"),
    ("delay_reason", "Why mail is delayed"),
)


def render(document):
    """The text of the file."""
    environment = Environment(
        loader=FileSystemLoader(str(Path(__file__).with_name("templates"))),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(age=wording.age, number=wording.number, size=wording.size, plural=wording.plural)
    environment.filters["word"] = lambda status: _WORDS.get(status, status)
    # Broken between its parts only.
    environment.filters["parts"] = lambda text: re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", text)
    environment.filters["command"] = _command
    environment.filters["when"] = lambda text: text.replace("T", " ").replace("Z", " UTC")
    shared = {one["id"]: one for one in document["controls"]}
    hosts = sorted(document["hosts"], key=lambda host: (_WORST[host["status"]], natural(host["name"])))
    return environment.get_template("report.html.j2").render(
        document=document,
        shared=shared,
        anchors={host["name"]: "host-%d" % number for number, host in enumerate(hosts, 1)},
        controls=_controls(document),
        pages=_pages(hosts, shared),
        charts=_charts(document),
        trends=_trends(document["history"]),
        purges=_changes(document, "purges"),
        restores=_changes(document, "restores"),
        max_changes=MAX_CHANGES,
        max_shown=MAX_SHOWN,
        max_names=MAX_NAMES,
        max_purges=MAX_PURGES,
        max_open=MAX_OPEN,
    )


def _command(text):
    """`text` for a narrow page, on which `-l` must not become a hyphen and an l on the next line."""
    return Markup(_FLAG.sub(r'<span class="flag">\1</span>', str(escape(text))))


def _controls(document):
    """The controls that do not hold everywhere, worst first, and then the others."""
    hosts = defaultdict(lambda: defaultdict(list))
    remedies, differ = {one["id"]: one["remedy"] for one in document["controls"]}, set()
    for host in document["hosts"]:
        for one in host["controls"]:
            found = hosts[one["id"]]
            if "remedy" in one:
                differ.add(one["id"])
            if one["status"] == "fail" and not found["fail"]:
                remedies[one["id"]] = one.get("remedy", remedies[one["id"]])
            if one["status"] in _PROBLEMS:
                found[one["status"]].append(host["name"])
    return [
        dict(one, hosts=hosts[one["id"]], remedy=remedies[one["id"]], remedy_of_one=one["id"] in differ)
        for one in sorted(document["controls"], key=_control_order)
    ]


def _control_order(control):
    counts = control["counts"]
    return (
        not counts["fail"],
        not counts["error"],
        not counts["waived"],
        -SEVERITIES.index(control["severity"]) if counts["fail"] else 0,
        natural(control["id"]),
    )


def _pages(hosts, shared):
    for start in range(0, len(hosts), PAGE):
        part = hosts[start : start + PAGE]
        yield {
            "first": start + 1,
            "last": start + len(part),
            "statuses": [(status, sum(host["status"] == status for host in part)) for status in _WORST],
            "hosts": [_host(host, shared) for host in part],
        }


def _host(host, shared):
    found = defaultdict(list)
    for one in host["controls"]:
        found[one["status"]].append(dict(shared[one["id"]], **one))
    problems = sorted((one for status in _PROBLEMS for one in found.get(status) or ()), key=_problem_order)
    return dict(
        host,
        counts={status: len(found[status]) for status in STATUSES if found.get(status)},
        problems=problems,
        quiet=[(status, found[status]) for status in ("pass", "not_applicable") if status in found],
    )


def _problem_order(control):
    return _PROBLEMS.index(control["status"]), -SEVERITIES.index(control["severity"]), natural(control["id"])


def _charts(document):
    queues = []
    for host in document["hosts"]:
        if host["queues"]:
            ages = [queue["oldest_age"] or 0 for queue in host["queues"]]
            queues.append((host["name"], sum(queue["total"] for queue in host["queues"]), max(ages)))
    if not queues:
        return []
    fleet = document["fleet"]
    made = [
        charts.bars("Largest queues", [(name, total) for name, total, _age in queues], MAX_BARS, wording.number),
        charts.bars(
            "Oldest messages", [(name, oldest) for name, total, oldest in queues if total], MAX_BARS, wording.age
        ),
        charts.columns(
            "Messages by age", [(_span(one), one["count"]) for one in fleet["age_histogram"]], wording.number
        ),
    ]
    for name, title in _TOPS:
        entries = [(_entry(name, one["value"]), one["count"]) for one in fleet["top"].get(name) or ()]
        made.append(charts.bars(title, entries, MAX_BARS, wording.number))
    return [chart for chart in made if chart.rows]


def _entry(name, value):
    return value if value or name != "sender" else "<> (failure notices)"


def _span(one):
    return "%s or more" % wording.age(one["from"]) if one["to"] is None else "under %s" % wording.age(one["to"])


def _trends(history):
    made = [
        ("Messages queued", charts.trend([one["messages"] for one in history])),
        ("Failing results", charts.trend([one["fail"] for one in history])),
        ("Unknown results", charts.trend([one["error"] for one in history])),
    ]
    return [(title, trend) for title, trend in made if trend and trend.most]


def _changes(document, what):
    return [(host["name"], one) for host in document["hosts"] for one in host[what]]
