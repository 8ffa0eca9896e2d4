# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How qmail-send was found by a run that stopped it: whoever comes after a run that was killed brings it back so."""

__all__ = ["StopNote", "since"]

import hashlib
import json
import os
import time
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory, read_all
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.restart_note import RUN

_NAME = "mailops-rescue.stopped.%s"
_BOOT = "/proc/sys/kernel/random/boot_id"
_LONGEST = 65536

Noted = namedtuple("Noted", "queue boot found wanted supervisor service pid start since")
Noted.__doc__ = """What a note says. ``found``, ``wanted``: as Service.state and the supervisor's ``wanted`` said before
the stop; ``supervisor``, ``service``: as the options; ``pid``, ``start``, ``since``: the run that stopped it."""


def since(seconds):
    """Return a time (epoch seconds) in words."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class StopNote:
    """The note of one queue's qmail-send. ``run``: the directory for it.

    It goes with a reboot, as then the supervisor starts what it is to start; where ``run`` outlives that, the note
    names its boot.
    """

    def __init__(self, queue, run=RUN, proc=None):
        self._queue = os.path.realpath(queue)
        self._run = run
        self._proc = proc or Procfs()
        self._name = _NAME % hashlib.sha256(os.fsencode(self._queue)).hexdigest()[:24]

    def read(self):
        """Return Noted, or None where there is no note of this queue and this boot."""
        try:
            with opened_directory(self._run) as fd:
                noted = Noted(**json.loads(read_all(self._name, fd, _LONGEST).decode("utf-8")))
        except (OSError, Damaged, Vanished, ValueError, TypeError):
            return None
        is_ours = (noted.queue, noted.boot) == (os.fsencode(self._queue).hex(), _boot())
        return noted if is_ours and noted.found in ("running", "starting") else None

    def at_work(self):
        """Return Noted where the run that wrote it still lives, else None."""
        noted = self.read()
        return noted if noted is not None and self._lives(noted) else None

    def left(self):
        """Return Noted where the run that wrote it has ended without bringing qmail-send back, else None."""
        noted = self.read()
        return noted if noted is not None and not self._lives(noted) else None

    def write(self, found, wanted, supervisor):
        """Note, and sync, what is to be brought back. RescueError where root cannot: nothing was stopped yet."""
        me = self._proc.process(os.getpid())
        noted = Noted(
            os.fsencode(self._queue).hex(),
            _boot(),
            found,
            wanted,
            supervisor.kind,
            supervisor.service,
            os.getpid(),
            me.start if me else 0,
            int(time.time()),
        )
        data = json.dumps(noted._asdict()).encode("ascii") + b"\n"
        try:
            with opened_directory(self._run) as fd:
                disk.rewrite(self._name, fd, data)
        except OSError as error:
            # Who is not root can stop no qmail-send but his own, in a test.
            if os.geteuid() == 0:
                raise RescueError(
                    "service: how qmail-send was found cannot be noted in %s (%s), so it was not stopped."
                    % (self._run, error.strerror)
                ) from None

    def forget(self):
        """Remove the note, where there is one."""
        try:
            with opened_directory(self._run) as fd:
                disk.discard(self._name, fd)
                disk.sync_directory(fd)
        except OSError:
            # A note that stays is stale once qmail-send runs.
            pass

    def _lives(self, noted):
        process = self._proc.process(noted.pid)
        return process is not None and process.start == noted.start


def _boot():
    try:
        with open(_BOOT, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
