# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix does with mail that it accepted for a local address that does not exist, as mta_facts read it."""

from __future__ import annotations

import typing

__all__ = ["BOUNCED", "DELIVERED", "DISCARDED", "Fate", "fate"]

BOUNCED, DELIVERED, DISCARDED = "bounced", "delivered", "discarded"


class Fate(typing.NamedTuple):
    """`kind`: BOUNCED, DELIVERED or DISCARDED; `text`: the same for people, with what says so."""

    kind: str
    text: str


def fate(postfix: dict) -> Fate:
    """The Fate of such mail; `postfix`: as in the result of mta_facts."""
    luser, parameters = postfix.get("luser") or {}, postfix.get("parameters") or {}
    relay = luser.get("address") or ""
    if luser.get("discards"):
        return Fate(DISCARDED, "discarded (read: luser_relay = %s, an alias to /dev/null)" % relay)
    return Fate(DELIVERED if luser.get("effective") else BOUNCED, _other(luser, relay, parameters))


def _other(luser, relay, parameters):
    for taker in luser.get("takers") or ():
        if taker != "allow_mail_to_files":
            reason = "which luser_relay is not for" if taker == "local_transport" else "comes before luser_relay"
            joint = ", " if taker == "local_transport" else " "
            return "given to %s (read: %s%s%s)" % (parameters.get(taker, "another"), taker, joint, reason)
    if not relay:
        return "BOUNCED to the sender (read: luser_relay is empty)"
    if parameters.get("local_recipient_maps"):
        return "not sent to luser_relay = %s (read: local_recipient_maps is not empty)" % relay
    if "allow_mail_to_files" in (luser.get("takers") or ()):
        return "BOUNCED to the sender (read: allow_mail_to_files lets no alias lead to /dev/null)"
    target = luser.get("target")
    if target is None and luser.get("resolves"):
        return "sent to %s (read: luser_relay)" % relay
    return "sent to %s (read: luser_relay, an alias to %s)" % (relay, target or "nothing")
