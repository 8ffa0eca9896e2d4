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
    run.survey.look()
    count, limit = run.survey.chosen.count, params["max_messages"]
    if limit is not None and count > limit:
        raise RescueError(
            "max_messages: %d messages are selected, and no more than %d may be; nothing was touched." % (count, limit)
        )
    if check_mode:
        return _forecast(run)
    if count or run.unfinished() or run.is_interrupted():
        try:
            with interruptible():
                run.act()
        except RescueError as error:
            error.result = _result(run)
            raise
        except OSError as error:
            failure = RescueError("quarantine: %s; the next run puts in order what was done." % disk_failed(error))
            failure.result = _result(run)
            raise failure from None
    return _result(run)


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
    """One purge of all queues of a Target: a survey, then recovery of what earlier runs left, then the removal.

    ``before`` and ``after``: Summaries, None as long as they are not known.
    """

    def __init__(self, params, target, selection, started):
        self.params = params
        self.target = target
        self.started = started
        self.works = find_work(target, params)
        self.is_online = params["mode"] == "online" and target.capabilities.purges_online
        self._passes = _Passes(params, target, selection, self.works, started, self.is_online)
        self.survey = _Survey(params, self._passes)
        self.removal = _Removal(params, target, self.works, self._passes, started, self.is_online)
        self.held = []
        self.after = None

    def unfinished(self):
        """Return the names of the batches that killed runs have left."""
        return [name for work in self.works for name in work.unfinished()]

    def is_interrupted(self):
        """Tell whether a killed run has left a service stopped."""
        return any(map(interrupted, self.works))

    def act(self):
        """Take what is selected out of the queues, and look what is left."""
        for work in self.works:
            if work.quarantine is not None:
                work.quarantine.create()
        lock_all(self.works)
        with held_queues(self.works, self.params, not self.is_online) as self.held:
            self._recover()
            if self.survey.chosen.count:
                self.removal.take(self.survey.known)
        self.close()
        self.after = self._passes.count()

    def _recover(self):
        """Put in order what killed runs have left."""
        for work in self.works:
            if work.quarantine is not None:
                work.recover(not self.is_online)
        recovered = [work for work in self.works if work.recovered]
        if recovered:
            # Half of what a killed run took was still there to be counted.
            self.survey.look()
        for work in recovered if self.is_online else ():
            # What that run had marked, or was to mark, is dropped now.
            work.service.flush()

    def left(self):
        """Return the Left of the removal, or what it would be."""
        return self.survey.chosen.left if self.removal.left is None else self.removal.left

    def close(self):
        """Give back what is held open, and other runs the way."""
        for work in self.works:
            work.close()


class _Passes:
    """Passes over all queues of a Target, each with the same selection."""

    def __init__(self, params, target, selection, works, started, is_online):
        self._params = params
        self._target = target
        self._selection = selection
        self._works = works
        self._started = started
        self._is_online = is_online
        self._opened = []

    def count(self):
        """Return the Summary of what there is."""
        return self._scan(lambda number: _Nothing()).summary

    def choose(self, remember):
        """Return the Tally, with a Chooser, of what would be taken."""
        return self._scan(lambda number: Chooser(self._removers(), remember))

    def take(self, known, late):
        """Take what is selected; return the Taker."""
        return self._scan(lambda number: Taker(self._removers(), number, known, late)).collector

    def _removers(self):
        """Return a Remover for each queue, which is closed when the scan ends."""
        removers = []
        for work in self._works:
            unprocessed = self._params["unprocessed"]
            removers.append(work.changes.remover(work.directory, work.batch, self._is_online, unprocessed))
            self._opened.append(removers[-1])
        return removers

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


class _Survey:
    """What is selected, and what of it would be taken.

    ``before``: the Summary of the first look; ``chosen``: the Chooser of the last; ``known``: identities of what was
    agreed to; None if none were named.
    """

    def __init__(self, params, passes):
        # Where an id or a number is what was agreed to, nothing that comes later may take its place.
        self._remember = "ids" in (params["select"] or {}) or params["max_messages"] is not None
        self._passes = passes
        self.before = self.chosen = self.known = None

    def look(self):
        """Count."""
        whole = self._passes.choose(self._remember)
        self.before = self.before or whole.summary
        self.chosen = whole.collector
        # What was agreed to does not grow by what a second look finds.
        self.known = self.known or self.chosen.known


