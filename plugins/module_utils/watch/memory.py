# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run leaves for the next, in a directory of the watch's own."""

__all__ = ["Busy", "HISTORY", "Memory", "recall"]

import fcntl
import json
import os

from ansible_collections.mailops.rescue.plugins.module_utils import files

HISTORY = "history.json"
_LONGEST = 1 << 20


class Busy(Exception):
    """Another run is under way."""


def recall(directory):
    """Return what the last run kept, as ``{queue's name: dict}``; empty where there is nothing of use."""
    try:
        with open(os.path.join(directory, HISTORY), "rb") as file:
            data = json.loads(file.read(_LONGEST).decode("utf-8"))
        if data["version"] == 1 and all(isinstance(one, dict) for one in data["queues"].values()):
            return data["queues"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}


class Memory:
    """The files in ``directory``; a context manager that keeps other runs out, or else raises Busy.

    ``alone``: whether it does; without it only ``write`` is of use.
    """

    def __init__(self, directory, alone=True):
        self._directory = directory
        self._alone = alone
        self._fd = None

    def __enter__(self):
        self._fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if self._alone:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Busy from None
        return self

    def __exit__(self, *unused):
        os.close(self._fd)

    def load(self):
        """Return what the last run kept, as ``recall``."""
        return recall(self._directory)

    def save(self, queues):
        """Keep ``queues`` for the next run."""
        self.write(HISTORY, json.dumps({"version": 1, "queues": queues}, sort_keys=True))

    def write(self, name, text, mode=0o644):
        """Put a file in place of the one there was, in one step."""
        new = ".%s.new" % name
        try:
            # Of a run that was killed.
            files.unlink(new, self._fd)
        except FileNotFoundError:
            pass
        files.write_new(new, self._fd, text.encode("utf-8"), mode)
        files.replace(new, self._fd, name, self._fd)
        files.sync_directory(self._fd)
