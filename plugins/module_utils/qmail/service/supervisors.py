# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts qmail-send and keeps it running, and how to tell it to stop or start.

Every supervisor has ``kind``, ``service`` (directory, unit or script; None), ``keeps`` (whether it starts again by
itself what it was asked to keep up), and

- ``wanted()``: ``up``, ``once`` (runs, and would not be started again), ``down``, or None where it does not say;
- ``check()``: raises RescueError where it cannot be told anything;
- ``stop(process)``, ``start(wanted)``: tell it so, and return at once;
- ``problem()``: a phrase that says why what it was told has failed, or None.
"""

__all__ = ["DIRECTORIES", "InitScript", "NoSupervisor", "ServiceDirectory", "Systemd", "parse_status"]

import errno
import os
import shutil
import signal
import stat
import struct
import subprocess
import time
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.disk import scratch_file

# Names of the processes that keep one service running each, in a directory that they have as working directory.
DIRECTORIES = {"supervise": "daemontools", "runsv": "runit", "s6-supervise": "s6"}

# ``pid`` is 0 when down.
Status = namedtuple("Status", "pid wanted")

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/bin"))
_TIMEOUT = 30
_REAPED = 5


def parse_status(kind, data):
    """Return the Status in the bytes of supervise/status, or None where they are no such thing."""
    if kind == "s6":
        # Since 2.11.2 there is a process group too.
        if len(data) not in (35, 43):
            return None
        pid = struct.unpack(">Q", data[24:32])[0]
        # s6 does not tell a service that was asked to stop from one that runs once.
        return Status(pid, "up" if data[-1] & 4 else "once" if pid else "down")
    if len(data) != {"daemontools": 18, "runit": 20}[kind]:
        return None
    pid = struct.unpack("<I", data[12:16])[0]
    if data[17:18] == b"u":
        return Status(pid, "up")
    once = data[17] == 0 if kind == "daemontools" else data[18] == 0
    return Status(pid, "once" if once and pid else "down")


class ServiceDirectory:
    """A service of daemontools, runit or s6.

    All three read the same letters from supervise/control; their programs svc, sv and s6-svc do no more than write
    them, and are often in no usual place.
    """

    keeps = True

    def __init__(self, kind, service):
        self.kind = kind
        self.service = service

    def status(self):
        """Return the Status. Raises RescueError where there is none to be read."""
        path = os.path.join(self.service, "supervise", "status")
        try:
            with open(path, "rb") as file:
                found = parse_status(self.kind, file.read(256))
        except PermissionError:
            raise RescueError("%s cannot be read: run as root (become: true)." % path) from None
        except OSError as error:
            raise RescueError("service: %s cannot be read: %s." % (path, error.strerror)) from None
        if found is None:
            raise RescueError("supervisor: %s is not written by %s; name the right one." % (path, self.kind))
        return found

    def wanted(self):
        return self.status().wanted

    def check(self):
        os.close(self._open())
        self.status()

    def stop(self, process):
        self._write(b"d")

    def start(self, wanted="up"):
        if wanted == "once":
            # Told while the old process is not yet reaped, they would start nothing.
            end = time.monotonic() + _REAPED
            while self.status().pid and time.monotonic() < end:
                time.sleep(0.02)
        self._write(b"o" if wanted == "once" else b"u")

    def problem(self):
        return None

    def _open(self):
        path = os.path.join(self.service, "supervise", "control")
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except PermissionError:
            raise RescueError("%s cannot be written to: run as root (become: true)." % path) from None
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise RescueError("service: no %s is running for %s." % (self.kind, self.service)) from None
            raise RescueError("service: %s cannot be written to: %s." % (path, error.strerror)) from None
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise RescueError("service: %s is no FIFO." % path)
        return fd

    def _write(self, letter):
        fd = self._open()
        try:
            os.write(fd, letter)
        except OSError as error:
            raise RescueError("service: %s does not listen: %s." % (self.service, error.strerror)) from None
        finally:
            os.close(fd)


class _Run:
    """A command that runs while we look at what it does. What it starts may keep its output open for ever."""

    def __init__(self, command):
        self._command = command
        self._output = scratch_file()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=dict(os.environ, LC_ALL="C", PATH=_PATH),
                start_new_session=True,
            )
        except OSError as error:
            self._output.close()
            raise RescueError("service: %s cannot be run: %s." % (command[0], error.strerror)) from None

    def problem(self):
        """Return a phrase once it has failed; None while it runs and when it succeeded."""
        status = self._process.poll()
        if not status:
            return None
        lines = self.output().strip().splitlines() or ["no reason given"]
        return "%s failed: %s" % (" ".join(self._command), lines[-1][:300].rstrip("."))

    def output(self):
        """Return what it has printed so far, as text."""
        self._output.seek(0)
        return self._output.read(65536).decode("utf-8", "replace")

    def finish(self):
        """Wait until it has ended, and raise RescueError where it fails or takes too long. Return what it printed."""
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            command = " ".join(self._command)
            raise RescueError("%s did not answer within %d seconds." % (command, _TIMEOUT)) from None
        problem = self.problem()
        if problem:
            raise RescueError(problem + ".")
        return self.output()


class Systemd:
    """A unit of systemd."""

    kind = "systemd"
    keeps = True

    def __init__(self, service):
        self.service = service if "." in service else service + ".service"

    @staticmethod
    def is_here():
        """Tell whether this host was booted with systemd, as sd_booted(3) does."""
        return os.path.isdir("/run/systemd/system")

    def show(self):
        """Return a dict of the unit's LoadState, ActiveState and MainPID."""
        lines = self._control("show", "--property=LoadState,ActiveState,MainPID", self.service).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def wanted(self):
        return "up" if self.show().get("ActiveState") in ("active", "activating", "reloading") else "down"

    def check(self):
        if self.show().get("LoadState") != "loaded":
            raise RescueError("service: systemd has no unit %s that it can load." % self.service)

    def stop(self, process):
        self._control("--no-block", "stop", self.service)

    def start(self, wanted="up"):
        self._control("--no-block", "start", self.service)

    def problem(self):
        return "%s has failed" % self.service if self.show().get("ActiveState") == "failed" else None

    @staticmethod
    def _control(*arguments):
        program = shutil.which("systemctl", path=_PATH)
        if program is None:
            raise RescueError("supervisor: systemctl is not installed here.")
        return _Run([program] + list(arguments)).finish()


