# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a file was made, told by its inode."""

__all__ = ["birth"]

import os
from functools import lru_cache
from typing import Callable, Optional

# Of statx(2), which Python does not have.
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME = -100, 0x100, 0x800
_SIZE, _BTIME = 256, 80


@lru_cache(maxsize=None)
def _statx() -> Optional[Callable[[str], Optional[float]]]:
    """Return a function from a path to its time of birth, or None where the system has no such thing."""
    try:
        import ctypes

        call = ctypes.CDLL(None, use_errno=True).statx
    except (ImportError, OSError, AttributeError, MemoryError):
        return None

    def ask(path: str) -> Optional[float]:
        answer = ctypes.create_string_buffer(_SIZE)
        if call(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, answer) != 0:
            return None
        known = ctypes.c_uint32.from_buffer(answer).value & _STATX_BTIME
        return float(ctypes.c_int64.from_buffer(answer, _BTIME).value) if known else None

    return ask


def birth(path: str) -> Optional[float]:
    """Return the epoch seconds at which the file was made; None where it is gone.

    Where kernel or file system do not keep it, the earliest other time of the file, which is that old at least.
    """
    ask = _statx()
    made = ask(path) if ask else None
    if made is not None:
        return made
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return min(found.st_mtime, found.st_ctime)
