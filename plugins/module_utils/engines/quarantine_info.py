# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What quarantine_info does: which batches there are, what is in them, and whether it still is what was put there."""

__all__ = ["BatchScan", "list_batches"]

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_options import check_name, places, state
from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import (
    ENVELOPE,
    REASON,
    STAT,
    SUBJECT,
    iso_time,
)
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.verification import Verification
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Collector, Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import (
    RESULT,
    check_bounds,
    check_timeout,
    counted,
    fitting,
    noted,
    size,
    top_lists,
)
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import process_count, scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

_BATCHES = 64 * 1024
_UNREADABLE = 16 * 1024
_SELECTION = 2048
_LABEL = 500
_BOUNDS = {
    "limit": (0, 1000, "messages"),
    "content_bytes": (1, 16384, "bytes"),
    "top": (0, 100, "entries"),
    "workers": (0, 64, "processes"),
}


def list_batches(params):
    """Return quarantine_info's result for its ``params`` (a dict of all its options). Raises RescueError."""
    check_bounds(params, _BOUNDS)
    check_timeout(params["timeout_per_message"])
    selection = Selection(params["select"], params["exclude"])
    if params["batch"] not in (None, "latest"):
        check_name("batch", params["batch"])
    started = time.time()
    found = places(params)
    run = _Run(params, selection, started)
    wanted = _wanted(params["batch"], found)
    for place in found:
        with place:
            run.look_at_lock(place)
            for batch in place.batches(run.unreadable):
                if wanted in (None, name_of(batch)):
                    run.add(batch)
            run.remains(place)
    return run.result(found)


def name_of(batch):
    """Return the name of the run that made a Batch; its batches in several queues share it."""
    return batch.manifest.get("batch") or batch.name


def created(batch):
    """Return when a Batch was made, in epoch seconds; 0 where its manifest does not say."""
    when = batch.manifest.get("created")
    return when if isinstance(when, (int, float)) else 0


def _wanted(name, found):
    """Return the name of the run that ``batch`` means, None for all."""
    if name is None:
        return None
    newest, names = (0, None), set()
    for place in found:
        with place:
            for batch in place.batches():
                names.add(name_of(batch))
                newest = max(newest, (created(batch), name_of(batch)), key=lambda one: (one[0], one[1] or ""))
    where = " and ".join(place.path for place in found)
    if name == "latest" and names:
        return newest[1]
    if name not in names:
        hint = "; the newest is %s" % newest[1] if names else ""
        raise RescueError("batch: there is no batch%s in %s%s." % ("" if name == "latest" else " " + name, where, hint))
    return name


class BatchScan:
    """One pass over the messages that are in a batch now, with the selection language.

    What queue_repair set aside are files, few of them whole messages: they are counted, and no selection means them.
    Raises RescueError or OSError, from ``run`` too, where it cannot be read.
    """

    def __init__(self, batch):
        kind = batch.manifest.get("mta")
        adapter = next((adapter for adapter in ADAPTERS if adapter.name == kind), None)
        if adapter is None:
            raise RescueError("it is of no MTA that is known here (%s)" % kind)
        directory = os.path.join(batch.path, "files")
        os.scandir(directory).close()
        self._batch = batch
        self._is_aside = batch.manifest.get("kind") == "repair"
        if not self._is_aside:
            adapter.check_batch(directory)
        self.reader = adapter.reader([directory], [batch.manifest.get("queue_directory") or directory])
        self._shown_as = [batch.manifest.get("queue_directory")]

    def run(self, selection, needs, now, params):
        """Return the Tally; ``params`` has the options of quarantine_info."""

        def tally(unused):
            return Tally(
                Summary(now, self.reader.queues, 1, bool(needs & SUBJECT and params["top"])),
                Collector(
                    now,
                    self._shown_as,
                    params["limit"] if needs & SUBJECT else 0,
                    params["content"],
                    params["content_bytes"],
                ),
            )

        if self._is_aside:
            return self._count_aside(tally(0), selection)
        count = process_count(params["workers"])
        return scan(self.reader, selection, needs, tally, params["timeout_per_message"], count)

    def _count_aside(self, whole, selection):
        summary = whole.summary
        try:
            for line in self._batch.ledger():
                if "files" not in line or self._batch.status(line["files"][0]["path"]) is None:
                    continue
                summary.total += 1
                if selection.is_all:
                    summary.matched += 1
                    summary.bytes += line["size"] or 0
        except (Damaged, IndexError, KeyError, TypeError, Vanished):
            raise RescueError("its ledger.jsonl cannot be read") from None
        return whole

    @classmethod
    def count(cls, batch):
        """Return (messages, bytes) that are in a batch now."""
        options = {"top": 0, "limit": 0, "content": "none", "content_bytes": 0, "workers": 0, "timeout_per_message": 1}
        summary = cls(batch).run(Selection(), STAT, time.time(), options).summary
        return summary.total, summary.bytes


