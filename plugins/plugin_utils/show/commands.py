# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next commands to type, with host and selection filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import MIN_MESSAGES, Finding
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.paste import command_line, inert, json_text
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import plural

__all__ = ["Invocation", "narrowed", "next_commands"]

# In the selection language.
Selection = dict[str, Any]

MAX_CAUSES = 8
# A longer -l is no command that anyone checks before running it.
MAX_HOSTS = 12
MAX_COMMAND = 2000

# What to do about a cause: the playbook, what it is good for, its own variables.
_STEPS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("view", "look at three of them", {"limit": 3}),
    ("inspect", "see what else is true of them", {}),
    ("purge", "take them out of the queue, into quarantine, after a question", {}),
)

# On these keys the value of a finding lies inside whatever the operator selected by the same key.
_NARROWING = frozenset(("sender", "subject", "sasl_username", "client_address", "origin_uid", "bounce"))
_TEXTS = frozenset(("sender", "recipient", "subject", "header", "body", "delay_reason"))
_TEMPLATE = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Invocation:
    """How this run was started, as far as the next one must be started alike.

    `playbooks` names a playbook, with %s for its own name; `options` are words to repeat, as `-i`;
    `variables` are extra variables to repeat; `select` and `exclude` are the selection of this run, or None.
    """

    playbooks: str = "playbooks/%s.yml"
    options: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    select: Selection | None = None
    exclude: Selection | None = None

    def command(self, playbook: str, hosts: Sequence[str], variables: dict[str, Any]) -> str:
        words = ["ansible-playbook", self.playbooks % playbook]
        words += self.options
        if hosts:
            words += ["-l", ",".join(hosts)]
        given = dict(self.variables, **variables)
        if given:
            words += ["-e", json_text(given)]
        return command_line(words)


def narrowed(given: Selection | None, found: Selection | None) -> Selection | None:
    """The selection of what both `given` (the operator's, or None) and `found` (a finding's) select.

    None where the language cannot say it, or where a text in it would be run as a template.
    """
    if found is None:
        return None
    given = given or {}
    found = _with_case(found, given)
    for key in set(given) & set(found) - {"ignore_case"}:
        if key not in _NARROWING or _is_domain(found[key]):
            return None
    both = dict(given, **found)
    return None if _TEMPLATE.search(json.dumps(list(_texts(both)))) else both


def _with_case(found: Selection, given: Selection) -> Selection:
    """`found` without its own ignore_case where that would change what `given` says."""
    if found.get("ignore_case") is not False or given.get("ignore_case") is False or not _TEXTS & set(given):
        return found
    return {key: "^(?-i:%s)$" % value[1:-1] for key, value in found.items() if key != "ignore_case"}


def _is_domain(value: object) -> bool:
    return isinstance(value, str) and value.startswith("@")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def next_commands(by_host: dict[str, list[Finding]], invocation: Invocation) -> list[dict[str, Any]]:
    """What to do about the causes with the most messages.

    A list of dicts, each with `cause`, a sentence for one line, and `steps`, pairs of a purpose and a command.

    `by_host` maps a host's name to its findings, worst host first.
    """
    causes: dict[str, dict[str, Any]] = {}
    for host, found in by_host.items():
        for finding in found:
            select = narrowed(invocation.select, finding.select)
            if select is None or finding.count < MIN_MESSAGES:
                continue
            key = json.dumps(select, sort_keys=True)
            cause = causes.setdefault(
                key, {"select": select, "hosts": [], "count": 0, "what": finding.what, "abusive": True, "rest": 0}
            )
            cause["hosts"].append(host)
            cause["count"] += finding.count
            # On one host alone it may be what it should be.
            cause["abusive"] = cause["abusive"] and finding.against is not None
            cause["rest"] += max(round(finding.count / finding.share) - finding.count, 0) if finding.share else 0
    worst = sorted(causes.values(), key=lambda cause: -cause["count"])[:MAX_CAUSES]
    return [{"cause": _sentence(cause), "steps": list(_steps(cause, invocation))} for cause in worst]


def _sentence(cause: dict[str, Any]) -> str:
    hosts = " on " + plural(len(cause["hosts"]), "host") if len(cause["hosts"]) > 1 else ""
    return inert("%s%s that %s" % (plural(cause["count"], "message"), hosts, cause["what"]))


def _steps(cause: dict[str, Any], invocation: Invocation) -> Iterator[tuple[str, str]]:
    for playbook, purpose, variables in _STEPS:
        if playbook == "inspect" and cause["select"] == invocation.select:
            continue
        if playbook == "purge":
            if not cause["abusive"]:
                continue
            purpose += " (%s would remain)" % plural(cause["rest"], "other")
        # One host has enough to look at; the others are for what changes or counts.
        hosts = cause["hosts"][: 1 if playbook == "view" else MAX_HOSTS]
        if playbook != "view" and len(cause["hosts"]) > MAX_HOSTS:
            purpose += ", on the worst %d hosts" % MAX_HOSTS
        given = {"select": cause["select"], **variables}
        if invocation.exclude:
            given["exclude"] = invocation.exclude
        command = invocation.command(playbook, hosts, given)
        if len(command) <= MAX_COMMAND:
            yield purpose, command