class InitScript:
    """A script that takes ``stop`` and ``start``, as in /etc/init.d."""

    kind = "sysv"
    keeps = False

    def __init__(self, service):
        self.service = service
        self._run = None

    def wanted(self):
        return None

    def check(self):
        _check_program(self.service)

    def stop(self, process):
        self._run = _Run([self.service, "stop"])

    def start(self, wanted="up"):
        self._run = _Run([self.service, "start"])

    def problem(self):
        return self._run.problem() if self._run else None


class NoSupervisor:
    """qmail-send as started by hand: signalled itself, and started by a script such as qmail's ``rc``, if given."""

    kind = "none"
    keeps = False

    def __init__(self, service, proc):
        self.service = service
        self._proc = proc
        self._run = None

    def wanted(self):
        return None

    def check(self):
        if self.service is None:
            raise RescueError("service: name the script that starts qmail-send, such as /var/qmail/rc.")
        _check_program(self.service)

    def stop(self, process):
        if process is not None:
            self._proc.send(process, signal.SIGTERM)

    def start(self, wanted="up"):
        self.check()
        # The script becomes qmail-send, which is to outlive us.
        self._run = _Run(["/bin/sh", "-c", 'exec "$0" </dev/null >/dev/null 2>&1 &', self.service])

    def problem(self):
        return self._run.problem() if self._run else None


def _check_program(path):
    if not os.path.isabs(path):
        raise RescueError("service: expected the path of a script, got %s." % path)
    if not os.path.isfile(path):
        raise RescueError("service: there is no script %s." % path)
    if not os.access(path, os.X_OK):
        raise RescueError("service: %s may not be executed." % path)
