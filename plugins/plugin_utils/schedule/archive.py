# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives a run: dated reports, of which the last is what the next run is compared with, and unsent alerts."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterable

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.files import keep, sync, write
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.alert import Notice

__all__ = ["Kept", "files"]

_NEW = ".new"
_MOST_PENDING = 50
# What else is in that directory is somebody's own.
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z[+0-9]*\Z")


class Kept:
    """What is in the schedule's `directory`."""

    def __init__(self, directory: str) -> None:
        self.reports = os.path.join(directory, "reports")
        self._pending = os.path.join(directory, "pending.json")
        os.makedirs(self.reports, mode=0o750, exist_ok=True)

    def names(self) -> list[str]:
        """The dated reports, oldest first."""
        return sorted(one for one in os.listdir(self.reports) if _STAMP.match(one))

    def last(self) -> str | None:
        """The path of the last dated report's document, or None."""
        names = self.names()
        return os.path.join(self.reports, names[-1], "report.json") if names else None

    def add(self, directory: str, files: Iterable[str], stamp: str, most: int) -> str:
        """Keep `files` of `directory` as the last report, and the `most` last ones."""
        new = os.path.join(self.reports, _NEW)
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new, 0o750)
        for name in files:
            # A report's files are replaced and never written to, so that links are copies.
            keep(os.path.join(directory, name), os.path.join(new, name))
        names = self.names()
        # The last stays the last when the clock is set back, or two runs end within one second.
        if names and stamp <= names[-1]:
            stamp, _plus, number = names[-1].partition("+")
            stamp = "%s+%06d" % (stamp, int(number) + 1 if number.isdigit() else 1)
        os.rename(new, os.path.join(self.reports, stamp))
        sync(self.reports)
        for name in self.names()[:-most]:
            shutil.rmtree(os.path.join(self.reports, name), ignore_errors=True)
        return stamp

    def pending(self) -> list[tuple[str, Notice]]:
        """The alerts that did not get out, as pairs of who was to be told and a notice."""
        try:
            with open(self._pending, encoding="utf-8") as file:
                return [(target, made) for targets, made in json.load(file) for target in targets]
        except (OSError, ValueError, TypeError):
            return []

    def remember(self, pending: Iterable[tuple[str, Notice]]) -> None:
        """Write down which alerts are to be sent."""
        notices: dict[int, tuple[list[str], Notice]] = {}
        for target, made in pending:
            # One mail goes to all whom one notice is for.
            notices.setdefault(id(made), ([], made))[0].append(target)
        if notices or os.path.exists(self._pending):
            write(self._pending, (json.dumps(list(notices.values())[-_MOST_PENDING:]) + "\n").encode("utf-8"))


def files(directory: str) -> dict[str, tuple[int, int]]:
    """The regular files in `directory`, {name: what changes when it is replaced}."""
    found: dict[str, tuple[int, int]] = {}
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return found
    for entry in entries:
        about = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(about.st_mode) and not entry.name.startswith("."):
            found[entry.name] = (about.st_ino, about.st_mtime_ns)
    return found
