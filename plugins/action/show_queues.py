# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows registered results of queue_info on the controller; documented in plugins/modules/show_queues.py."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mailops.rescue.plugins.plugin_utils import running
from ansible_collections.mailops.rescue.plugins.plugin_utils.results import plain
from ansible_collections.mailops.rescue.plugins.plugin_utils.summary import (
    show_messages,
    show_summary,
    summarise,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

display = Display()

ARGUMENTS = {
    "hosts": {"type": "list", "elements": "str"},
    "variable": {"type": "str", "default": "mailops_queue"},
    "view": {"type": "str", "choices": ["summary", "messages"], "default": "summary"},
    "detail": {"type": "int", "default": 10},
    "top": {"type": "int", "default": 3},
    "width": {"type": "int", "default": 72},
    "select": {"type": "dict"},
    "exclude": {"type": "dict"},
    "fail_on_unreadable": {"type": "bool", "default": True},
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
        options = plain(options)
        hosts = options["hosts"]
        if hosts is None:
            hosts = plain(task_vars.get("ansible_play_hosts_all") or [])
        results = {host: running.registered(task_vars["hostvars"], host, options["variable"]) for host in hosts}
        summary = summarise(results, options["select"] or (), bool(options["select"] or options["exclude"]))
        display.display(self._text(summary, options, task_vars))
        result.update(changed=False, hosts_read=sorted(summary.results), hosts_failed=summary.failed)
        if summary.failed and options["fail_on_unreadable"]:
            result.update(
                failed=True,
                msg="%d of %s could not be read; see NOT READ above"
                % (len(summary.failed), plural(len(hosts), "host")),
            )
            return result
        result["findings"] = [
            {"host": host, **finding.as_dict()}
            for host, found in summary.findings.items()
            for finding in found
        ]
        return result

    def _text(self, summary, options, task_vars):
        width = max(options["width"], 40)
        if options["view"] == "messages":
            return show_messages(summary, width)
        invocation = running.invocation(
            self._loader, task_vars.get("playbook_dir"), options["select"], options["exclude"]
        )
        return show_summary(summary, invocation, max(options["detail"], 0), max(options["top"], 0), width)
