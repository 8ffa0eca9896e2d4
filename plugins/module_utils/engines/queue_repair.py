# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What queue_repair does: name what is wrong with the queues, repair it, and set aside what belongs nowhere."""

__all__ = ["repair"]

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_work import interrupted, interrupted_services
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.signals import interruptible
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.mta.faults import NONE, QUARANTINE, FaultList
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.repairs import REPAIRS
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.provenance import check_label, provenance
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.set_aside import Aside, settle
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine, batch_name, locate
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import check_bounds, fitting

_BOUNDS = {"stop_timeout": (0, 86400, "seconds"), "start_timeout": (0, 86400, "seconds")}
# In a live queue, what is half done at one look is done at the next.
_MOMENT = 0.5
_FAULTS = 130 * 1024
_LEFT = 80 * 1024
_SHOWN = 200


def repair(params, check_mode=False):
    """Return queue_repair's result for its ``params`` (a dict of all its options).

    Raises RescueError; where something was done before, its ``result`` says what.
    """
    started = time.time()
    check_bounds(params, _BOUNDS)
    check_label(params["label"])
    adapter, directories, instances = _find(params)
    REPAIRS.of(adapter.name).check_options(params)
    if params["service"] and len(directories) > 1:
        raise RescueError(
            "service: there are %d queues, each with its own; name one by queue_directory." % len(directories)
        )
    works = [_Work(adapter, number, *queue, params=params) for number, queue in enumerate(zip(directories, instances))]
    run = _Run(params, adapter.name, works, started)
    if check_mode:
        try:
            run.look()
            return run.forecast()
        finally:
            for work in works:
                work.close()
    try:
        with interruptible():
            run.act()
    except RescueError as error:
        error.result = run.result()
        raise
    except OSError as error:
        failure = RescueError("%s: %s." % (error.filename or "The host", error.strerror or error))
        failure.result = run.result()
        raise failure from None
    return run.result()


def _find(params):
    """Return ``(adapter, queue directories, instances)``: also of queues that lack parts."""
    kind, directory, configuration = params["mta"], params["queue_directory"], params["config_directory"]
    try:
        target = detect.find(kind, directory, configuration)
    except RescueError:
        for repairs in REPAIRS:
            if configuration or kind not in ("auto", repairs.name):
                continue
            queues = repairs.broken_queues(os.path.abspath(directory) if directory else None)
            if queues and (directory or kind != "auto" or not _is_other_installed(repairs.name)):
                return ADAPTERS.of(repairs.name), queues, [None] * len(queues)
        raise
    return target.adapter, target.directories, target.instances


def _is_other_installed(name):
    return any(adapter.installed() is not None for adapter in ADAPTERS if adapter.name != name)


class _Work:
    """One queue: its ``engine``, ``quarantine``, ``aside``, what was found (``faults``) and is ``left``."""

    def __init__(self, adapter, number, directory, instance, params):
        self.number = number
        self.directory = directory
        self.instance = instance
        repairs = REPAIRS.of(adapter.name)
        self.engine = repairs.repairer(directory, params)
        self.service = repairs.service(directory, params)
        self.faults = FaultList()
        self.left = []
        self.left_count = 0
        self.left_aside = 0
        self.held = None
        self.settled = []
        self.aside = None
        self.quarantine, self.problem = None, None
        try:
            self.quarantine = Quarantine(locate(adapter.parts, directory, params["quarantine"]), directory)
        except RescueError as error:
            if params["quarantine"]:
                raise
            # Most repairs need none.
            self.problem = error

    def close(self):
        """Close what is open of its queue and its quarantine."""
        self.engine.close()
        if self.quarantine is not None:
            self.quarantine.__exit__()

    def wait(self):
        """Return for how long two looks are to be apart."""
        return _MOMENT if (self.service or self.engine).is_running() else 0

    def check(self):
        """Refuse a queue whose service runs and cannot be kept out."""
        if self.service is not None:
            self.service.check_lock()

    def add(self, fault):
        self.faults.add(fault, self.directory)

    def leave(self, fault, reason):
        self.left_count += 1
        self.left_aside += fault.repair == QUARANTINE
        if len(self.left) < _SHOWN:
            shown = FaultList()
            shown.add(fault._replace(detail=reason), self.directory)
            self.left.append(_left(shown.shown[0]))

    def leave_for_good(self):
        """Count the faults that are not repaired here, where the others were not repaired either."""
        self.left_count = self.faults.by_repair.get(NONE, 0)
        for one in self.faults.shown:
            if one["repair"] == NONE:
                self.left.append(_left(one))

    def is_repairable(self):
        return self.faults.count > self.faults.by_repair.get(NONE, 0)

    def settle(self):
        """Put batches in order that an interrupted repair has left."""
        if self.quarantine is None or not self.quarantine.exists():
            return
        self.quarantine.open()
        for batch in self.quarantine.batches():
            if batch.holds_mail():
                if not batch.is_in_order():
                    # Half of a message in the queue is no fault while the batch has the other half.
                    raise RescueError(
                        "quarantine: the run that worked on batch %s was cut off; run queue_purge or queue_restore on "
                        "this queue first, which puts that in order." % batch.name
                    )
                continue
            if batch.is_complete:
                continue
            self.quarantine.lock()
            with self.engine.opened():
                count = settle(batch, self.engine.place)
            if not count:
                self.quarantine.remove(batch)
            self.settled.append(batch.name)

    def batch(self):
        """Return the Batch with what was set aside, or None."""
        return self.aside.batch if self.aside is not None and self.aside.count else None

    def counts(self):
        """Return ``(repaired, quarantined)``: how many faults."""
        planned = self.faults.by_repair
        aside = planned.get(QUARANTINE, 0)
        others = self.faults.count - aside - planned.get(NONE, 0)
        if self.aside is None:
            return 0, 0
        left_others = self.left_count - self.left_aside - planned.get(NONE, 0)
        return max(0, others - max(0, left_others)), max(0, aside - self.left_aside)


