# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin for Nagios and Icinga that answers with the last report.

It needs that report's report.json and Python with its standard library, and neither Ansible nor a host.

    python3 check.py [--max-age HOURS] [DIRECTORY]

An old report is unknown: a run that does not take place any more has found nothing wrong.
"""

import argparse
import json
import os
import sys
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple

__all__ = ["check", "render"]

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
CRITICAL, UNKNOWN = 2, 3
MAX_DETAILS = 20


class _NoReport(ValueError):
    pass


def check(directory: str, max_age: float, now: Optional[datetime] = None) -> Tuple[str, int]:
    """Return the text and the exit status."""
    try:
        document = _read(directory)
        status = document["summary"]["exit_code"]
        if isinstance(status, bool) or status not in range(len(STATES)):
            return "MAILOPS UNKNOWN - the report has no exit status\n", UNKNOWN
        finished = datetime.strptime(document["run"]["finished"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        age = ((now or datetime.now(timezone.utc)) - finished).total_seconds() / 3600
        old = "the last report is %.0f hours old" % age if age > max_age else ""
        # It would be fresh for as long as the clock was ahead.
        if age < -1:
            old = "the last report is of a time to come, in %.0f hours" % -age
        # What was critical may well be so still.
        text = render(document, old if status == CRITICAL else "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = str(error) if isinstance(error, (OSError, _NoReport)) else "%s: %s" % (type(error).__name__, error)
        why = " ".join(why.replace("|", "/").split())[:300]
        return "MAILOPS UNKNOWN - no report can be read: %s\n" % why, UNKNOWN
    if old and status != CRITICAL:
        return "MAILOPS UNKNOWN - %s\n%s" % (old, text.replace("|", ";")), UNKNOWN
    return text, status


def render(document: Dict[str, Any], remark: str = "") -> str:
    """The answer: its first line is the plugin's output with performance data, then come details."""
    summary, fleet = document["summary"], document["fleet"]
    text = "; ".join(filter(None, (remark, _text(summary))))
    if fleet["hosts"]:
        text += "; %s queued" % _plural(fleet["messages"], "message")
    lines = ["MAILOPS %s - %s | %s" % (STATES[summary["exit_code"]], text, _data(document))]
    lines += _details(document)
    return "\n".join(lines) + "\n"


def _read(directory: str) -> Dict[str, Any]:
    with open(os.path.join(directory, "report.json"), encoding="utf-8") as file:
        document = json.load(file)
    if document["schema_version"] != 1:
        raise _NoReport("its schema_version is %s, and 1 is known here" % document["schema_version"])
    return document


def _text(summary: Dict[str, Any]) -> str:
    hosts = summary["hosts"]
    if not hosts["total"]:
        return "no hosts"
    words = (("fail", "failing"), ("unknown", "unknown"), ("unreachable", "unreachable"))
    parts = ["%s %s" % (hosts[status], word) for status, word in words if hosts[status]]
    parts = parts or ["all pass"]
    if summary["controls"]["error"]:
        parts.append(_plural(summary["controls"]["error"], "unknown control"))
    if summary["controls"]["waived"]:
        parts.append(_plural(summary["controls"]["waived"], "waived control"))
    return "%s: %s" % (_plural(hosts["total"], "host"), ", ".join(parts))


def _data(document: Dict[str, Any]) -> str:
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


def _details(document: Dict[str, Any]) -> List[str]:
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


def _plural(count: int, word: str) -> str:
    return "%s %s%s" % (format(count, ","), word, "" if count == 1 else "s")


def main() -> int:
    parser = argparse.ArgumentParser(description="Answer as a monitoring plugin with the last report.")
    parser.add_argument("directory", nargs="?", default="mailops-report", help="directory of the report")
    parser.add_argument(
        "--max-age",
        type=float,
        default=26,
        metavar="HOURS",
        help="hours after which a report is too old (default %(default)s)",
    )
    given = parser.parse_args()
    text, status = check(given.directory, given.max_age)
    # Whatever the locale of the monitoring is.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    return status


if __name__ == "__main__":
    sys.exit(main())
