# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether it is known who gets all mail of a domain."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS"]


@control(
    "COMMON-050",
    title="Catch-alls are known",
    severity="low",
    rationale="What gets all mail of a domain gets all its spam, and nobody may remember who reads it.",
)
def catchalls_are_known(host):
    catchalls = host.facts.get("catchalls") or {}
    count = catchalls.get("unknown_count")
    is_unknown = count is None or (host.unreadable and count == 0)
    return Verdict(
        holds=count == 0,
        expected="none that delivers or forwards, but those in compliance_known_catchalls",
        observed=", ".join(catchall["domain"] for catchall in catchalls.get("unknown") or []) or "none",
        remedy="Name it in compliance_known_catchalls, or take it away where it was configured (%s)."
        % host.remedies.playbook("harden"),
        unknown=(", ".join(host.unreadable) or host.unread) if is_unknown else None,
    )


CONTROLS = (catchalls_are_known,)
