# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users that hand mail of others to qmail-queue: qmail-smtpd itself, and scanners that stand before it."""

__all__ = ["LOCAL", "NEVER", "PASSES_ON", "Scanners", "UNKNOWN"]

import os
import pwd
import stat

PASSES_ON, LOCAL, UNKNOWN = "passes on", "local", "unknown"
# simscan, qmail-scanner, its follower Q-S-ST, and what these and qmail-smtpd run as.
_NAMES = frozenset(
    (
        "amavis",
        "clamav",
        "qmaild",
        "qscand",
        "qscanq",
        "scanner",
        "simscan",
        "smtpd",
        "spamd",
        "spamdyke",
        "vchkpw",
        "vpopmail",
    )
)
# Where these programs are, seen from the queue.
_PROGRAMS = ("../bin", "../../bin")
# Users that never are: root, and web servers of Debian, SUSE, RHEL and FreeBSD.
NEVER = frozenset((0, 33, 30, 48, 80, 65534))


class Scanners:
    """Those of the host whose queue is in ``directory``."""

    def __init__(self, directory):
        self._directory = directory
        self._known = {}
        self._owners = None

    def judge(self, uid):
        """Return PASSES_ON, LOCAL, or UNKNOWN where this host has no such user, as with another host's queue."""
        if uid not in self._known:
            self._known[uid] = self._judge(uid)
        return self._known[uid]

    def _judge(self, uid):
        if uid in NEVER:
            return LOCAL
        if uid in self._setuid_owners():
            return PASSES_ON
        try:
            name = pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return UNKNOWN
        return PASSES_ON if name in _NAMES else LOCAL

    def _setuid_owners(self):
        """Return the uids as which programs beside the queue run, whoever starts them; not that of qmail-queue."""
        if self._owners is None:
            self._owners = set()
            for below in _PROGRAMS:
                self._owners |= _owners(os.path.join(self._directory, below))
        return self._owners


def _owners(directory):
    found = set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                status = entry.stat()
                if entry.name != "qmail-queue" and stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_ISUID:
                    found.add(status.st_uid)
    except OSError:
        pass
    return found - {0}
