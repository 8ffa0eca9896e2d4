# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix does with mail to unknown recipients."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.luser_relay import BOUNCED, fate

__all__ = ["CONTROLS"]


@control(
    "POSTFIX-010",
    title="Mail to unknown recipients is refused or discarded",
    severity="high",
    rationale="What is accepted for nobody is bounced to senders who never wrote it, and fills the queue.",
)
def unknown_recipients(host):
    luser, accepted = host.postfix.get("luser") or {}, host.accepted_domains
    is_held = host.unknown_recipient != "accepted" or fate(host.postfix).kind != BOUNCED
    remedy = host.remedies.harden("postfix_hardening")
    if accepted:
        remedy = (
            "Name the recipients of %s in relay_recipient_maps or virtual_mailbox_maps, or have "
            "smtpd_recipient_restrictions ask for them by reject_unverified_recipient." % ", ".join(accepted)
        )
    return Verdict(
        holds=is_held and not accepted,
        expected="refused in the session, or accepted and then discarded or delivered",
        observed="%s; luser_relay %s; accepted for anybody in relay and virtual domains: %s"
        % (
            host.unknown_recipient if host.domain else "no domain in mydestination",
            luser.get("address") or "is empty",
            ", ".join(accepted) or "none",
        ),
        remedy=remedy,
        unknown=_unknown(host),
    )


def _unknown(host):
    if host.postfix.get("luser") is None:
        return host.unread
    if host.smtp_failure:
        return host.smtp_failure
    if host.accepted_domains:
        return None
    if host.is_partly_asked:
        return "Not all domains that take mail to anybody could be asked."
    is_unanswered = host.unknown_recipient in ("untried", "deferred") and not host.refuses_unknown
    # Where mydestination names no domain, mail to unknown recipients of it cannot come.
    has_domains = host.domain != "" or host.postfix.get("domains_looked_up", True)
    if is_unanswered and has_domains and not host.made_up:
        text = host.asked_in("unknown_recipient").get("text")
        return text or "No domain of this host is known (mailops_probe_domain)."
    proves_nothing = (host.refuses_unknown or host.made_up) and not host.refusals_count
    if proves_nothing or (is_unanswered and has_domains):
        return host.refuses_all
    return None


@control(
    "POSTFIX-020",
    title="luser_relay is complete, or off",
    severity="medium",
    rationale="Half of it does nothing, as smtpd rejects first; the other half bounces everything.",
)
def luser_relay_is_complete(host):
    luser = host.postfix.get("luser") or {}
    target = luser.get("target") or ("an address" if luser.get("resolves") else "nobody")
    return Verdict(
        holds=not luser.get("address") or bool(luser.get("effective")),
        expected="empty, or an address that exists, with local_recipient_maps empty and nothing that takes mail "
        "before it",
        observed="luser_relay = %s (leads to %s), local_recipient_maps = %s, before it: %s"
        % (
            luser.get("address", "?"),
            target,
            host.parameters.get("local_recipient_maps", "?"),
            ", ".join(luser.get("takers") or []) or "nothing",
        ),
        remedy=host.remedies.harden("postfix_hardening"),
        unknown=host.unread if luser.get("address") is None else None,
    )


CONTROLS = (unknown_recipients, luser_relay_is_complete)
