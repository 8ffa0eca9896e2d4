# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows where a repair failed; documented in plugins/modules/show_repair.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.action import Showing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.repairs import unrepaired

ARGUMENTS = {
    "view": {"type": "str", "choices": ["verdict"], "default": "verdict"},
    "hosts": {"type": "list", "elements": "str"},
    "plan": {"type": "str", "default": "mailops_faults"},
    "done": {"type": "str", "default": "mailops_repair"},
    "width": {"type": "int", "default": 72},
}


class ActionModule(Showing):
    """Results of queue_repair."""

    ARGUMENTS = ARGUMENTS

    def _verdict(self) -> dict[str, Any]:
        plan, done = (self._registered_by_all(self._options[name]) for name in ("plan", "done"))
        reasons = {host: unrepaired(plan[host], done[host], self._checking) for host in self._hosts}
        failed = {host: reason for host, reason in reasons.items() if reason is not None}
        if not failed:
            return {"hosts_failed": {}}
        page = Page(self._width)
        page.faults("FAILED", failed)
        self._say(page.text())
        return dict(self._fails(failed, "failed; see FAILED above"), hosts_failed=failed)
