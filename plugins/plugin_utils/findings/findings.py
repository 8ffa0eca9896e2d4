# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands out in one queue, and why: pure functions from a result of queue_info to findings."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.evidence import (
    WEB_SERVER_UIDS,
    against,
    is_next_hop,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.exact import at_domain, has_case, whole
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import (
    age,
    fit,
    number,
    percent,
    plural,
    quoted,
)

__all__ = ["SEVERITIES", "Finding", "findings"]

# Below this a share says nothing: three mails of one newsletter are "most of the queue" of a quiet host.
MIN_MESSAGES = 20
# Mail of many people rarely agrees in any one respect; half of a queue doing so is one cause.
DOMINANT = 0.5
# A source of mail is named for less: by its share in a small queue, by number in a large one, or beside its peers.
SOURCE_SHARE = 0.25
SOURCE_MESSAGES = 300
PEER_MESSAGES = 100
PEER_FACTOR = 10
# From here on clearing this one cause is clearing the queue.
FLOOD = 0.8
# Two facts whose shares differ by no more than this, and which must overlap, are told as one.
SAME_CAUSE = 0.2
# Two facts about as many messages are most likely about the same ones.
SAME_NUMBER = 0.02
# New mail waits here for seconds while the MTA works; a hundred of them is a stopped or choked daemon.
PILED_UP = 100
# Half of Postfix's default qmgr_message_active_limit; a full active queue stops all other mail.
ACTIVE_JAM = 10000
# A healthy queue also holds more young than old messages, by the retry schedule up to tenfold in rate.
JUMP_FACTOR = 20
JUMP_SHARE = 0.25
# With nothing older to compare with: more than one message a second is no retry backlog building up.
BURST_PER_MINUTE = 60
BURST_MESSAGES = 100
# Some messages are always delivered meanwhile; a twentieth of the queue makes the other numbers a blur.
VANISHED_SHARE = 0.05

# What to say of a value, and what selects it; None for each where there is nothing.
_Told = tuple[str | None, dict[str, Any] | None]

SEVERITIES = ("alarm", "warning", "note")

# The most specific cause that can be acted on leads; what follows from it is its evidence.
_ORDER = (
    "sasl_username",
    "origin_uid",
    "client_address",
    "bounce",
    "sender",
    "subject",
    "sender_domain",
    "recipient_domain",
    "delay_reason",
)
_SOURCES = ("sasl_username", "origin_uid", "client_address")
# The own domain, a large provider and a dead route are most of many a queue without spam.
_WORST = {"sender_domain": "warning", "recipient_domain": "warning", "delay_reason": "warning", "next_hop": "alarm"}


@dataclass(frozen=True)
class Finding:
    """One thing that stands out.

    `share` is the part (0 to 1) of the selected messages that `count` is. `select` selects exactly these
    messages, and is None where nothing does. `what` is the predicate of `text`, as in "have the sender <>". `against`
    is what speaks for abuse besides the number, as a phrase, or None: then it is something to look at, and no more.
    All texts are harmless to show.
    """

    kind: str
    severity: str
    text: str
    what: str
    count: int
    share: float
    select: dict[str, Any] | None = None
    evidence: list[str] = field(default_factory=list)
    against: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def findings(result: dict[str, Any], known: Iterable[str] = ()) -> list[Finding]:
    """What stands out in `result` (the plain dict that queue_info returns), the most severe first.

    `known` are the keys by which messages were selected: that all agree in one of them is no news.
    Shares are of the selected messages. Below MIN_MESSAGES there are only findings about the reading itself.
    """
    found = _piled_up(result) + _causes(result, frozenset(known)) + _filtered(result)
    found += _arrival(result) + _reading(result)
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.count))


# --- one cause for many messages


@dataclass(frozen=True)
class _Fact:
    kind: str
    value: object
    count: int
    share: float
    at_least: bool
    told: str
    select: dict[str, Any] | None


def _causes(result: dict[str, Any], known: frozenset[str]) -> list[Finding]:
    total = result["counts"].get("matched") or 0
    if total < MIN_MESSAGES:
        return []
    groups: list[list[_Fact]] = []
    for fact in _facts(result, total):
        if fact.count == total and (known.intersection(fact.select or ()) or _is_null_sender(fact, known)):
            continue
        for group in groups:
            if _same_cause(group[0], fact):
                group.append(fact)
                break
        else:
            groups.append([fact])
    return [_cause(group, total, result) for group in groups]


