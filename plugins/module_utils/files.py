# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that changes a disk."""

__all__ = ["NewFile", "scratch_file"]

import os
import shutil
import tempfile

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError


class NewFile:
    """A file of mode 0600 that appears under its name, in place of what was there, only when it is complete.

    A context manager: leaving it without ``commit`` leaves no trace. ``option`` is named in errors.
    """

    def __init__(self, path, option):
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
        self.file = os.fdopen(fd, "wb", 1 << 18)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._temporary is not None:
            # Its buffer may be what could not be written.
            try:
                self.file.close()
            except OSError:
                pass
            os.unlink(self._temporary)

    def append(self, file):
        """Add the whole contents of a binary ``file``."""
        file.seek(0)
        shutil.copyfileobj(file, self.file, 1 << 20)

    def commit(self):
        """Give the file its name, in one step, once it is on disk."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.rename(self._temporary, self.path)
        except OSError as error:
            raise RescueError("%s: cannot write %s: %s." % (self._option, self.path, error.strerror)) from None
        self._temporary = None
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def scratch_file(directory=None, buffering=1 << 18):
    """Return a binary file without a name in ``directory`` (None: in the usual place); it is gone when it is closed."""
    return tempfile.TemporaryFile(dir=directory, buffering=buffering)
