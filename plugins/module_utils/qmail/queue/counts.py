# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts a qmail queue by the entries of its directories; no message is opened."""

__all__ = ["count", "paths"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

# A list of names is faster than a walk over entries, but it is held in memory: not for directories above this size.
_LISTED = 8 << 20


def count(directory):
    """Return the number of messages, in whatever state; OSError where they cannot be counted."""
    found = 0
    for number in layout.splits(directory, "mess"):
        path = os.path.join(directory, "mess", str(number))
        if os.stat(path).st_size <= _LISTED:
            found += len(os.listdir(path))
        else:
            with os.scandir(path) as entries:
                found += sum(1 for unused in entries)
    return found


def paths(directory):
    """Yield the path, relative to the queue, of every file whose time of change is a message's arrival."""
    for number in layout.splits(directory, "info"):
        with os.scandir(os.path.join(directory, "info", str(number))) as entries:
            for entry in entries:
                yield "info/%d/%s" % (number, entry.name)
