# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the queue is short, young and consistent, and the quarantine, too."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS"]


def _total(host):
    """How many messages there are; None where the queue could not be read."""
    return host.counts("total")


def _or_unknown(value):
    return "?" if value is None else value


@control(
    "COMMON-100",
    title="The queue is short",
    severity="high",
    rationale="A queue that grows is the first sign of a stolen account, or of backscatter.",
)
def queue_is_short(host):
    total, most = _total(host), host.settings["queue_messages"]
    return Verdict(
        holds=total is not None and total <= most,
        expected="%s messages at most" % most,
        observed="%s messages" % _or_unknown(total),
        remedy=host.remedies.playbook("inspect"),
        unknown=host.queue_unread if total is None else None,
    )


@control(
    "COMMON-110",
    title="No message is old",
    severity="medium",
    rationale="What cannot be delivered for long is spam, its failure notices, or a fault that nobody has seen.",
)
def no_message_is_old(host):
    total, hours, oldest = _total(host), host.settings["queue_hours"], host.queue.get("oldest") or {}
    age = oldest.get("age", 0)
    unknown = None
    if total is None:
        unknown = host.queue_unread
    elif total > 0 and not oldest:
        unknown = "No message tells when it arrived."
    return Verdict(
        holds=age <= hours * 3600,
        expected="%s hours at most" % hours,
        observed="%s hours" % round(age / 3600, 1),
        remedy=host.remedies.inspect({"older_than": "%sh" % hours}),
        unknown=unknown,
    )


@control(
    "COMMON-120",
    title="The queue does not grow",
    severity="medium",
    rationale="A queue that grows from run to run will be full one day.",
)
def queue_does_not_grow(host):
    total, growth = _total(host), host.settings["queue_growth"]
    error, before = host.before.get("error") or "", (host.before.get("totals") or {}).get(host.name)
    is_comparable = host.settings["previous"] and (error or before is not None)
    return Verdict(
        holds=total is not None and before is not None and total - before <= growth,
        expected="%s messages more than before at most" % growth,
        observed="%s messages, before %s" % (_or_unknown(total), _or_unknown(before)),
        remedy=host.remedies.playbook("inspect"),
        inapplicable=None if is_comparable else "No report of a run before is given that has this host's queue.",
        unknown=error or (host.queue_unread if total is None else None),
    )


@control(
    "COMMON-130",
    title="The queue is consistent",
    severity="medium",
    rationale="Messages without their files are not delivered, and make the MTA complain or fail.",
)
def queue_is_consistent(host):
    counts = host.repair.get("fault_counts") or {}
    is_unknown = host.repair.get("fault_count") is None
    return Verdict(
        holds=host.repair.get("fault_count") == 0,
        expected="no faults",
        observed=", ".join("%s: %s" % fault for fault in counts.items()) or "no faults",
        remedy=host.remedies.playbook("repair"),
        unknown=(host.repair.get("msg") or "The queue could not be looked at.") if is_unknown else None,
    )


@control(
    "COMMON-140",
    title="Nothing is in quarantine for long",
    severity="low",
    rationale="What was taken out of the queue is other people's mail; it is kept to be put back, not for ever.",
)
def quarantine_is_young(host):
    quarantine, days = host.facts.get("quarantine") or {}, host.settings["quarantine_days"]
    age = (quarantine.get("oldest") or {}).get("age", 0)
    return Verdict(
        holds=age <= days * 86400,
        expected="%s days at most" % days,
        observed="%s batches, the oldest %s days" % (quarantine.get("batches", "?"), round(age / 86400, 1)),
        remedy=host.remedies.prune("%sd" % days),
        unknown=(quarantine.get("error") or host.unread) if quarantine.get("batches") is None else None,
    )


CONTROLS = (queue_is_short, no_message_is_old, queue_does_not_grow, queue_is_consistent, quarantine_is_young)
