# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""alias_maps as local(8) reads it: which tables it lists, which of them can be changed, and what stands in front."""

__all__ = ["INDEX_SUFFIXES", "changeable", "index", "listed", "require_reached"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible

# A table may hold blanks within braces, as inline:{a=b} does.
_MAP = re.compile(r"(?:[^\s,{}]|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[{}])+")
_INDEXED = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")
INDEX_SUFFIXES = (".db", ".lmdb", ".cdb", ".dir", ".pag")


def listed(postfix):
    """Return the tables in alias_maps. Raises RescueError where a word of it is not understood."""
    maps = _MAP.findall(postfix.values(["alias_maps"], expanded=True).get("alias_maps", ""))
    for one in maps:
        if "$" in one or one.startswith(("{", "}")) or one.count("{") != one.count("}"):
            raise RescueError(
                "aliases: expected alias_maps to list tables such as hash:/etc/aliases, got %s, which this does not "
                "understand." % _shown(one)
            )
    # local(8) opens such a table itself.
    return [one[len("proxy:") :] if one.startswith("proxy:") else one for one in maps]


def changeable(maps):
    """Return the first that is a file with an index. Raises RescueError where there is none."""
    for one in maps:
        if one.partition(":")[0] in _INDEXED:
            return one
    raise RescueError(
        "aliases: expected a map of type %s in alias_maps, got %s."
        % (", ".join(_INDEXED), _shown(" ".join(maps)) or "nothing")
    )


def require_reached(postfix, maps, table, name):
    """Raise RescueError unless what ``table`` has for a name is what local(8) takes, as far as other maps go."""
    if table not in maps:
        raise RescueError(
            "aliases.%s: expected alias_maps to have %s, as in an earlier run, got %s; run it with state=absent first."
            % (name, table, _shown(" ".join(maps)) or "nothing")
        )
    front = maps[: maps.index(table)]
    for one in maps:
        # What any of them cannot tell of a name, it cannot tell of unknown users either.
        if one != table and postfix.alias(name, [one]) is not None and one in front:
            raise RescueError(
                "aliases.%s: expected no other map in front of %s to have it, but %s has." % (name, table, _shown(one))
            )


def index(table):
    """Return what tells whether the index of a table has been written to."""
    found = []
    for end in INDEX_SUFFIXES:
        try:
            status = os.stat(table.partition(":")[2] + end)
        except FileNotFoundError:
            continue
        found.append((end, status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def _shown(text):
    return visible(shorten(text, 80))
