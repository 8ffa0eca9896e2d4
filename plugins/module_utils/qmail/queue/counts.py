# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts a qmail queue by the entries of its directories (see Counts in mta/contract.py); no message is opened."""

__all__ = ["QmailCounts"]

import os
from typing import Any, Iterator, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

# A list of names is faster than a walk over entries, but it is held in memory: not for directories above this size.
_LISTED = 8 << 20


class QmailCounts:
    name = "qmail"
    # The reader lists a part's directories as a whole.
    sampled_parts = 2

    def count(self, directory: str) -> int:
        layout.find_queues(directory)
        number = 0
        for split in layout.splits(directory, "mess"):
            path = os.path.join(directory, "mess", str(split))
            if os.stat(path).st_size <= _LISTED:
                number += len(os.listdir(path))
            else:
                with os.scandir(path) as entries:
                    number += sum(1 for unused in entries)
        return number

    def paths(self, directory: str) -> Iterator[str]:
        for split in layout.splits(directory, "info"):
            with os.scandir(os.path.join(directory, "info", str(split))) as entries:
                for entry in entries:
                    yield "info/%d/%s" % (split, entry.name)

    def arrival(self, path: str) -> Optional[float]:
        try:
            return os.lstat(path).st_mtime
        except OSError:
            return None

    def reader(self, directories: List[str]) -> Any:
        # Most runs have no need of it.
        from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader

        return QmailReader(directories)

    def holds_any(self, directory: str, part: Any) -> bool:
        return True
