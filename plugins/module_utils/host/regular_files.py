# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files of a queue that others write: regular files only, never through a link, leaving no trace."""

__all__ = ["FileKind", "entries", "open_directory", "opened_directory", "open_file", "read_all"]

import contextlib
import errno
import os
import stat
from typing import Iterator, NoReturn, Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
# qmail takes its leftovers for dead when nobody has read them for 36 hours, so reading must not look like life.
_NOATIME = getattr(os, "O_NOATIME", 0)
_FLAGS_NOATIME = _FLAGS | _NOATIME
_CHUNK = 1 << 18


class FileKind:
    """What a directory entry is that is no regular file, in words."""

    @staticmethod
    def of(mode: int) -> str:
        for test, name in (
            (stat.S_ISLNK, "symbolic link"),
            (stat.S_ISDIR, "directory"),
            (stat.S_ISFIFO, "FIFO"),
            (stat.S_ISSOCK, "socket"),
        ):
            if test(mode):
                return name
        return "device"


def open_directory(name: str, dir_fd: Optional[int] = None) -> int:
    """Return a descriptor of directory ``name``, which must not be a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


@contextlib.contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """Give the descriptor of a directory, inside; links on the way to it are followed."""
    fd = open_directory(os.path.realpath(path))
    try:
        yield fd
    finally:
        os.close(fd)


def open_file(name: str, dir_fd: Optional[int]) -> int:
    """Return a descriptor for reading the regular file ``name``.

    Raises Vanished where it is gone, Damaged where it is no regular file or may not be read.
    """
    try:
        return os.open(name, _FLAGS_NOATIME, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.EPERM and _NOATIME:
            # Only a file's owner and root may ask for O_NOATIME.
            return _open_touching(name, dir_fd)
        return _refuse(error)


def _open_touching(name: str, dir_fd: Optional[int]) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=dir_fd)
    except OSError as error:
        return _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    if error.errno == errno.ENOENT:
        raise Vanished from None
    if error.errno == errno.ELOOP:
        raise Damaged("not a regular file (symbolic link)") from None
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise RescueError("The host is out of file handles or memory: %s." % error.strerror) from None
    raise Damaged("cannot be read: %s" % error.strerror) from None


def read_all(name: str, dir_fd: Optional[int], limit: int) -> bytes:
    """Return the contents of the regular file ``name`` as bytes; Damaged where it is larger than ``limit``."""
    fd = open_file(name, dir_fd)
    try:
        data = os.read(fd, 65536)
        if len(data) == 65536:
            pieces = [data]
            size = len(data)
            while data:
                data = os.read(fd, _CHUNK)
                pieces.append(data)
                size += len(data)
                if size > limit:
                    raise Damaged("larger than %d bytes" % limit)
            data = b"".join(pieces)
        return data
    except OSError as error:
        raise Damaged("cannot be read: %s" % error.strerror) from None
    finally:
        os.close(fd)


def entries(dir_fd: int) -> Iterator[Tuple[str, Optional[str]]]:
    """Yield ``(name, kind)`` of what is in a directory; ``kind`` is None for a regular file, else its FileKind.

    Names that are not UTF-8 come as os.fsdecode gives them.
    """
    # Python 3.6 has no scandir on descriptors; Linux gives every descriptor a name.
    with os.scandir("/proc/self/fd/%d" % dir_fd) if not _SCANDIR_FD else os.scandir(dir_fd) as found:
        for entry in found:
            if entry.is_file(follow_symlinks=False):
                yield entry.name, None
            else:
                try:
                    yield entry.name, FileKind.of(entry.stat(follow_symlinks=False).st_mode)
                except OSError:
                    continue


_SCANDIR_FD = os.scandir in os.supports_fd
