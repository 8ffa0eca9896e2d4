# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the quarantines of many hosts, as text for people."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import is_batch
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import trouble
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import natural, top_lists
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.shape import is_listing
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import age, fit, number, plural, size

__all__ = ["Listings", "show_listings"]

_STATES = {
    "unfinished": "the run that made it was cut off, or is at work; the next purge or restore puts it in order",
    "returning": "messages are on their way back; the next restore puts it in order",
}
_SELECTION = 200


class Listings:
    """Results of quarantine_info of many hosts: `results`, host to result, and `failed`, host to reason."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.results, self.failed = {}, {}
        for host in sorted(results, key=natural):
            reason = trouble(results[host], "counts")
            if reason is None and not is_listing(results[host]):
                reason = "its answer is not what quarantine_info returns"
            if reason is None:
                self.results[host] = results[host]
            else:
                self.failed[host] = reason

    def corrupt(self) -> list[str]:
        """Names of the hosts whose quarantine is not as it was."""
        return [host for host, result in self.results.items() if result["corrupt_count"] or result["unreadable_count"]]


def show_listings(
    listings: Listings, invocation: Invocation, selected: bool = False, top: int = 3, width: int = 72
) -> str:
    """Text of `listings`, a Listings; `selected`: whether a part was asked for."""
    page = Page(width)
    results = listings.results
    counts = [result["counts"] for result in results.values()]
    page.pair(
        "QUARANTINE  ",
        "%s in %s, %s"
        % (
            plural(sum(one["matched" if selected else "total"] for one in counts), "message"),
            plural(sum(result["batch_count"] for result in results.values()), "batch", "batches"),
            size(sum(one["bytes"] for one in counts)),
        ),
    )
    page.row("%s of %s read" % (number(len(results)), plural(len(results) + len(listings.failed), "host")))
    for host, result in results.items():
        for one in result.get("at_work") or []:
            page.say(" !  %s: a run is at work (process %d, since %s)." % (host, one["pid"], one["since"]), "    ")
    page.faults("NOT READ", listings.failed)
    commands = []
    for host, result in results.items():
        page.heading(fit(host, width))
        _host(page, result, selected, top)
        whole = (one for one in result["batches"] if one["messages"] and one.get("kind") != "repair")
        batch = next((one["batch"] for one in whole), None)
        if is_batch(batch):
            commands.append(invocation.command("restore", [host], {"batch": batch}))
    if commands:
        page.heading("NEXT")
        page.row("  - put the newest back:")
        for command in commands[:20]:
            page.command(command)
    return page.text()


def _host(page: Page, result: dict[str, Any], selected: bool, top: int) -> None:
    empty = [one for one in result["batches"] if not one["messages"] and one["state"] == "complete"]
    for one in result["batches"]:
        if one not in empty:
            _batch(page, one, selected)
    if empty:
        page.row("  %s, all put back" % plural(len(empty), "empty batch", "empty batches"))
    if len(result["batches"]) < result["batch_count"]:
        page.row("  and %s" % plural(result["batch_count"] - len(result["batches"]), "more batch", "more batches"))
    if not result["batch_count"]:
        page.row("  nothing")
    for one in result["unreadable"]:
        page.say("  !! %s: %s" % (one["path"], one["reason"]), "     ")
    if result["verified"] is not None:
        page.say(
            "  %s verified, %s"
            % (
                plural(result["verified"], "message"),
                "no file differs" if not result["corrupt_count"] else plural(result["corrupt_count"], "fault"),
            ),
            "    ",
        )
    for one in result["corrupt"]:
        page.say("  !! %s %s" % (one["path"], one["reason"]), "     ")
    page.tops(top_lists([result], top) if top else [])
    for message in result["messages"]:
        sender = "(none yet)" if message["sender"] is None else message["sender"] or "<>"
        page.row("    %s  %s  %s" % (message["id"], age(message["age"]), sender))
        if message["subject"]:
            page.row("      " + message["subject"])


def _batch(page: Page, one: dict[str, Any], selected: bool) -> None:
    shown = one["matched"] if selected else one["messages"]
    what = plural(one["messages"] if selected else shown, "message")
    what = "%s of %s" % (number(shown), what) if selected else what
    page.pair("  %s  " % fit(one["batch"], 40), "%s, %s, %s old" % (what, size(one["bytes"]), age(one["age"])))
    label = ": " + one["label"] if one["label"] else ""
    page.say("    from %s, by %s%s" % (one["queue_directory"], one["user"], label), "      ")
    for name in ("select", "exclude"):
        if one[name]:
            page.say("    %s %s" % (name, fit(json.dumps(one[name], ensure_ascii=False), _SELECTION)), "      ")
    if one["state"] in _STATES:
        page.say(" !  %s: %s" % (one["state"], _STATES[one["state"]]), "      ")
