# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a report: written whole under another name, synced, and then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile

__all__ = ["keep", "sync", "write"]


def write(path: str, data: bytes, mode: int = 0o640) -> None:
    """Write bytes `data` to `path` so that whoever reads it finds the old file or the new one, and never a part."""
    directory = os.path.dirname(os.path.abspath(path))
    # With a dot in front and without the ending that a collector of textfiles looks for.
    handle, name = tempfile.mkstemp(prefix=".report-", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync(directory)


def keep(path: str, other: str) -> None:
    """Make `path`, where there is one, known as `other` too, in one step."""
    directory = os.path.dirname(os.path.abspath(other))
    name = os.path.join(directory, ".report-%d.tmp" % os.getpid())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    try:
        os.link(path, name)
    except FileNotFoundError:
        return
    except OSError:
        # Some filesystems, and mounts into containers, have no links.
        with open(path, "rb") as file:
            write(other, file.read())
        return
    os.replace(name, other)
    # Where both are one file already, rename leaves the new name.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    sync(directory)


def sync(directory: str) -> None:
    """Have a directory's names on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
