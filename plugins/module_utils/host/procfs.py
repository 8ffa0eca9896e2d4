# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes there are, told by /proc; and signals that cannot hit another one."""

__all__ = ["Process", "Procfs"]

import os
import re
import signal
from typing import Callable, Dict, List, NamedTuple, Optional, Set

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_LONGEST = 1 << 20
_FLOCK = re.compile(rb"^\d+: FLOCK +\S+ +WRITE +(\d+) +\S+:(\d+) ", re.MULTILINE)


class Process(NamedTuple):
    """A process as it was once.

    ``start`` is in clock ticks since boot: with ``pid`` it tells a process from a later one that got the same number.
    ``parent`` and ``session`` are pids; ``name`` is what the kernel keeps of it, 15 characters.
    """

    pid: int
    start: int
    parent: int
    session: int
    name: str


class Procfs:
    """The processes below ``root``, as the kernel shows them."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root

    def processes(self) -> Dict[int, Process]:
        """Return a dict of Process by pid."""
        found = (self.process(int(name)) for name in os.listdir(self._root) if name.isdigit())
        return {one.pid: one for one in found if one is not None}

    def process(self, pid: int) -> Optional[Process]:
        """Return the Process, or None where there is none (any more) or only its exit status is left."""
        data = self._read(pid, "stat")
        # The name stands in parentheses and may hold any character, these included.
        head, unused, tail = data.rpartition(b") ")
        fields = tail.split()
        if len(fields) < 20 or fields[0] in (b"Z", b"X"):
            return None
        name = head.partition(b" (")[2].decode("utf-8", "replace")
        return Process(pid, int(fields[19]), int(fields[1]), int(fields[3]), name)

    def same(self, process: Process) -> bool:
        """Tell whether this very process still lives."""
        now = self.process(process.pid)
        return now is not None and now.start == process.start

    def age(self, process: Process) -> int:
        """Return for how many seconds a process has been running."""
        with open(os.path.join(self._root, "uptime"), "rb") as file:
            uptime = float(file.read().split()[0])
        return max(0, int(uptime - process.start / os.sysconf("SC_CLK_TCK")))

    def arguments(self, pid: int) -> List[bytes]:
        """Return the list of a process's arguments as bytes; empty where it is gone."""
        data = self._read(pid, "cmdline")
        return data.rstrip(b"\0").split(b"\0") if data else []

    def ancestors(self, process: Process, processes: Dict[int, Process]) -> List[Process]:
        """Return the parent, its parent and so on, as far as they are among ``processes``."""
        found = []
        parent = processes.get(process.parent)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = processes.get(parent.parent)
        return found

    def directory(self, pid: int) -> Optional[str]:
        """Return the working directory of a process, or None where there is none or it may not be seen."""
        try:
            return os.readlink(os.path.join(self._root, str(pid), "cwd"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None

    def control_groups(self, pid: int) -> List[str]:
        """Return the paths in /proc/PID/cgroup."""
        lines = self._read(pid, "cgroup").decode("utf-8", "replace").splitlines()
        return [line.split(":", 2)[2] for line in lines if line.count(":") > 1]

    def has_open(self, pid: int, status: os.stat_result) -> Optional[bool]:
        """Tell whether a process has the file of ``status`` (an os.stat_result) open; None where that may not be seen.

        In a container, even root may not see it of other users' processes.
        """
        folder = os.path.join(self._root, str(pid), "fd")
        try:
            for name in os.listdir(folder):
                try:
                    found = os.stat(os.path.join(folder, name))
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
                    return True
        except (FileNotFoundError, ProcessLookupError):
            pass
        except PermissionError:
            return None
        return False

    def flock_holders(self, status: os.stat_result) -> Set[int]:
        """Return the pids that hold an exclusive flock on a file of the inode of ``status``, of whatever device."""
        # Devices are not compared: overlay and btrfs show others here than os.stat does.
        with open(os.path.join(self._root, "locks"), "rb") as file:
            return {int(pid) for pid, inode in _FLOCK.findall(file.read()) if int(inode) == status.st_ino}

    def send(self, process: Process, number: int, proof: Optional[Callable[[], bool]] = None) -> bool:
        """Send signal ``number`` to this very process; return False where it is gone or ``proof()`` is not true."""
        opened = self._pidfd(process.pid)
        try:
            if not self.same(process) or (proof is not None and not proof()):
                return False
            if opened is None:
                os.kill(process.pid, number)
            else:
                signal.pidfd_send_signal(opened, number)
            return True
        except ProcessLookupError:
            return False
        except PermissionError:
            raise RescueError("Process %d cannot be signalled: run as root (become: true)." % process.pid) from None
        finally:
            if opened is not None:
                os.close(opened)

    def _pidfd(self, pid: int) -> Optional[int]:
        # Without it (Python before 3.9, Linux before 5.3), a few microseconds remain between the look and the signal.
        try:
            return os.pidfd_open(pid)
        except (AttributeError, OSError):
            return None

    def _read(self, pid: int, name: str) -> bytes:
        try:
            with open(os.path.join(self._root, str(pid), name), "rb") as file:
                return file.read(_LONGEST)
        except (FileNotFoundError, ProcessLookupError):
            return b""
