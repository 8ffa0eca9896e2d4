# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was compiled into an installed qmail, as its qmail-showctl tells."""

__all__ = ["showctl"]

import os
import re
import stat
import subprocess

_TIMEOUT = 30


def showctl(home):
    """Return what qmail-showctl of the qmail in ``home`` prints; an empty text where it cannot be asked."""
    home = os.path.realpath(home)
    program = os.path.join(home, "bin", "qmail-showctl")
    if not _is_trusted(program):
        return ""
    try:
        done = subprocess.run(
            [program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = done.stdout.decode("utf-8", "replace")
    # It tells of the home that was compiled in, wherever it was copied to.
    there = re.search(r"^qmail home directory: (.*)\.$", text, re.MULTILINE)
    return text if there is not None and os.path.realpath(there.group(1)) == home else ""


def _is_trusted(program):
    """Tell whether only root can have put this program there; it is run as root."""
    path = program
    for _unused in range(3):
        try:
            found = os.stat(path, follow_symlinks=False)
        except OSError:
            return False
        if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or stat.S_ISLNK(found.st_mode):
            return False
        path = os.path.dirname(path)
    return True
