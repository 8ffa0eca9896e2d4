# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Purges and restores as text for people: what they would do, and what they did."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.company import others_selected
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import Changes, is_batch
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import failure
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.page import Page
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import top_lists
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import age, fit, number, plural, size

__all__ = ["prompt", "question", "show_done", "show_plan"]

_MOST_COMMANDS = 50
_MOST_EARLIER = 50


def question(plan: Changes) -> str:
    """What to ask before `plan`, a Changes, is carried out."""
    hosts = plural(len(plan.changing()), "host")
    messages = plural(plan.messages(), "message")
    if plan.kind == "restore":
        what = "Put %s back into the queues of %s" % (messages, hosts)
    elif any(result.get("discarded") is True for result in plan.results.values()):
        what = "Remove %s of %s FOR GOOD, without quarantine" % (messages, hosts)
    else:
        what = "Take %s out of the queues of %s, into quarantine" % (messages, hosts)
    return what + "? Type yes to go on"


def prompt(plan: Changes) -> str:
    """What to show beside the question, and the question."""
    return (
        "What has begun on a host goes on there: neither Ctrl-C nor a lost connection ends it. The next purge, restore "
        "or quarantine shows its batch.\n" + question(plan)
    )


def show_plan(
    plan: Changes, reads: dict[str, Any], checking: bool, detail: int = 10, top: int = 3, width: int = 72
) -> str:
    """Text of `plan`, a Changes; `reads`: host to the listing of what is selected, as it was registered.

    `checking`: nothing will follow.
    """
    page = Page(width)
    verb = {"purge": "WOULD PURGE", "restore": "WOULD RESTORE"}[plan.kind]
    _head(page, verb, plan)
    _earlier(page, plan)
    page.faults("NOT POSSIBLE", plan.failed)
    hosts = plan.changing()
    for host in hosts[:detail]:
        _plan_host(page, host, plan, reads.get(host), top)
    _others(page, plan, hosts[detail:])
    idle = [host for host in plan.results if host not in hosts]
    if idle and plan.results:
        page.heading("NOTHING TO DO")
        page.say("  " + ", ".join(idle[:200]) + (", …" if len(idle) > 200 else ""), "  ")
        for host in idle:
            _left(page, plan.results[host], host + ": ")
    if checking:
        page.heading("This was a check: nothing was changed.")
    return page.text()


def show_done(done: Changes, invocation: Invocation, detail: int = 10, width: int = 72) -> str:
    """Text of `done`, a Changes, and the commands that undo it."""
    page = Page(width)
    _head(page, {"purge": "PURGED", "restore": "RESTORED"}[done.kind], done)
    hosts = list(done.results)
    for host in hosts[:detail]:
        page.heading(fit(host, width))
        _before_and_after(page, done.results[host])
        _outcome(page, done, done.results[host])
    _others(page, done, hosts[detail:])
    if done.failed:
        page.heading("FAILED")
        for host, reason in sorted(done.failed.items()):
            page.say("  %s: %s" % (host, reason), "    ")
            if host in done.partly:
                page.say("    Until then:", "    ")
                _before_and_after(page, done.partly[host])
                _outcome(page, done, done.partly[host])
    _undo(page, done, invocation)
    return page.text()


def _head(page: Page, verb: str, changes: Changes) -> None:
    count = len(changes.results) + len(changes.failed)
    what = "%s, %s" % (plural(changes.messages(), "message"), size(changes.bytes()))
    if changes.unanswered:
        what = "at least " + what if changes.messages() else "unknown how many messages"
    text = "%s, on %d of %s" % (what, len(changes.changing()), plural(count, "host"))
    page.pair(verb + "  ", text + (", %s FAILED" % number(len(changes.failed)) if changes.failed else ""))


def _earlier(page: Page, plan: Changes) -> None:
    """What other runs have left or are about: an operator whose connection was lost looks for that."""
    lines = []
    for host, result in plan.results.items():
        busy = result.get("at_work") or []
        for one in busy:
            lines.append(
                "  !! %s: a run is at work (process %d, since %s); wait for its end, and run this again."
                % (host, one["pid"], one["since"])
            )
        for one in result.get("recovered") or []:
            what = "is in progress" if busy else "was cut off; it would be put in order first"
            lines.append("  %s: batch %s %s." % (host, one["batch"], what))
        for one in result.get("finished_runs") or []:
            lines.append(
                "  %s: batch %s was finished %s ago: %s."
                % (host, one["batch"], age(one["age"]), plural(one["messages"] or 0, "message"))
            )
    if lines:
        page.heading("EARLIER RUNS")
    for line in lines[:_MOST_EARLIER]:
        page.say(line, "     ")
    if len(lines) > _MOST_EARLIER:
        page.say("  and %s more; see playbook quarantine." % number(len(lines) - _MOST_EARLIER), "     ")


