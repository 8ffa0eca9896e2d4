# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a task's result goes into a report: records of bounded size, without messages and without secrets."""

from __future__ import annotations

import re

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES, STATUSES
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import is_batch
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.shape import is_change, is_result

__all__ = ["TOPS", "clean", "control", "probe", "purge", "queues", "restore"]

MAX_TEXT = 1000
MAX_LEFT = 20
TOPS = (
    "sender",
    "sender_domain",
    "recipient_domain",
    "subject",
    "client_address",
    "sasl_username",
    "origin_uid",
    "delay_reason",
    "bounced_recipient_domain",
)
_TOP_LENGTH = 10
# Numbers that all readers of JSON can tell apart.
_MOST = 2**53
_TOP_TEXT = 200

# The value ends at a space, or at what ends it in JSON, YAML and URLs.
_SECRET = re.compile(
    r"(?i)\b([a-z0-9_-]{0,40}(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)\b[\"']?\s{0,3}[=:]\s{0,3})"
    r"(?!\s)[^\s,;&}]{1,200}"
)
_BEARER = re.compile(r"(?i)\b(authorization:\s{0,3}(?:basic|bearer)\s{1,3}|bearer\s{1,3})[A-Za-z0-9._~+/=-]{8,500}")
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}):[^\s/@]{1,200}@")
_WORD = re.compile(r"(?i)passw|passphrase|secret|token|api|bearer|authorization|://")


def clean(value, length=MAX_TEXT):
    """`value` as text that is harmless in XML and on a terminal, of at most `length` characters, without passwords."""
    if value is None:
        return ""
    text = str.__str__(value) if isinstance(value, str) else str(value)
    text = text[: 2 * length]
    # Most texts are, and there may be 100,000 of them.
    if not (text.isascii() and text.isprintable()):
        text = visible(text, lines=True).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    if _WORD.search(text):
        text = _USERINFO.sub(r"\1:***@", _BEARER.sub(r"\1***", _SECRET.sub(r"\1***", text)))
    return shorten(text, length)


def _name(value, length=100):
    return clean(value, length).replace("\n", " ").replace("\t", " ")


def _number(value):
    """`value` as a number that all readers can compute with; None where it is none."""
    return max(-_MOST, min(int(value), _MOST)) if isinstance(value, int) else None


def _count(value):
    """`value` as a number of things; 0 where it is none."""
    return max(_number(value) or 0, 0)


def control(given):
    """A control as the action of that name records it, or None where `given` is none."""
    if not isinstance(given, dict) or not isinstance(given.get("id"), str) or not given["id"]:
        return None
    status = given.get("status")
    waiver = given.get("waiver")
    references = given.get("references")
    made = {
        "id": _name(given["id"]),
        "title": _name(given.get("title") or given["id"], 200),
        "severity": given["severity"] if given.get("severity") in SEVERITIES else "medium",
        # What nobody knows has not passed.
        "status": status if status in STATUSES else "error",
        "reason": clean(given.get("reason")),
        "waiver": _waiver(waiver) if isinstance(waiver, dict) else None,
        "references": [clean(one) for one in references[:10]] if isinstance(references, list) else [],
    }
    made.update((name, clean(given.get(name))) for name in ("expected", "observed", "rationale", "remedy"))
    return made


def _waiver(given):
    made = {name: clean(given.get(name)) for name in ("reason", "owner", "expires")}
    made["expired"] = given.get("expired") is True
    return made


def queues(given):
    """A result of queue_info as a record, or None where it is none."""
    if not isinstance(given, dict) or not is_result(given):
        return None
    counts = given["counts"]
    top = given.get("top") or {}
    return {
        "queue_directory": clean(given.get("queue_directory")),
        "mta": _name(given.get("mta")),
        "version": _name(given.get("version")) or None,
        "total": _count(counts["total"]),
        "matched": _count(counts["matched"]),
        "bytes": _count(counts["bytes"]),
        "by_queue": _by_queue(counts.get("by_queue") or {}),
        "oldest_age": _number((given.get("oldest") or {}).get("age")),
        "newest_age": _number((given.get("newest") or {}).get("age")),
        "bounces": _number(given.get("bounces")),
        "damaged": _count(given.get("damaged_count")),
        "age_histogram": [
            {"from": _number(one["from"]), "to": _number(one["to"]), "count": _count(one["count"])}
            for one in given.get("age_histogram") or []
        ][:50],
        "top": {name: _entries(top[name]) for name in TOPS if top.get(name)},
    }


def _entries(given):
    return [{"value": clean(one["value"], _TOP_TEXT), "count": _count(one["count"])} for one in given[:_TOP_LENGTH]]


def _counts(given):
    if given is None:
        return None
    return {"total": _count(given["total"]), "by_queue": _by_queue(given["by_queue"])}


def _by_queue(given):
    return {_name(name): _count(count) for name, count in list(given.items())[:20]}


def _change(given, amount, checked):
    if not isinstance(given, dict) or not is_change(given, amount):
        return None
    return {
        "queue_directory": clean(given.get("queue_directory")),
        "mta": _name(given.get("mta")),
        "checked": bool(checked),
        "batch": given["batch"] if is_batch(given["batch"]) else None,
        "messages": None if given[amount] is None else _count(given[amount]),
        "bytes": None if given["bytes"] is None else _count(given["bytes"]),
        "before": _counts(given["counts_before"]),
        "after": _counts(given["counts_after"]),
        "left": _count(given["left_count"]),
        "left_reasons": sorted({clean(one["reason"], 200) for one in given["left"][:1000]})[:MAX_LEFT],
        "failed": clean(given.get("msg")) if given.get("failed") else None,
    }


def purge(given, checked=False):
    """A result of queue_purge as a record, or None; `checked`: check mode, so that it only says what would be."""
    made = _change(given, "purged", checked)
    if made is not None:
        made.update(discarded=given.get("discarded") is True, restore_command=None)
    return made


def restore(given, checked=False):
    """A result of queue_restore as a record, or None."""
    made = _change(given, "restored", checked)
    if made is not None:
        made["remaining"] = _number(given.get("remaining"))
    return made


def probe(given):
    """A result of smtp_probe as a record, or None."""
    if not isinstance(given, dict) or not isinstance(given.get("connected"), bool):
        return None
    tls = given.get("starttls") if isinstance(given.get("starttls"), dict) else {}
    certificate = tls.get("certificate") if isinstance(tls.get("certificate"), dict) else {}
    auth = given.get("auth") if isinstance(given.get("auth"), dict) else {}
    days_left = certificate.get("days_left")
    made = {
        "connected": given["connected"],
        "address": clean(given.get("address")) or None,
        "port": _number(given.get("port")),
        "banner": clean(given.get("banner"), 300) or None,
        "error": clean(given.get("error"), 300) or None,
        "tls": clean(tls.get("version"), 50) or None,
        "certificate_days_left": _number(days_left),
        "auth_before_tls": _mechanisms(auth.get("before_tls")),
        "auth_after_tls": _mechanisms(auth.get("after_tls")),
    }
    for name in ("unknown_recipient", "postmaster", "relay"):
        verdict = given.get(name)
        made[name] = clean(verdict.get("verdict"), 50) if isinstance(verdict, dict) else None
    return made


def _mechanisms(given):
    return [clean(one, 50) for one in given[:20]] if isinstance(given, list) else None
