# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What purges or restores on many hosts would do, and did, sorted out once."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import failure, is_unanswered, trouble
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import natural
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.shape import is_change

__all__ = ["AMOUNTS", "Changes", "ended", "is_batch", "looked", "told"]

AMOUNTS = {"purge": "purged", "restore": "restored"}

_POSSIBLE = {
    "purge": "messages may be in quarantine",
    "restore": "messages may be back in the queue",
    "repair": "files may be set aside",
}
_BATCH = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}\Z")


def is_batch(name: object) -> TypeGuard[str]:
    """Whether `name`, out of a host's answer, may stand in a command."""
    return isinstance(name, str) and _BATCH.match(name) is not None


def told(result: Any, kind: str) -> bool:
    """Whether what is in `result` besides a failure can be told: a run that failed half way says how far it got."""
    return isinstance(result, dict) and is_change(result, AMOUNTS[kind])


def ended(kind: str, result: dict[str, Any], foreseen: dict[str, Any], reason: str) -> str:
    """What may be the case on a host whose module ended without an answer."""
    what = _POSSIBLE[kind]
    if foreseen.get("discarded") is True:
        what = "messages may be gone for good"
    if foreseen.get("service") or (kind != "purge" and foreseen.get("mta") == "qmail"):
        what = "qmail-send may be stopped, and " + what
    lost = result.get("unreachable") or result.get("timedout")
    how = "no answer came; a %s that had begun goes on there" % kind if lost else "ended without an answer"
    text = "%s: %s; run again, which puts that in order (%s)"
    return text % (how, what, reason.rstrip("."))


def looked(result: Any, reason: str) -> str:
    """`reason`, and that nothing was changed where a look at a queue, of which `result` is, ended without an answer."""
    if not is_unanswered(result) or result.get("unreachable"):
        return reason
    return "ended without an answer; nothing was changed (%s)" % reason.rstrip(".")


def _changes(result: dict[str, Any], amount: str) -> bool:
    """Whether anything changes; to bring back a service that a killed run has stopped is something."""
    return bool(
        result[amount] or result.get("recovered") or any(one.get("cut_off") for one in result.get("service") or [])
    )


class Changes:
    """Results of one step on many hosts; `kind` is purge or restore.

    `results`: host to result of those that succeeded, those that change most first. `failed`: host to reason.
    `partly`: host to result of those that failed and say how far they got. `before`: host to what was registered
    by the step before, whose failure is why there is no result. `foreseen`: host to result of the plan, where this step
    carries it out; `unanswered` are the hosts then of which nobody knows what was done.
    """

    def __init__(
        self,
        kind: str,
        results: dict[str, Any],
        before: dict[str, Any] | None = None,
        foreseen: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.amount = AMOUNTS[kind]
        self.failed = {}
        self.partly = {}
        self.unanswered = []
        found = {}
        for host, result in results.items():
            reason = self._reason(result, (before or {}).get(host))
            if reason is None:
                found[host] = result
                continue
            if foreseen is not None and is_unanswered(result) and not told(result, kind):
                self.unanswered.append(host)
                reason = ended(kind, result, foreseen.get(host) or {}, reason)
            elif foreseen is None:
                reason = looked(result if is_unanswered(result) else (before or {}).get(host), reason)
            self.failed[host] = reason
            if told(result, kind):
                self.partly[host] = result
        order = sorted(found, key=lambda host: (-(found[host][self.amount] or 0), natural(host)))
        self.results = {host: found[host] for host in order}

    def _reason(self, result: Any, before: Any) -> str | None:
        reason = trouble(result, "counts_before")
        if reason is None:
            return None if is_change(result, self.amount) else "its answer is not what queue_%s returns" % self.kind
        if before is not None and (result is None or result.get("skipped")):
            return failure(before) or reason
        return reason

    def changing(self) -> list[str]:
        """The hosts on which something changes."""
        return [host for host, result in self.results.items() if _changes(result, self.amount)]

    def messages(self) -> int:
        return self._sum(self.amount)

    def bytes(self) -> int:
        return self._sum("bytes")

    def _sum(self, name: str) -> int:
        return sum(result[name] or 0 for result in self.results.values())
