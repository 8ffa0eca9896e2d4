"""The demo's Postfix queue: a stolen account floods the deferred queue, and a web form sends spam too."""

import random

from .postfix_queue import Client, PostfixQueue, Recipient, date
from .postfix_records import record

__all__ = ["build_postfix_demo"]

ME = "mail.example.com"
STOLEN = "info@example.com"
THIEVES = (
    Client("203.0.113.44", "unknown", "[10.0.0.5]", STOLEN, "LOGIN", None, "ESMTP", 51022, 587),
    Client("198.51.100.201", "vps201.example.net", "WIN-PC", STOLEN, "LOGIN", None, "ESMTP", 40112, 587),
)
# domain, relay, reply, DSN status
PROVIDERS = (
    (
        "bigmail.example.net",
        "mx1.bigmail.example.net",
        "192.0.2.110",
        "421 4.7.0 Our system has detected an unusual rate of unsolicited mail from your IP address",
        "4.7.0",
    ),
    (
        "webmail.example.org",
        "mta5.webmail.example.org",
        "192.0.2.120",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
        "4.2.1",
    ),
    (
        "freemail.example.com",
        "mx.freemail.example.com",
        "192.0.2.130",
        "451 4.7.1 Greylisted, please try again later",
        "4.7.1",
    ),
)
SPAM_SUBJECTS = (
    "Your parcel could not be delivered",
    "Invoice overdue - final notice",
    "=?UTF-8?B?8J+OgSBZb3UgaGF2ZSB3b24h?=",
)
TIMED_OUT = "connect to old.example.org[198.51.100.80]:25: Connection timed out"
LETTER_SUBJECTS = (
    "Meeting on Monday",
    "Minutes of yesterday",
    "Re: order 4711",
    "=?UTF-8?Q?R=C3=BCckfrage_zum_Angebot?=",
    "Holiday plan",
)


def build_postfix_demo(path, now, flood=1500, letters=60, web=120):
    """Write the queue at `path` and return how many messages it holds.

    `now`: seconds since the epoch, to which all ages relate; `flood`, `web`, `letters`: how many spams of the
    stolen account and of the web form, and legitimate messages.
    """
    chance = random.Random(2)
    queue = PostfixQueue(path)
    for number in range(flood):
        _add_spam(queue, chance, now - 5700 + 5580 * number / max(flood, 1))
    for _ in range(web):
        _add_web_form(queue, chance, now - chance.uniform(3600, 14000))
    for _ in range(letters):
        _add_letter(queue, chance, now - 300 - chance.expovariate(1 / 20000))
    return flood + letters + web + _add_others(queue, chance, now)


def _add_spam(queue, chance, when, where="deferred", complete=True):
    thief = THIEVES[chance.random() < 0.2]
    recipients = [
        _deferred(chance, "%s%d" % (name, chance.randrange(10, 9999)), where == "deferred")
        for name in chance.sample(["anna", "ben", "carol", "dan", "eve", "frank", "gina"], chance.randrange(1, 5))
    ]
    content = _content(
        STOLEN,
        "undisclosed-recipients:;",
        chance.choice(SPAM_SUBJECTS),
        when,
        "Dear customer,\n\nplease confirm at http://parcel.example.net/?id=%d\n" % chance.randrange(10**9),
    )
    queue.add(content, STOLEN, recipients, where, thief, arrival=when, retry=when + 4000, complete=complete)


def _add_web_form(queue, chance, when, where="deferred"):
    visitor = "%s%d@%s" % (chance.choice(["lee", "max", "kim"]), chance.randrange(1000), PROVIDERS[0][0])
    recipients = [_deferred(chance, visitor.split("@")[0], where == "deferred", 0)]
    content = _content(
        "shop@" + ME,
        visitor,
        "Thank you for contacting us",
        when,
        "You wrote to us:\n\n  BEST PILLS http://pills.example.org/ BEST PRICE\n",
        "X-PHP-Originating-Script: 33:contact.php\n",
    )
    queue.add(
        content,
        "www-data@" + ME,
        recipients,
        where,
        uid=33,
        full_name="www-data",
        arrival=when,
        retry=when + 4000,
        extracted=True,
    )


def _add_letter(queue, chance, when, where="deferred"):
    number = chance.randrange(1, 9)
    sender = "colleague%d@example.com" % number
    client = Client(
        "192.0.2.%d" % (number + 30), "pc%d.example.com" % number, None, sender, "PLAIN", None, "ESMTP", 50100, 587
    )
    recipient = "partner%d" % chance.randrange(30)
    if where == "deferred" and chance.random() < 0.6:
        recipients = [_deferred(chance, recipient)]
    else:
        address = recipient + "@old.example.org"
        reason = TIMED_OUT if where == "deferred" else None
        recipients = [Recipient(address, reason=reason), Recipient("copy@example.net", "done")]
    content = _content(
        sender,
        recipients[0].address,
        chance.choice(LETTER_SUBJECTS),
        when,
        "Hello,\n\nas agreed.\n" * chance.randrange(1, 30),
    )
    queue.add(content, sender, recipients, where, client, arrival=when, retry=when + 4000)


def _add_others(queue, chance, now):
    """Fill the queues other than deferred; return the number of messages."""
    for number in range(6):
        _add_spam(queue, chance, now - 100 + number, "active")
    for number in range(4):
        _add_letter(queue, chance, now - 70000 - 500 * number, "hold")
    _add_spam(queue, chance, now - 12, "incoming")
    _add_letter(queue, chance, now - 9, "incoming")
    _add_spam(queue, chance, now - 2, "incoming", complete=False)
    _add_web_form(queue, chance, now - 5, "maildrop")
    _add_web_form(queue, chance, now - 4, "maildrop")
    half_a_file = record("C", b"%15d" % 1200) + record("T", b"%d 0" % (now - 4000)) + b"S\x7finfo@exa"
    queue.add_raw("corrupt", half_a_file, now - 4000)
    return 16


def _deferred(chance, name, with_reason=True, provider=None):
    domain, relay, address, reply, status = PROVIDERS[
        chance.choices(range(3), (6, 3, 1))[0] if provider is None else provider
    ]
    if not with_reason:
        return Recipient("%s@%s" % (name, domain))
    reason = "host %s[%s] said: %s (in reply to MAIL FROM command)" % (relay, address, reply)
    return Recipient("%s@%s" % (name, domain), "pending", reason, status, diagnostic=reply, mta=relay)


def _content(sender, recipient, subject, when, body, headers=""):
    return "From: <%s>\nTo: %s\nSubject: %s\n%sMessage-ID: <%d@%s>\nDate: %s\n\n%s" % (
        sender,
        recipient,
        subject,
        headers,
        int(when * 1000),
        ME,
        date(when),
        body,
    )
