"""Sends mail to known and to made-up addresses of a qmail, and says what became of it.

usage: discard.py bouncing|discarding|restored
"""

import json
import os
import pwd
import stat
import sys

HERE = "/opt/mailops/"
HOME = "/var/qmail"
LOCAL, VIRTUAL = "mail.example.com", "hard.example.org"
ALIAS = HOME + "/alias"
SENDER = "forged@example.net"
# The last one is of a user.
MADE_UP = ["made-up@" + LOCAL, "Made.Up-too@" + VIRTUAL, "joe-nothing@" + LOCAL]
BOXES = {
    "known@" + LOCAL: ALIAS + "/box",
    "known@" + VIRTUAL: "/srv/mail/%s/box" % VIRTUAL,
    "joe@" + LOCAL: "/home/joe/Mailbox",
    "joe-list@" + LOCAL: "/home/joe/list",
}
# So says its owner, in a file that nothing of ours takes the place of.
REFUSED = "joe-refused@" + LOCAL

problems = []


def check(what, found, wanted):
    if found != wanted:
        problems.append("%s: found %r instead of %r" % (what, found, wanted))


def ids(name):
    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


def owner(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid


def server():
    if os.path.exists(HERE + "accounts.json"):
        from server import Real

        return Real()
    from double_server import Double

    return Double(HOME)


def snapshot():
    """Return what is in the places where something may change, by path."""
    found = {}
    for folder in (ALIAS, "/srv/mail/" + VIRTUAL, "/home/joe", HOME + "/control"):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if path not in BOXES.values():
                status = os.lstat(path)
                with open(path, "rb") as f:
                    found[path] = [
                        status.st_ino,
                        stat.S_IMODE(status.st_mode),
                        status.st_uid,
                        status.st_gid,
                        status.st_mtime_ns,
                        f.read().decode(),
                    ]
    return found


def boxed():
    found = {}
    for address, path in BOXES.items():
        found[address] = 0
        if os.path.exists(path):
            with open(path, "rb") as f:
                found[address] = f.read().count(b"\nDelivered-To: ")
    return found


def known_get_mail(qmail):
    before = boxed()
    log = qmail.send(SENDER, list(BOXES))
    check("deliveries to known addresses", log.count("success: did_1+0+0/"), len(BOXES))
    check("mailboxes", boxed(), {address: count + 1 for address, count in before.items()})


def bouncing():
    qmail = server()
    for address in MADE_UP:
        log = qmail.send(SENDER, [address])
        check("failures of " + address, log.count("failure: "), 1)
        check("notices for " + address, log.count("bounce msg "), 1)
    check("notices in queue/remote", qmail.notices(), [SENDER] * len(MADE_UP))
    # The notice to nobody's notice goes to postmaster, who is nobody either.
    log = qmail.send("", [REFUSED])
    check("double bounces to postmaster", log.count(" to local postmaster@" + LOCAL), 1)
    check("triple bounces", log.count("triple bounce: discarding "), 1)
    known_get_mail(qmail)
    qmail.drain()
    check("messages in the queue", qmail.queued(), 0)


def discarding():
    qmail = server()
    for address in MADE_UP:
        log = qmail.send(SENDER, [address])
        check("discarded to " + address, log.count("success: did_0+0+0/"), 1)
        check("ends of messages", log.count("end msg "), 1)
        check("notices for " + address, log.count("bounce msg "), 0)
        check("messages in the queue", qmail.queued(), 0)
    log = qmail.send("", [REFUSED])
    check("double bounces", log.count(" to local mailops_double_bounces@" + LOCAL), 1)
    check("double bounces discarded", log.count("success: did_0+0+0/"), 1)
    check("triple bounces", log.count("triple bounce"), 0)
    known_get_mail(qmail)
    check("messages in the queue", qmail.queued(), 0)


def restored():
    with open(HERE + "before.json") as f:
        before = json.load(f)
    found = snapshot()
    for path in sorted(set(before) | set(found)):
        check(path, found.get(path), before.get(path))
    bouncing()


if __name__ == "__main__":
    {"bouncing": bouncing, "discarding": discarding, "restored": restored}[sys.argv[1]]()
    if problems:
        raise SystemExit("\n".join(problems))
