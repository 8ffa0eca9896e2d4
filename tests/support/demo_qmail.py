"""The demo's qmail queue: mail to made-up local names came in, and its failure notices are stuck."""

import base64
import random

from .qmail_queue import QmailQueue, date, failure_notice, received

__all__ = ["build_qmail_demo"]

ME = "mail.example.com"
NO_MAILBOX = "Sorry, no mailbox here by that name. (#5.1.1)"
SPAM_SUBJECTS = ("Cheap watches", "You have won", "RE: your invoice", "Account suspended")
PARTNERS = ("partner1.example.org", "partner2.example.org", "shop.example.net", "bank.example.org")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPAM_BODY = "\nclick here http://spam.example.net/\n" * 4
QUOTATION = "\nPlease find the quotation below.\n" * 6


def build_qmail_demo(path, now, notices=1996, remote=39, local=10):
    """Write the queue at `path` and return how many messages it holds.

    `now`: seconds since the epoch, to which all ages relate; `notices`, `remote`, `local`: how many failure
    notices, and legitimate messages to others and to local users.
    """
    chance = random.Random(1)
    queue = QmailQueue(path)
    for _ in range(remote):
        _add_remote(queue, chance, now - chance.expovariate(1 / 18000) - 60)
    for number in range(local):
        _add_local(queue, chance, now - chance.uniform(200, 9000), number)
    for number in range(notices):
        _add_notice(queue, chance, now - 2400 + 2280 * number / max(notices, 1), number)
    return notices + remote + local


def _add_notice(queue, chance, when, number):
    """Add the notice for a spam that claimed to come from a made-up address to a made-up mailbox."""
    victim = "%s@%s" % ("".join(chance.choices(LETTERS, k=8)), ME)
    sender = "info%d@spammer%d.example.net" % (number, chance.randrange(1, 6))
    spam = (
        received("network", 20000 + number % 9000, when - 1)
        + (
            "Received: from unknown (HELO relay%d) (203.0.113.%d)\n  by %s with SMTP; %s\n"
            "From: <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <%d.spam@spammer.example.net>\nDate: %s\n%s"
            % (
                number % 3,
                chance.randrange(160, 176),
                ME,
                date(when - 1),
                sender,
                victim,
                chance.choice(SPAM_SUBJECTS),
                number,
                date(when - 2),
                SPAM_BODY,
            )
        ).encode()
    )
    content = failure_notice(sender, [(victim, NO_MAILBOX)], spam, ME, when)
    queue.add(content, b"", remote=[sender], origin="bounce", arrival=when, retry=when + 400)


def _add_remote(queue, chance, when):
    staff = "staff%d@%s" % (chance.randrange(6), ME)
    customer = "customer%d@%s" % (chance.randrange(40), chance.choice(PARTNERS))
    subject = "=?UTF-8?B?%s?= %d" % (base64.b64encode("見積書".encode()).decode(), chance.randrange(100, 999))
    queue.add(
        _letter(chance, staff, customer, subject, when),
        staff,
        remote=[customer],
        origin="network",
        arrival=when,
        retry=when + 1600,
    )


def _add_local(queue, chance, when, number):
    customer = "customer%d@%s" % (number, chance.choice(PARTNERS))
    staff = "staff%d@%s" % (number % 6, ME)
    queue.add(
        _letter(chance, customer, staff, "Your quotation of last week", when),
        customer,
        local=[staff],
        origin="network",
        arrival=when,
    )


def _letter(chance, sender, recipient, subject, when):
    return (
        "Received: from unknown (HELO pc) (192.0.2.%d)\n  by %s with SMTP; %s\n"
        "From: <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <%d.letter@%s>\nDate: %s\n%s"
        % (
            chance.randrange(1, 60),
            ME,
            date(when),
            sender,
            recipient,
            subject,
            int(when),
            ME,
            date(when),
            QUOTATION * chance.randrange(1, 5),
        )
    )
