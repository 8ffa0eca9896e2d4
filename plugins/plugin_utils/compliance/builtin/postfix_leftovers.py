# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an incident leaves behind in Postfix."""

from __future__ import annotations

import re

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS", "held_off"]

_BOUNCES = re.compile("(^|[, ])2?bounce([, ]|$)")
_NOWHERE = re.compile("(discard|hold|retry)(:|$)")


@control(
    "POSTFIX-060",
    title="soft_bounce is off",
    severity="medium",
    rationale="It is for tests and incidents. What should be refused is put off, and tried again for days.",
)
def soft_bounce_is_off(host):
    soft = host.postfix.get("soft_bounce") or []
    services = [service for service in soft if service != "main.cf"]
    return Verdict(
        holds=not soft,
        expected="no",
        observed="on in %s" % ", ".join(soft) if soft else "no",
        remedy=host.remedies.postfix_config(
            parameters={"soft_bounce": None},
            service_parameters={"%s/soft_bounce" % service: None for service in services},
        ),
        unknown=host.unread if host.postfix.get("soft_bounce") is None else None,
    )


@control(
    "POSTFIX-070",
    title="No mail is held off",
    severity="high",
    rationale="Left over from an incident, it stops everybody's mail without a word.",
)
def no_mail_is_held_off(host):
    shown = ("defer_transports", "master_service_disable", "default_transport", "relay_transport")
    held = held_off(host.parameters)
    return Verdict(
        holds=not held,
        expected="defer_transports and master_service_disable are empty, and outgoing mail goes out",
        observed=", ".join("%s = %s" % (name, host.parameters.get(name, "?")) for name in shown),
        # What holds mail off is to be as it was made.
        remedy=host.remedies.postfix_config(parameters=dict.fromkeys(held)),
        unknown=host.unread if host.postfix.get("parameters") is None else None,
    )


def held_off(parameters):
    """The parameters that hold off mail."""
    held = [name for name in parameters if name in ("defer_transports", "master_service_disable") and parameters[name]]
    transports = [name for name in parameters if name in ("default_transport", "relay_transport")]
    return held + [name for name in transports if _NOWHERE.match(parameters[name] or "")]


@control(
    "POSTFIX-080",
    title="No mail is on hold",
    severity="medium",
    rationale="Held mail is neither delivered nor returned, and never expires.",
)
def no_mail_is_on_hold(host):
    held = host.counts("by_queue", "hold")
    return Verdict(
        holds=held == 0,
        expected="none",
        observed="%s messages" % ("?" if held is None else held),
        remedy=host.remedies.release_held(),
        unknown=host.queue_unread if held is None else None,
    )


@control(
    "POSTFIX-090",
    title="Double bounces bother nobody",
    severity="low",
    rationale="In a flood, a copy of each failure notice that cannot be delivered goes to the postmaster.",
)
def double_bounces_bother_nobody(host):
    classes = host.parameters.get("notify_classes")
    return Verdict(
        holds=not _BOUNCES.search(classes or ""),
        expected="notify_classes without bounce and 2bounce",
        observed="notify_classes = %s" % ("?" if classes is None else classes),
        remedy=host.remedies.postfix_config(parameters={"notify_classes": None}),
        unknown=host.unread if classes is None else None,
    )


CONTROLS = (soft_bounce_is_off, no_mail_is_held_off, no_mail_is_on_hold, double_bounces_bother_nobody)
