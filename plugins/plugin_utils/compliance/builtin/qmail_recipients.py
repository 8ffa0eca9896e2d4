# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What qmail does with mail to unknown recipients."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import unique

__all__ = ["CONTROLS"]


@control(
    "QMAIL-010",
    title="Mail to unknown recipients is refused or discarded",
    severity="high",
    rationale="qmail bounces what it accepts for nobody to senders who never wrote it, and the notices fill the queue.",
)
def unknown_recipients(host):
    accepted = host.accepted_domains + host.accepted_extensions
    return Verdict(
        holds=not accepted,
        expected="refused in the session, or accepted and then discarded or delivered",
        observed="would be bounced for %s; accepted: %s"
        % (_bouncing(host), ", ".join(accepted) or "for none of these"),
        remedy=_remedy(host),
        unknown=_unknown(host, accepted),
    )


def _bouncing(host):
    text = ", ".join(catchall["domain"] for catchall in host.qmail.get("bouncing") or []) or "no domain"
    users = host.extensions.get("open_count", 0)
    if users > 0:
        text += ", and extensions of %s user(s)" % users
    # What no file of the role can mend.
    stuck = unique(found["reason"] for found in host.extensions.get("open") or [] if found["reason"])
    return text + (" (%s)" % "; ".join(stuck[:3]) if stuck else "")


def _remedy(host):
    is_mended = host.accepted_extensions and any(not found["reason"] for found in host.extensions.get("open") or [])
    if host.accepted_extensions and not host.accepted_domains and not is_mended:
        return "Mend what is observed by hand: what users have is left as it is."
    extensions = " -e qmail_hardening_user_extensions=discard" if is_mended else ""
    return host.remedies.harden("qmail_hardening") + extensions


def _unknown(host, accepted):
    if host.qmail.get("bouncing_count") is None:
        return host.unread
    if host.smtp_failure:
        return host.smtp_failure
    if accepted:
        return None
    unseen = (host.extensions.get("unknown") or []) + [host.extensions.get("incomplete")]
    unread = (host.qmail.get("unreadable") or []) + [reason for reason in unseen if reason]
    if unread:
        return ", ".join(unread)
    if host.is_partly_asked:
        return "Not all that would bounce could be asked."
    return host.refuses_all if host.made_up and not host.refusals_count else None


@control(
    "QMAIL-020",
    title="No catch-all has a line /dev/null",
    severity="high",
    rationale="On Linux that discards nothing. Every message is put off for a week, and then bounced.",
)
def no_null_lines(host):
    count, unreadable = host.qmail.get("null_line_count"), host.qmail.get("unreadable") or []
    is_unknown = count is None or (unreadable and count == 0)
    return Verdict(
        holds=count == 0,
        expected="none",
        observed=", ".join(host.qmail.get("null_lines") or []) or "none",
        remedy=host.remedies.harden("qmail_hardening"),
        unknown=(", ".join(unreadable) or host.unread) if is_unknown else None,
    )


CONTROLS = (unknown_recipients, no_null_lines)
