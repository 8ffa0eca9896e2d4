# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows registered results of queue_info on the controller; documented in plugins/modules/show_queues.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.action import Showing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import (
    Summary,
    show_messages,
    show_summary,
    summarise,
)

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


class ActionModule(Showing):
    """Results of queue_info."""

    ARGUMENTS = ARGUMENTS

    def _summary(self) -> dict[str, Any]:
        options = self._options
        invocation = self._invocation(options["select"], options["exclude"])
        return self._shown(
            lambda summary: show_summary(
                summary, invocation, max(options["detail"], 0), max(options["top"], 0), self._width
            )
        )

    def _messages(self) -> dict[str, Any]:
        return self._shown(lambda summary: show_messages(summary, self._width))

    def _shown(self, text: Callable[[Summary], str]) -> dict[str, Any]:
        options = self._options
        results = self._registered_by_all(options["variable"])
        summary = summarise(results, options["select"] or (), bool(options["select"] or options["exclude"]))
        self._say(text(summary))
        result: dict[str, Any] = {"hosts_read": sorted(summary.results), "hosts_failed": summary.failed}
        if summary.failed and options["fail_on_unreadable"]:
            return dict(result, **self._fails(summary.failed, "could not be read; see NOT READ above"))
        result["findings"] = [
            {"host": host, **finding.as_dict()} for host, found in summary.findings.items() for finding in found
        ]
        return result