def _same_cause(lead: _Fact, fact: _Fact) -> bool:
    are_sources = lead.kind in _SOURCES and fact.kind in _SOURCES and lead.kind != fact.kind
    if are_sources and abs(lead.count - fact.count) <= SAME_NUMBER * lead.count:
        return True
    return lead.share + fact.share > 1 and abs(lead.share - fact.share) <= SAME_CAUSE


def _cause(group: list[_Fact], total: int, result: dict[str, Any]) -> Finding:
    lead = next((fact for fact in group if fact.select), group[0])
    severity = _WORST.get(lead.kind) or ("alarm" if lead.share >= FLOOD else "warning")
    at_least = "at least " if lead.at_least else ""
    text = "%s%s of %s messages (%s) %s" % (
        at_least,
        number(lead.count),
        number(total),
        percent(lead.count, total),
        lead.told,
    )
    evidence = [
        "%s %s" % (percent(fact.count, total), fact.told)
        for fact in group
        if fact is not lead and not _implied(fact, group)
    ]
    reason = against(lead.kind, lead.value, lead.count, result, total)
    if reason is not None:
        evidence.append(reason)
    if lead.kind in _SOURCES and _origins(result, "header") + lead.count > total:
        evidence.append("as headers tell, which a program on the host could forge")
    share = round(lead.share, 4)
    return Finding(lead.kind, severity, text, lead.told, lead.count, share, lead.select, evidence, reason)


def _is_null_sender(fact: _Fact, kinds: Container[str]) -> bool:
    # Every failure notice has it.
    return fact.kind == "sender" and fact.value == "" and "bounce" in kinds


def _implied(fact: _Fact, group: list[_Fact]) -> bool:
    kinds = {one.kind for one in group}
    if _is_null_sender(fact, kinds):
        return True
    return fact.kind == "sender_domain" and (fact.value == "" or "sender" in kinds)


def _facts(result: dict[str, Any], total: int) -> Iterator[_Fact]:
    """The values that at least half of the messages share, and sources that stand out, in the order of _ORDER."""
    for kind in _ORDER:
        if kind == "bounce":
            bounces = _bounces(result, total)
            if bounces.share >= DOMINANT or _stands_out(bounces, ()):
                yield bounces
            continue
        entries = (result.get("top") or {}).get(kind) or []
        for at, entry in enumerate(entries if kind in _SOURCES else entries[:1]):
            fact = _top_value(result, kind, total, entry)
            peers = [one["count"] for one in entries[:at] + entries[at + 1 :]]
            if fact is not None and (fact.share >= DOMINANT or (kind in _SOURCES and _stands_out(fact, peers))):
                yield fact


