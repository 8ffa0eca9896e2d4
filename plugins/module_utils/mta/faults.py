# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a queue: single faults, and counts of them in bounded memory."""

__all__ = ["NONE", "QUARANTINE", "Fault", "FaultList"]

from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible

# ``path`` is relative to the queue; ``detail`` is for people; ``repair`` is what is to be done about it, in a word;
# ``what`` is for whoever does it.
Fault = namedtuple("Fault", "kind path detail repair what")

QUARANTINE = "quarantine"
NONE = "none"

_SHOWN = 200
_LENGTH = 300


class FaultList:
    """Counts faults: ``count``, ``by_kind``, ``by_repair``; ``shown`` has the first 200, as dicts for a result."""

    def __init__(self):
        self.count = 0
        self.by_kind = {}
        self.by_repair = {}
        self.shown = []

    def add(self, fault, queue_directory):
        self.count += 1
        self.by_kind[fault.kind] = self.by_kind.get(fault.kind, 0) + 1
        self.by_repair[fault.repair] = self.by_repair.get(fault.repair, 0) + 1
        if len(self.shown) < _SHOWN:
            self.shown.append(
                {
                    "kind": fault.kind,
                    "path": shorten(visible(fault.path), _LENGTH),
                    "queue_directory": queue_directory,
                    "detail": shorten(visible(fault.detail), _LENGTH),
                    "repair": fault.repair,
                }
            )
