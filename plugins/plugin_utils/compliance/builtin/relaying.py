# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether strangers can relay."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import verdict

__all__ = ["CONTROLS"]


@control(
    "COMMON-020",
    title="Strangers cannot relay",
    severity="critical",
    rationale="An open relay sends spam for everybody, and is listed within hours.",
)
def strangers_cannot_relay(host):
    return Verdict(
        holds=not host.is_relay,
        expected="mail to other domains is refused, but from trusted networks and after AUTH",
        observed="relayed for strangers on %s; %s"
        % (", ".join(host.relaying) or "no port that was asked", _read_settings(host)),
        remedy=_remedy(host),
        unknown=_unknown(host),
    )


def _read_settings(host):
    if not host.postfix:
        return "control/rcpthosts is " + ("there" if host.has_rcpthosts else "missing")
    return "restrictions that let all pass: %s; everyone in mynetworks: %s" % (
        ", ".join(host.relay_settings.get("lenient") or []) or "none",
        ", ".join(host.relay_settings.get("everyone") or []) or "no",
    )


def _remedy(host):
    if host.postfix:
        return host.remedies.harden("postfix_hardening")
    if not host.has_rcpthosts:
        return host.remedies.write_rcpthosts(host.qmail.get("home", "/var/qmail"))
    return "Set RELAYCLIENT for neighbours only (tcp.smtp, and what starts qmail-smtpd)."


def _unknown(host):
    relay = verdict(host.smtp, "relay")
    if not host.is_known:
        return host.unread
    if host.smtp_failure:
        return host.smtp_failure
    # What qmail-smtpd does at a port, no file says.
    is_silent = bool(host.qmail and host.silent_ports)
    proves_nothing = relay in ("refused", "deferred") and not host.refusals_count
    doubts = host.relay_settings.get("doubts") or []
    is_unread = bool(host.postfix.get("error") or host.qmail.get("error"))
    is_unread = is_unread or bool(host.qmail and host.qmail.get("rcpthosts") is None)
    is_doubtful = host.is_relaying_unsure or bool(doubts) or is_silent or proves_nothing
    if not (relay == "untried" or is_unread or (is_doubtful and not host.is_relay)):
        return None
    if doubts:
        return "Not known whether strangers may relay: %s." % "; ".join(doubts)
    if host.is_relaying_unsure:
        return "The server may trust its own address; compliance_vantage would tell."
    if proves_nothing:
        return host.refuses_all
    if is_silent and relay != "untried":
        return host.silence
    return host.asked_in("relay").get("text") or "" if relay == "untried" else host.unread


CONTROLS = (strangers_cannot_relay,)
