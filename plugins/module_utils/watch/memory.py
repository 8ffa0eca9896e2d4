# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run leaves for the next, in a directory of the watch's own."""

__all__ = ["Busy", "HISTORY", "LOCK", "Memory", "recall"]

import fcntl
import json
import os

from ansible_collections.mailops.rescue.plugins.module_utils import files

HISTORY = "history.json"
LOCK = "lock"
_LONGEST = 1 << 20
_VERSION = 2


class Busy(Exception):
    """Another run is under way."""


def recall(directory):
    """Return what the last run kept, as ``{queue's name: dict}``; empty where there is nothing of use."""
    try:
        with open(os.path.join(directory, HISTORY), "rb") as file:
            data = json.loads(file.read(_LONGEST).decode("utf-8"))
        if data["version"] == _VERSION and all(isinstance(one, dict) for one in data["queues"].values()):
            return data["queues"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}


def _lock(directory):
    """Lock a file that only the watch's user can open, and return its descriptor. Raises Busy."""
    try:
        files.write_new(LOCK, directory, b"", 0o600)
    except FileExistsError:
        pass
    except OSError:
        # Two runs on a full disk are better than none.
        return None
    fd = os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            raise Busy from None
        raise
    return fd


class Memory:
    """The files in ``directory``; a context manager that keeps other runs out, or else raises Busy.

    ``alone``: whether it does; without it only ``write`` is of use.
    """

    def __init__(self, directory, alone=True):
        self._directory = directory
        self._alone = alone
        self._fd = self._lock = None

    def __enter__(self):
        self._fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if self._alone:
                self._lock = _lock(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(self, *unused):
        os.close(self._fd)
        if self._lock is not None:
            os.close(self._lock)

    def load(self):
        """Return what the last run kept, as ``recall``."""
        return recall(self._directory)

    def save(self, queues):
        """Keep ``queues`` for the next run."""
        self.write(HISTORY, json.dumps({"version": _VERSION, "queues": queues}, sort_keys=True), 0o600)

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
