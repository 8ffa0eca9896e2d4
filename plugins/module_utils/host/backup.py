# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file that others read at any instant, and the one before it, kept beside it under another name.

The name always has one of the two, whole. What is there tells how far a run that was killed has got.
"""

__all__ = ["File", "Kept", "kept_name"]

import os
import stat
from typing import NamedTuple, Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, open_file


class File(NamedTuple):
    """A regular file as it was read: its bytes, and the status of the descriptor that they were read from."""

    data: bytes
    status: os.stat_result


# qmail-local looks for names that begin with .qmail, and nothing in control looks for hidden ones.
_PREFIX = ".mailops-rescue."
_PIECE = 65536


def kept_name(name: str) -> str:
    """Return under which name the file before ``name`` is kept."""
    return _PREFIX + "before." + name.lstrip(".")


class Kept:
    """The file ``name`` in the directory of ``dir_fd``, as it is when this is made.

    ``now``, ``before``, ``held``: File or None. ``before`` is what was there first, ``held`` what was put there and is
    taken away for a while. Raises Damaged where one of them is no regular file, or is larger than ``limit``.
    """

    def __init__(self, dir_fd: int, name: str, limit: int) -> None:
        self.name = name
        self.kept_name = kept_name(name)
        self._new = _PREFIX + "new." + name.lstrip(".")
        self._held = _PREFIX + "held." + name.lstrip(".")
        self._dir_fd = dir_fd
        self._limit = limit
        self.now = self._read(name)
        self.before = self._read(self.kept_name)
        self.held = self._read(self._held)
        left = self._status(self._new)
        self._left = left is not None
        known = [file.status.st_ino for file in (self.now, self.before, self.held) if file is not None]
        if left is not None:
            known.append(left.st_ino)
        if self.now is not None and self.now.status.st_nlink > known.count(self.now.status.st_ino):
            # Whoever owns the directory may have linked somebody else's file there, to have it shown or changed.
            raise Damaged("it has another name elsewhere")

    @property
    def is_half_kept(self) -> bool:
        """Whether a run was killed after it had kept what is there, and before it put another one there."""
        return _is_same(self.before, self.now)

    @property
    def is_tidy(self) -> bool:
        """Whether no other name is left by a run that was killed or that held something."""
        return self.held is None and not self._left and not self.is_half_kept

    def put(self, data: bytes, mode: int, owner: Tuple[int, int], keep: bool) -> None:
        """Put ``data`` there, of ``mode`` and ``owner`` (user and group id); with ``keep``, keep what is there now."""
        self._drop_new()
        disk.write_new(self._new, self._dir_fd, data, mode, owner)
        self._install(self._new, keep)

    def hold(self) -> None:
        """Take away what was put there, and bring back what was there before it, until ``resume``."""
        if self.held is None:
            disk.link(self.name, self._dir_fd, self._held, self._dir_fd)
            disk.sync_directory(self._dir_fd)
        self.take_back()

    def resume(self) -> None:
        """Put ``held`` there again."""
        self._install(self._held, self.now is not None)

    def take_back(self) -> None:
        """Bring back what was there before."""
        if self.before is None:
            disk.unlink(self.name, self._dir_fd)
        else:
            disk.replace(self.kept_name, self._dir_fd, self.name, self._dir_fd)
        disk.sync_directory(self._dir_fd)

    def tidy(self) -> None:
        """Remove what a run that was killed has left, of what is not needed any more."""
        self._drop_new()
        if self.is_half_kept:
            disk.unlink(self.kept_name, self._dir_fd)
        if self.held is not None:
            disk.unlink(self._held, self._dir_fd)
        disk.sync_directory(self._dir_fd)

    def _drop_new(self) -> None:
        if self._left:
            disk.unlink(self._new, self._dir_fd)
            self._left = False

    def _install(self, name: str, keep: bool) -> None:
        if self.now is None:
            # Not by rename: what somebody else put there meanwhile would be lost.
            disk.link(name, self._dir_fd, self.name, self._dir_fd)
            disk.sync_directory(self._dir_fd)
            disk.unlink(name, self._dir_fd)
        else:
            if keep and not self.is_half_kept:
                disk.link(self.name, self._dir_fd, self.kept_name, self._dir_fd)
            disk.sync_directory(self._dir_fd)
            self._check_unchanged(self.now.status)
            disk.replace(name, self._dir_fd, self.name, self._dir_fd)
        disk.sync_directory(self._dir_fd)

    def _check_unchanged(self, before: os.stat_result) -> None:
        now = self._status(self.name)
        if now is None or (now.st_ino, now.st_mtime_ns, now.st_size) != (
            before.st_ino,
            before.st_mtime_ns,
            before.st_size,
        ):
            raise Damaged("somebody else is changing it")

    def _status(self, name: str) -> Optional[os.stat_result]:
        try:
            return os.stat(name, dir_fd=self._dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _read(self, name: str) -> Optional[File]:
        found = self._status(name)
        if found is None:
            return None
        # Before it is opened: a device does something upon that.
        _require_regular(found, name)
        try:
            fd = open_file(name, self._dir_fd)
        except Vanished:
            return None
        try:
            status = os.fstat(fd)
            _require_regular(status, name)
            data = b""
            while len(data) <= self._limit:
                piece = os.read(fd, _PIECE)
                if not piece:
                    return File(data, status)
                data += piece
        finally:
            os.close(fd)
        raise Damaged("%s is larger than %d bytes" % (name, self._limit))


def _require_regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Damaged("%s is no regular file (%s)" % (name, FileKind.of(status.st_mode)))


def _is_same(one: Optional[File], other: Optional[File]) -> bool:
    return one is not None and other is not None and one.status.st_ino == other.status.st_ino
