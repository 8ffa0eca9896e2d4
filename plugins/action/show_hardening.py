# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what holds after hardening; documented in plugins/modules/show_hardening.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.hardening_checks import Evidence
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.action import Showing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.hardening import show_holding
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain, reason
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page

ARGUMENTS = {
    "view": {"type": "str", "choices": ["failure", "holding", "verdict"], "required": True},
    "hosts": {"type": "list", "elements": "str"},
    "width": {"type": "int", "default": 72},
}


class ActionModule(Showing):
    """What the playbook that hardens has registered."""

    ARGUMENTS = ARGUMENTS
    OF_A_WAVE = ("holding",)

    def _failure(self) -> dict[str, Any]:
        """For the `rescue` of a block: what is registered of it is no template, whatever the host has said."""
        task: Any = self._task_vars.get("ansible_failed_task")
        name = plain(task.get("name")) if hasattr(task, "get") else None
        failed = plain(self._task_vars.get("ansible_failed_result") or {})
        # Of a loop, what Ansible says is only that one of them failed.
        items = failed.get("results")
        bad = [one for one in items if isinstance(one, dict) and one.get("failed")] if isinstance(items, list) else []
        return {"task": str(name or "a task"), "reason": reason(bad[0] if bad else failed)}

    def _holding(self) -> dict[str, Any]:
        evidences = {host: self._evidence(host) for host in self._hosts if self._results(host, "mailops_probes")}
        if evidences:
            self._say(show_holding(evidences, self._checking, self._width))
        return {"hosts": sorted(evidences)}

    def _evidence(self, host: str) -> Evidence:
        return Evidence(
            probes=self._results(host, "mailops_probes"),
            outside=self._results(host, "mailops_outside"),
            postfix=self._postfix(host),
            catchalls=(_done(self._registered(host, "mailops_catchalls")) or {}).get("catchalls"),
            extensions=(_done(self._registered(host, "mailops_catchalls")) or {}).get("extensions"),
            firewall=self._firewall(host),
            # What failed may have failed before or while the firewall changed.
            checking=self._checking or self._registered(host, "mailops_failure") is not None,
            port=self._port(host),
            may_auth=self._registered(host, "mailops_may_auth") is True,
        )

    def _postfix(self, host: str) -> dict[str, Any] | None:
        """How Postfix is set up, or None: it is not there, or could not be read."""
        postfix = (_done(self._registered(host, "mailops_postfix")) or {}).get("postfix") or {}
        return None if postfix.get("error") else postfix or None

    def _firewall(self, host: str) -> dict[str, Any] | None:
        """What the firewall does now: as the role saw it after its changes, else before them, or None."""
        now = _done(self._registered(host, "__submission_firewall_now"))
        if now is not None and "in_force" in now:
            return now
        return _done(self._registered(host, "__submission_firewall_plan"))

    def _port(self, host: str) -> int | None:
        """The port for mail from strangers: the first one that was asked."""
        return next((one["port"] for one in self._results(host, "mailops_probes") if "port" in one), None)

    def _results(self, host: str, name: str) -> list[dict[str, Any]]:
        """The results of a loop that was registered, without those that failed."""
        registered = self._registered(host, name)
        found = registered.get("results") if isinstance(registered, dict) else None
        return [one for one in found or () if isinstance(one, dict) and _done(one) is not None]

    def _verdict(self) -> dict[str, Any]:
        failed = {host: why for host, why in ((host, self._why(host)) for host in self._hosts) if why}
        if not failed:
            return {"hosts_failed": {}}
        page = Page(self._width)
        page.faults("FAILED", failed)
        self._say(page.text())
        return dict(self._fails(failed, "failed; see FAILED above"), hosts_failed=failed)

    def _why(self, host: str) -> str | None:
        """Why the host is not done, in one line; None where it is."""
        unreachable = self._unreachable(host, "mailops_facts")
        if unreachable:
            return unreachable
        for name in ("mailops_failure", "mailops_unasked"):
            failure = self._registered(host, name)
            if isinstance(failure, dict) and failure.get("reason"):
                return "%s: %s" % (failure.get("task"), failure["reason"])
        postfix = (_done(self._registered(host, "mailops_postfix")) or {}).get("postfix") or {}
        if postfix.get("error"):
            return "Read how Postfix is set up: %s" % postfix["error"]
        if self._registered(host, "mailops_finished") is not True:
            return "it did not get to the end; it became unreachable, perhaps"
        return None


def _done(result: Any) -> dict[str, Any] | None:
    """The result of a task that ran and did not fail, else None."""
    if not isinstance(result, dict) or result.get("skipped") or result.get("failed") or result.get("unreachable"):
        return None
    return result
