"""Programs that behave as qmail-send and its supervisor do towards locks, signals and files; they deliver nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from .qmail_queue import QmailQueue
from .waiting import wait_for

__all__ = ["FakeService"]

QMAIL_SEND = r"""
import fcntl, os, signal, subprocess, sys, time
queue, folder = sys.argv[1:3]
asked = []
signal.signal(signal.SIGTERM, lambda *unused: asked.append(1))
for number in (signal.SIGALRM, signal.SIGHUP):
    def note(number, frame):
        with open(folder + "/signals", "a") as file:
            file.write(signal.Signals(number).name + "\n")
    signal.signal(number, note)
# As one that cannot read its controls, which it does before it takes the lock.
if os.path.exists(folder + "/dies"):
    time.sleep(0.1)
    sys.exit(111)
lock = open(queue + "/lock/sendmutex", "ab")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(111)
count = open(folder + "/deliveries").read() if os.path.exists(folder + "/deliveries") else "0"
here = os.path.dirname(os.path.abspath(sys.argv[0]))
spawn = subprocess.Popen([here + "/qmail-rspawn", count])
while not asked or spawn.poll() is None:
    if asked and spawn.poll() is None:
        spawn.terminate()
    time.sleep(0.02)
"""

QMAIL_RSPAWN = r"""
import os, signal, subprocess, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *unused: asked.append(1))
here = os.path.dirname(os.path.abspath(sys.argv[0]))
running = [subprocess.Popen([here + "/qmail-remote"]) for unused in range(int(sys.argv[1]))]
while not asked or running:
    running = [one for one in running if one.poll() is None]
    if os.getppid() == 1:
        [one.kill() for one in running]
        break
    time.sleep(0.02)
"""

QMAIL_REMOTE = "import time\ntime.sleep(60)\n"

SUPERVISE = r"""
import os, signal, struct, subprocess, sys, time
os.chdir(sys.argv[1])
os.makedirs("supervise", exist_ok=True)
if not os.path.exists("supervise/control"):
    os.mkfifo("supervise/control", 0o600)
control = os.open("supervise/control", os.O_RDWR | os.O_NONBLOCK)
want, child, ends = ("d" if os.path.exists("down") else "u"), None, False
def tell():
    with open("supervise/status.new", "wb") as file:
        pid = child.pid if child else 0
        file.write(b"\0" * 12 + struct.pack("<I", pid) + b"\0" + (b"\0" if want == "o" else want.encode()))
    os.rename("supervise/status.new", "supervise/status")
def begin():
    global child
    child = subprocess.Popen(["./run"])
if want == "u":
    begin()
tell()
while not ends or child:
    try:
        letters = os.read(control, 16).decode()
    except BlockingIOError:
        letters = ""
    if child and child.poll() is not None:
        child = None
        if want == "u":
            time.sleep(0.1)
            begin()
        tell()
    for letter in letters:
        with open("letters", "a") as file:
            file.write(letter)
        if letter == "x":
            ends = True
            continue
        want = letter
        if letter == "d" and child:
            child.terminate()
        elif letter in "uo" and not child:
            begin()
        tell()
    time.sleep(0.02)
"""

SCRIPT = """#!/bin/sh
echo $1 >>%(path)s/script
case $1 in
start) %(start)s & echo $! >%(path)s/pid ;;
stop) kill $(cat %(path)s/pid) ;;
esac
"""

PROGRAMS = {
    "qmail-send": QMAIL_SEND,
    "qmail-rspawn": QMAIL_RSPAWN,
    "qmail-remote": QMAIL_REMOTE,
    "supervise": SUPERVISE,
}


class FakeService:
    """A queue at `path`/qmail/queue, and programs that hold its lock. A context manager that ends what it started.

    `directory` is a service directory as daemontools', `script` one as in /etc/init.d.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.home = self.path / "qmail"
        self.home.mkdir()
        self.queue = QmailQueue(self.home / "queue", split=3).path
        lock = Path(self.queue) / "lock"
        lock.mkdir(exist_ok=True)
        (lock / "sendmutex").touch(0o600)
        self.bin = self.home / "bin"
        self.bin.mkdir()
        for name, text in PROGRAMS.items():
            self.program(name, "#!%s -SE\n%s" % (sys.executable, text))
        self.directory = self.path / "service" / "qmail-send"
        self.directory.mkdir(parents=True)
        start = "%s/bin/qmail-send %s %s" % (self.home, self.queue, self.path)
        self.rc = self.program("rc", "#!/bin/sh\nexec %s\n" % start)
        self._executable(self.directory / "run", "#!/bin/sh\nexec %s 2>/dev/null\n" % start)
        self.script = self.path / "init.d" / "qmail"
        self.script.parent.mkdir()
        self._executable(self.script, SCRIPT % {"path": self.path, "start": start})
        self._started = []

    def program(self, name, text):
        return self._executable(self.bin / name, text)

    @staticmethod
    def _executable(path, text):
        path.write_text(text)
        path.chmod(0o755)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self._started:
            if process.poll() is None:
                if process.args[0].endswith("/supervise"):
                    self.tell("dx")
                else:
                    process.terminate()
                wait_for(lambda process=process: self._ended(process))

    def _ended(self, process):
        for one in self.deliveries():
            os.kill(one, signal.SIGKILL)
        return process.poll() is not None

    def supervise(self, down=False):
        """Run the supervisor; the service is started unless `down`."""
        if down:
            (self.directory / "down").touch()
        process = subprocess.Popen([str(self.bin / "supervise"), str(self.directory)], start_new_session=True)
        self._started.append(process)
        wait_for((self.directory / "supervise" / "status").exists)
        if not down:
            wait_for(self.pid)
        return process

    def by_hand(self):
        """Run qmail-send without a supervisor."""
        process = subprocess.Popen([str(self.rc)], start_new_session=True)
        self._started.append(process)
        wait_for(self.pid)
        return process

    def tell(self, letters):
        with open(self.directory / "supervise" / "control", "wb", 0) as control:
            control.write(letters.encode())

    def letters(self):
        """What the supervisor has been told."""
        path = self.directory / "letters"
        return path.read_text() if path.exists() else ""

    def hold_up(self, count):
        """From its next start on, qmail-send has `count` deliveries that do not end."""
        (self.path / "deliveries").write_text(str(count))

    def signals(self):
        path = self.path / "signals"
        return path.read_text().split() if path.exists() else []

    def pid(self):
        """The process that holds the lock, or None; by other means than the engine's."""
        inode = os.stat(self.queue + "/lock/sendmutex").st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(":%d" % inode):
                return int(fields[4])
        return None

    def deliveries(self):
        """The pids of the deliveries."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.bin / "qmail-remote").encode() in stat.read_bytes():
                    found.append(int(stat.parent.name))
            except OSError:
                continue
        return sorted(found)
