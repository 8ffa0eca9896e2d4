# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Postfix limits its clients."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS"]


@control(
    "POSTFIX-050",
    title="Clients are limited",
    severity="medium",
    rationale="One client, or one stolen account, can send as much as the line carries.",
)
def clients_are_limited(host):
    wanted, limits = host.settings["rate_limits"], host.postfix.get("limits") or {}
    off = [name for name, places in limits.items() if name in wanted and places]
    unlimited = host.postfix.get("unlimited") or []
    observed = "off: %s" % (", ".join(off) or "none")
    remedy = host.remedies.harden("postfix_hardening")
    if unlimited:
        observed += "; without any: %s" % ", ".join(unlimited)
        remedy = "Take %s out of smtpd_client_event_limit_exceptions." % ", ".join(unlimited)
    return Verdict(
        holds=not off and not unlimited,
        expected="none of %s is off" % ", ".join(wanted),
        observed=observed,
        remedy=remedy,
        unknown=_unknown(host, [name for name in wanted if name not in limits]),
    )


def _unknown(host, strange):
    if not strange:
        return None
    if host.postfix.get("limits") is None:
        return host.unread
    return "compliance_rate_limits: expected limits on clients that this Postfix knows, got %s." % ", ".join(strange)


CONTROLS = (clients_are_limited,)
