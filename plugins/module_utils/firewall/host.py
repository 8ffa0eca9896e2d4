# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the host: files, and what commands say. Nothing here changes anything."""

__all__ = ["Host"]

import os
import shutil
import subprocess

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"))
_TIMEOUT = 60


class Host:
    """The files are those below ``root``."""

    def __init__(self, root="/"):
        self._root = root

    def read(self, path):
        """Return a file's text, or None where there is no such file."""
        try:
            with open(self._below(path), "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None

    def names(self, directory):
        """Return the sorted names in a directory; none where there is no such directory."""
        try:
            return sorted(os.listdir(self._below(directory)))
        except FileNotFoundError:
            return []

    def has(self, command):
        """Tell whether a command is installed."""
        return shutil.which(command, path=_PATH) is not None

    def run(self, *command, **keywords):
        """Return (exit status, output, errors) of a command; ``data`` is its input."""
        try:
            done = subprocess.run(
                (shutil.which(command[0], path=_PATH) or command[0],) + command[1:],
                input=keywords.get("data", "").encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                timeout=_TIMEOUT, env=dict(os.environ, LC_ALL="C", PATH=_PATH), check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RescueError("%s did not answer within %d seconds." % (" ".join(command), _TIMEOUT)) from None
        except OSError as error:
            raise RescueError("%s cannot be run: %s." % (command[0], error.strerror)) from None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def _below(self, path):
        return os.path.join(self._root, path.lstrip("/"))
