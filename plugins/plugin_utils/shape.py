# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a result has the shape that queue_info documents: a broken-into host may answer anything."""

from __future__ import annotations

__all__ = ["is_result"]

_TEXT = (str, type(None))
_NUMBER = (int, type(None))


def is_result(result):
    """Whether everything that the summary computes with is there and of its type."""
    try:
        return all(_checks(result))
    except (AttributeError, KeyError, TypeError):
        return False


def _checks(result):
    counts = result["counts"]
    yield all(isinstance(counts[name], int) and counts[name] >= 0 for name in ("total", "matched", "bytes"))
    for name in ("by_queue", "matched_by_queue"):
        yield all(isinstance(count, int) and count >= 0 for count in (counts.get(name) or {}).values())
    for name in ("oldest", "newest"):
        yield result.get(name) is None or isinstance(result[name]["age"], int)
    for one in result.get("age_histogram") or []:
        yield isinstance(one["from"], int) and isinstance(one["to"], _NUMBER) and isinstance(one["count"], int)
    for entries in (result.get("top") or {}).values():
        yield all(isinstance(one["count"], int) and isinstance(one["value"], (int, *_TEXT)) for one in entries)
    for name in ("bounces", "vanished", "damaged_count", "undecided_count"):
        yield isinstance(result.get(name), _NUMBER)
    for one in result.get("damaged") or []:
        yield isinstance(one, dict)
    for one in result.get("queues") or []:
        yield isinstance(one["total"], int) and "queue_directory" in one and "instance" in one
    yield isinstance(result.get("mta"), _TEXT) and isinstance(result.get("version"), _TEXT)
    yield all(_is_message(one) for one in result.get("messages") or [])


def _is_message(message):
    texts = ("id", "queue", "queue_directory", "sender", "subject", "client_address", "client_name", "sasl_username")
    return (
        all(isinstance(message[name], _TEXT) for name in texts)
        and all(isinstance(message[name], _NUMBER) for name in ("size", "age", "origin_uid", "recipient_count"))
        and all({"address", "status", "delay_reason"} <= set(one) for one in message["recipients"])
        and isinstance(message["bounced_recipients"], list)
        and isinstance(message.get("content"), _TEXT)
    )
