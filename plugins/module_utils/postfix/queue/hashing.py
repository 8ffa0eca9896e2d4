# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Postfix queue is hashed: into which subdirectories its files go."""

__all__ = ["Hashing", "configurations", "find_configuration", "find_hashing"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout

_NAMES = ("config_directory", "queue_directory", "hash_queue_names", "hash_queue_depth")


class Hashing:
    """``depths``: a dict of depths by the names of queues and directories of logs; what it does not name has none."""

    def __init__(self, depths):
        self._depths = depths

    def place(self, queue, queue_id):
        """Return the path of a message's file or log, relative to the queue directory."""
        return layout.place(queue, queue_id, self._depths.get(queue, 0))


def find_hashing(queue_directory, running):
    """Return the Hashing of a queue. Raises RescueError.

    Where Postfix runs on it, its configuration tells, as Postfix looks nowhere else; else the directories there are.
    """
    if running:
        values = _configuration(queue_directory)
        if values is not None:
            return Hashing(_configured(values))
    depths = {name: layout.existing_depth(queue_directory, name) for name in layout.QUEUES + layout.LOGS}
    # An empty queue may have lost its directories; these two are hashed alike.
    depths["deferred"] = depths["defer"] = max(depths["deferred"], depths["defer"])
    return Hashing(depths)


def find_configuration(queue_directory):
    """Return the config_directory of the Postfix instance that has this queue or None."""
    values = _configuration(queue_directory)
    return None if values is None else values["config_directory"]


def _configuration(queue_directory):
    for values in configurations():
        if os.path.realpath(values["queue_directory"]) == os.path.realpath(queue_directory):
            return values
    return None


def _configured(values):
    given = values["hash_queue_depth"]
    try:
        depth = int(given)
    except ValueError:
        raise RescueError("postconf says hash_queue_depth = %s, which is no number." % given) from None
    names = re.split(r"[,\s]+", values["hash_queue_names"].strip().lower())
    return {name: depth for name in names if name}


def configurations():
    """Yield some values of each Postfix instance here, as a dict."""
    directories = [None]
    if programs.which("postmulti"):
        listed = [line.split(None, 3) for line in programs.output("postmulti", "-l").splitlines()]
        directories = [fields[3].strip() for fields in listed if len(fields) == 4] or directories
    if programs.which("postconf") is None:
        return
    for directory in directories:
        option = ("-c", directory) if directory else ()
        values = {}
        for line in programs.output("postconf", *(option + _NAMES)).splitlines():
            name, unused, value = line.partition("=")
            values[name.strip()] = value.strip()
        if all(name in values for name in _NAMES):
            yield values
