# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What quarantine_prune does: remove batches for good, those that were named or are old, and no others."""

__all__ = ["prune"]

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import BatchScan, created, name_of
from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_options import check_name, places, state
from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import seconds

_SHOWN = 64 * 1024
_WHY = {
    "unfinished": "the run that made it was cut off, or is at work; the next queue_purge or queue_restore of its queue "
    "puts it in order",
    "returning": "messages of it are on their way back into the queue; the next queue_restore puts it in order",
}


def prune(params, check_mode=False):
    """Return quarantine_prune's result for its ``params`` (a dict of all its options). Raises RescueError.

    Where it fails after something was removed, the error's ``result`` says what.
    """
    started = time.time()
    wanted = _Wanted(params, started)
    run = _Run(places(params), started)
    try:
        run.work(wanted, check_mode)
    except (OSError, RescueError) as error:
        if not isinstance(error, RescueError):
            error = RescueError("%s: %s." % (error.filename or "quarantine", error.strerror or error))
        error.result = run.result(wanted)
        raise error from None
    return run.result(wanted)


class _Wanted:
    """Which batches are meant: all that is given must hold."""

    def __init__(self, params, now):
        self.names = params["batch"]
        self._labels = params["label"]
        self._age = None
        if params["older_than"] is not None:
            self._age = seconds("older_than", params["older_than"])
        if self.names is None and self._labels is None and self._age is None:
            raise RescueError(
                "batch: expected which batches to remove, by batch, label or older_than; none is removed by default."
            )
        for option in ("batch", "label"):
            if params[option] is not None and not params[option]:
                raise RescueError("%s: expected at least one, got an empty list." % option)
        for name in self.names or ():
            check_name("batch", name)
        self._now = now

    def has(self, batch):
        """Tell whether a Batch is meant."""
        if self.names is not None and name_of(batch) not in self.names:
            return False
        if self._labels is not None and batch.manifest.get("label") not in self._labels:
            return False
        # Without a time, nothing says that it is old.
        return self._age is None or 0 < created(batch) < self._now - self._age


def _noting(into):
    return lambda name, reason: into.append((name, reason))


class _Run:
    def __init__(self, found, started):
        self._places = found
        self._started = started
        self._pruned = []
        self._left = []
        self._remains = []
        self._seen = set()
        self._messages = self._bytes = 0

    def work(self, wanted, check_mode):
        """Remove what is meant, and what removals that were cut off have left."""
        for place in self._places:
            with place:
                if not check_mode:
                    place.lock()
                unreadable = []
                # Collected first: what is being listed must not be removed meanwhile.
                meant = [batch.name for batch in place.batches(_noting(unreadable)) if wanted.has(batch)]
                for name, reason in unreadable:
                    self._clean(place, name, reason, check_mode)
                for name in meant:
                    with place.quarantine.batch(name) as batch:
                        self._prune(place, batch, check_mode)

    def _clean(self, place, name, reason, check_mode):
        path = os.path.join(place.path, name)
        try:
            if place.quarantine.is_remains(name):
                if not check_mode:
                    place.quarantine.remove_remains(name)
                self._remains.append(path)
                return
        except Vanished:
            return
        except Damaged as error:
            reason = str(error)
        self._left.append({"batch": name, "path": path, "reason": reason})

    def _prune(self, place, batch, check_mode):
        name = name_of(batch)
        self._seen.add(name)
        now = state(batch)
        if now != "complete":
            self._left.append({"batch": name, "path": batch.path, "reason": _WHY[now]})
            return
        try:
            messages, size = BatchScan.count(batch)
        except (OSError, RescueError):
            # It is to go, whether it can still be read as a queue or not.
            messages = size = None
        if not check_mode:
            place.quarantine.remove(batch)
        self._pruned.append({"batch": name, "path": batch.path, "messages": messages, "bytes": size})
        self._messages += messages or 0
        self._bytes += size or 0

    def result(self, wanted):
        return {
            "changed": bool(self._pruned or self._remains),
            "quarantines": [place.path for place in self._places],
            "pruned": fitting(self._pruned, _SHOWN),
            "pruned_count": len(self._pruned),
            "messages": self._messages,
            "bytes": self._bytes,
            "remains": self._remains[:50],
            "missing": sorted(set(wanted.names or ()) - self._seen)[:50],
            "left": fitting(self._left, _SHOWN),
            "left_count": len(self._left),
            "seconds": round(time.time() - self._started, 3),
        }