class _Run:
    """What one run of quarantine_info adds up."""

    def __init__(self, params, selection, now):
        self._params = params
        self._selection = selection
        self._now = now
        self._shows = params["batch"] is not None or not selection.is_all
        self._needs = STAT
        if self._shows and (params["top"] or params["limit"]):
            self._needs |= ENVELOPE | SUBJECT | REASON
        queues = [queue for adapter in ADAPTERS for queue in adapter.queues]
        self._summary = Summary(now, queues, 1, bool(self._needs & SUBJECT and params["top"]))
        self._collector = Collector(now, [], params["limit"])
        self._batches = []
        self._paths = []
        self._queues = set()
        self._unreadable = []
        self._nameless = []
        self._at_work = []
        self._verification = Verification() if params["verify"] else None

    def unreadable(self, name, reason):
        """Take note of a directory that cannot be read as a batch."""
        self._nameless.append((name, reason))

    def remains(self, place):
        """Name what ``unreadable`` was told of in a Place."""
        for name, reason in self._nameless:
            try:
                if place.quarantine.is_remains(name):
                    reason = "is left of a removal, or a beginning, that was cut off; quarantine_prune cleans it up"
            except Vanished:
                continue
            except (Damaged, OSError):
                pass
            self._unreadable.append({"path": os.path.join(place.path, name), "reason": reason})
        self._nameless = []

    def look_at_lock(self, place):
        """Note which run is at work on a Place."""
        found = place.quarantine.at_work()
        if found is not None:
            self._at_work.append(found)

    def add(self, batch):
        """Read one Batch."""
        try:
            reading = BatchScan(batch)
            self._selection.check_queues(reading.reader.queues)
            whole = reading.run(self._selection, self._needs, self._now, self._params)
            state_now = state(batch)
        except (OSError, RescueError) as error:
            reason = str(error) if isinstance(error, RescueError) else "cannot be read: %s" % error.strerror
            self._unreadable.append({"path": batch.path, "reason": reason.rstrip(".")})
            return
        summary = whole.summary
        self._batches.append((created(batch), batch.path, self._describe(batch, state_now, summary)))
        self._queues.update(reading.reader.queues)
        place = len(self._paths)
        self._paths.append(batch.path)
        summary.damaged = [(place,) + one[1:] for one in summary.damaged]
        summary.undecided = [(place,) + one[1:] for one in summary.undecided]
        kept = whole.collector.state()
        for _unused, shown in kept:
            shown["batch"] = name_of(batch)
        self._summary.merge(summary.state())
        self._collector.merge(kept)
        if self._verification is not None:
            self._verification.check(batch, summary.total)

    def _describe(self, batch, state_now, summary):
        manifest = batch.manifest
        when = created(batch)
        shown = {
            "batch": name_of(batch),
            "path": batch.path,
            "created": iso_time(when),
            "age": max(0, int(self._now - when)),
            "label": (manifest.get("label") or "")[:_LABEL] or None,
            "all": bool(manifest.get("all")),
            "state": state_now,
            "messages": summary.total,
            "matched": summary.matched,
            "bytes": summary.bytes,
            "damaged": summary.damaged_count,
        }
        for name in ("queue_directory", "instance", "host", "user", "mta", "version", "mode", "kind"):
            shown[name] = manifest.get(name)
        for name in ("select", "exclude"):
            given = manifest.get(name)
            is_long = given is not None and size(given) > _SELECTION
            shown[name] = {"left_out": "%d bytes; see manifest.json" % size(given)} if is_long else given
        return shown

    def result(self, found):
        params, summary = self._params, self._summary
        batches = [one for unused, unused, one in sorted(self._batches, key=lambda one: one[:2], reverse=True)]
        kinds = {one["mta"] for one in batches}
        result = {
            "changed": False,
            "mta": params["mta"] if params["mta"] != "auto" else kinds.pop() if len(kinds) == 1 else None,
            "quarantines": [place.path for place in found],
            "batches": fitting(batches, _BATCHES),
            "batch_count": len(batches),
            "at_work": self._at_work,
            "unreadable": fitting(self._unreadable, _UNREADABLE),
            "unreadable_count": len(self._unreadable),
        }
        result.update(counted(summary))
        for name in ("by_queue", "matched_by_queue"):
            counts = result["counts"][name]
            result["counts"][name] = {queue: counts[queue] for queue in counts if queue in self._queues}
        result.update(_of_batches(noted(summary, self._paths)))
        result.update(top_lists(summary, params["top"] if self._shows else 0))
        result["bounces"] = summary.bounces if result["top"] else None
        result.update((self._verification or Verification()).result())
        result["seconds"] = round(time.time() - self._now, 3)
        result["messages"] = fitting(self._collector.messages(), RESULT - size(result))
        result["truncated"] = len(result["messages"]) < summary.matched
        return result


def _of_batches(lists):
    """Rename what names a batch's directory and not a queue."""
    for entries in lists.values():
        for entry in entries:
            entry["batch_path"] = entry.pop("queue_directory")
    return lists
