# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report in Markdown, short enough for a ticket or a chat."""

from __future__ import annotations

import re

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import age, number, plural, size

__all__ = ["render"]

MAX_CONTROLS = 20
MAX_HOSTS = 10
MAX_CHANGES = 15
MAX_TEXT = 200
_WORDS = {"fail": "FAIL", "unknown": "UNKNOWN", "pass": "PASS"}
_NOT_PLAIN = re.compile(r"\s+")


def render(document):
    """The text of the file."""
    lines = ["# %s: %s" % (_code(document["title"]), _WORDS[document["summary"]["worst"]]), ""]
    lines += _overview(document)
    for section in (_changed, _failing, _not_known, _waived, _purges):
        lines += section(document)
    lines += ["", "_mailops.rescue, %s, took %.0f s_" % (document["run"]["finished"], document["run"]["seconds"])]
    return "\n".join(lines) + "\n"


def _code(text):
    """`text` as a code span, in which neither markup, nor links, nor mentions are anything."""
    text = _NOT_PLAIN.sub(" ", text).replace("`", "'").strip()
    return "`%s`" % (text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…") if text else "-"


def _names(names):
    shown = ", ".join(_code(name) for name in names[:MAX_HOSTS])
    return shown + (" and %s more" % number(len(names) - MAX_HOSTS) if len(names) > MAX_HOSTS else "")


def _overview(document):
    summary, fleet = document["summary"], document["fleet"]
    hosts, controls = summary["hosts"], summary["controls"]
    lines = ["- **%s**: %s" % (plural(hosts["total"], "host"), _counts(hosts))]
    if controls["total"]:
        lines.append("- **%s**: %s" % (plural(controls["total"], "control result"), _counts(controls)))
    if fleet["hosts"]:
        oldest = "" if fleet["oldest_age"] is None else ", oldest " + age(fleet["oldest_age"])
        lines.append("- **%s** queued, %s%s" % (plural(fleet["messages"], "message"), size(fleet["bytes"]), oldest))
    return lines + ["- Note: %s" % _code(note) for note in document["notes"]]


def _counts(counts):
    return (
        ", ".join(
            "%s %s" % (number(count), name.replace("_", " ").replace("error", "unknown"))
            for name, count in counts.items()
            if name != "total" and count
        )
        or "none"
    )


def _changed(document):
    changes = document["changes"]
    if changes is None:
        return []
    lines = ["%s is **%s** (was %s)" % (_code(one["name"]), one["after"], one["before"]) for one in changes["hosts"]]
    lines += [
        "%s on %s: %s → **%s**" % (_code(one["id"]), _code(one["host"]), one["before"] or "new", one["after"])
        for one in changes["controls"]
    ]
    lines += [
        "%s queue: %s → **%s**" % (_code(one["host"]), number(one["before"]), number(one["after"]))
        for one in changes["queues"]
    ]
    for key, word in (("added", "new"), ("missing", "not in this run")):
        if changes[key]:
            lines.append("%s: %s" % (word, _names(changes[key])))
    return _section("Changed since %s" % changes["since"], lines or ["nothing"], MAX_CHANGES)


def _section(title, lines, most):
    if not lines:
        return []
    more = ["- and %s more" % number(len(lines) - most)] if len(lines) > most else []
    return ["", "## " + title, "", *("- " + line for line in lines[:most]), *more]


def _by_control(document, status):
    hosts = {}
    for host in document["hosts"]:
        for one in host["controls"]:
            if one["status"] == status:
                hosts.setdefault(one["id"], []).append((host["name"], one))
    return hosts


def _failing(document):
    failing = _by_control(document, "fail")
    worst = sorted(
        (one for one in document["controls"] if one["id"] in failing),
        key=lambda one: (-SEVERITIES.index(one["severity"]), one["id"]),
    )
    lines = []
    for one in worst:
        found = failing[one["id"]]
        line = "**%s** %s (%s) on %s" % (
            one["severity"],
            _code(one["title"]),
            _code(one["id"]),
            _names([name for name, _result in found]),
        )
        observed = found[0][1]["observed"]
        if observed:
            line += "; observed %s" % _code(observed)
        if any((result["waiver"] or {}).get("expired") for _name, result in found):
            line += "; **a waiver has expired**"
        remedy = found[0][1].get("remedy", one["remedy"])
        lines.append(line + ("\n  - remedy: %s" % _code(remedy) if remedy else ""))
    return _section("Failing", lines, MAX_CONTROLS)


def _not_known(document):
    lines = [
        "%s is **%s**: %s" % (_code(host["name"]), host["status"], _code(host["reason"] or "see its controls"))
        for host in document["hosts"]
        if host["status"] in ("unknown", "unreachable")
    ]
    return _section("Not known", lines, MAX_CONTROLS)


def _waived(document):
    lines = []
    for name, found in _by_control(document, "waived").items():
        waiver = found[0][1]["waiver"] or {"owner": "?", "expires": "?", "reason": "?"}
        lines.append(
            "%s on %s, by %s until %s: %s"
            % (
                _code(name),
                _names([host for host, _result in found]),
                _code(waiver["owner"]),
                _code(waiver["expires"]),
                _code(waiver["reason"]),
            )
        )
    return _section("Waived", lines, MAX_CONTROLS)


def _purges(document):
    lines = []
    for host in document["hosts"]:
        for one in host["purges"]:
            verb = "would be purged" if one["checked"] else "purged for good" if one["discarded"] else "purged"
            amount = "an unknown number of messages" if one["messages"] is None else plural(one["messages"], "message")
            line = "%s: %s %s" % (_code(host["name"]), amount, verb)
            if one["before"] and one["after"]:
                line += ", %s → %s" % (number(one["before"]["total"]), number(one["after"]["total"]))
            if one["batch"]:
                line += ", batch %s" % _code(one["batch"])
            # Whole, or it would be another command.
            if one["restore_command"]:
                line += "\n  - undo: `%s`" % _NOT_PLAIN.sub(" ", one["restore_command"]).replace("`", "'")
            lines.append(line)
    return _section("Purges", lines, MAX_CONTROLS)
