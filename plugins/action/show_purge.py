# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what purges and restores would do and did; documented in plugins/modules/show_purge.py."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mailops.rescue.plugins.plugin_utils import running
from ansible_collections.mailops.rescue.plugins.plugin_utils.change_text import question, show_done, show_plan
from ansible_collections.mailops.rescue.plugins.plugin_utils.changes import Changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.quarantine_text import Listings, show_listings
from ansible_collections.mailops.rescue.plugins.plugin_utils.results import plain
from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

display = Display()

ARGUMENTS = {
    "view": {"type": "str", "choices": ["plan", "done", "verdict", "quarantine"], "required": True},
    "kind": {"type": "str", "choices": ["purge", "restore"], "default": "purge"},
    "hosts": {"type": "list", "elements": "str"},
    "read": {"type": "str", "default": "mailops_queue"},
    "plan": {"type": "str", "default": "mailops_plan"},
    "done": {"type": "str", "default": "mailops_done"},
    "selected": {"type": "bool", "default": False},
    "detail": {"type": "int", "default": 10},
    "top": {"type": "int", "default": 3},
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
        self._options = options = plain(options)
        self._task_vars = task_vars
        self._hosts = options["hosts"]
        if self._hosts is None:
            # A wave shows its own hosts, what comes after all waves all of them.
            wave = options["view"] in ("plan", "done")
            self._hosts = plain(task_vars.get("ansible_play_batch" if wave else "ansible_play_hosts_all") or [])
        result["changed"] = False
        result.update(getattr(self, "_" + options["view"])())
        return result

    def _registered(self, name, hosts=None):
        variable = self._options[name]
        wanted = self._hosts if hosts is None else hosts
        return {host: running.registered(self._task_vars["hostvars"], host, variable) for host in wanted}

    def _planned(self):
        return Changes(self._options["kind"], self._registered("plan"), self._registered("read"))

    def _plan(self):
        planned = self._planned()
        options = self._options
        checking = bool(self._task.check_mode)
        display.display(
            show_plan(planned, self._registered("read"), checking, max(options["detail"], 0), max(options["top"], 0),
                      max(options["width"], 40))
        )  # fmt: skip
        return {
            "hosts": planned.changing(),
            "hosts_failed": planned.failed,
            "messages": planned.messages(),
            "bytes": planned.bytes(),
            "question": question(planned),
        }

    def _carried_out(self, planned):
        hosts = planned.changing()
        return Changes(self._options["kind"], self._registered("done", hosts))

    def _done(self):
        done = self._carried_out(self._planned())
        invocation = running.invocation(self._loader, self._task_vars.get("playbook_dir"))
        options = self._options
        display.display(show_done(done, invocation, max(options["detail"], 0), max(options["width"], 40)))
        return {
            "hosts": list(done.results),
            "hosts_failed": done.failed,
            "messages": done.messages(),
            "bytes": done.bytes(),
        }

    def _verdict(self):
        planned = self._planned()
        failed = dict(planned.failed)
        if not self._task.check_mode:
            failed.update(self._carried_out(planned).failed)
        if not failed:
            return {"hosts_failed": {}}
        return {
            "failed": True,
            "hosts_failed": failed,
            "msg": "%d of %s failed; see NOT POSSIBLE and FAILED above"
            % (len(failed), plural(len(self._hosts), "host")),
        }

    def _quarantine(self):
        listings = Listings(self._registered("read"))
        invocation = running.invocation(self._loader, self._task_vars.get("playbook_dir"))
        options = self._options
        display.display(
            show_listings(listings, invocation, options["selected"], max(options["top"], 0), max(options["width"], 40))
        )
        result = {"hosts": list(listings.results), "hosts_failed": listings.failed}
        corrupt = listings.corrupt()
        if listings.failed or corrupt:
            result.update(
                failed=True,
                msg="%d of %s could not be read, and %d hold what is not as it was; see above"
                % (len(listings.failed), plural(len(self._hosts), "host"), len(corrupt)),
            )
        return result
