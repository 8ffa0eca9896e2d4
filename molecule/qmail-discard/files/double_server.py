"""The tests' double of qmail, with the face of server.py's `Real`."""

import os
import subprocess
import sys

sys.path.insert(0, "/opt/mailops")

from tests.support.delivering_double import DeliveringDouble
from tests.support.qmail_home import make_cdb


class Double:
    def __init__(self, home):
        self.home = home
        if os.path.exists(home + "/control/me"):
            self._double = DeliveringDouble(home)

    def set_up(self, fill_qmail):
        alias = self.home + "/alias"
        for path in (self.home + "/control", alias):
            os.makedirs(path, exist_ok=True)
        for name, text in fill_qmail.CONTROL.items():
            fill_qmail.write("%s/control/%s" % (self.home, name), text + "\n")
        subprocess.run(["useradd", "-N", "-M", "-u", "40003", "-d", alias, "-s", "/bin/true", "alias"], check=True)
        os.chown(alias, 40003, -1)
        self._newu()
        DeliveringDouble(self.home)

    def _newu(self):
        """Do qmail-newu's work, for assignments that end by a dash."""
        with open(self.home + "/users/assign") as f:
            lines = [line.split(":") for line in f if line.startswith("+")]
        records = [(("!" + fields[0][1:]).encode(), "\0".join(fields[1:7]).encode()) for fields in lines]
        with open(self.home + "/users/cdb", "wb") as f:
            f.write(make_cdb(records + [(b"", b"-")]))

    def send(self, sender, recipients):
        start = len(self._double.log)
        self._double.inject(b"Subject: x\n\nbody\n", sender.encode(), [one.encode() for one in recipients])
        self._double.settle()
        return self._double.log[start:]

    def queued(self):
        return sum(len(names) for _, _, names in os.walk(self.home + "/queue/mess"))

    def notices(self):
        return sorted(address.decode() for address in self._double.waiting("remote"))

    def drain(self):
        self._double.accept_remote()