class _Run:
    """One repair of all queues of a Target."""

    def __init__(self, params, kind, works, started):
        self._params = params
        self._kind = kind
        self._works = works
        self._started = started
        self._name = batch_name(started)

    def look(self):
        """Find all faults."""
        for work in self._works:
            self._take_note(work, work.wait())
            work.leave_for_good()

    def forecast(self):
        """Return the result as the real run would give it."""
        result = self.result()
        result["service"] = interrupted_services(self._works)
        result["changed"] = bool(result["service"]) or any(work.is_repairable() for work in self._works)
        for one in result["service"]:
            result["notes"].append(
                "%s of %s is down since a run was cut off; it would be started again."
                % (self._works[0].service.name, one["queue_directory"])
            )
        for work in self._works:
            aside = work.faults.by_repair.get(QUARANTINE, 0)
            if aside and work.problem is not None:
                raise work.problem
            result["quarantined"] += aside
            result["repaired"] += work.faults.count - aside - work.faults.by_repair.get(NONE, 0)
        return result

    def act(self):
        """Repair queue by queue."""
        for work in self._works:
            try:
                self._act(work)
            finally:
                work.close()

    def _act(self, work):
        work.check()
        work.settle()
        wait = work.wait()
        if work.service is None:
            self._repair(work, wait)
            return
        if interrupted(work) or any(fault.repair != NONE for fault in work.engine.find(wait)):
            with work.service.held() as work.held:
                work.check()
                self._repair(work, 0)
        else:
            self._take_note(work, wait)
            work.leave_for_good()

    @staticmethod
    def _take_note(work, wait):
        for fault in work.engine.find(wait):
            work.add(fault)

    def _repair(self, work, wait):
        self._take_note(work, wait)
        if not work.is_repairable():
            work.leave_for_good()
            return
        if work.faults.by_repair.get(QUARANTINE) and work.problem is not None:
            raise work.problem
        work.aside = Aside(lambda: self._make_batch(work))
        try:
            for fault, reason in work.engine.repair(work.aside):
                work.leave(fault, reason)
        finally:
            work.aside.finish()
            if work.aside.batch is not None and not work.aside.count:
                work.quarantine.remove(work.aside.batch)

    def _make_batch(self, work):
        if work.problem is not None:
            raise work.problem
        work.quarantine.create()
        work.quarantine.lock()
        suffix = ".%d" % (work.number + 1) if work.number else ""
        return work.quarantine.new_batch(self._name + suffix, self._manifest(work), [])

    def _manifest(self, work):
        manifest = provenance("repair", self._name, self._kind, work.instance, self._params["label"], self._started)
        manifest["split"] = work.engine.split
        return manifest

    def result(self):
        """Return the module's result."""
        works = self._works
        counts = [work.counts() for work in works]
        by_kind = {}
        for work in works:
            for kind, number in work.faults.by_kind.items():
                by_kind[kind] = by_kind.get(kind, 0) + number
        batches = [
            {"queue_directory": work.directory, "path": work.batch().path, "files": work.aside.count}
            for work in works
            if work.batch() is not None
        ]
        return {
            "changed": any(
                work.engine.changed or work.settled or (work.held is not None and work.held.is_cut_off)
                for work in works
            ),
            "mta": self._kind,
            "queue_directory": works[0].directory,
            "queues": [{"queue_directory": work.directory, "instance": work.instance} for work in works],
            "faults": fitting([one for work in works for one in work.faults.shown][:_SHOWN], _FAULTS),
            "fault_counts": by_kind,
            "fault_count": sum(work.faults.count for work in works),
            "repaired": sum(one for one, unused in counts),
            "quarantined": sum(one for unused, one in counts),
            "batch": self._name if batches else None,
            "batches": batches,
            "left": fitting([one for work in works for one in work.left][:_SHOWN], _LEFT),
            "left_count": sum(work.left_count for work in works),
            "notes": _notes(works),
            "service": [
                dict(work.held.result(), queue_directory=work.directory) for work in works if work.held is not None
            ],
            "seconds": round(time.time() - self._started, 3),
        }


def _left(fault):
    """Return an entry of ``left`` for one of ``faults``."""
    return {
        "kind": fault["kind"],
        "path": fault["path"],
        "queue_directory": fault["queue_directory"],
        "reason": fault["detail"],
    }


def _notes(works):
    found = []
    for work in works:
        for note in work.engine.notes:
            if note not in found:
                found.append(note)
        for name in work.settled:
            found.append("The batch %s of an interrupted repair was put in order." % name)
    return found
