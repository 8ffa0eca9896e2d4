"""The qmail installed on this machine, running: it delivers to the machine's own alias, and nothing leaves it."""

import contextlib
import os
import subprocess
import tempfile
import time

from .real_qmail import RealQmail

__all__ = ["RunningQmail"]

# Port 1 of the machine itself is closed: every remote delivery is put off.
SETTINGS = {"concurrencylocal": "5\n", "concurrencyremote": "5\n", "smtproutes": ":127.0.0.1:1\n", "databytes": "0\n"}


class RunningQmail(RealQmail):
    """Between entering and leaving, qmail-send runs, and `ok@`, `alias-ok` of its domain takes mail in."""

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as stack:
            stack.callback(super().__exit__)
            for name, value in SETTINGS.items():
                path = self.home / "control" / name
                if path not in self._settings:
                    self._settings[path] = path.read_bytes() if path.exists() else None
                path.write_text(value)
            self._alias = self.home / "alias" / ".qmail-ok"
            if self._alias.exists():
                raise RuntimeError("%s exists" % self._alias)
            self._alias.write_text("# thrown away\n")
            stack.callback(self._alias.unlink)
            self.log = tempfile.TemporaryFile()
            stack.callback(self.log.close)
            self._process = self._start()
            stack.callback(self._stop)
            stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stop()
        self._empty()
        self._alias.unlink()
        self.log.close()
        super().__exit__(*error)

    def program(self, name, *arguments, **options):
        """Run a program of qmail and return its standard output."""
        command = [str(self.home / "bin" / name)] + list(arguments)
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60, **options).stdout

    def idle(self, seconds=20):
        """Wait until nothing waits to be preprocessed and no bounce to be sent."""
        end = time.monotonic() + seconds
        while os.listdir(self.path + "/todo") or os.listdir(self.path + "/bounce"):
            if time.monotonic() > end:
                raise RuntimeError("qmail-send did not get there in %d s" % seconds)
            time.sleep(0.05)

    def _start(self):
        programs = self.home / "bin"
        environment = dict(os.environ, PATH="%s:%s" % (programs, os.environ.get("PATH", os.defpath)))
        process = subprocess.Popen(
            [str(programs / "qmail-start"), "./Mailbox"],
            cwd="/",
            env=environment,
            stdin=self.log,
            stdout=self.log,
            stderr=self.log,
        )
        time.sleep(0.3)
        if process.poll() is not None:
            raise RuntimeError("qmail-send ended at once")
        return process

    def _stop(self):
        self._process.terminate()
        self._process.wait(60)

    def _empty(self):
        """The queue was empty before: what is in it now came from the test."""
        for directory in ("mess", "info", "local", "remote", "todo", "intd", "bounce", "pid"):
            for folder, _, names in os.walk(os.path.join(self.path, directory)):
                for name in names:
                    os.unlink(os.path.join(folder, name))
