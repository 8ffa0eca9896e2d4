"""Has a purge killed half way, and checks what is left, said and put in order.

usage: cut_off.py fill|kill|down|purged|undo|whole; `down` and `undo` read the page of the run on standard input, and
`undo` prints the batches.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import time

QUEUE = "/var/qmail/queue"
QUARANTINE = QUEUE + ".quarantine"
COUNT, KILLED_AT = 1500, 500
SAID = "ended without an answer: qmail-send may be stopped, and messages may be in quarantine; run again"


def names(*below):
    """Return the messages that have a file there: one counts where its `info` is."""
    return {os.path.basename(path) for path in glob.glob("/".join((*below, "[0-9]*", "*")))}


def queued():
    return names(QUEUE, "info")


def taken():
    return names(QUARANTINE, "*", "files", "info")


def is_running():
    return subprocess.run(["systemctl", "is-active", "--quiet", "qmail"], check=False).returncode == 0


def wait(what, condition, pause=0.1):
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("not within two minutes: " + what)
        time.sleep(pause)


def check(what, found, wanted):
    if found != wanted:
        raise SystemExit("%s: %r instead of %r" % (what, found, wanted))


def inject(number):
    recipient, text = "r%d@example.org" % number, "Subject: spam %d\n\nbuy\n" % number
    if os.path.exists("/opt/mailops/accounts.json"):
        words = ["/var/qmail/bin/qmail-inject", "-fspam@example.net", recipient]
        subprocess.run(words, input=text.encode(), check=True)
    else:
        DOUBLE.inject(text.encode(), b"spam@example.net", [recipient.encode()], "network")


def fill():
    for number in range(COUNT):
        inject(number)
    wait("each delivery is tried", lambda: len(glob.glob(QUEUE + "/remote/*/*")) == COUNT)
    wait("nothing is left to preprocess", lambda: not os.listdir(QUEUE + "/todo"))
    check("messages", len(queued()), COUNT)


def users():
    """Return the processes that have the quarantine open."""
    found = set()
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path) == QUARANTINE:
                found.add(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def kill():
    wait("a purge begins", lambda: taken() and users(), 0)
    purging = users()
    wait("it has taken some", lambda: len(taken()) >= KILLED_AT, 0)
    for pid in purging:
        os.kill(pid, signal.SIGKILL)


def down():
    check("the page says it", SAID in " ".join(sys.stdin.read().split()), True)
    check("qmail runs", is_running(), False)
    check("some have left the queue, and some have not", 0 < len(queued()) < COUNT, True)
    check("messages", len(taken()) + len(queued()), COUNT)


def purged():
    check("qmail runs", is_running(), True)
    check("messages in the queue, in quarantine", (len(queued()), len(taken())), (0, COUNT))
    check("contents left in the queue", names(QUEUE, "mess"), set())


def undo():
    page = sys.stdin.read().partition("UNDO")[2]
    batches = sorted(name for name in os.listdir(QUARANTINE) if os.path.isdir(QUARANTINE + "/" + name))
    named = sorted(set(re.findall(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}", page)))
    check("batches below UNDO", named, batches)
    check("batches", len(batches), 2)
    print("\n".join(batches))


def whole():
    check("qmail runs", is_running(), True)
    check("messages in the queue, in quarantine", (len(queued()), len(taken())), (COUNT, 0))
    check("their contents", names(QUEUE, "mess"), queued())


if __name__ == "__main__":
    if sys.argv[1] == "fill" and not os.path.exists("/opt/mailops/accounts.json"):
        from tests.support.delivering_double import DeliveringDouble

        DOUBLE = DeliveringDouble("/var/qmail", owners=True)
    {"fill": fill, "kill": kill, "down": down, "purged": purged, "undo": undo, "whole": whole}[sys.argv[1]]()
