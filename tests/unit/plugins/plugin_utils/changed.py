"""Results of queue_purge, queue_restore and quarantine_info made by hand."""

from __future__ import annotations

from tests.unit.plugins.plugin_utils.results import QUEUES, result

BATCH = "20261121T202427Z-3fa9"


def counts(mta="qmail", **queues):
    by_queue = dict(dict.fromkeys(QUEUES[mta], 0), **queues)
    total = sum(by_queue.values())
    return {"total": total, "matched": 0, "bytes": 0, "by_queue": by_queue, "matched_by_queue": by_queue}


def change(amount, before=None, after=None, kind="purge", mta="qmail", **members):
    """A complete result of queue_purge, or of queue_restore."""
    made = {
        "changed": bool(amount),
        "mta": mta,
        "version": None,
        "queue_directory": "/queue",
        "matched": amount,
        {"purge": "purged", "restore": "restored"}[kind]: amount,
        "bytes": 1000 * (amount or 0),
        "batch": BATCH if amount else None,
        "batches": [],
        "discarded": False,
        "counts_before": before or counts(mta),
        "counts_after": after or counts(mta),
        "left": [],
        "left_count": 0,
        "recovered": [],
        "service": [],
        "remaining": 0,
        "released": False,
        "seconds": 0.1,
    }
    made.update(members)
    return made


def batch(messages=1996, **members):
    made = {
        "batch": BATCH,
        "path": "/queue.quarantine/" + BATCH,
        "queue_directory": "/queue",
        "instance": None,
        "created": "2026-11-21T20:24:27Z",
        "age": 300,
        "label": None,
        "host": "mx1",
        "user": "root",
        "mta": "qmail",
        "version": None,
        "mode": "offline",
        "kind": "purge",
        "select": {"bounce": True},
        "exclude": None,
        "all": False,
        "state": "complete",
        "messages": messages,
        "matched": messages,
        "bytes": 1000 * messages,
        "damaged": 0,
    }
    made.update(members)
    return made


def listing(*batches, **members):
    """A complete result of quarantine_info."""
    total = sum(one["messages"] for one in batches)
    made = result(total, queues={"remote": total})
    for name in ("queues", "queue_directory", "version", "listing", "vanished"):
        del made[name]
    made.update(
        quarantines=["/queue.quarantine"],
        batches=list(batches),
        batch_count=len(batches),
        unreadable=[],
        unreadable_count=0,
        verified=None,
        corrupt=[],
        corrupt_count=0,
    )
    made.update(members)
    return made
