"""Results of queue_info made by hand."""

from __future__ import annotations

QUEUES = {
    "qmail": ("local", "remote", "todo", "incomplete", "bounce"),
    "postfix": ("maildrop", "incoming", "active", "deferred", "hold", "corrupt"),
}


def result(total=0, mta="qmail", matched=None, queues=None, ages=None, span=(3600, 60), top=None, **members):
    """A complete result.

    `queues` and `top` hold what is not empty, `top` as {list: {value: count}} or {list: [[value, count], …]};
    `ages` is a list of [from, to, count]; `span` the ages of the oldest and the newest message.
    """
    matched = total if matched is None else matched
    by_queue = dict.fromkeys(QUEUES[mta], 0)
    by_queue.update(queues or {"remote" if mta == "qmail" else "deferred": total})
    made = {
        "changed": False,
        "mta": mta,
        "version": None,
        "queue_directory": "/queue",
        "queues": [{"queue_directory": "/queue", "instance": None, "total": total}],
        "counts": {
            "total": total,
            "matched": matched,
            "bytes": 1000 * matched,
            "by_queue": by_queue,
            "matched_by_queue": by_queue,
        },
        "oldest": _at(span[0]) if matched else None,
        "newest": _at(span[1]) if matched else None,
        "age_histogram": [{"from": start, "to": end, "count": count} for start, end, count in ages or []],
        "top": {name: _entries(values) for name, values in (top or {}).items()},
        "top_errors": {},
        "bounces": 0,
        "messages": [],
        "truncated": matched > 0,
        "listing": None,
        "damaged": [],
        "damaged_count": 0,
        "vanished": 0,
        "undecided": [],
        "undecided_count": 0,
        "seconds": 0.1,
    }
    made.update(members)
    return made


def _at(age):
    return {"id": "4711", "arrival_time": "2026-01-02T03:04:05Z", "age": age}


def _entries(values):
    pairs = values.items() if isinstance(values, dict) else values
    return [{"value": value, "count": count} for value, count in pairs]