class _Removal:
    """Takes what is selected into a new batch for each queue, or for good. ``left``: None before ``take``."""

    def __init__(self, params, target, works, passes, started, is_online):
        self._params = params
        self._target = target
        self._works = works
        self._passes = passes
        self._started = started
        self._is_online = is_online
        # Whether it is known what was taken.
        self._is_known = True
        self.left = None

    def messages(self):
        """Return how many messages were taken, None if that is not known."""
        return sum(work.taken[0] for work in self._works) if self._is_known else None

    def bytes(self):
        """Return how many bytes they have."""
        return sum(work.taken[1] for work in self._works) if self._is_known else None

    def take(self, known):
        """Take what is selected. ``known``: identities of what may be taken, None for all. Raises RescueError."""
        name = batch_name(self._started)
        for number, work in enumerate(self._works):
            if work.quarantine is not None:
                suffix = ".%d" % (number + 1) if number else ""
                work.batch = work.quarantine.new_batch(name + suffix, self._manifest(work, name), work.skeleton())
        try:
            failure = self._take_online(known, time.monotonic()) if self._is_online else self._take_selected(known)
        except BaseException:
            self._put_in_order()
            raise
        if failure is not None:
            self._put_in_order()
            raise RescueError("quarantine: %s; %s." % (failure, self._so_far()))
        for work in self._works:
            if work.batch is not None:
                self._complete(work)

    def _take_selected(self, known):
        """Take what is selected, in one pass; return why it was cut short, or None."""
        late = _REUSED if "ids" in (self._params["select"] or {}) else _LATE
        taker = self._passes.take(known, late)
        self.left = taker.left
        for work, (count, size) in zip(self._works, taker.taken):
            work.taken = (work.taken[0] + count, work.taken[1] + size)
        return taker.failure

    def _take_online(self, known, begin):
        """As ``_take_selected``, and again for what was being delivered, until the service has dropped all."""
        while True:
            failure = self._take_selected(known)
            if failure is not None:
                return failure
            busy = BUSY in self.left.reasons
            present = []
            for place, work in enumerate(self._works):
                rest = max(0, self._params["watch_timeout"] - (time.monotonic() - begin))
                for queue_id in work.changes.dropped(work.directory, work.batch, work.service.flush, rest):
                    present.append((place, str(queue_id)))
            if not busy or time.monotonic() - begin >= self._params["watch_timeout"]:
                for place, queue_id in present:
                    self.left.add(place, queue_id, _MARKED % self._works[place].service.name)
                return None
            time.sleep(_AGAIN)

    @staticmethod
    def _complete(work):
        count, size = work.taken
        work.batch.complete({"messages": count, "bytes": size, "completed": time.time()})
        if not count:
            work.quarantine.remove(work.batch)
        work.batch.close()

    def _put_in_order(self):
        """After a failure: bring each batch to a state that needs no other run."""
        for work in self._works:
            if work.batch is None:
                # No one counted what another process removed for good.
                self._is_known = self._works[0].quarantine is not None
                continue
            try:
                work.taken = work.recover_taking(work.batch, not self._is_online)
                self._complete(work)
            except OSError:
                # The next run will do it.
                self._is_known = False

    def _so_far(self):
        if not self._is_known:
            if self._works[0].quarantine is None:
                return "what was removed before is gone"
            return "what was done before, the next run will put in order"
        return "%d messages were taken before, and can be restored" % self.messages()

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


def _forecast(run):
    """Return the result as the real run would give it."""
    chosen = run.survey.chosen
    result = _result(run, _counts_without(run.survey.before, chosen))
    result["purged"], result["bytes"] = chosen.count, chosen.bytes
    result.update(earlier_runs(run.works, run.started))
    result["recovered"] = [batch for work in run.works for batch in work.unfinished_results()]
    result["changed"] = bool(chosen.count or result["recovered"])
    if result["changed"] and not run.is_online:
        result["service"] = foreseen_services(run.works)
    else:
        result["service"] = interrupted_services(run.works)
        result["changed"] = result["changed"] or bool(result["service"])
    return result


def _counts_without(summary, chosen):
    """Return the counts of a Summary as they would be without what a Chooser has chosen."""

    def without(counts):
        return {name: counts[name] - chosen.by_queue.get(name, 0) for name in counts}

    return {
        "total": summary.total - chosen.count,
        "matched": summary.matched - chosen.count,
        "bytes": summary.bytes - chosen.bytes,
        "by_queue": without(summary.by_queue),
        "matched_by_queue": without(summary.matched_by_queue),
    }


def _result(run, after=None):
    """Return the module's result; ``after``: the counts, where they are foreseen."""
    works, params, summary, removal, left = run.works, run.params, run.survey.before, run.removal, run.left()
    recovered = recovered_results(works)
    batches = [
        {"queue_directory": work.directory, "path": work.batch.path, "messages": work.taken[0], "bytes": work.taken[1]}
        for work in works
        if work.batch is not None and work.taken[0]
    ]
    name = os.path.basename(batches[0]["path"]).partition(".")[0] if batches else None
    directories = run.target.directories
    return {
        "changed": removal.messages() != 0 or bool(recovered) or any(stopped.is_cut_off for stopped in run.held),
        "mta": run.target.mta,
        "version": run.target.version,
        "queue_directory": directories[0],
        "queues": [{"queue_directory": work.directory, "instance": work.instance} for work in works],
        "matched": summary.matched,
        "purged": removal.messages(),
        "bytes": removal.bytes(),
        "batch": name,
        "batches": batches,
        "discarded": params["quarantine"] == "discard",
        "counts_before": counted(summary)["counts"],
        "counts_after": after or (counted(run.after)["counts"] if run.after else None),
        "left": left_results(left, works),
        "left_count": left.count,
        "recovered": recovered,
        "service": service_results(run.held),
        "at_work": [],
        "finished_runs": [],
        "warnings": warnings(works, run.held),
        "restore_hint": "ansible-playbook mailops.rescue.restore -e batch=%s" % name if name else None,
        "damaged_count": summary.damaged_count,
        "vanished": summary.vanished,
        "undecided": noted(summary, directories)["undecided"],
        "undecided_count": summary.undecided_count,
        "seconds": round(time.time() - run.started, 3),
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
