# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can reach the ports for submission."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import submission_reached

__all__ = ["CONTROLS"]


@control(
    "FIREWALL-010",
    title="The rules let only allowed networks reach submission",
    severity="high",
    rationale="Passwords are tried from the whole world; most users come from few networks.",
)
def rules_are_in_force(host):
    firewall = host.firewall
    is_asked = firewall.get("wanted", True) and len(firewall.get("listening", [0])) > 0
    return Verdict(
        holds=bool(firewall.get("loaded") and firewall.get("kept")),
        expected="the rules of the role submission_firewall, now and after a reboot",
        observed="%s: %s, %s"
        % (
            firewall.get("backend") or "?",
            "in force" if firewall.get("loaded") else "not in force",
            "kept" if firewall.get("kept") else "not kept",
        ),
        remedy=host.remedies.harden("submission_firewall"),
        inapplicable=None if is_asked else "Nobody listens, or compliance_allowed_networks names no network.",
        unknown=(firewall.get("error") or host.unread) if firewall.get("loaded") is None else None,
    )


@control(
    "FIREWALL-020",
    title="Submission cannot be reached from elsewhere",
    severity="high",
    rationale="Rules are one thing; what comes through is another.",
)
def submission_is_closed(host):
    reached = submission_reached(host.outside_wanted, host.smtp_port)
    return Verdict(
        holds=not reached,
        expected="no port answers",
        observed="%s answers" % (", ".join(map(str, reached)) or "none"),
        remedy=host.remedies.harden("submission_firewall"),
        inapplicable=None if host.settings["vantage"] else "compliance_vantage names no host to try it from.",
        unknown=_unknown(host),
    )


def _unknown(host):
    is_untried = len(host.outside_wanted) < len(host.settings["ports"]) + 1
    if is_untried and host.outside_failure is not None:
        return host.outside_failure
    if is_untried or not any(result["connected"] for result in host.outside if result["port"] == host.smtp_port):
        return "From %s, not even port %s answers." % (host.settings["vantage"], host.smtp_port)
    return None


CONTROLS = (rules_are_in_force, submission_is_closed)
