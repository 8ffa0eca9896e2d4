# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module that changes queues works on: each with its quarantine, and its service kept out of the way."""

__all__ = [
    "QueueWork",
    "earlier_runs",
    "find_work",
    "foreseen_services",
    "held_queues",
    "interrupted",
    "interrupted_services",
    "left_results",
    "lock_all",
    "recovered_results",
    "service_results",
    "warnings",
]

import os
from contextlib import ExitStack, closing, contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.changes import CHANGES
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine, locate
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting

_LEFT = 48 * 1024
# For so long (seconds), an operator whose connection was lost may not know of a batch.
_RECENT = 3600


class QueueWork:
    """One queue: ``directory``, ``instance``, its ``quarantine`` (None: discard), and a new ``batch`` or None.

    ``changes``: the MTA's Changes; ``service``: the Service to be stopped, or None.

    ``taken``: (messages, bytes) in the new batch, or removed.
    ``recovered``: list of (name, messages, what) of the batches of killed runs that were put in order; what: purge or
    restore.
    """

    def __init__(self, changes, directory, instance, quarantine, params):
        self.changes = changes
        self.service = changes.service(directory, params)
        self.directory = directory
        self.instance = instance
        self.quarantine = quarantine
        self.batch = None
        self.taken = (0, 0)
        self.recovered = []

    def close(self):
        """Close its quarantine and the new batch, where they are open."""
        for one in (self.batch, self.quarantine):
            if one is not None:
                one.__exit__()

    def skeleton(self):
        """Return the directories that a batch's files get, so that it can be read as a queue."""
        return self.changes.skeleton(self.directory)

    def unfinished(self):
        """Return the names of the batches that killed runs have left."""
        return [name for name, unused, unused in self._left()]

    def unfinished_results(self):
        """Return the list of dicts, for a result, of the batches that would be put in order."""
        return [
            {"batch": name, "queue_directory": self.directory, "messages": None, "cut_off": what}
            for name, what, unused in self._left()
        ]

    def needs_stop(self):
        """Tell whether the service must be held to put in order what killed runs have left."""
        return any(needs for unused, unused, needs in self._left())

    def _left(self):
        """Return a list of (name, what was cut off, whether it needs a stop)."""
        if self.quarantine is None or not self.quarantine.exists():
            return []
        self.quarantine.open()
        return [
            (batch.name, _what(batch), self._needs_stop(batch))
            for batch in self.quarantine.batches()
            if batch.holds_mail() and not batch.is_in_order()
        ]

    def recover(self, offline=True, way="mode=offline"):
        """Put the batches that killed runs have left in order.

        ``offline``: whether the queue's service is held; ``way``: how it would be, for the sentence where it must be.
        """
        for batch in self.quarantine.batches():
            if batch.holds_mail() and not batch.is_in_order():
                if self.service is not None and not offline and self._needs_stop(batch):
                    raise RescueError(
                        "quarantine: the run that worked on batch %s was cut off while %s was stopped; run once with "
                        "%s, which puts that in order." % (batch.name, self.service.name, way)
                    )
                self._recover(batch, offline)

    @staticmethod
    def _needs_stop(batch):
        if batch.returning() is not None and batch.return_method() == "exact":
            return True
        return not batch.is_complete and batch.manifest.get("mode") != "online"

    def _recover(self, batch, offline):
        """Put one batch in order; where it never held a message, remove it."""
        what = _what(batch)
        if batch.returning() is not None:
            with closing(self.restorer(batch)) as restorer:
                restorer.recover()
        if batch.is_complete:
            count = sum(1 for unused in batch.entries())
        else:
            count, size = self.recover_taking(batch, offline)
            batch.complete({"messages": count, "bytes": size, "cut_off": True})
            if not count:
                self.quarantine.remove(batch)
        self.recovered.append((batch.name, count, what))

    def recover_taking(self, batch, offline=True):
        """Put a batch in order whose run ended while it took messages; return (messages, bytes) in it."""
        return self.changes.recover(self.directory, batch, offline)

    def restorer(self, batch, release=False):
        """Return what gives messages of a batch back to this queue."""
        return self.changes.restorer(self.directory, batch, release)


def _what(batch):
    """Return what was cut off that worked on a Batch."""
    return "restore" if batch.is_complete else "purge"


