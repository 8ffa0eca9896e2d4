# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what purges and restores would do and did; documented in plugins/modules/show_purge.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.action import Showing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import Changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.changes import prompt, question, show_done, show_plan
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.quarantine import Listings, show_listings

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


class ActionModule(Showing):
    """Results of queue_purge, queue_restore and quarantine_info."""

    ARGUMENTS = ARGUMENTS
    OF_A_WAVE = ("plan", "done")

    def _results(self, which: str, hosts: list[str] | None = None) -> dict[str, Any]:
        return self._registered_by_all(self._options[which], hosts)

    def _planned(self) -> Changes:
        return Changes(self._options["kind"], self._results("plan"), self._results("read"))

    def _plan(self) -> dict[str, Any]:
        planned = self._planned()
        options = self._options
        self._say(
            show_plan(
                planned,
                self._results("read"),
                self._checking,
                max(options["detail"], 0),
                max(options["top"], 0),
                self._width,
            )
        )
        return {
            "hosts": planned.changing(),
            "hosts_failed": planned.failed,
            "messages": planned.messages(),
            "bytes": planned.bytes(),
            "question": question(planned),
            "prompt": prompt(planned),
        }

    def _carried_out(self, planned: Changes) -> Changes:
        return Changes(self._options["kind"], self._results("done", planned.changing()), foreseen=planned.results)

    def _done(self) -> dict[str, Any]:
        done = self._carried_out(self._planned())
        self._say(show_done(done, self._invocation(), max(self._options["detail"], 0), self._width))
        return {
            "hosts": list(done.results),
            "hosts_failed": done.failed,
            "messages": done.messages(),
            "bytes": done.bytes(),
        }

    def _verdict(self) -> dict[str, Any]:
        planned = self._planned()
        failed = dict(planned.failed)
        if not self._checking:
            failed.update(self._carried_out(planned).failed)
        if not failed:
            return {"hosts_failed": {}}
        return dict(self._fails(failed, "failed; see NOT POSSIBLE and FAILED above"), hosts_failed=failed)

    def _quarantine(self) -> dict[str, Any]:
        listings = Listings(self._results("read"))
        options = self._options
        self._say(show_listings(listings, self._invocation(), options["selected"], max(options["top"], 0), self._width))
        result = {"hosts": list(listings.results), "hosts_failed": listings.failed}
        corrupt = listings.corrupt()
        if listings.failed or corrupt:
            what = "could not be read, and %d hold what is not as it was; see above" % len(corrupt)
            result.update(self._fails(listings.failed, what))
        return result
