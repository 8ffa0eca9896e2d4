# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of what is known by an MTA's name."""

__all__ = ["Table"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError


class Table:
    """Parts of one kind (see mta/contract.py), each with the ``name`` of its MTA; iterated in the order given."""

    def __init__(self, *parts):
        self._parts = {part.name: part for part in parts}

    def register(self, part):
        """Add the part of another MTA, or put it in place of the one with its name."""
        self._parts[part.name] = part

    def unregister(self, name):
        """Forget the part of an MTA."""
        del self._parts[name]

    def of(self, name):
        """Return the part of the MTA of this name. Raises RescueError if it has none."""
        if name not in self._parts:
            raise RescueError("mta: %s is not supported here." % name)
        return self._parts[name]

    def __iter__(self):
        return iter(self._parts.values())
