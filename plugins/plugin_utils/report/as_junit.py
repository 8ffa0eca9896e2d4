# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as JUnit XML: a suite for each host, a case for each control."""

from __future__ import annotations

from collections import Counter
from typing import Any

MISSING: ImportError | None = None
try:
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
except ImportError as error:
    MISSING = error

__all__ = ["MISSING", "render"]

_TOTALS = ("tests", "failures", "errors", "skipped")


def render(document: dict[str, Any]) -> str:
    """The text of the file."""
    xml = JUnitXml(document["title"])
    totals: Counter[str] = Counter()
    shared = {one["id"]: one for one in document["controls"]}
    started = document["run"]["started"].rstrip("Z")
    for host in document["hosts"]:
        suite = TestSuite(host["name"])
        suite.hostname = host["name"]
        suite.timestamp = started
        for control in host["controls"]:
            suite.append(_case(host["name"], dict(shared[control["id"]], **control)))
        if not host["controls"] and host["status"] != "pass":
            # Else a host that never answered would be a suite in which nothing is wrong.
            case = TestCase("host %s" % host["status"], "host.%s" % host["name"], 0)
            case.result = [_told(Error, host["reason"] or host["status"], "unknown", "")]
            suite.append(case)
        xml.append(suite)
        totals.update(_totals(suite, host))
    # The library would count by parsing what was just made.
    for name in _TOTALS:
        setattr(xml, name, totals[name])
    xml.time = 0
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring().decode("utf-8") + "\n"


def _totals(suite: TestSuite, host: dict[str, Any]) -> dict[str, int]:
    """The totals of `suite`, which get into it, too."""
    found = Counter(control["status"] for control in host["controls"])
    silent = int(not host["controls"] and host["status"] != "pass")
    made = {
        "tests": len(host["controls"]) + silent,
        "failures": found["fail"],
        "errors": found["error"] + silent,
        "skipped": found["waived"] + found["not_applicable"],
    }
    for name in _TOTALS:
        setattr(suite, name, made[name])
    suite.time = 0
    return made


def _case(host: str, control: dict[str, Any]) -> TestCase:
    case = TestCase("%s: %s" % (control["id"], _line(control["title"])), host, 0)
    status = control["status"]
    results: dict[str, tuple[type[Error | Failure | Skipped], str, str]] = {
        "fail": (Failure, control["reason"] or "observed: " + (control["observed"] or "-"), control["severity"]),
        "error": (Error, control["reason"] or "it could not be checked", "unknown"),
        "waived": (Skipped, _waiver(control), "waived"),
        "not_applicable": (Skipped, control["reason"] or "it does not apply", "not applicable"),
    }
    told = results.get(status)
    if told:
        case.result = [_told(*told, _details(control) if status in ("fail", "waived") else "")]
    return case


def _told(kind: type[Error | Failure | Skipped], message: str, name: str, text: str) -> Error | Failure | Skipped:
    made = kind(_line(message), name)
    if text:
        made.text = text
    return made


def _waiver(control: dict[str, Any]) -> str:
    waiver = control["waiver"] or {}
    return "waived by %s until %s: %s" % tuple(waiver.get(name, "?") for name in ("owner", "expires", "reason"))


def _details(control: dict[str, Any]) -> str:
    parts = (
        ("severity", "Severity"),
        ("expected", "Expected"),
        ("observed", "Observed"),
        ("rationale", "Why"),
        ("remedy", "Remedy"),
    )
    return "\n".join("%s: %s" % (title, control[name]) for name, title in parts if control[name])


def _line(text: str) -> str:
    return " ".join(text.split())
