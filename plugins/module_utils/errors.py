# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong. Modules turn RescueError into fail_json; readers turn the others into counts."""

__all__ = ["Damaged", "RescueError", "Vanished", "disk_failed"]

import os
from typing import Any, Dict, Optional


class RescueError(Exception):
    """The run cannot go on. The message is one sentence for the operator that names the option or path.

    ``result``: a dict of what was done until then, for the module's result; empty where nothing was touched.
    """

    result: Dict[str, Any] = {}


class Vanished(Exception):
    """The message left the queue while it was being read."""


class Damaged(Exception):
    """A file is not what its place in the queue says. The message is the reason; ``path`` is relative to the queue."""

    def __init__(self, reason: str, path: Optional[str] = None) -> None:
        super().__init__(reason)
        self.path = path


def disk_failed(error: OSError) -> str:
    """Return an OSError as a phrase."""
    name = "" if error.filename is None else ": %s" % os.fsdecode(error.filename)
    return "the disk failed (%s%s)" % (error.strerror or error, name)
