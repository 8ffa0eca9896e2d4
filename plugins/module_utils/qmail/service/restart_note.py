# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A note that qmail-send was stopped to be started again: a run that is killed in between leaves it down."""

__all__ = ["RUN", "RestartNote"]

import contextlib
import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory

# What is noted here goes with a reboot, as qmail-send does, which comes back by itself then.
RUN = "/run"
_NAME = "mailops-rescue.restarting%s"


class RestartNote:
    """The note of one queue's qmail-send. ``run``: the directory for it.

    Who cannot write there goes without: it is for the next run only.
    """

    def __init__(self, queue, run=RUN):
        self._name = _NAME % os.path.realpath(queue).replace("/", "-")
        self._run = run

    def exists(self):
        return os.path.lexists(os.path.join(self._run, self._name))

    def write(self):
        with contextlib.suppress(OSError), opened_directory(self._run) as fd:
            disk.write_new(self._name, fd, b"")
            disk.sync_directory(fd)

    def forget(self):
        if self.exists():
            with contextlib.suppress(OSError), opened_directory(self._run) as fd:
                disk.unlink(self._name, fd)
