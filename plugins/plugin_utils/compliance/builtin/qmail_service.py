# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether qmail runs, which one, and where its double bounces go."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS"]


@control(
    "QMAIL-090",
    title="Double bounces go where they are to",
    severity="low",
    rationale="In a flood, each failure notice that cannot be delivered goes to the postmaster.",
)
def double_bounces(host):
    found, wanted = host.qmail.get("double_bounces") or {}, host.settings["double_bounces"]
    return Verdict(
        holds=bool(found.get("as_wanted")),
        expected=wanted,
        observed=found.get("address") or "?",
        remedy=host.remedies.harden("qmail_hardening"),
        inapplicable="compliance_double_bounces says that they may go anywhere." if wanted == "unchanged" else None,
        unknown=(found.get("error") or host.unread) if found.get("as_wanted") is None else None,
    )


@control(
    "QMAIL-100",
    title="qmail-send runs",
    severity="critical",
    rationale="Without it, mail comes in and stays.",
)
def qmail_send_runs(host):
    down = [queue["queue_directory"] for queue in host.qmail.get("queues") or [] if not queue["running"]]
    return Verdict(
        holds=not down,
        expected="running",
        observed="down on %s" % ", ".join(down) if down else "running",
        remedy=host.remedies.module("mailops.rescue.qmail_send", "state=started"),
        unknown=host.unread if host.qmail.get("queues") is None else None,
    )


@control(
    "QMAIL-110",
    title="It is the right qmail",
    severity="low",
    rationale="qmail itself has not been corrected since 1998; its successors are.",
)
def qmail_is_the_right_one(host):
    version, wanted = host.qmail.get("version"), host.settings["qmail_versions"]
    untold = host.unread if host.qmail.get("queues") is None else "Its SMTP server does not tell."
    return Verdict(
        holds=any(name in (version or "") for name in wanted),
        expected=" or ".join(wanted),
        observed=version or "?",
        remedy="Install one of them beside it, and move the queue.",
        inapplicable=None if wanted else "compliance_qmail_versions names none.",
        unknown=None if version else untold,
    )


CONTROLS = (double_bounces, qmail_send_runs, qmail_is_the_right_one)
