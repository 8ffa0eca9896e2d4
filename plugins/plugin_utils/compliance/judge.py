# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: the records of all controls of this collection on one host. Nothing in its facts stops the others."""

from __future__ import annotations

import datetime
import typing

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import records
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.builtin import (
    auth,
    catchalls,
    postfix_leftovers,
    postfix_limits,
    postfix_recipients,
    postfix_service,
    qmail_recipients,
    qmail_service,
    queue,
    relaying,
    submission,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.host_facts import HostFacts
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.waivers import Waiver

__all__ = ["COMMON", "CONTROLS", "OF_MTA", "controls_for", "judge", "record"]

COMMON = (*catchalls.CONTROLS, *queue.CONTROLS, *relaying.CONTROLS, *auth.CONTROLS, *submission.CONTROLS)
OF_MTA = {
    "postfix": (
        *postfix_leftovers.CONTROLS,
        *postfix_limits.CONTROLS,
        *postfix_recipients.CONTROLS,
        *postfix_service.CONTROLS,
    ),
    "qmail": (*qmail_recipients.CONTROLS, *qmail_service.CONTROLS),
}
CONTROLS = {control.id: control for control in (*COMMON, *OF_MTA["postfix"], *OF_MTA["qmail"])}


def judge(
    host: HostFacts, mta: str, waivers: typing.Sequence[Waiver] = (), on: typing.Optional[datetime.date] = None
) -> typing.List[dict]:
    """The records of all controls for `host`; `mta`: which one there should be, or `auto`; `on`: today."""
    return [record(control, host, waivers, on) for control in controls_for(host.facts.get("mta", mta))]


def controls_for(mta: str) -> typing.List[Control]:
    """The controls of an MTA; of all where it is not known which one there is."""
    families = [mta] if mta in OF_MTA else list(OF_MTA)
    return [*COMMON, *(control for family in families for control in OF_MTA[family])]


def record(
    control: Control,
    host: HostFacts,
    waivers: typing.Sequence[Waiver] = (),
    on: typing.Optional[datetime.date] = None,
) -> dict:
    """The record of one control."""
    made = records.blank(control.id)
    made.update(title=control.title, severity=control.severity, rationale=control.rationale)
    try:
        verdict = control.judge(host)
        status, reason = verdict.status, verdict.reason
        made.update({name: records.safe(getattr(verdict, name)) for name in ("expected", "observed", "remedy")})
    except Exception as error:
        # A host that was broken into may answer anything; the other controls go on.
        status, reason = "error", "its answers are not what the modules return (%s: %s)" % (type(error).__name__, error)
    made.update(status=status, reason=records.safe(reason))
    return records.waived(made, waivers, host.name, on)
