"""A tree such as /proc, with processes of our own."""

import os
from pathlib import Path

__all__ = ["FakeProc"]


class FakeProc:
    """`root` is to be given to Procfs. The machine has been up for 1,000 seconds."""

    def __init__(self, path):
        self.root = str(Path(path) / "proc")
        os.mkdir(self.root)
        self._write("uptime", b"1000.00 1.00\n")
        self.locks()

    def add(self, pid, name, parent=1, session=1, start=1, state="S", arguments=(), cwd=None, groups=(), opened=()):
        """Add process `pid`, in place of one of the same number."""
        os.makedirs(os.path.join(self.root, str(pid), "fd"), exist_ok=True)
        fields = [state, parent, 1, session] + [0] * 15 + [start] + [0] * 10
        head = "%d (%s) " % (pid, name)
        self._write("%d/stat" % pid, (head + " ".join(str(one) for one in fields) + "\n").encode())
        self._write("%d/cmdline" % pid, b"".join(one + b"\0" for one in arguments))
        self._write("%d/cgroup" % pid, "".join(one + "\n" for one in groups).encode())
        if cwd is not None:
            os.symlink(cwd, os.path.join(self.root, str(pid), "cwd"))
        for number, target in enumerate(opened):
            os.symlink(target, os.path.join(self.root, str(pid), "fd", str(number)))

    def locks(self, *lines):
        """Set the lines of /proc/locks."""
        self._write("locks", "".join(line + "\n" for line in lines).encode())

    def _write(self, name, data):
        with open(os.path.join(self.root, name), "wb") as file:
            file.write(data)
