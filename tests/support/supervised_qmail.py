"""The qmail installed on this machine, under a real supervisor; what it sends goes to a peer that never answers."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from .real_qmail import RealQmail
from .waiting import wait_for

__all__ = ["SUPERVISORS", "StallingPeer", "SupervisedQmail"]

SUPERVISORS = {"daemontools": "supervise", "runit": "runsv", "s6": "s6-supervise"}
RUN = '#!/bin/sh\nexec env PATH="%s/bin:$PATH" qmail-start ./Mailbox >>%s 2>&1 </dev/null\n'
SCRIPT = """#!/bin/sh
case $1 in
start) (%(run)s) & echo $! >%(pid)s ;;
stop) kill $(cat %(pid)s) ;;
*) exit 2 ;;
esac
"""


class StallingPeer:
    """Takes SMTP connections on a loopback port and says nothing. A context manager."""

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                self.connections.append(self._listening.accept()[0])
            except OSError:
                return

    def let_go(self):
        """Close what is open: deliveries are put off."""
        while self.connections:
            self.connections.pop().close()

    def __exit__(self, *error):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.let_go()


class SupervisedQmail(RealQmail):
    """A context manager: inside, a supervisor of `kind`, or with `sysv` a script, has started qmail-send.

    `directory`: its service directory; `script`: its script; `peer`: a StallingPeer that gets all remote mail.
    """

    def __init__(self, home, kind):
        super().__init__(home)
        self._kind = kind
        self._supervisor = None

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as stack:
            stack.callback(super().__exit__)
            self.peer = stack.enter_context(StallingPeer())
            for name, value in (("concurrencyremote", "2\n"), ("smtproutes", ":127.0.0.1:%d\n" % self.peer.port)):
                path = self.home / "control" / name
                if path not in self._settings:
                    self._settings[path] = path.read_bytes() if path.exists() else None
                path.write_text(value)
            folder = Path(tempfile.mkdtemp(prefix="rescue-test-"))
            stack.callback(shutil.rmtree, str(folder))
            self.log = folder / "log"
            self.directory = folder / "qmail-send"
            self.directory.mkdir()
            run = RUN % (self.home, self.log)
            self._executable(self.directory / "run", run)
            self.script = folder / "qmail"
            command = run.split("\n", 1)[1].strip()
            self._executable(self.script, SCRIPT % {"run": command, "pid": folder / "pid"})
            stack.callback(self._empty)
            stack.callback(self._end)
            self._begin()
            self._leave = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._leave.close()

    @staticmethod
    def _executable(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def _begin(self):
        if self._kind in SUPERVISORS:
            program = SUPERVISORS[self._kind]
            self._supervisor = subprocess.Popen([program, str(self.directory)], cwd="/", start_new_session=True)
        else:
            subprocess.run([str(self.script), "start"], check=True, stdin=subprocess.DEVNULL)
        wait_for(self.pid)

    def _end(self):
        # It must end whatever a test has left in flight.
        end = threading.Event()

        def hang_up():
            while not end.wait(0.1):
                self.peer.let_go()

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            if self._supervisor:
                self.tell("dx")
                self._supervisor.wait(60)
            elif self.pid():
                subprocess.run([str(self.script), "stop"], check=True, stdin=subprocess.DEVNULL)
            wait_for(lambda: self.pid() is None)
        finally:
            end.set()
            thread.join()

    def _empty(self):
        """The queue was empty before: what is in it now came from the test."""
        for directory in ("mess", "info", "local", "remote", "todo", "intd", "bounce", "pid"):
            for folder, _, names in os.walk(os.path.join(self.path, directory)):
                for name in names:
                    os.unlink(os.path.join(folder, name))

    def tell(self, letters):
        """Tell the supervisor, as its own program does."""
        with open(str(self.directory / "supervise" / "control"), "wb", 0) as control:
            control.write(letters.encode())

    def status(self):
        """What the supervisor's own program says of the service."""
        program = {"daemontools": ["svstat"], "runit": ["sv", "status"], "s6": ["s6-svstat"]}[self._kind]
        done = subprocess.run(program + [str(self.directory)], stdout=subprocess.PIPE, check=False, timeout=10)
        return done.stdout.decode()

    def pid(self):
        """The process that holds the lock, or None; by other means than the engine's."""
        inode = os.stat(self.path + "/lock/sendmutex").st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(":%d" % inode):
                return int(fields[4])
        return None

    def send(self, sender, recipient):
        """Inject one message."""
        command = [str(self.home / "bin" / "qmail-inject"), "-a", "-f" + sender, recipient]
        subprocess.run(command, input=b"Subject: x\n\nbody\n", check=True, timeout=30)

    def messages(self):
        """How many messages the queue holds."""
        return sum(len(files) for _, _, files in os.walk(self.path + "/mess"))
