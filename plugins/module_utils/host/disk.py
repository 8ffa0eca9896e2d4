# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that changes a disk.

Names are relative to a directory's descriptor, or absolute paths where that is None; a link at the end of a name is
not followed. Functions raise OSError.
Every call that changes the disk goes through ``_perform``, where tests end the process or let the disk fail.
"""

__all__ = [
    "NewFile",
    "append",
    "copy",
    "discard",
    "half_made",
    "link",
    "make_directory",
    "make_fifo",
    "make_symlink",
    "move",
    "overwrite",
    "remove_directory",
    "replace",
    "rewrite",
    "scratch_directory",
    "scratch_file",
    "set_mode",
    "set_owner",
    "set_times",
    "sync_all",
    "sync_directory",
    "sync_file",
    "sync_named",
    "unlink",
    "write_new",
]

import errno
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import IO, Any, Callable, Iterator, Optional, Tuple, TypeVar

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_Result = TypeVar("_Result")


def _perform(function: Callable[..., _Result], *arguments: Any, **keywords: Any) -> _Result:
    return function(*arguments, **keywords)


def _at(dir_fd: Optional[int], name: str) -> Optional[int]:
    """Return ``dir_fd``. FileNotFoundError where it is None and ``name`` no path: None is what is known of a directory
    that is missing, and to the system it is the working directory.
    """
    if dir_fd is None and not os.path.isabs(name):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return dir_fd


def make_directory(name: str, dir_fd: Optional[int], mode: int = 0o700) -> bool:
    """Make a directory; one that is there already is left as it is. Return whether it was made."""
    try:
        _perform(os.mkdir, name, mode, dir_fd=_at(dir_fd, name))
    except FileExistsError:
        return False
    return True


def make_symlink(target: str, name: str, dir_fd: int) -> None:
    """Make a symbolic link to ``target``. FileExistsError where the name is taken."""
    _perform(os.symlink, target, name, dir_fd=_at(dir_fd, name))


def make_fifo(name: str, dir_fd: int, mode: int = 0o600) -> None:
    """Make a FIFO. FileExistsError where the name is taken."""
    _perform(os.mkfifo, name, mode, dir_fd=_at(dir_fd, name))


def remove_directory(name: str, dir_fd: int) -> None:
    """Remove an empty directory."""
    _perform(os.rmdir, name, dir_fd=_at(dir_fd, name))


def link(name: str, dir_fd: int, new_name: str, new_dir_fd: int) -> None:
    """Give a file a second name. FileExistsError where that is taken."""
    source, target = _at(dir_fd, name), _at(new_dir_fd, new_name)
    _perform(os.link, name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)


def move(name: str, dir_fd: int, new_name: str, new_dir_fd: int) -> None:
    """Rename a file, in one step. FileExistsError where the new name is taken.

    Between the look and the step nobody else must make that name: ids hold the number of an inode that is in use.
    """
    source, target = _at(dir_fd, name), _at(new_dir_fd, new_name)
    try:
        os.stat(new_name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        _perform(os.rename, name, new_name, src_dir_fd=source, dst_dir_fd=target)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)


def replace(name: str, dir_fd: int, new_name: str, new_dir_fd: int) -> None:
    """Rename a file, in one step, over the one of the new name if there is one."""
    _perform(os.rename, name, new_name, src_dir_fd=_at(dir_fd, name), dst_dir_fd=_at(new_dir_fd, new_name))


def unlink(name: str, dir_fd: Optional[int]) -> None:
    """Remove a file's name."""
    _perform(os.unlink, name, dir_fd=_at(dir_fd, name))


def discard(name: str, dir_fd: int) -> bool:
    """Remove a file's name, and tell whether there was one."""
    try:
        unlink(name, dir_fd)
    except FileNotFoundError:
        return False
    return True


def half_made(name: str) -> str:
    """Return under which name ``rewrite`` makes a file; one that is killed leaves that."""
    return ".%s.new" % name


def rewrite(name: str, dir_fd: int, data: bytes, mode: int = 0o600) -> None:
    """Write bytes ``data`` in place of the file there is, if there is one, in one step, and sync both."""
    discard(half_made(name), dir_fd)
    write_new(half_made(name), dir_fd, data, mode)
    replace(half_made(name), dir_fd, name, dir_fd)
    sync_directory(dir_fd)


def write_new(
    name: str,
    dir_fd: int,
    data: bytes,
    mode: int = 0o600,
    owner: Optional[Tuple[int, int]] = None,
    times: Optional[Tuple[int, int]] = None,
    sync: bool = True,
) -> None:
    """Write bytes ``data`` to a new file and sync it. FileExistsError where there is one.

    ``owner``: user and group id; ``times``: atime and mtime in ns. Nothing of it remains where it cannot be written.
    """
    fd = _perform(os.open, name, _NEW, 0o600, dir_fd=_at(dir_fd, name))
    try:
        _write_all(fd, data)
        if owner is not None:
            _own(fd, owner)
        _perform(os.fchmod, fd, mode)
        if times is not None:
            _perform(os.utime, fd, ns=times)
        if sync:
            _perform(os.fsync, fd)
    except BaseException:
        _perform(os.unlink, name, dir_fd=_at(dir_fd, name))
        raise
    finally:
        os.close(fd)


