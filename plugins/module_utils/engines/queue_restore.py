# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What queue_restore does: find the batch, verify what is in it, and put it back."""

__all__ = ["find_batches", "restore"]

import os
import time
from contextlib import closing

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_work import (
    earlier_runs,
    find_work,
    held_queues,
    interrupted,
    interrupted_services,
    left_results,
    lock_all,
    recovered_results,
    service_results,
    warnings,
)
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError, disk_failed
from ansible_collections.mailops.rescue.plugins.module_utils.host.signals import interruptible
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import NAME
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.removal import Left
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import (
    check_bounds,
    check_timeout,
    counted,
    noted,
)
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

_CHUNK = 500
_NAMED = 5
_LISTED = 50
_UNSURE = "it may have been delivered, or injected, already when an earlier run took it or was cut off (see unsure)"
_BOUNDS = {"stop_timeout": (0, 86400, "seconds"), "start_timeout": (0, 86400, "seconds")}


def restore(params, check_mode=False):
    """Return queue_restore's result for its ``params`` (a dict of all its options).

    Raises RescueError; where something was done before, its ``result`` says what.
    """
    started = time.time()
    check_bounds(params, _BOUNDS)
    check_timeout(params["timeout_per_message"])
    if params["quarantine"] == "discard":
        raise RescueError("quarantine: expected a directory, got discard; what was discarded cannot come back.")
    selection = Selection(params["select"], params["exclude"])
    target = detect.find(params["mta"], params["queue_directory"], params["config_directory"])
    selection.check_queues(target.adapter.queues)
    works = find_work(target, params)
    run = _Run(params, target, selection, works, started)
    try:
        for work in works:
            if work.quarantine.exists():
                work.quarantine.open()
        run.name = find_batches(works, params["batch"])
        if check_mode:
            run.look()
            return run.forecast()
        with interruptible():
            run.act()
        return run.result()
    except RescueError as error:
        error.result = run.result() if run.acted else {}
        raise
    except OSError as error:
        failure = RescueError("quarantine: %s; what was not put back is still in the batch." % disk_failed(error))
        failure.result = run.result() if run.acted else {}
        raise failure from None
    finally:
        for work in works:
            work.close()


def find_batches(works, wanted):
    """Return the name of the run whose batches ``wanted`` means: a name, or ``latest``. Raises RescueError."""
    names = set()
    for work in works:
        for batch in work.quarantine.batches():
            if batch.holds_mail():
                names.add(batch.manifest["batch"])
                if batch.name == wanted:
                    wanted = batch.manifest["batch"]
    places = " and ".join(work.quarantine.path for work in works)
    if not names:
        raise RescueError("batch: there are no batches in %s." % places)
    newest = sorted(names, reverse=True)
    if wanted == "latest":
        return newest[0]
    if wanted not in names:
        shown = ", ".join(newest[:_NAMED]) + (", ..." if len(newest) > _NAMED else "")
        raise RescueError("batch: there is no batch %s in %s; there are %s." % (wanted, places, shown))
    return wanted


