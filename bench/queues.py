"""The queues that are measured, built once below `.cache/bench/` and kept."""

import base64
import os
import random
import shutil
import time
from pathlib import Path

from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.qmail_queue import QmailQueue, date, failure_notice, received

__all__ = ["CACHE", "postfix_queue", "qmail_queue", "remove_queues"]

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"
NOTICES = 0.9
NO_MAILBOX = "Sorry, no mailbox here by that name. (#5.1.1)"
# Far enough in the future that no queue manager touches the files.
RETRY_IN = 30 * 86400
PROVIDERS = ("bigmail.example.net", "webmail.example.org", "freemail.example.com", "partner.example.org")
REASON = (
    "host mx1.%s[192.0.2.110] said: 421 4.7.0 Our system has detected an unusual rate of unsolicited"
    " mail from your IP address (in reply to MAIL FROM command)"
)


def qmail_queue(count):
    """Return the path of a qmail queue of `count` messages, nine in ten of them failure notices."""
    return _kept("qmail-%d" % count, count, _fill_qmail)


def postfix_queue(count, owner=None):
    """Return the path of a Postfix queue directory with `count` deferred messages.

    `owner`: user and group ids of the files, for a Postfix in a container; None leaves them with the caller.
    """
    name = "postfix-%d" % count if owner is None else "postfix-%d-%d-%d" % ((count,) + owner)
    return _kept(name, count, lambda path, number: _fill_postfix(path, number, owner))


def remove_queues():
    """Remove all that the bench made."""
    shutil.rmtree(CACHE, ignore_errors=True)


def _kept(name, count, fill):
    path, done = CACHE / name, CACHE / (name + ".done")
    if not done.exists():
        print("(building %s, %d messages)" % (path, count), flush=True)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        fill(path, count)
        done.touch()
    return path


def _fill_qmail(path, count):
    chance = random.Random(3)
    queue = QmailQueue(path)
    now = time.time()
    for number in range(count):
        when = now - 86400 * (count - number) / count
        sender, recipient, letter = _letter(chance, number, when)
        if chance.random() < NOTICES:
            original = received("network", 20000 + number % 9000, when) + letter
            content = failure_notice(sender, [(recipient, NO_MAILBOX)], original, when=when)
            queue.add(content, b"", remote=[sender], origin="bounce", arrival=when)
        elif chance.random() < 0.1:
            queue.add(letter, sender, local=[recipient], origin="network", arrival=when)
        else:
            queue.add(letter, sender, remote=[recipient], origin="network", arrival=when)


def _fill_postfix(path, count, owner):
    chance = random.Random(4)
    queue = PostfixQueue(path, owner=owner)
    now = time.time()
    for number in range(count):
        when = now - 86400 * (count - number) / count
        sender, _, letter = _letter(chance, number, when)
        domain = chance.choice(PROVIDERS)
        recipients = [
            Recipient("user%d@%s" % (chance.randrange(10**6), domain), reason=REASON % domain, dsn_status="4.7.0")
            for _ in range(chance.choice((1, 1, 1, 2, 3)))
        ]
        user = chance.choice((None, "info@example.com", "user%d@example.com" % chance.randrange(900)))
        host = "host%d.example.net" % chance.randrange(500)
        client = Client("203.0.113.%d" % chance.randrange(1, 255), host, None, user)
        queue.add(letter, sender, recipients, client=client, arrival=when, retry=now + RETRY_IN)


def _letter(chance, number, when):
    """Return sender, recipient and content (bytes) of a letter of about 1 to 3.5 KiB."""
    sender = "info%d@spammer%d.example.net" % (number, chance.randrange(200))
    recipient = "%s@mail.example.com" % "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=8))
    subject = chance.choice(
        (
            "Cheap watches number %d" % chance.randrange(2000),
            "=?UTF-8?B?%s?= %d" % (base64.b64encode("お見積書のご案内".encode()).decode(), chance.randrange(50)),
            "Invoice %d is overdue and this line is\n folded as long subjects are" % chance.randrange(100),
        )
    )
    text = (
        "Received: from unknown (HELO relay%d.example.net) (203.0.113.%d)\n"
        "  by mail.example.com with SMTP; %s\n"
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=spammer.example.net; s=s1;\n"
        " h=from:to:subject:date:message-id; bh=%s;\n b=%s\n"
        'From: "Info" <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <%d.%d@spammer.example.net>\nDate: %s\n'
        'MIME-Version: 1.0\nContent-Type: text/plain;\n charset="utf-8"\nX-Mailer: Mailer 2.%d\n\n%s'
        % (
            number % 7,
            chance.randrange(1, 255),
            date(when),
            "A" * 43 + "=",
            "B" * 76,
            sender,
            recipient,
            subject,
            number,
            int(when),
            date(when),
            chance.randrange(9),
            "click here http://spam.example.net/%d today only\n" % number * chance.randrange(5, 55),
        )
    )
    return sender, recipient, os.fsencode(text)
