# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as monitoring plugins for Nagios and Icinga answer: one line with performance data, then details."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

__all__ = ["render"]

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
MAX_DETAILS = 20


def render(document):
    """The text of the file: its first line is the plugin's output."""
    summary, fleet = document["summary"], document["fleet"]
    text = "MAILOPS %s - %s" % (STATES[summary["exit_code"]], _text(summary))
    if fleet["hosts"]:
        text += "; %s queued" % plural(fleet["messages"], "message")
    lines = ["%s | %s" % (text, _data(document))]
    lines += _details(document)
    return "\n".join(lines) + "\n"


def _text(summary):
    hosts = summary["hosts"]
    if not hosts["total"]:
        return "no hosts"
    words = (("fail", "failing"), ("unknown", "unknown"), ("unreachable", "unreachable"))
    parts = ["%s %s" % (hosts[status], word) for status, word in words if hosts[status]]
    parts = parts or ["all pass"]
    if summary["controls"]["error"]:
        parts.append(plural(summary["controls"]["error"], "unknown control"))
    if summary["controls"]["waived"]:
        parts.append(plural(summary["controls"]["waived"], "waived control"))
    return "%s: %s" % (plural(hosts["total"], "host"), ", ".join(parts))


def _data(document):
    summary = document["summary"]
    values = [("hosts", summary["hosts"]["total"])]
    values += [("hosts_" + name, summary["hosts"][name]) for name in ("fail", "unknown", "unreachable")]
    values += [("controls_" + name, summary["controls"][name]) for name in ("pass", "fail", "waived", "error")]
    values += [("failed_" + name, count) for name, count in summary["failed_by_severity"].items()]
    data = ["%s=%d;;;0" % pair for pair in values]
    if document["fleet"]["hosts"]:
        data.append("messages=%d;;;0" % document["fleet"]["messages"])
        data.append("oldest=%ds;;;0" % max(document["fleet"]["oldest_age"] or 0, 0))
    data.append("seconds=%.1fs;;;0" % document["run"]["seconds"])
    return " ".join(data)


def _details(document):
    shared = {one["id"]: one for one in document["controls"]}
    lines = []
    for host in document["hosts"]:
        if host["status"] in ("unknown", "unreachable"):
            lines.append("%s: %s%s" % (host["name"], host["status"], ": " + host["reason"] if host["reason"] else ""))
        for one in host["controls"]:
            if one["status"] == "fail":
                whole = dict(shared[one["id"]], **one)
                lines.append("%s: %s (%s)" % (host["name"], whole["title"], whole["severity"]))
    more = len(lines) - MAX_DETAILS
    # A bar begins performance data.
    lines = [" ".join(line.replace("|", "/").split())[:300] for line in lines[:MAX_DETAILS]]
    return lines + (["and %d more" % more] if more > 0 else [])