class _Run:
    """One restore into all queues of a Target."""

    def __init__(self, params, target, selection, works, started):
        self._params = params
        self._target = target
        self._selection = selection
        self._works = works
        self._started = started
        self._held = []
        self._left = Left()
        self._restored = self._bytes = self._matched = self._remaining = 0
        self._paths = []
        self._unsure = ()
        # What is being given back, and of how many of it the Restorer has told already.
        self._chunk, self._told = (), 0
        # By queue; what is looked at twice counts once.
        self._undecided = {}
        self._before = self._after = None
        self.name = None
        self.acted = False

    def look(self):
        """Find out what would be done; change nothing."""
        self._before = self._count()
        after = {"total": self._before["total"], "by_queue": dict(self._before["by_queue"])}
        for place, batch in self._batches():
            with closing(self._works[place].restorer(batch, self._params["release"])) as restorer:
                for entry, selected in self._entries(batch):
                    if selected and self._verify(restorer, place, entry):
                        self._restored += 1
                        self._bytes += entry.size or 0
                        after["total"] += 1
                        for queue in restorer.queues(entry) if self._params["method"] == "exact" else ():
                            after["by_queue"][queue] += 1
                    else:
                        self._remaining += 1
        self._after = after

    def act(self):
        """Put back what is selected."""
        works = self._works
        lock_all(works)
        self._before = self._count()
        self.acted = True
        # Who only re-injects leaves the service alone.
        offline = self._params["method"] == "exact"
        if offline and self._target.capabilities.needs_stop and not self._has_work():
            self._after = self._before
            return
        with held_queues(works, self._params, offline) as self._held:
            for work in works:
                work.recover(offline, "method=exact")
            for place, batch in self._batches():
                with closing(works[place].restorer(batch, self._params["release"])) as restorer:
                    try:
                        self._give_back(restorer, place, batch)
                    except BaseException:
                        if offline:
                            if batch.returning() is not None:
                                restorer.recover()
                            self._count_chunk(batch)
                        raise
                    finally:
                        restorer.finish()
        self._after = self._count()

    def _has_work(self):
        """Tell whether there is anything to stop the service for."""
        if any(work.unfinished() or interrupted(work) for work in self._works):
            return True
        for _place, batch in self._batches():
            for _entry, selected in self._entries(batch):
                if selected:
                    self._matched = self._remaining = 0
                    return True
                self._remaining += 1
        return False

    def _give_back(self, restorer, place, batch):
        chunk = []
        for entry, selected in self._entries(batch):
            if selected and self._verify(restorer, place, entry):
                chunk.append(entry)
                if len(chunk) >= _CHUNK:
                    self._give_back_chunk(restorer, place, chunk)
                    chunk = []
            else:
                self._remaining += 1
        if chunk:
            self._give_back_chunk(restorer, place, chunk)

    def _count_chunk(self, batch):
        """Count what came back of the rest of the chunk in which a run failed."""
        for entry in self._chunk[self._told :]:
            if batch.status(entry.files[0].path) is None:
                self._restored += 1
                self._bytes += entry.size or 0
            else:
                self._remaining += 1

    def _give_back_chunk(self, restorer, place, chunk):
        self._chunk, self._told = chunk, 0
        how = restorer.give_back if self._params["method"] == "exact" else restorer.reinject
        for entry, reason in how(chunk):
            self._told += 1
            if reason is None:
                self._restored += 1
                self._bytes += entry.size or 0
            else:
                self._left.add(place, entry.id, reason)
                self._remaining += 1
        self._chunk, self._told = (), 0

    def _verify(self, restorer, place, entry):
        if entry.id in self._unsure and not self._params["unsure"]:
            reason = _UNSURE
        else:
            reason = restorer.problem(entry, self._params["method"])
        if reason is not None:
            self._left.add(place, entry.id, reason)
        return reason is None

    def _batches(self):
        """Yield ``(place, Batch)`` of each queue's batch of this run."""
        self._paths = []
        for place, work in enumerate(self._works):
            for batch in work.quarantine.batches():
                if batch.manifest.get("batch") == self.name and batch.holds_mail():
                    self._paths.append({"queue_directory": work.directory, "path": batch.path})
                    yield place, batch

    def _entries(self, batch):
        """Yield ``(Entry, selected)`` for each message in a batch."""
        wanted = None if self._selection.is_all else self._find(batch)
        self._unsure = batch.unsure()
        for entry in batch.entries():
            selected = wanted is None or entry.id in wanted
            self._matched += selected
            yield entry, selected

    def _find(self, batch):
        """Return a container of the ids that are selected in a batch, whose files are laid out as a queue."""
        reader = self._target.batch_reader(os.path.join(batch.path, "files"), batch.manifest["queue_directory"])

        def tally(number):
            return Tally(Summary(self._started, reader.queues, 1, False), _Ids())

        whole = scan(reader, self._selection, NAME, tally, self._params["timeout_per_message"])
        directory = batch.manifest["queue_directory"]
        self._undecided[directory] = (noted(whole.summary, [directory])["undecided"], whole.summary.undecided_count)
        return whole.collector.ids

    def _count(self):
        reader = self._target.new_reader()

        def tally(number):
            return Tally(Summary(self._started, reader.queues, len(reader.directories), False), _Ids())

        counts = counted(scan(reader, Selection({"ids": "-"}), NAME, tally, 1.0).summary)["counts"]
        return {"total": counts["total"], "by_queue": counts["by_queue"]}

    def forecast(self):
        """Return the result as the real run would give it."""
        result = self.result()
        result["recovered"] = [one for work in self._works for one in work.unfinished_results()]
        result["service"] = interrupted_services(self._works)
        result.update(earlier_runs(self._works, self._started))
        result["changed"] = bool(self._restored or result["recovered"] or result["service"])
        return result

    def result(self):
        """Return the module's result."""
        recovered = recovered_results(self._works)
        return {
            "changed": bool(self._restored or recovered or any(one.is_cut_off for one in self._held)),
            "mta": self._target.mta,
            "queue_directory": self._works[0].directory,
            "batch": self.name,
            "batches": self._paths,
            "matched": self._matched,
            "restored": self._restored,
            "bytes": self._bytes,
            "remaining": self._remaining,
            "left": left_results(self._left, self._works),
            "left_count": self._left.count,
            "undecided": [one for found, unused in self._undecided.values() for one in found][:_LISTED],
            "undecided_count": sum(count for unused, count in self._undecided.values()),
            "recovered": recovered,
            "released": self._params["release"] and self._target.capabilities.releases,
            "counts_before": self._before,
            "counts_after": self._after,
            "service": service_results(self._held),
            "at_work": [],
            "finished_runs": [],
            "warnings": warnings(self._works, self._held),
            "seconds": round(time.time() - self._started, 3),
        }


class _Ids:
    """A scan's collector of ids."""

    def __init__(self):
        self.ids = IdSet()

    def add(self, message, reader):
        self.ids.add(message.id)

    def finish(self):
        """Nothing is left to be done."""

    def state(self):
        return self.ids

    def merge(self, ids):
        self.ids.merge(ids)
