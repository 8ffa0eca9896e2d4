"""Sends mail to this host and says what becomes of it.

usage: check_mixed.py open|hardened

`open`: mail to nobody is refused by Postfix, and returned to its sender by qmail. `hardened`: it is accepted, and gone.
In both, known users and aliases get their mail, nothing stays in the queue, and others can send nothing through here.
"""

import glob
import json
import os
import smtplib
import subprocess
import sys
import time
import uuid

NAME = "mail.example.com"
OUTSIDE = "192.0.2.25"
BOXES = ("/home/%s/Mailbox", "/var/mail/%s")
QMAIL = "/var/qmail"


def mailbox(user):
    texts = []
    for box in BOXES:
        if os.path.exists(box % user):
            with open(box % user, errors="replace") as f:
                texts.append(f.read())
    return "".join(texts)


def send(recipient, key):
    """Return None where the recipient is accepted, else the code of the refusal."""
    with smtplib.SMTP("127.0.0.1", timeout=30) as client:
        text = "From: watcher@%s\r\nTo: %s\r\nSubject: %s\r\n\r\nHello\r\n" % (NAME, recipient, key)
        try:
            client.sendmail("watcher@" + NAME, [recipient], text)
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[recipient][0]
    return None


def queued():
    """Return how many messages are in the queue."""
    if is_qmail():
        return len(glob.glob(QMAIL + "/queue/mess/*/*")) + len(glob.glob(QMAIL + "/queue/todo/*"))
    listed = subprocess.run(["postqueue", "-j"], check=True, stdout=subprocess.PIPE)
    return len(listed.stdout.splitlines())


def is_qmail():
    return os.path.exists(QMAIL + "/control/me")


def wait(what, condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("not within a minute: " + what)
        time.sleep(0.1)


def check(what, found, wanted):
    if found != wanted:
        raise SystemExit("%s: %r instead of %r" % (what, found, wanted))


def no_relay():
    with smtplib.SMTP(OUTSIDE, timeout=30, source_address=(OUTSIDE, 0)) as client:
        client.helo()
        client.mail("")
        code, _text = client.rcpt("somebody@example.net")
    check("relaying", 400 <= code < 600, True)


def main():
    is_open = {"open": True, "hardened": False}[sys.argv[1]]
    nobody, info, sales = ("%s-%s" % (name, uuid.uuid4().hex) for name in ("nobody", "info", "sales"))
    returned = mailbox("watcher").count(nobody)
    code = send("nobody-%s@%s" % (nobody[-8:], NAME), nobody)
    check("mail to nobody", code, 550 if is_open and not is_qmail() else None)
    for user, key in (("info", info), ("sales", sales)):
        check("mail to " + user, send("%s@%s" % (user, NAME), key), None)
        wait("mail to %s arrives" % user, lambda key=key: key in mailbox("info"))
    if is_open and is_qmail():
        wait("the bounce arrives", lambda: mailbox("watcher").count(nobody) > returned)
    wait("the queue is empty", lambda: queued() == 0)
    # A bounce of it would have gone through the queue before.
    bounces = mailbox("watcher").count(nobody)
    check("bounces", bounces > returned, is_open and is_qmail())
    for user in ("info", "watcher", "root", "nobody"):
        if not (user == "watcher" and is_open and is_qmail()):
            check("mail to nobody in the mailbox of " + user, nobody in mailbox(user), False)
    no_relay()
    print(json.dumps({"open": is_open, "qmail": is_qmail()}))


if __name__ == "__main__":
    main()