def copy(name: str, dir_fd: int, new_name: str, new_dir_fd: int, data: bytes, sync: bool = False) -> None:
    """Write ``data`` to a new file with owner, mode and times of the file ``name``.

    Without ``sync``, it must not take another file's place before ``sync_all``: a power loss would leave it empty.
    """
    found = os.stat(name, dir_fd=_at(dir_fd, name), follow_symlinks=False)
    owner, times = (found.st_uid, found.st_gid), (found.st_atime_ns, found.st_mtime_ns)
    write_new(new_name, new_dir_fd, data, stat.S_IMODE(found.st_mode), owner, times, sync=sync)


def append(fd: int, data: bytes) -> None:
    """Write bytes ``data`` at the end of a file that was opened for appending, and sync it."""
    _write_all(fd, data)
    _perform(os.fsync, fd)


def overwrite(fd: int, data: bytes, offset: int) -> None:
    """Replace bytes of a file that was opened for writing. Not synced."""
    while data:
        done = _perform(os.pwrite, fd, data, offset)
        data, offset = data[done:], offset + done


def sync_file(fd: int) -> None:
    """Bring a file's contents and times to the disk."""
    _perform(os.fsync, fd)


def sync_named(name: str, dir_fd: int) -> None:
    """Bring the contents of a regular file, which somebody else wrote, to the disk."""
    fd = os.open(name, os.O_RDONLY | _OLD, dir_fd=_at(dir_fd, name))
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def sync_directory(fd: int) -> None:
    """Bring a directory's names to the disk."""
    _perform(os.fsync, fd)


def sync_all() -> None:
    """Bring all that was written to the disk: cheaper than to sync thousands of small files one by one."""
    _perform(os.sync)


def set_owner(name: str, dir_fd: int, owner: Tuple[int, int]) -> None:
    """Give a file or directory to ``owner`` (user and group id)."""
    _perform(os.chown, name, owner[0], owner[1], dir_fd=_at(dir_fd, name), follow_symlinks=False)


def set_mode(name: str, dir_fd: int, mode: int) -> None:
    """Set the permissions of a regular file, directory or FIFO; OSError (ELOOP) where it is a link."""
    fd = os.open(name, os.O_RDONLY | _OLD, dir_fd=_at(dir_fd, name))
    try:
        _perform(os.fchmod, fd, mode)
    finally:
        os.close(fd)


def set_times(name: str, dir_fd: int, times: Tuple[int, int]) -> None:
    """Set atime and mtime (a pair, in ns)."""
    _perform(os.utime, name, ns=times, dir_fd=_at(dir_fd, name), follow_symlinks=False)


def _own(fd: int, owner: Tuple[int, int]) -> None:
    found = os.fstat(fd)
    if (found.st_uid, found.st_gid) != tuple(owner):
        _perform(os.fchown, fd, owner[0], owner[1])


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[_perform(os.write, fd, view) :]


class NewFile:
    """A file of mode 0600 that appears under its name, in place of what was there, only when it is complete.

    A context manager: leaving it without ``commit`` leaves no trace. ``option`` is named in errors.
    """

    def __init__(self, path: str, option: str) -> None:
        self.path = path
        self._option = option
        self._directory, name = os.path.split(os.path.abspath(path))
        if os.path.isdir(path):
            raise RescueError("%s: %s is a directory; expected the name of a file to write." % (option, path))
        try:
            # mkstemp opens with O_EXCL and O_NOFOLLOW: in /tmp, nobody can have put a link there before us.
            fd, self._temporary = tempfile.mkstemp(prefix=".%s." % name[:100], dir=self._directory)
        except OSError as error:
            raise RescueError("%s: cannot write in %s: %s." % (option, self._directory, error.strerror)) from None
        self._committed = False
        self.file = os.fdopen(fd, "wb", 1 << 18)

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(self, *unused: object) -> None:
        if not self._committed:
            # Its buffer may be what could not be written.
            try:
                self.file.close()
            except OSError:
                pass
            os.unlink(self._temporary)

    def append(self, file: IO[bytes]) -> None:
        """Add the whole contents of a binary ``file``."""
        file.seek(0)
        shutil.copyfileobj(file, self.file, 1 << 20)

    def commit(self) -> None:
        """Give the file its name, in one step, once it is on disk."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.rename(self._temporary, self.path)
        except OSError as error:
            raise RescueError("%s: cannot write %s: %s." % (self._option, self.path, error.strerror)) from None
        self._committed = True
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def scratch_file(directory: Optional[str] = None, buffering: int = 1 << 18) -> IO[bytes]:
    """Return a binary file without a name in ``directory`` (None: in the usual place); it is gone when it is closed."""
    return tempfile.TemporaryFile(dir=directory, buffering=buffering)


@contextmanager
def scratch_directory() -> Iterator[str]:
    """A directory of mode 0700 in the usual place, which is gone afterwards with all that is in it."""
    path = tempfile.mkdtemp(prefix="mailops-rescue-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
