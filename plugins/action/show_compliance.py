# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows which controls do not hold; documented in plugins/modules/show_compliance.py."""

from __future__ import annotations

import json
import os

from ansible.utils.vars import load_extra_vars

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.settings import given, path_before
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.action import Showing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import plural

NEVER = "never"
ARGUMENTS = {
    "view": {"type": "str", "choices": ["before", "previous", "verdict"], "required": True},
    "previous": {"type": "str"},
    "fail_on": {"type": "str", "choices": [*SEVERITIES, NEVER], "default": "low"},
    "hosts": {"type": "list", "elements": "str"},
    "width": {"type": "int", "default": 100},
}
MAX_SHOWN = 500


class ActionModule(Showing):
    """Results of controls, and a report of an earlier run out of a file of the controller."""

    ARGUMENTS = ARGUMENTS

    def _before(self):
        return _read(self._options["previous"])

    def _previous(self):
        return {"path": path_before(given(load_extra_vars(self._loader)))}

    def _verdict(self):
        fail_on = self._options["fail_on"]
        silent, failed, unknown, counts = {}, {}, {}, {}
        bad = set()
        for host in self._hosts:
            records = self._records(host)
            if records is None:
                silent[host] = self._why(host)
                continue
            for record in records:
                counts[record["status"]] = counts.get(record["status"], 0) + 1
                if record["status"] in ("fail", "error"):
                    (failed if record["status"] == "fail" else unknown).setdefault(host, []).append(record)
                    if _weighs(record, fail_on):
                        bad.add(host)
        if fail_on != NEVER:
            bad.update(silent)
        page = Page(self._width)
        _show(page, "FAILED", failed, "observed")
        _show(page, "UNKNOWN", unknown, "reason")
        page.faults("NOT CHECKED", silent)
        page.heading(
            "%s: %s."
            % (
                plural(len(self._hosts), "host"),
                ", ".join(
                    "%d %s" % (count, status.replace("_", " ").replace("error", "unknown"))
                    for status, count in sorted(counts.items())
                )
                or "no control was recorded",
            )
        )
        self._say(page.text())
        made = {"counts": counts, "hosts_failed": sorted(bad), "hosts_not_checked": silent}
        if bad:
            made.update(self._fails(bad, "not as required; see above"))
        elif not self._hosts:
            made.update(failed=True, msg="there is no host to check")
        return made

    def _records(self, host):
        """The records of a host's controls, or None where it did not get so far."""
        result = self._registered(host, "compliance_result")
        records = result.get("mailops_controls") if isinstance(result, dict) else None
        return records or None

    def _why(self, host):
        return self._unreachable(host, "__compliance_facts") or "it did not get to the end"


def _read(path):
    """How many messages each host's queues held in the report at `path`, and why that is not known."""
    path = os.path.expanduser(path or "")
    if not path or not os.path.exists(path):
        return {"totals": {}, "error": None}
    try:
        with open(path, encoding="utf-8") as file:
            hosts = json.load(file)["hosts"]
        totals = {one["name"]: sum(queue["total"] for queue in one["queues"]) for one in hosts if one["queues"]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        return {"totals": {}, "error": "%s is no report: %s: %s." % (path, type(error).__name__, error)}
    return {"totals": totals, "error": None}


def _weighs(record, fail_on):
    return fail_on != NEVER and SEVERITIES.index(record["severity"]) >= SEVERITIES.index(fail_on)


def _show(page, title, found, text):
    if not found:
        return
    page.heading(title)
    left = MAX_SHOWN
    for host in sorted(found):
        if left <= 0:
            page.say("... and more; the report has them all.")
            return
        left -= len(found[host])
        page.say(host)
        for record in sorted(found[host], key=lambda one: (-SEVERITIES.index(one["severity"]), one["id"])):
            more = record[text] or record["reason"]
            page.say(
                "  %s (%s) %s%s"
                % (record["id"], record["severity"], record["title"], ": %s" % " ".join(more.split()) if more else ""),
                "    ",
            )
        if text == "observed":
            _show_remedies(page, found[host])


def _show_remedies(page, records):
    """One command often mends several: it is to be typed once."""
    mended = {}
    for record in sorted(records, key=lambda one: one["id"]):
        if record["remedy"]:
            mended.setdefault(" ".join(record["remedy"].split()), []).append(record["id"])
    for remedy, ids in sorted(mended.items(), key=lambda one: one[1]):
        if len(records) > 1:
            page.say("    - for %s:" % ", ".join(ids), "      ")
        page.command("  " + remedy)
