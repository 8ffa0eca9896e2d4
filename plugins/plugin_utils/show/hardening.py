# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds on mail servers, as text for people."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.hardening_checks import (
    Evidence,
    discards,
    statements,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import natural
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import fit, pad

__all__ = ["show_holding"]

CATCH_ALL = (
    "Where mail to unknown recipients is discarded, mail to a mistyped address vanishes and nobody is told; and qmail "
    "refuses no unknown recipient any more where it could (realrcptto), as every address exists."
)
_MOST_NAMES = 50


def show_holding(evidences: dict[str, Evidence], checking: bool, width: int = 72) -> str:
    """Text of what holds on each host; `evidences`: host to Evidence. `checking`: nothing was changed before."""
    page = Page(width)
    page.heading("WHAT HOLDS NOW" + (", as nothing was changed by this check" if checking else ""))
    page.say("A ! marks what may be a hole.")
    vanishing = []
    for host, evidence in sorted(evidences.items(), key=lambda one: natural(one[0])):
        page.heading(fit(host, width))
        try:
            found, discarding = statements(evidence), discards(evidence)
        except (AttributeError, KeyError, TypeError, ValueError):
            # A host that was broken into may answer anything.
            page.say("! its answers are not what the modules return", "  ")
            continue
        for label, text, bad in found:
            page.pair("%s %s" % ("!" if bad else " ", pad(label, 12)), text)
        if discarding:
            vanishing.append(host)
    if vanishing:
        page.heading("WHAT A CATCH-ALL BREAKS")
        page.say(CATCH_ALL)
        names = ", ".join(vanishing[:_MOST_NAMES]) + (", …" if len(vanishing) > _MOST_NAMES else "")
        page.say("Discarding now: " + names, "  ")
    return page.text()
