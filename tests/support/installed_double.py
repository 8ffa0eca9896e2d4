"""A qmail that is installed and runs, where there is no real one: programs of its names, with the double inside.

`install` puts them into a home; systemd then starts and stops them as it would the real ones.
"""

import fcntl
import os
import socket
import stat
import sys
import time

from .delivering_double import DeliveringDouble
from .qmail_queue import date

__all__ = ["ACCOUNTS", "HOME", "install"]

HOME = "/var/qmail"
# As far away from a system's own as from those of the tests.
ACCOUNTS = {
    "home": HOME,
    "groups": {"nofiles": 30101, "qmail": 30102},
    "users": {
        "alias": (30101, 30101),
        "qmaild": (30102, 30101),
        "qmaill": (30103, 30101),
        "qmailp": (30104, 30101),
        "qmailq": (30105, 30102),
        "qmailr": (30106, 30102),
        "qmails": (30107, 30102),
    },
}
# A process is known as qmail-send by its name, and the release by what stands in the program.
PROGRAM = """#!/bin/bash
# notqmail 1.09, a double of it
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=%(root)s exec -a %(name)s python3 -m tests.support.installed_double %(name)s "$@"
"""
PROGRAMS = {"qmail-start": "qmail-send", "qmail-smtpd": "qmail-smtpd", "qmail-inject": "qmail-inject"}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAUSE = 0.1


def install(home=HOME):
    """Write the programs into `home`/bin; the rest of a qmail is up to the caller."""
    os.makedirs(home + "/bin", exist_ok=True)
    for path, name in PROGRAMS.items():
        with open("%s/bin/%s" % (home, path), "w") as f:
            f.write(PROGRAM % {"name": name, "root": ROOT})
        os.chmod(f.name, 0o755)


def _double():
    double = DeliveringDouble(HOME, owners=True)
    # Drafts are named after it, and several programs inject.
    double.queue._pid = 1000 + os.getpid() % 30000
    return double


def send():
    """Do qmail-send's work until a signal ends it."""
    with open(HOME + "/queue/lock/sendmutex", "r+b") if os.path.exists(HOME + "/queue/lock") else _mutex() as mutex:
        try:
            fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("alert: cannot start: qmail-send is already running") from None
        double, told = _double(), 0
        trigger = os.open(HOME + "/queue/lock/trigger", os.O_RDONLY | os.O_NONBLOCK)
        assert stat.S_ISFIFO(os.fstat(trigger).st_mode)
        while True:
            double.settle()
            sys.stdout.write(double.log[told:])
            sys.stdout.flush()
            told = len(double.log)
            time.sleep(PAUSE)


def _mutex():
    _double()
    return open(HOME + "/queue/lock/sendmutex", "r+b")


def inject():
    """Put the message on standard input into the queue: `-fSENDER RECIPIENT...`."""
    sender = next(word[2:] for word in sys.argv if word.startswith("-f"))
    recipients = [word for word in sys.argv[2:] if not word.startswith("-")]
    _double().inject(
        sys.stdin.buffer.read(), sender.encode(), [one.encode() for one in recipients], "uid %d" % os.getuid()
    )


class Session:
    """One SMTP session on standard input and output."""

    def __init__(self):
        self._double = _double()
        self._sender, self._recipients = None, []
        self._helo = "unknown"
        self._peer = "unknown"
        try:
            with socket.socket(fileno=os.dup(0)) as connection:
                self._peer = connection.getpeername()[0]
        except OSError:
            pass

    def run(self):
        self._say("220 %s ESMTP" % self._me())
        for line in iter(sys.stdin.buffer.readline, b""):
            verb, _blank, rest = line.decode("utf-8", "surrogateescape").strip().partition(" ")
            verb = verb.lower()
            if verb == "quit":
                self._say("221 " + self._me())
                return
            getattr(self, "_do_" + verb, self._unknown)(rest)

    @staticmethod
    def _say(text):
        sys.stdout.write(text + "\r\n")
        sys.stdout.flush()

    def _me(self):
        return self._double.me.decode()

    def _unknown(self, rest):
        self._say("502 unimplemented (#5.5.1)")

    def _do_helo(self, rest):
        self._helo = rest
        self._say("250 " + self._me())

    def _do_ehlo(self, rest):
        self._helo = rest
        self._say("250-%s\r\n250-PIPELINING\r\n250 8BITMIME" % self._me())

    def _do_help(self, rest):
        self._say("214 notqmail home page: https://notqmail.org")

    def _do_rset(self, rest):
        self._sender, self._recipients = None, []
        self._say("250 flushed")

    def _do_mail(self, rest):
        self._sender, self._recipients = self._address(rest), []
        self._say("250 ok")

    def _do_rcpt(self, rest):
        address = self._address(rest)
        if self._sender is None:
            self._say("503 MAIL first (#5.5.1)")
        elif not self._is_allowed(address):
            self._say("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)")
        else:
            self._recipients.append(address)
            self._say("250 ok")

    def _do_data(self, rest):
        if not self._recipients:
            self._say("503 RCPT first (#5.5.1)")
            return
        self._say("354 go ahead")
        lines = []
        for line in iter(sys.stdin.buffer.readline, b""):
            line = line.rstrip(b"\r\n")
            if line == b".":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        head = "Received: from unknown (HELO %s) (%s)\n  by %s with SMTP; %s\n" % (
            self._helo,
            self._peer,
            self._me(),
            date(time.time()),
        )
        self._double.inject(
            head.encode() + b"".join(line + b"\n" for line in lines),
            self._sender.encode(),
            [one.encode() for one in self._recipients],
            "network",
        )
        self._sender, self._recipients = None, []
        self._say("250 ok %d qp %d" % (time.time(), os.getpid()))

    @staticmethod
    def _address(rest):
        return rest.partition("<")[2].partition(">")[0]

    def _is_allowed(self, address):
        """Without rcpthosts every address is."""
        path = HOME + "/control/rcpthosts"
        if not os.path.exists(path) or "@" not in address:
            return True
        with open(path) as f:
            names = {line.strip().lower() for line in f}
        domain = address.rpartition("@")[2].lower()
        parts = domain.split(".")
        return domain in names or any("." + ".".join(parts[at:]) in names for at in range(1, len(parts)))


if __name__ == "__main__":
    {"qmail-send": send, "qmail-smtpd": lambda: Session().run(), "qmail-inject": inject}[sys.argv[1]]()
