# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping our own runs apart where one can wait for the other."""

__all__ = ["lock_within"]

import errno
import fcntl
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_POLL = 0.1


def lock_within(fd: int, seconds: float, sentence: str) -> None:
    """Lock what ``fd`` has open until it is closed. RescueError (``sentence``) where it is not free in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        if time.monotonic() > end:
            raise RescueError(sentence)
        time.sleep(_POLL)
