# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qmail's home directory, and the files in its ``control``, read as qmail's own programs read them."""

__all__ = ["Control", "find_home"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import read_all

# netqmail, notqmail and Plesk; old Debian; indimail.
_HOMES = ("/var/qmail", "/var/lib/qmail", "/var/indimail")
_LARGEST = 64 << 20
_BLANK = b" \t\n"


def find_home(given=None):
    """Return qmail's home directory: ``given`` (the option ``home``), or the one that is installed here."""
    if given is not None:
        if not os.path.isdir(os.path.join(given, "control")):
            raise RescueError("home: %s is not the home of a qmail: it has no directory control." % given)
        return os.path.abspath(given)
    for directory in _HOMES:
        if os.path.isdir(os.path.join(directory, "control")):
            return directory
    raise RescueError("home: no qmail is installed here (looked for control in %s)." % ", ".join(_HOMES))


class Control:
    """The files in ``control`` of a qmail. Raises RescueError where one cannot be read, or holds a NUL."""

    def __init__(self, home):
        self.path = os.path.join(home, "control")

    def line(self, name):
        """Return the first line of a file as bytes, or None where there is no such file."""
        data = self._data(name)
        return None if data is None else data.partition(b"\n")[0].rstrip(_BLANK)

    def lines(self, name):
        """Return the list of ``(number, line)`` that are no comment and not empty; None where there is no such file."""
        data = self._data(name)
        if data is None:
            return None
        found = ((number, line.rstrip(_BLANK)) for number, line in enumerate(data.split(b"\n"), 1))
        return [(number, line) for number, line in found if line and not line.startswith(b"#")]

    def _data(self, name):
        path = os.path.join(self.path, name)
        try:
            # A link there was made by root, as anything in control.
            data = read_all(os.path.realpath(path), None, _LARGEST)
        except Vanished:
            return None
        except Damaged as error:
            raise RescueError("%s: %s." % (path, error)) from None
        if b"\0" in data:
            raise RescueError("%s: it holds a NUL, so it is no file that qmail can read." % path)
        return data
