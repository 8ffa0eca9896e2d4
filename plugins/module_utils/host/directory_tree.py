# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of a queue, each opened once, step by step and through no link."""

__all__ = ["Tree"]

import errno
import os
from collections import OrderedDict
from typing import Iterable, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_directory

_MOST = 64


class Tree:
    """Descriptors of the directories below ``root``; one may be closed again when the 64th other one is asked for.

    ``dir_fd``: of the directory that ``root`` is a name in, where it is no path.
    """

    def __init__(self, root: str, dir_fd: Optional[int] = None) -> None:
        self._root: Optional[int] = open_directory(root if dir_fd is not None else os.path.realpath(root), dir_fd)
        self._fds: "OrderedDict[str, int]" = OrderedDict()

    def directory(self, path: str) -> Optional[int]:
        """Return a descriptor of a directory by its path relative to the root, or None where it is missing."""
        if not path:
            return self._root
        fd = self._fds.get(path)
        if fd is not None:
            self._fds.move_to_end(path)
            return fd
        parent, unused, name = path.rpartition("/")
        above = self.directory(parent)
        if above is None:
            return None
        try:
            fd = open_directory(name, above)
        except (FileNotFoundError, NotADirectoryError):
            return None
        self._fds[path] = fd
        if len(self._fds) > _MOST:
            os.close(self._fds.popitem(last=False)[1])
        return fd

    def make(self, path: str) -> int:
        """Return the same, of a directory that is made where it is missing: it gets its parent's owner, mode 0700.

        Raises NotADirectoryError where something else has its name.
        """
        fd = self.directory(path)
        if fd is not None:
            return fd
        parent, unused, name = path.rpartition("/")
        above = self.make(parent)
        if disk.make_directory(name, above):
            owner = os.fstat(above)
            made = os.stat(name, dir_fd=above, follow_symlinks=False)
            if (made.st_uid, made.st_gid) != (owner.st_uid, owner.st_gid):
                disk.set_owner(name, above, (owner.st_uid, owner.st_gid))
            disk.sync_directory(above)
        fd = self.directory(path)
        if fd is None:
            # Whoever is told None would go on in the working directory.
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return fd

    def status(self, path: str) -> Optional[os.stat_result]:
        """Return the os.stat_result of what has this path, a link itself; None where there is nothing."""
        parent, unused, name = path.rpartition("/")
        fd = self.directory(parent)
        if fd is None:
            return None
        try:
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def sync(self, paths: Iterable[str]) -> None:
        """Bring the names in these directories to the disk."""
        for path in sorted(paths):
            fd = self.directory(path)
            if fd is not None:
                disk.sync_directory(fd)

    def close(self) -> None:
        """Close all of them; a second time does nothing."""
        opened = list(self._fds.values()) + ([] if self._root is None else [self._root])
        self._fds.clear()
        self._root = None
        for fd in opened:
            os.close(fd)