def _plan_host(page: Page, host: str, plan: Changes, read: Any, top: int) -> None:
    result = plan.results[host]
    page.heading(fit(host, page.width))
    _before_and_after(page, result, "Now   ")
    if result.get("discarded") is True:
        page.say("  !! For good: nothing can bring them back (quarantine=discard).", "     ")
    if failure(read) is None:
        page.tops(top_lists([read], top) if top else [])
        others = others_selected(read)
        if others:
            page.say("  Also in this selection: %s." % ", ".join(others), "    ")
        messages = read.get("messages") or []
        if messages:
            page.row("  The first of them")
        for message in messages:
            sender = "(none yet)" if message["sender"] is None else message["sender"] or "<>"
            page.row("    %s  %s  %s" % (message["id"], age(message["age"]), sender))
            if message["subject"]:
                page.row("      " + message["subject"])
    for one in result.get("service") or []:
        if one.get("cut_off"):
            text = "  !! qmail-send of %s is down since a run was cut off; it would be started again."
            page.say(text % one["queue_directory"], "     ")
    if any(not one.get("cut_off") for one in result.get("service") or []):
        page.say("  qmail-send would be stopped meanwhile, and started again.", "    ")
    _left(page, result)


def _before_and_after(page: Page, result: dict[str, Any], first: str = "Before") -> None:
    before, after = result["counts_before"], result["counts_after"]
    if not before:
        return
    counts = [before["by_queue"], (after or before)["by_queue"]]
    queues = [name for name in counts[0] if counts[0][name] or counts[1].get(name)]
    page.pair("  %s  " % first, _counts(before, queues))
    if after and after != before:
        page.pair("  After   ", _counts(after, queues))


def _counts(counts: dict[str, Any], queues: list[str]) -> str:
    parts = ["%s %s" % (number(counts["by_queue"].get(name, 0)), name) for name in queues]
    return "%s: %s" % (plural(counts["total"], "message"), ", ".join(parts)) if parts else "no messages"


def _outcome(page: Page, done: Changes, result: dict[str, Any]) -> None:
    amount = result[done.amount]
    if amount is None:
        page.say("  How many were taken is not known; the next run puts it in order.", "    ")
    elif done.kind == "restore":
        _restored(page, result, amount)
    elif result.get("discarded") is True:
        page.say("  %s removed for good" % plural(amount, "message"), "    ")
    elif is_batch(result["batch"]):
        page.say("  %s in quarantine, batch %s" % (plural(amount, "message"), result["batch"]), "    ")
    _left(page, result)
    for one in result.get("recovered") or []:
        page.say("  Batch %s, which a run that was cut off had left, is in order again." % one["batch"], "    ")
    for one in result.get("service") or []:
        _service(page, one)


def _restored(page: Page, result: dict[str, Any], amount: int) -> None:
    remaining = result.get("remaining")
    rest = "" if remaining is None else ", %s left in the batch" % (number(remaining) if remaining else "none")
    page.say("  %s put back%s" % (plural(amount, "message"), rest), "    ")
    if amount and result.get("mta") == "postfix" and result.get("released") is False:
        page.say("  They are on hold until they are released (by postsuper -H; or restore with release=true).", "    ")


def _service(page: Page, one: dict[str, Any]) -> None:
    if one.get("state_after") != "running":
        told = one.get("queue_directory"), one.get("state_before"), one.get("state_after")
        text = "  !! qmail-send of %s was %s and is %s now; start it by its supervisor, or the module qmail_send"
        page.say(text % told, "     ")
    elif one.get("cut_off"):
        page.say("  qmail-send was down since a run was cut off, and runs again.", "    ")
    else:
        page.say("  qmail-send was stopped meanwhile, and runs again.", "    ")


def _left(page: Page, result: dict[str, Any], prefix: str = "") -> None:
    undecided = result.get("undecided_count") or 0
    if undecided:
        text = "  %s%s left, as matching took too long (timeout_per_message)."
        page.say(text % (prefix, plural(undecided, "message")), "    ")
    count = result["left_count"] or 0
    if not count:
        return
    page.say("  %s%s selected and left in place:" % (prefix, plural(count, "message")), "    ")
    reasons = Counter(one["reason"] for one in result["left"])
    exact = sum(reasons.values()) == count
    for reason, shown in reasons.most_common(5):
        page.say("    %s%s: %s" % ("" if exact else "at least ", number(shown), reason), "      ")


def _others(page: Page, changes: Changes, hosts: list[str]) -> None:
    if hosts:
        page.heading("OTHER HOSTS")
    for host in hosts:
        result = changes.results[host]
        page.row("  %9s  %s" % (number(result[changes.amount] or 0), host))


def _undo(page: Page, done: Changes, invocation: Invocation) -> None:
    commands = []
    for host, result in list(done.results.items()) + sorted(done.partly.items()):
        for batch in _batches(result, done.amount) if done.kind == "purge" else ():
            commands.append(invocation.command("restore", [host], {"batch": batch}))
    if commands:
        page.heading("UNDO")
    for command in commands[:_MOST_COMMANDS]:
        page.command(command)
    if len(commands) > _MOST_COMMANDS:
        page.say("  and %s; batch=latest does it on all hosts." % plural(len(commands) - _MOST_COMMANDS, "more host"))
    if done.kind == "purge" and done.unanswered and commands:
        page.say("  What was taken on the hosts without an answer, the next run names here.", "  ")


def _batches(result: dict[str, Any], amount: str) -> list[str]:
    """The batches that hold what a purge took: of runs that were cut off before it too, oldest first."""
    found = []
    for one in result.get("recovered") or []:
        # What a restore left in its batch, another purge had taken.
        name = one["batch"].partition(".")[0]
        if one.get("cut_off", "purge") == "purge" and one.get("messages") and is_batch(name) and name not in found:
            found.append(name)
    if result[amount] and is_batch(result["batch"]) and result["batch"] not in found:
        found.append(result["batch"])
    return found
