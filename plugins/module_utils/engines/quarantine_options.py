# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which quarantines the options of a module mean, and which batches in them."""

__all__ = ["BATCH_NAME", "Place", "check_name", "places", "state"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine, locate

# As an operator names it: one run's batches in several queues share it.
BATCH_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}\Z")


def check_name(option, name):
    """Raise RescueError where ``name`` cannot be that of a batch."""
    if not BATCH_NAME.match(name):
        raise RescueError("%s: expected a batch such as 20261121T192427Z-3fa9, got %s." % (option, name))


def places(params):
    """Return the Places that ``mta``, ``queue_directory``, ``config_directory`` and ``quarantine`` mean.

    With ``quarantine`` and no queue, it is that one with the batches of all queues: those may be gone, or another
    host's. Raises RescueError.
    """
    given, queue, kind = params["quarantine"], params["queue_directory"], params["mta"]
    if given and not os.path.isabs(given):
        raise RescueError("quarantine: expected an absolute path, got %s." % given)
    if given and not params["config_directory"] and (not queue or not os.path.lexists(queue)):
        return [Place(given, None if not queue else {os.path.realpath(queue)}, kind)]
    target = detect.find(kind, queue, params["config_directory"])
    found = {}
    for directory in target.directories:
        found.setdefault(locate(target.adapter.parts, directory, given), set()).add(os.path.realpath(directory))
    return [Place(path, queues, target.mta) for path, queues in sorted(found.items())]


def state(batch):
    """Return what a Batch is: complete, unfinished or returning."""
    if batch.returning() is not None:
        return "returning"
    return "complete" if batch.is_complete else "unfinished"


class Place:
    """One quarantine at ``path``, with the batches of ``queues`` (a set of real paths, None: of all) and of one ``mta``
    (auto: of both). A context manager.
    """

    def __init__(self, path, queues, kind):
        self.path = path
        self.mta = kind
        self._queues = queues
        self.quarantine = Quarantine(path, None)

    def __enter__(self):
        if self.quarantine.exists():
            self.quarantine.open()
        return self

    def __exit__(self, *unused):
        self.quarantine.__exit__()

    def lock(self):
        """Keep other runs of ours out, as Quarantine.lock; nothing where there is no quarantine."""
        if self.quarantine.exists():
            self.quarantine.lock()

    def batches(self, damaged=None):
        """Yield the Batches meant, oldest first, each open until the next one is asked for.

        ``damaged(name, reason)`` is told of what cannot be read as a batch, of whatever queue.
        """
        for batch in self.quarantine.batches(damaged):
            manifest = batch.manifest
            if self._queues is not None and manifest.get("queue_directory") not in self._queues:
                continue
            if self.mta in ("auto", manifest.get("mta")):
                yield batch
