# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether repairs on many hosts did what they would do."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import ended, looked
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import is_unanswered, reason, trouble

__all__ = ["unrepaired"]


def unrepaired(plan: Any, done: dict[str, Any], checking: bool = False) -> str | None:
    """Why a host is not repaired, in one line; None when it is, or nothing was to be done.

    `plan`, `done`: what it registered of queue_repair in check mode, and of the repair; None without the task.
    """
    found = trouble(plan, "fault_counts")
    if found is not None:
        return looked(plan, found)
    if checking:
        return None
    agreed = [plan.get(name) for name in ("repaired", "quarantined", "left_count")]
    if not all(isinstance(number, int) for number in agreed):
        return "its answer is not what queue_repair returns"
    done = done or {}
    if is_unanswered(done) and "repaired" not in done:
        return ended("repair", done, plan, reason(done))
    if done.get("failed") or done.get("unreachable"):
        return reason(done)
    if any(agreed[:2]) and ("repaired" not in done or done.get("left_count") != agreed[2]):
        return "not everything was repaired; see above"
    return None
