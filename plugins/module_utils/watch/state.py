# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run leaves for the next, in directories of the watch's own: one on disk, and one that no full disk fills."""

__all__ = ["Busy", "HISTORY", "LOCK", "Memory"]

import fcntl
import json
import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk

HISTORY = "history.json"
LOCK = "lock"
# Room for hundreds of queues, each of which takes some 20 KiB.
_LONGEST = 16 << 20
_VERSION = 2
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Busy(Exception):
    """Another run is under way."""


def _recall(directory):
    """Return what was kept there, as a number and ``{queue's name: dict}``; zero and nothing where it is of no use."""
    try:
        with open(os.path.join(directory, HISTORY), "rb") as file:
            data = json.loads(file.read(_LONGEST).decode("utf-8"))
        if data["version"] == _VERSION and all(isinstance(one, dict) for one in data["queues"].values()):
            return int(data.get("number", 0)), data["queues"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return 0, {}


def _lock(directory):
    """Lock a file that only the watch's user can open, and return its descriptor. Raises Busy."""
    try:
        disk.write_new(LOCK, directory, b"", 0o600)
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

    ``runtime``: a directory that is lost with a boot; it need not be there.
    ``alone``: whether other runs are kept out; without it only ``write`` is of use.
    """

    def __init__(self, directory, runtime=None, alone=True):
        self._directory, self._runtime = directory, runtime
        self._alone = alone
        self._fd = self._brief = self._lock = None
        self._number = 0

    def __enter__(self):
        self._fd = os.open(self._directory, _OPEN)
        if self._runtime:
            try:
                self._brief = os.open(self._runtime, _OPEN)
            except FileNotFoundError:
                pass
        try:
            if self._alone:
                self._lock = _lock(self._fd)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        for fd in (self._fd, self._brief, self._lock):
            if fd is not None:
                os.close(fd)

    def load(self):
        """Return what the last run kept, as ``{queue's name: dict}``; empty where there is nothing of use."""
        kept = [_recall(one) for one in (self._directory, self._runtime) if one]
        self._number, queues = max(kept, key=lambda one: one[0])
        return queues

    def save(self, queues):
        """Keep ``queues`` for the next run. OSError where they are not on the disk."""
        self._number += 1
        text = json.dumps({"version": _VERSION, "number": self._number, "queues": queues}, sort_keys=True)
        if self._brief is not None:
            try:
                _write(self._brief, HISTORY, text, 0o600)
            except OSError:
                # Then that on the disk is the newer one.
                pass
        _write(self._fd, HISTORY, text, 0o600)

    def publish(self, name, text, mode=0o644):
        """Write a file where there is room for it though the disk is full."""
        _write(self._fd if self._brief is None else self._brief, name, text, mode)

    def write(self, name, text, mode=0o644):
        """Put a file in place of the one there was, in one step."""
        _write(self._fd, name, text, mode)


def _write(directory, name, text, mode):
    disk.rewrite(name, directory, text.encode("utf-8"), mode)
