# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows which controls do not hold; documented in plugins/modules/show_compliance.py."""

from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.mailops.rescue.plugins.plugin_utils import running
from ansible_collections.mailops.rescue.plugins.plugin_utils.controls import SEVERITIES
from ansible_collections.mailops.rescue.plugins.plugin_utils.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.settings import given, path_before
from ansible_collections.mailops.rescue.plugins.plugin_utils.results import plain, reason
from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

display = Display()

NEVER = "never"
ARGUMENTS = {
    "view": {"type": "str", "choices": ["before", "previous", "verdict"], "required": True},
    "previous": {"type": "str"},
    "fail_on": {"type": "str", "choices": [*SEVERITIES, NEVER], "default": "low"},
    "hosts": {"type": "list", "elements": "str"},
    "width": {"type": "int", "default": 100},
}
MAX_SHOWN = 500


class ActionModule(ActionBase):
    """Reads a file of the controller, and other hosts' results; never connects to a host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(options)
        result["changed"] = False
        if options["view"] == "before":
            result.update(_before(options["previous"]))
            return result
        if options["view"] == "previous":
            result["path"] = path_before(given(load_extra_vars(self._loader)))
            return result
        self._hostvars = task_vars["hostvars"]
        hosts = options["hosts"]
        if hosts is None:
            hosts = plain(task_vars.get("ansible_play_hosts_all") or [])
        result.update(self._verdict(hosts, options["fail_on"], max(options["width"], 40)))
        return result

    def _verdict(self, hosts, fail_on, width):
        silent, failed, unknown, counts = {}, {}, {}, {}
        bad = set()
        for host in hosts:
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
        page = Page(width)
        _show(page, "FAILED", failed, "observed")
        _show(page, "UNKNOWN", unknown, "reason")
        page.faults("NOT CHECKED", silent)
        page.heading(
            "%s: %s." % (plural(len(hosts), "host"),
                         ", ".join("%d %s" % (count, status.replace("_", " ").replace("error", "unknown"))
                                   for status, count in sorted(counts.items())) or "no control was recorded")
        )  # fmt: skip
        display.display(page.text())
        made = {"counts": counts, "hosts_failed": sorted(bad), "hosts_not_checked": silent}
        if bad:
            made.update(failed=True, msg="%d of %s not as required; see above" % (len(bad), plural(len(hosts), "host")))
        elif not hosts:
            made.update(failed=True, msg="there is no host to check")
        return made

    def _records(self, host):
        """The records of a host's controls, or None where it did not get so far."""
        result = running.registered(self._hostvars, host, "compliance_result")
        records = result.get("mailops_controls") if isinstance(result, dict) else None
        return records or None

    def _why(self, host):
        seen = running.registered(self._hostvars, host, "__compliance_facts")
        if isinstance(seen, dict) and seen.get("unreachable"):
            return "unreachable: " + reason(seen)
        return "it did not get to the end"


def _before(path):
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
            page.say("  %s (%s) %s%s" % (record["id"], record["severity"], record["title"],
                                         ": %s" % " ".join(more.split()) if more else ""), "    ")  # fmt: skip
            if text == "observed" and record["remedy"]:
                page.command("  " + " ".join(record["remedy"].split()))
