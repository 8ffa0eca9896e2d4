# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks by which Postfix keeps its processes apart: flock(2), on Linux."""

__all__ = ["is_locked", "is_running", "try_lock"]

import fcntl
import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs

_FLOCK = re.compile(rb"^\d+: FLOCK +\S+ +(?:READ|WRITE) +-?\d+ +\S+:(\d+) ", re.MULTILINE)


def try_lock(fd):
    """Lock a queue file against qmgr(8), delivery agents and bounce(8); return False where one of them has it.

    A delivery agent that is handed a locked file gives up, and qmgr(8) then rests its whole transport for a minute:
    a file in "active" must not be locked under that name.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(inode, root="/proc"):
    """Tell, without touching it, whether a process holds a lock on a file of this inode number, of whatever device."""
    with open(os.path.join(root, "locks"), "rb") as file:
        return any(int(found) == inode for found in _FLOCK.findall(file.read()))


def is_running(queue_directory, root="/proc"):
    """Tell whether master(8) runs on a queue: it holds the lock on pid/master.pid for all its life."""
    try:
        status = os.stat(os.path.join(queue_directory, "pid", "master.pid"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return bool(Procfs(root).flock_holders(status))
