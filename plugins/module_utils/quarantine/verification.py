# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the files of a batch with what its ledger says of them."""

__all__ = ["Verification", "difference"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import examine, from_line
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting

_LISTED = 50
_ROOM = 16 * 1024
# Not atime: whoever backs up the quarantine changes it.
_COMPARED = ("size", "sha256", "mode", "uid", "gid", "mtime")


def difference(batch, record):
    """Return what is different about a file of a Batch, as a phrase, or None. Reads all of it."""
    place = batch.find(record.path)
    try:
        if place is None:
            raise Vanished
        if record.sha256 is None:
            # Set aside because it could not be read.
            return None if batch.status(record.path) is not None else "is missing"
        found = examine(record.path, *place)[0]
    except Vanished:
        return "is missing"
    except Damaged as error:
        return str(error)
    different = [name for name in _COMPARED if getattr(found, name) != getattr(record, name)]
    if found.inode != record.inode and not record.copied:
        different.append("inode")
    return "differs from the ledger in %s" % ", ".join(different) if different else None


class Verification:
    """``messages``: whole ones; ``corrupt``: the first 50 faults as dicts, ``count`` of all."""

    def __init__(self):
        self.messages = None
        self.corrupt = []
        self.count = 0

    def check(self, batch, present):
        """Compare a Batch; ``present``: how many messages a scan found in it."""
        self.messages = self.messages or 0
        found, seen = 0, IdSet()
        try:
            for line in batch.ledger():
                if "files" not in line:
                    continue
                try:
                    entry = from_line(line)
                    records = entry.files
                    first = records[0]
                except (AttributeError, IndexError, KeyError, TypeError):
                    self._add(batch, "ledger.jsonl", "holds a line that is none")
                    continue
                # Put back since, or never taken; or told of twice, after a run that was cut off.
                if batch.status(first.path) is None or not seen.put(first.path):
                    continue
                found += 1
                faults = [(record.path, difference(batch, record)) for record in records]
                faults = [fault for fault in faults if fault[1] is not None]
                for path, reason in faults:
                    self._add(batch, path, reason)
                self.messages += not faults
        except (Damaged, Vanished, OSError, RescueError) as error:
            self._add(batch, "ledger.jsonl", str(error) or "is missing")
            return
        if found < present:
            self._add(batch, "ledger.jsonl", "does not know %d of the messages" % (present - found))

    def _add(self, batch, path, reason):
        self.count += 1
        if len(self.corrupt) < _LISTED:
            self.corrupt.append({"batch_path": batch.path, "path": path, "reason": reason})

    def result(self):
        return {
            "verified": self.messages,
            "corrupt": fitting(self.corrupt, _ROOM),
            "corrupt_count": self.count,
        }
