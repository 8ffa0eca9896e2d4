# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a result has the shape that queue_info documents: a broken-into host may answer anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["is_change", "is_listing", "is_result"]

_TEXT = (str, type(None))
_NUMBER = (int, type(None))
_MAPPING = (dict, type(None))


def is_result(result: Any) -> bool:
    """Whether everything that the summary computes with is there and of its type."""
    try:
        return all(_checks(result))
    except (AttributeError, KeyError, TypeError):
        return False


def is_change(result: Any, amount: str) -> bool:
    """Whether a result has the shape that queue_purge and queue_restore document; `amount`: the key of their number."""
    try:
        return all(_change_checks(result, amount))
    except (AttributeError, KeyError, TypeError):
        return False


def _change_checks(result: Any, amount: str) -> Iterator[bool]:
    yield isinstance(result["counts_before"], dict) and isinstance(result["counts_after"], (dict, type(None)))
    for name in ("counts_before", "counts_after"):
        counts = result[name] or {"total": 0, "by_queue": {}}
        yield isinstance(counts["total"], int)
        yield all(isinstance(count, int) for count in counts["by_queue"].values())
    yield all(isinstance(result[name], _NUMBER) for name in (amount, "bytes", "matched", "left_count"))
    yield isinstance(result.get("remaining"), _NUMBER) and isinstance(result["batch"], _TEXT)
    yield all(isinstance(one["reason"], str) for one in result["left"])
    yield all(isinstance(one["batch"], str) for one in result.get("recovered") or [])
    yield all(
        isinstance(one["batch"], str) and isinstance(one["messages"], _NUMBER) and isinstance(one["age"], int)
        for one in result.get("finished_runs") or []
    )
    yield _are_runs(result.get("at_work") or [])
    yield all(
        isinstance(one.get(name), _TEXT)
        for one in result.get("service") or []
        for name in ("state_before", "state_after", "queue_directory")
    )
    yield isinstance(result.get("mta"), _TEXT) and isinstance(result.get("version"), _TEXT)


def _are_runs(entries: Any) -> bool:
    return all(isinstance(one["pid"], int) and isinstance(one["since"], str) for one in entries)


def is_listing(result: Any) -> bool:
    """Whether a result has the shape that quarantine_info documents."""
    try:
        return all(_listing_checks(result))
    except (AttributeError, KeyError, TypeError):
        return False


_BATCH_TEXTS = ("batch", "queue_directory", "state", "label", "user", "host")


def _listing_checks(result: Any) -> Iterator[bool]:
    yield is_result(result)
    yield all(isinstance(result[name], int) for name in ("batch_count", "unreadable_count", "corrupt_count"))
    for one in result["batches"]:
        yield all(isinstance(one[name], int) for name in ("messages", "matched", "bytes", "age", "damaged"))
        yield all(isinstance(one[name], _TEXT) for name in _BATCH_TEXTS)
        yield all(isinstance(one[name], (dict, type(None))) for name in ("select", "exclude"))
    for name in ("unreadable", "corrupt"):
        yield all(isinstance(one["path"], str) and isinstance(one["reason"], str) for one in result[name])
    yield isinstance(result["verified"], _NUMBER) and _are_runs(result.get("at_work") or [])


def _checks(result: Any) -> Iterator[bool]:
    counts = result["counts"]
    yield all(isinstance(counts[name], int) and counts[name] >= 0 for name in ("total", "matched", "bytes"))
    for name in ("by_queue", "matched_by_queue"):
        yield all(isinstance(count, int) and count >= 0 for count in (counts.get(name) or {}).values())
    for name in ("oldest", "newest"):
        yield result.get(name) is None or isinstance(result[name]["age"], int)
    for one in result.get("age_histogram") or []:
        yield isinstance(one["from"], int) and isinstance(one["to"], _NUMBER) and isinstance(one["count"], int)
    for name, entries in (result.get("top") or {}).items():
        kind = _NUMBER if name == "origin_uid" else _TEXT
        yield all(isinstance(entry["count"], int) and isinstance(entry["value"], kind) for entry in entries)
    yield isinstance(result.get("top_errors"), _MAPPING)
    for name in ("bounces", "vanished", "damaged_count", "undecided_count"):
        yield isinstance(result.get(name), _NUMBER)
    yield all(isinstance(count, int) for count in (result.get("origins") or {}).values())
    for name in ("damaged", "undecided"):
        yield all(isinstance(entry, dict) for entry in result.get(name) or [])
    for one in result.get("queues") or []:
        yield isinstance(one["total"], int) and "queue_directory" in one and "instance" in one
    yield isinstance(result.get("mta"), _TEXT) and isinstance(result.get("version"), _TEXT)
    yield all(_is_message(one) for one in result.get("messages") or [])


def _is_message(message: Any) -> bool:
    texts = ("id", "queue", "queue_directory", "sender", "subject", "client_address", "client_name", "sasl_username")
    return (
        all(isinstance(message[name], _TEXT) for name in texts)
        and all(isinstance(message[name], _NUMBER) for name in ("size", "age", "origin_uid", "recipient_count"))
        and all({"address", "status", "delay_reason"} <= set(one) for one in message["recipients"])
        and isinstance(message["bounced_recipients"], list)
        and isinstance(message.get("content"), _TEXT)
        and isinstance(message.get("origin_from"), _TEXT)
    )