def find_work(target, params):
    """Return a list of QueueWork for a Target. Nothing is made or changed."""
    option = params["quarantine"]
    if option is not None and option.lower() == "none":
        raise RescueError("quarantine: expected a directory, or discard to remove messages for good, got %s." % option)
    changes = CHANGES.of(target.mta)
    works = []
    for directory, instance in zip(target.directories, target.instances):
        quarantine = None
        if option != "discard":
            quarantine = Quarantine(locate(target.adapter.parts, directory, option), directory)
        works.append(QueueWork(changes, directory, instance, quarantine, params))
    return works


@contextmanager
def held_queues(works, params, offline=True):
    """Keep the services of all queues from running, inside; yield the list of what Service.held yields.

    ``offline``: False if services go on running; one that a killed run has stopped is brought back at once.
    """
    works = [work for work in works if work.service is not None]
    if not offline:
        works = [work for work in works if not work.needs_stop() and interrupted(work)]
    if params["service"] and len(works) > 1:
        raise RescueError("service: there are %d queues, each with its own; name one by queue_directory." % len(works))
    with ExitStack() as stack:
        held = [stack.enter_context(work.service.held()) for work in works]
        if not offline:
            stack.close()
        yield held


def recovered_results(works):
    """Return the list of dicts, for a result, of the batches that were put in order."""
    return [
        {"batch": name, "queue_directory": work.directory, "messages": count, "cut_off": what}
        for work in works
        for name, count, what in work.recovered
    ]


def left_results(left, works):
    """Return the list of dicts, for a result, of a Left; no more than fit."""
    shown = [{"id": one, "queue_directory": works[at].directory, "reason": why} for at, one, why in left.shown]
    return fitting(shown, _LEFT)


def service_results(held):
    """Return the list of dicts, for a result, of the services that were stopped; ``held``: as of ``held_queues``."""
    return [
        dict(stopped.result(), queue_directory=stopped.queue_directory) for stopped in held if stopped.found != "down"
    ]


def foreseen_services(works):
    """Return the same, as it would be. RescueError where a service could not be told anything."""
    foreseen = [work.service.foreseen() for work in works if work.service is not None]
    return [result for result in foreseen if result is not None]


def interrupted(work):
    """Tell whether a killed run has left the service of a QueueWork stopped, which is to run."""
    return work.service is not None and work.service.is_interrupted()


def interrupted_services(works):
    """Return the list of dicts, for a result, of what a killed run has stopped and a real run would bring back."""
    return foreseen_services([work for work in works if interrupted(work)])


def earlier_runs(works, now):
    """Return what a forecast says of other runs: one ``at_work``, and the ``finished_runs`` of the last hour."""
    busy, finished = [], []
    for work in works:
        if work.quarantine is None or not work.quarantine.exists():
            continue
        work.quarantine.open()
        found = work.quarantine.at_work()
        if found is not None and found not in busy:
            busy.append(found)
        for batch in work.quarantine.batches():
            totals = batch.totals()
            # What was put in order after a run that was cut off has no such time.
            when = totals.get("completed", batch.manifest.get("created") if batch.is_complete else None)
            if batch.holds_mail() and isinstance(when, (int, float)) and 0 <= now - when < _RECENT:
                finished.append(
                    {
                        "batch": batch.name,
                        "queue_directory": work.directory,
                        "messages": totals.get("messages"),
                        "age": int(now - when),
                    }
                )
    return {"at_work": busy, "finished_runs": finished[-20:]}


def lock_all(works):
    """Lock the quarantine of each queue that has one; several queues may share it."""
    locked = set()
    for work in works:
        if work.quarantine is not None and work.quarantine.exists():
            path = os.path.realpath(work.quarantine.path)
            if path not in locked:
                work.quarantine.lock()
                locked.add(path)


def warnings(works, held):
    """Return what an operator must know and would not look for, as a list of sentences."""
    services = {work.directory: work.service for work in works if work.recovered}
    sentences = []
    for stopped in held:
        service = services.get(stopped.queue_directory)
        if service is not None and stopped.found == "down":
            sentences.append(
                "%s of %s is down. If the run that was cut off has stopped it, start it by %s."
                % (service.name, stopped.queue_directory, service.how_to_start)
            )
    return sentences
