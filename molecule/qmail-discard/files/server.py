"""The real qmail, and the tests' double of it, with one face."""

import glob
import json
import os
import re
import subprocess
import time

HERE = "/opt/mailops/"
PATIENCE = 120


def wait(what, condition):
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit("not within %d s: %s" % (PATIENCE, what))
        time.sleep(0.1)


class Real:
    """`home`: of qmail. It runs as a service of systemd."""

    LOG = "/var/log/qmail.log"

    def __init__(self):
        with open(HERE + "accounts.json") as f:
            self._accounts = json.load(f)
        self.home = self._accounts["home"]

    def set_up(self, fill_qmail):
        # Enabled, so that it comes back after a reboot.
        fill_qmail.UNIT += "[Install]\nWantedBy=multi-user.target\n"
        # qmail-newu needs the users and the service the cdb.
        fill_qmail.set_up(self._accounts)
        subprocess.run([self.home + "/bin/qmail-newu"], check=True)
        subprocess.run(["systemctl", "enable", "--quiet", "qmail"], check=True)

    def log(self):
        if not os.path.exists(self.LOG):
            return ""
        with open(self.LOG, encoding="utf-8", errors="replace") as f:
            return f.read()

    def send(self, sender, recipients):
        """Send one message; return what was logged until nothing is to be done for it."""
        start = len(self.log())
        command = [self.home + "/bin/qmail-inject", "-a", "-f", sender] + recipients
        subprocess.run(command, input=b"Subject: x\n\nbody\n", check=True)

        def is_done():
            # A failure notice is in todo before its reason ends; notices of notices are waited for in the same way.
            said = self.log()[start:]
            begun, ended = len(re.findall("(?m)^new msg ", said)), len(re.findall("(?m)^end msg ", said))
            waiting = len(set(re.findall(r"(?m)^starting delivery \d+: msg (\d+) to remote ", said)))
            return begun and begun <= ended + waiting and not self._files("todo") and not self._files("bounce")

        wait("end of messages to %s" % recipients, is_done)
        return self.log()[start:]

    def _files(self, directory):
        return [
            path for path in glob.glob(self.home + "/queue/%s/**" % directory, recursive=True) if os.path.isfile(path)
        ]

    def queued(self):
        return len(self._files("mess"))

    def notices(self):
        """Return to whom failure notices wait in queue/remote."""
        found = []
        for path in self._files("remote"):
            with open(path, "rb") as f:
                found += [one[1:].decode() for one in f.read().split(b"\0") if one]
        return sorted(found)

    def drain(self):
        """Have what waits delivered to a peer that comes for a moment."""
        with open(HERE + "open", "w"):
            pass
        subprocess.run(["systemd-run", "--quiet", "--unit=sink", "python3", HERE + "sink.py"], check=True)
        wait(
            "sink",
            lambda: subprocess.run(["ss", "-Hltn", "( sport = :10025 )"], stdout=subprocess.PIPE, check=True).stdout,
        )

        def is_empty():
            subprocess.run(["systemctl", "kill", "--kill-who=main", "-s", "ALRM", "qmail"], check=True)
            time.sleep(0.3)
            return self.queued() == 0

        wait("empty queue", is_empty)
        subprocess.run(["systemctl", "stop", "sink"], check=True)
