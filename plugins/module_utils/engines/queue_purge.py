# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What queue_purge does: count what is selected, take it out of the queues, and say what is left."""

__all__ = ["purge"]

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_work import (
    earlier_runs,
    find_work,
    foreseen_services,
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
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import STAT
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.provenance import check_label, provenance
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.removal import BUSY, Chooser, Taker
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import batch_name
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import (
    check_bounds,
    check_timeout,
    counted,
    noted,
)
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import process_count, scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

_BOUNDS = {
    "stop_timeout": (0, 86400, "seconds"),
    "start_timeout": (0, 86400, "seconds"),
    "watch_timeout": (0, 86400, "seconds"),
    "workers": (0, 64, "processes"),
}
_LATE = "it came after the messages were counted, and max_messages allows no more"
_MARKED = "it is in the batch and marked as done, and %s has not dropped it yet"
_AGAIN = 1
_REUSED = "another message has this id by now"


def purge(params, check_mode=False):
    """Return queue_purge's result for its ``params`` (a dict of all its options).

    Raises RescueError; where something was done before, its ``result`` says what.
    """
    started = time.time()
    selection = _check(params)
    target = detect.find(params["mta"], params["queue_directory"], params["config_directory"])
    selection.check_queues(target.adapter.queues)
    run = _Run(params, target, selection, started)
    try:
        return _purge(params, run, check_mode)
    finally:
        run.close()


def _purge(params, run, check_mode):
    run.survey()
    limit = params["max_messages"]
    if limit is not None and run.chosen.count > limit:
        raise RescueError(
            "max_messages: %d messages are selected, and no more than %d may be; nothing was touched."
            % (run.chosen.count, limit)
        )
    if check_mode:
        return run.forecast()
    if run.chosen.count or run.unfinished() or run.is_interrupted():
        try:
            with interruptible():
                run.act()
        except RescueError as error:
            error.result = run.result()
            raise
        except OSError as error:
            failure = RescueError("quarantine: %s; the next run puts in order what was done." % disk_failed(error))
            failure.result = run.result()
            raise failure from None
    return run.result()


def _check(params):
    check_bounds(params, _BOUNDS)
    if params["max_messages"] is not None and params["max_messages"] < 0:
        raise RescueError("max_messages: expected a number of messages, got %d." % params["max_messages"])
    check_label(params["label"])
    if params["mode"] == "online" and params["quarantine"] == "discard":
        raise RescueError("quarantine: expected a directory with mode=online, which needs one; got discard.")
    check_timeout(params["timeout_per_message"])
    selection = Selection(params["select"], params["exclude"])
    if not Selection(params["select"]).is_all or params["all"]:
        return selection
    raise RescueError("select: expected a selection of messages; to remove every message, say all=true.")


class _Run:
    """One purge of all queues of a Target."""

    def __init__(self, params, target, selection, started):
        self._params = params
        self._target = target
        self._selection = selection
        self._started = started
        self._works = find_work(target, params)
        self._online = params["mode"] == "online" and target.capabilities.purges_online
        self._held = []
        self._opened = []
        self._left = None
        self._is_known = True
        self._before = self._after = self._known = None
        self.chosen = None

    def survey(self):
        """Count what is selected, and what of it would be taken."""
        # Where an id or a number is what was agreed to, nothing that comes later may take its place.
        given = self._params["select"] or {}
        self._by_identity = "ids" in given or self._params["max_messages"] is not None
        whole = self._scan(lambda number: Chooser(self._removers(), self._by_identity))
        self._before = self._before or whole.summary
        self.chosen = whole.collector
        # What was agreed to does not grow by what a second look finds.
        self._known = self._known or self.chosen.known
        self._left = self.chosen.left

    def unfinished(self):
        """Return the names of the batches that killed runs have left."""
        return [name for work in self._works for name in work.unfinished()]

    def is_interrupted(self):
        """Tell whether a killed run has left a service stopped."""
        return any(map(interrupted, self._works))

    def forecast(self):
        """Return the result as the real run would give it."""
        summary, chosen = self._before, self.chosen
        by_queue = {name: summary.by_queue[name] - chosen.by_queue.get(name, 0) for name in summary.by_queue}
        matched = {name: summary.matched_by_queue[name] - chosen.by_queue.get(name, 0) for name in by_queue}
        after = {
            "total": summary.total - chosen.count,
            "matched": summary.matched - chosen.count,
            "bytes": summary.bytes - chosen.bytes,
            "by_queue": by_queue,
            "matched_by_queue": matched,
        }
        result = self.result(after)
        result["purged"], result["bytes"] = chosen.count, chosen.bytes
        result.update(earlier_runs(self._works, self._started))
        result["recovered"] = [one for work in self._works for one in work.unfinished_results()]
        result["changed"] = bool(chosen.count or result["recovered"])
        if result["changed"] and not self._online:
            result["service"] = foreseen_services(self._works)
        else:
            result["service"] = interrupted_services(self._works)
            result["changed"] = result["changed"] or bool(result["service"])
        return result

    def act(self):
        """Take what is selected out of the queues, and look what is left."""
        for work in self._works:
            if work.quarantine is not None:
                work.quarantine.create()
        lock_all(self._works)
        with held_queues(self._works, self._params, not self._online) as self._held:
            for work in self._works:
                if work.quarantine is not None:
                    work.recover(not self._online)
            if any(work.recovered for work in self._works):
                # Half of what a killed run took was still there to be counted.
                self.survey()
                self._flush()
            if self.chosen.count:
                self._take()
        self.close()
        self._after = self._scan(lambda number: _Nothing()).summary

    def close(self):
        """Give back what is held open, and other runs the way."""
        for work in self._works:
            work.close()

    def _flush(self):
        """Have the service drop what a killed online run had marked, or was to mark."""
        for work in self._works if self._online else ():
            if work.recovered:
                work.service.flush()

    def _take(self):
        name = batch_name(self._started)
        for number, work in enumerate(self._works):
            if work.quarantine is not None:
                suffix = ".%d" % (number + 1) if number else ""
                work.batch = work.quarantine.new_batch(name + suffix, self._manifest(work, name), work.skeleton())
        try:
            failure = self._take_online(time.monotonic()) if self._online else self._take_selected()
        except BaseException:
            self._put_in_order()
            raise
        if failure is not None:
            self._put_in_order()
            raise RescueError("quarantine: %s; %s." % (failure, self._so_far()))
        for work in self._works:
            if work.batch is not None:
                self._close(work)

    def _take_selected(self):
        """Take what is selected, in one pass; return why it was cut short, or None."""
        late = _REUSED if "ids" in (self._params["select"] or {}) else _LATE
        taker = self._scan(lambda number: Taker(self._removers(), number, self._known, late)).collector
        self._left = taker.left
        for work, (count, size) in zip(self._works, taker.taken):
            work.taken = (work.taken[0] + count, work.taken[1] + size)
        return taker.failure

    def _take_online(self, begin):
        """As ``_take_selected``, and again for what was being delivered, until the service has dropped all."""
        while True:
            failure = self._take_selected()
            if failure is not None:
                return failure
            busy = BUSY in self._left.reasons
            present = []
            for place, work in enumerate(self._works):
                rest = max(0, self._params["watch_timeout"] - (time.monotonic() - begin))
                for queue_id in work.changes.dropped(work.directory, work.batch, work.service.flush, rest):
                    present.append((place, str(queue_id)))
            if not busy or time.monotonic() - begin >= self._params["watch_timeout"]:
                for place, queue_id in present:
                    self._left.add(place, queue_id, _MARKED % self._works[place].service.name)
                return None
            time.sleep(_AGAIN)

    @staticmethod
    def _close(work):
        count, size = work.taken
        work.batch.complete({"messages": count, "bytes": size, "completed": time.time()})
        if not count:
            work.quarantine.remove(work.batch)
        work.batch.close()

    def _put_in_order(self):
        """After a failure: bring each batch to a state that needs no other run."""
        for work in self._works:
            if work.batch is None:
                # What another process removed for good, nobody has counted.
                self._is_known = self._works[0].quarantine is not None
                continue
            try:
                work.taken = work.recover_taking(work.batch, not self._online)
                self._close(work)
            except OSError:
                # The next run will do it.
                self._is_known = False

    def _so_far(self):
        if not self._is_known:
            if self._works[0].quarantine is None:
                return "what was removed before is gone"
            return "what was done before, the next run will put in order"
        return "%d messages were taken before, and can be restored" % self._total(0)

    def _total(self, which):
        return sum(work.taken[which] for work in self._works) if self._is_known else None

    def _removers(self):
        """Return a remover for each queue, which is closed when the scan ends."""
        removers = []
        for work in self._works:
            removers.append(self._remover(work))
            self._opened.append(removers[-1])
        return removers

    def _remover(self, work):
        return work.changes.remover(work.directory, work.batch, self._online, self._params["unprocessed"])

    def _scan(self, collector):
        reader = self._target.new_reader()

        def tally(number):
            summary = Summary(self._started, reader.queues, len(reader.directories), False)
            return Tally(summary, collector(number))

        count = process_count(self._params["workers"])
        try:
            return scan(reader, self._selection, STAT, tally, self._params["timeout_per_message"], count)
        finally:
            for remover in self._opened:
                remover.close()
            self._opened = []

    def _manifest(self, work, name):
        params = self._params
        manifest = provenance("purge", name, self._target.mta, work.instance, params["label"], self._started)
        manifest.update(
            version=self._target.version,
            split=work.changes.split(work.directory),
            mode=params["mode"] if self._target.capabilities.purges_online else None,
            select=params["select"],
            exclude=params["exclude"],
            all=params["all"],
        )
        return manifest

    def result(self, after=None):
        """Return the module's result; ``after``: the counts, where they are foreseen."""
        summary = self._before
        recovered = recovered_results(self._works)
        batches = [
            {
                "queue_directory": work.directory,
                "path": work.batch.path,
                "messages": work.taken[0],
                "bytes": work.taken[1],
            }
            for work in self._works
            if work.batch is not None and work.taken[0]
        ]
        name = os.path.basename(batches[0]["path"]).partition(".")[0] if batches else None
        directories = self._target.directories
        return {
            "changed": self._total(0) != 0 or bool(recovered) or any(one.is_cut_off for one in self._held),
            "mta": self._target.mta,
            "version": self._target.version,
            "queue_directory": directories[0],
            "queues": [{"queue_directory": work.directory, "instance": work.instance} for work in self._works],
            "matched": summary.matched,
            "purged": self._total(0),
            "bytes": self._total(1),
            "batch": name,
            "batches": batches,
            "discarded": self._params["quarantine"] == "discard",
            "counts_before": counted(summary)["counts"],
            "counts_after": after or (counted(self._after)["counts"] if self._after else None),
            "left": left_results(self._left, self._works),
            "left_count": self._left.count,
            "recovered": recovered,
            "service": service_results(self._held),
            "at_work": [],
            "finished_runs": [],
            "warnings": warnings(self._works, self._held),
            "restore_hint": "ansible-playbook mailops.rescue.restore -e batch=%s" % name if name else None,
            "damaged_count": summary.damaged_count,
            "vanished": summary.vanished,
            "undecided": noted(summary, directories)["undecided"],
            "undecided_count": summary.undecided_count,
            "seconds": round(time.time() - self._started, 3),
        }


class _Nothing:
    """A scan's collector that collects nothing."""

    def add(self, message, reader):
        pass

    def finish(self):
        pass

    def state(self):
        pass

    def merge(self, state):
        pass
