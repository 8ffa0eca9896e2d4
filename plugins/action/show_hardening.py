# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what holds after hardening; documented in plugins/modules/show_hardening.py."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mailops.rescue.plugins.plugin_utils import running
from ansible_collections.mailops.rescue.plugins.plugin_utils.hardening import Evidence
from ansible_collections.mailops.rescue.plugins.plugin_utils.hardening_text import show_holding
from ansible_collections.mailops.rescue.plugins.plugin_utils.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.results import plain, reason
from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

display = Display()

ARGUMENTS = {
    "view": {"type": "str", "choices": ["failure", "holding", "verdict"], "required": True},
    "hosts": {"type": "list", "elements": "str"},
    "width": {"type": "int", "default": 72},
}


class ActionModule(ActionBase):
    """Reads other hosts' results out of the variables; never connects to a host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        self._task_vars = task_vars
        options = plain(options)
        hosts = options["hosts"]
        if hosts is None:
            wave = options["view"] == "holding"
            hosts = plain(task_vars.get("ansible_play_batch" if wave else "ansible_play_hosts_all") or [])
        result["changed"] = False
        result.update(getattr(self, "_" + options["view"])(hosts, max(options["width"], 40)))
        return result

    def _registered(self, host, name):
        return running.registered(self._task_vars["hostvars"], host, name)

    def _failure(self, _hosts, _width):
        """For the `rescue` of a block: what is registered of it is no template, whatever the host has said."""
        task = self._task_vars.get("ansible_failed_task")
        name = plain(task.get("name")) if hasattr(task, "get") else None
        failed = plain(self._task_vars.get("ansible_failed_result") or {})
        # Of a loop, what Ansible says is only that one of them failed.
        items = failed.get("results")
        bad = [one for one in items if isinstance(one, dict) and one.get("failed")] if isinstance(items, list) else []
        return {"task": str(name or "a task"), "reason": reason(bad[0] if bad else failed)}

    def _holding(self, hosts, width):
        evidences = {host: self._evidence(host) for host in hosts if self._results(host, "mailops_probes")}
        if evidences:
            display.display(show_holding(evidences, bool(self._task.check_mode), width))
        return {"hosts": sorted(evidences)}

    def _evidence(self, host):
        return Evidence(
            probes=self._results(host, "mailops_probes"),
            outside=self._results(host, "mailops_outside"),
            settings=_settings(self._registered(host, "mailops_settings")),
            aliases=[line for one in self._results(host, "mailops_aliases") for line in one.get("stdout_lines") or ()],
            catchalls=(_done(self._registered(host, "mailops_catchalls")) or {}).get("catchalls"),
            firewall=_done(self._registered(host, "__submission_firewall_plan")),
            checking=bool(self._task.check_mode),
            port=self._port(host),
        )

    def _port(self, host):
        """The port for mail from strangers: the first one that was asked."""
        return next((one["port"] for one in self._results(host, "mailops_probes") if "port" in one), None)

    def _results(self, host, name):
        """The results of a loop that was registered, without those that failed."""
        registered = self._registered(host, name)
        found = registered.get("results") if isinstance(registered, dict) else None
        return [one for one in found or () if isinstance(one, dict) and _done(one) is not None]

    def _verdict(self, hosts, width):
        failed = {host: why for host, why in ((host, self._why(host)) for host in hosts) if why}
        if not failed:
            return {"hosts_failed": {}}
        page = Page(width)
        page.faults("FAILED", failed)
        display.display(page.text())
        return {
            "failed": True,
            "hosts_failed": failed,
            "msg": "%d of %s failed; see FAILED above" % (len(failed), plural(len(hosts), "host")),
        }

    def _why(self, host):
        """Why the host is not done, in one line; None where it is."""
        seen = self._registered(host, "mailops_facts")
        if isinstance(seen, dict) and seen.get("unreachable"):
            return "unreachable: " + reason(seen)
        for name in ("mailops_failure", "mailops_unasked"):
            failure = self._registered(host, name)
            if isinstance(failure, dict) and failure.get("reason"):
                return "%s: %s" % (failure.get("task"), failure["reason"])
        if self._registered(host, "mailops_finished") is not True:
            return "it did not get to the end; it became unreachable, perhaps"
        return None


def _done(result):
    """The result of a task that ran and did not fail, else None."""
    if not isinstance(result, dict) or result.get("skipped") or result.get("failed") or result.get("unreachable"):
        return None
    return result


def _settings(result):
    result = _done(result)
    if result is None:
        return None
    pairs = (line.partition("=") for line in result.get("stdout_lines") or () if "=" in line)
    return {name.strip(): value.strip() for name, _equals, value in pairs}
