# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that can be indexed and sliced like bytes."""

__all__ = ["FileBytes"]

import os

_PAGE = 1 << 16


class FileBytes:
    """``fd``: an open file. Not mmap: its owner could cut it short, and the next access would end the process."""

    def __init__(self, fd):
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._at = 0
        self._page = b""

    def __len__(self):
        return self._size

    def __getitem__(self, key):
        if isinstance(key, slice):
            first, last, unused = key.indices(self._size)
            start = first - self._at
            if start >= 0 and last - self._at <= len(self._page):
                return self._page[start : last - self._at]
            return os.pread(self._fd, last - first, first)
        offset = key - self._at
        if not 0 <= offset < len(self._page):
            self._page = os.pread(self._fd, _PAGE, key)
            self._at, offset = key, 0
        return self._page[offset]