def _stands_out(fact: _Fact, peers: Sequence[int]) -> bool:
    """Whether a source is to be named that is less than half of the queue; `peers`: the counts of its like."""
    if fact.count < MIN_MESSAGES:
        return False
    if fact.share >= SOURCE_SHARE or fact.count >= SOURCE_MESSAGES:
        return True
    middle = sorted(peers)[len(peers) // 2] if peers else 0
    return fact.count >= PEER_MESSAGES and middle > 0 and fact.count >= PEER_FACTOR * middle


def _bounces(result: dict[str, Any], total: int) -> _Fact:
    count = result.get("bounces") or 0
    told = "are failure notices"
    domain = _first(result, "bounced_recipient_domain")
    if domain and domain["value"] and domain["count"] >= DOMINANT * count:
        told += " about addresses at " + fit(domain["value"], 60)
    return _Fact("bounce", True, count, count / total, False, told, {"bounce": True})


def _top_value(result: dict[str, Any], kind: str, total: int, entry: dict[str, Any]) -> _Fact | None:
    if entry["value"] is None:
        return None
    value, count = entry["value"], entry["count"]
    told, select = _TELL[kind](value)
    if kind == "delay_reason" and is_next_hop(value, count / total):
        told = "wait since the next hop refuses everything: " + quoted(value, 80)
        kind = "next_hop"
    if told is None:
        return None
    at_least = bool((result.get("top_errors") or {}).get(kind))
    return _Fact(kind, value, count, count / total, at_least, told, select)


def _first(result: dict[str, Any], kind: str) -> dict[str, Any] | None:
    entries = (result.get("top") or {}).get(kind) or []
    return entries[0] if entries else None


def _sasl_username(value: str) -> _Told:
    if not value:
        return None, None
    # A name is compared as it is, so an escape or a template in it cannot be written harmlessly.
    exact = not value.endswith("…") and "\\" not in value and "{" not in value
    return "were sent with the login " + fit(value, 60), {"sasl_username": value} if exact else None


def _origin_uid(value: int) -> _Told:
    name = WEB_SERVER_UIDS.get(value)
    told = "were submitted on the host itself by uid %s" % fit(value, 20)
    return told + (" (%s where that is the web server)" % name if name else ""), {"origin_uid": value}


def _client_address(value: str) -> _Told:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None, None
    # Content filters and webmail hand everything over from here: that says nothing about who sent it.
    if address.is_loopback:
        return None, None
    return "came from the client %s" % fit(value, 60), {"client_address": value}


def _sender(value: str) -> _Told:
    if value == "":
        return "have the null sender <>", {"sender": "<>"}
    return "have the sender " + fit(value, 60), _expression("sender", whole(value))


def _subject(value: str) -> _Told:
    if value == "":
        return None, None
    return "have the subject " + quoted(value), _exactly("subject", value)


def _sender_domain(value: str) -> _Told:
    if value == "":
        return None, None
    return "have a sender at " + fit(value, 60), _expression("sender", at_domain(value))


def _recipient_domain(value: str) -> _Told:
    if value == "":
        return None, None
    return "go to " + fit(value, 60), _expression("recipient", at_domain(value))


def _delay_reason(value: str) -> _Told:
    if value == "":
        return None, None
    return "are deferred with " + quoted(value, 80), _exactly("delay_reason", value)


def _exactly(key: str, value: str) -> dict[str, Any] | None:
    """Of what was counted by its case."""
    select = _expression(key, whole(value))
    return dict(select, ignore_case=False) if select and has_case(value) else select


def _expression(key: str, pattern: str | None) -> dict[str, Any] | None:
    return None if pattern is None else {key: pattern}


_TELL: dict[str, Callable[[Any], _Told]] = {
    "sasl_username": _sasl_username,
    "origin_uid": _origin_uid,
    "client_address": _client_address,
    "sender": _sender,
    "subject": _subject,
    "sender_domain": _sender_domain,
    "recipient_domain": _recipient_domain,
    "delay_reason": _delay_reason,
}


# --- what content filters hide

_FILTERED = {
    "header": (
        "note",
        "came back from a filter or were requeued: who sent them is read from a header, which a program on the host"
        " could forge",
    ),
    "hidden": (
        "warning",
        "came back from a content filter, as it seems, which hides who sent them: the mail log tells (by message-id),"
        " and smtpd_sasl_authenticated_header = yes for new mail",
    ),
}


def _origins(result: dict[str, Any], source: str) -> int:
    return (result.get("origins") or {}).get(source) or 0


def _filtered(result: dict[str, Any]) -> list[Finding]:
    total = result["counts"].get("matched") or 0
    found = []
    for source, (severity, told) in _FILTERED.items():
        count = _origins(result, source)
        if count >= MIN_MESSAGES and (count >= SOURCE_SHARE * total or count >= SOURCE_MESSAGES):
            text = "%s of %s messages (%s) %s" % (number(count), number(total), percent(count, total), told)
            found.append(Finding("origin_" + source, severity, text, told, count, _share(count, total)))
    return found


# --- daemons that do not take what is there

_QUEUES = {
    ("qmail", "todo"): "wait to be preprocessed: qmail-send is stopped or cannot keep up",
    ("postfix", "maildrop"): "wait in maildrop: Postfix is stopped, or pickup or cleanup does not work",
    ("postfix", "incoming"): "wait in incoming: qmgr is stopped, or its active queue is full",
}


def _piled_up(result: dict[str, Any]) -> list[Finding]:
    counts = result["counts"]
    total = counts.get("total") or 0
    if total < MIN_MESSAGES:
        return []
    found = []
    by_queue = counts.get("by_queue") or {}
    for (mta, queue), told in _QUEUES.items():
        count = by_queue.get(queue) or 0
        if result.get("mta") == mta and count >= PILED_UP:
            text = "%s %s" % (plural(count, "message"), told)
            found.append(Finding(queue, "alarm", text, told, count, _share(count, total), {"queue": queue}))
    active = by_queue.get("active") or 0
    if result.get("mta") == "postfix" and active >= ACTIVE_JAM:
        told = "are in the active queue: deliveries are slow and other mail waits behind them"
        text = "%s %s" % (plural(active, "message"), told)
        found.append(Finding("active", "alarm", text, told, active, _share(active, total), {"queue": "active"}))
    return found


# --- when they came


def _arrival(result: dict[str, Any]) -> list[Finding]:
    total = result["counts"].get("matched") or 0
    oldest, newest = result.get("oldest"), result.get("newest")
    if total < MIN_MESSAGES or not oldest or not newest:
        return []
    jump = max(_jumps(result.get("age_histogram") or [], total, oldest["age"]), key=lambda one: one[0], default=None)
    if jump:
        count, told = jump
        text = "%s %s" % (plural(count, "message"), told)
        return [Finding("arrival", "warning", text, told, count, _share(count, total))]
    span = oldest["age"] - newest["age"]
    if total >= BURST_MESSAGES and _rate(total, span) >= BURST_PER_MINUTE:
        told = "arrived within %s, %s ago" % (age(max(span, 1)), age(newest["age"]))
        text = "all %s %s" % (plural(total, "message"), told)
        return [Finding("arrival", "warning", text, told, total, 1.0)]
    return []


def _jumps(classes: list[dict[str, Any]], total: int, oldest: int) -> Iterator[tuple[int, str]]:
    """Each class that arrived much faster than what came before it, as its count and what to say of it."""
    for index, one in enumerate(classes):
        if one["to"] is None or one["count"] < max(MIN_MESSAGES, JUMP_SHARE * total):
            continue
        # Only the nearest one: beside a long thin tail of old mail every morning would be a jump.
        before = next((older for older in classes[index + 1 :] if older["count"]), None)
        if before is None:
            continue
        end = oldest + 1 if before["to"] is None else before["to"]
        rate, rate_before = (
            _rate(one["count"], one["to"] - one["from"]),
            _rate(before["count"], end - one["to"]),
        )
        if rate >= JUMP_FACTOR * rate_before:
            yield (
                one["count"],
                "arrived %s to %s ago: %s a minute, %s times as many as before"
                % (age(one["from"]), age(one["to"]), _few(rate), number(rate / rate_before)),
            )


def _rate(count: float, seconds: float) -> float:
    return 60.0 * count / max(seconds, 1)


def _few(rate: float) -> str:
    return number(rate) if rate >= 10 else "%.1f" % rate


# --- what the reader could not see


_DAMAGED = ("in the queue is damaged", "in the queue are damaged")
_UNDECIDED = ("took too long to match and was left out", "took too long to match and were left out")


def _reading(result: dict[str, Any]) -> list[Finding]:
    total = result["counts"].get("total") or 0
    found = []
    for kind, told in (("damaged", _DAMAGED), ("undecided", _UNDECIDED)):
        listed = result.get(kind) or []
        count = result.get(kind + "_count") or len(listed)
        if count:
            evidence = [
                "%s: %s" % (fit(one.get("path", one.get("id")), 60), fit(one.get("reason"), 80)) for one in listed[:2]
            ]
            happened = told[count != 1]
            text = "%s %s" % (plural(count, "file" if kind == "damaged" else "message"), happened)
            found.append(Finding(kind, "warning", text, happened, count, _share(count, total), None, evidence))
    corrupt = (result["counts"].get("by_queue") or {}).get("corrupt") or 0
    # Most of what is in that queue is damaged, and was told as that.
    if corrupt > (result.get("damaged_count") or 0):
        what = "in the queue corrupt, where Postfix puts what it cannot read"
        text = "%s %s" % (plural(corrupt, "message is", "messages are"), what)
        select = {"queue": "corrupt"}
        found.append(Finding("corrupt", "warning", text, "are " + what, corrupt, _share(corrupt, total), select))
    vanished = result.get("vanished") or 0
    if vanished >= max(MIN_MESSAGES, VANISHED_SHARE * total):
        what = "left the queue while it was read: the counts are blurred"
        text = "%s %s" % (plural(vanished, "message"), what)
        found.append(Finding("vanished", "note", text, what, vanished, _share(vanished, total)))
    return found


def _share(count: int, total: int) -> float:
    return round(min(count / total, 1.0), 4) if total else 0.0
