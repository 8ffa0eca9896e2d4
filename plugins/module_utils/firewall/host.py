# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the host: files, and what commands say. Nothing here changes anything."""

__all__ = ["Host"]

import os
from typing import List, Optional, Union

from ansible_collections.mailops.rescue.plugins.module_utils.host import programs

_TIMEOUT = 60


class Host:
    """The files are those below ``root``."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def read(self, path: str) -> Optional[str]:
        """Return a file's text, or None where there is no such file."""
        try:
            with open(self._below(path), "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None

    def names(self, directory: str) -> List[str]:
        """Return the sorted names in a directory; none where there is no such directory."""
        try:
            return sorted(os.listdir(self._below(directory)))
        except FileNotFoundError:
            return []

    def has(self, command: str) -> bool:
        """Tell whether a command is installed."""
        return programs.which(command) is not None

    @staticmethod
    def run(*command: str, data: Union[bytes, str] = b"") -> programs.Done:
        """As programs.run."""
        return programs.run(*command, timeout=_TIMEOUT, data=data)

    def _below(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))
