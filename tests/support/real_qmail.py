"""The qmail installed on this machine, borrowed for a test: nothing is delivered, and nothing stays
behind."""

import fcntl
import os
import subprocess
from pathlib import Path

from .waiting import wait_for

__all__ = ["RealQmail", "qmail_home"]

SETTINGS = {"concurrencylocal": "0\n", "concurrencyremote": "0\n"}
TURN = 600
USERS = {"network": "qmaild", "bounce": "qmails", "alias": "alias"}


def qmail_home():
    """Return the directory of an installed qmail, from $QMAIL_HOME or /var/qmail, or None."""
    home = Path(os.environ.get("QMAIL_HOME", "/var/qmail"))
    return home if (home / "bin" / "qmail-send").exists() else None


class RealQmail:
    """The qmail at `home`, as a context manager. Has the face of `QmailDouble`.

    RuntimeError where it runs or has mail in its queue: then it is somebody's, and is left alone. Tests that run at the
    same time take turns.
    """

    def __init__(self, home):
        self.home = Path(home)
        self.path = str(self.home / "queue")
        self._added = []
        self._hanging = []
        self._settings = {}

    def __enter__(self):
        self._turn = os.open(str(self.home / "control"), os.O_RDONLY | os.O_DIRECTORY)
        try:
            wait_for(self._take_turn, TURN)
            self._borrow()
        except BaseException:
            os.close(self._turn)
            raise
        return self

    def _take_turn(self):
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _borrow(self):
        with open(self.path + "/lock/sendmutex", "wb") as mutex:
            try:
                fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RuntimeError("qmail-send is running at %s" % self.home) from None
        if any(files for _, _, files in os.walk(self.path + "/mess")):
            raise RuntimeError("the queue of %s holds mail" % self.home)
        for name, value in SETTINGS.items():
            path = self.home / "control" / name
            self._settings[path] = path.read_bytes() if path.exists() else None
            path.write_text(value)

    def __exit__(self, *error):
        for process in self._hanging:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        for path, value in self._settings.items():
            if value is None:
                path.unlink()
            else:
                path.write_bytes(value)
        for directory, _, files in os.walk(self.path):
            for name in files:
                if name.isdigit() and int(name) in self._added:
                    os.unlink(os.path.join(directory, name))
        os.close(self._turn)

    def inject(self, content, sender, recipients, origin="uid 0", stop_at="S4"):
        """Run qmail-queue; as `QmailDouble.inject`."""
        before = self._numbers()
        body, body_end = os.pipe()
        envelope, envelope_end = os.pipe()
        # Descriptor 1 of qmail-queue is an input too.
        process = subprocess.Popen(
            [str(self.home / "bin" / "qmail-queue")],
            stdin=body,
            stdout=envelope,
            user=USERS.get(origin),
            group="nofiles" if origin in USERS else None,
        )
        os.close(body)
        os.close(envelope)
        process.stdin, process.stdout = os.fdopen(body_end, "wb"), os.fdopen(envelope_end, "wb")
        self._hanging.append(process)
        process.stdin.write(content)
        process.stdin.flush()
        if stop_at != "S2":
            process.stdin.close()
        fields = [b"F" + sender] + [b"T" + r for r in recipients]
        process.stdout.write(b"".join(f + b"\0" for f in fields))
        process.stdout.flush()
        if stop_at == "S4":
            process.stdout.write(b"\0")
            process.stdout.close()
            self._hanging.remove(process)
            if process.wait(10):
                raise RuntimeError("qmail-queue ended with status %d" % process.returncode)
        number = wait_for(lambda: (self._numbers() - before) or None).pop()
        if stop_at == "S3":
            wait_for(lambda: os.path.exists("%s/intd/%d" % (self.path, number)))
        self._added.append(number)
        return number

    def preprocess(self):
        """Run qmail-send until todo is empty."""
        programs = self.home / "bin"
        # qmail-start finds qmail-send by PATH. qmail-send logs to descriptor 0.
        environment = dict(os.environ, PATH="%s:%s" % (programs, os.environ.get("PATH", os.defpath)))
        with open(os.devnull, "r+b") as nowhere:
            process = subprocess.Popen(
                [str(programs / "qmail-start"), "./Mailbox"], cwd="/", env=environment, stdin=nowhere, stdout=nowhere
            )
        try:
            wait_for(lambda: not os.listdir(self.path + "/todo"))
        finally:
            process.terminate()
            process.wait(30)

    def _numbers(self):
        return {int(name) for _, _, files in os.walk(self.path + "/mess") for name in files}
