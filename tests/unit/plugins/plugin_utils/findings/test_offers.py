"""What is offered to be taken out: queues that are full without anybody's fault, and queues with a culprit."""

import json
import shlex

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import findings
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation, next_commands
from tests.unit.plugins.plugin_utils.results import result

OWN, OFFICE = "example.com", "198.51.100.7"
DOWN = "connect to relay.example.net[192.0.2.9]:25: Connection refused"
QMAIL_DOWN = "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)"
FULL = "host mx.example.net[192.0.2.8] said: 452 4.2.2 The email account that you tried to reach is over quota"
GREY = "host mx.example.net[192.0.2.8] said: 450 4.2.0 Greylisted, see http://postgrey.example/"
SPAM = "host mx.big.example[192.0.2.7] said: 421 4.7.0 Our system has detected an unusual rate of unsolicited mail"
LISTED = "host mx.big.example[192.0.2.7] said: 554 5.7.1 Service unavailable; client blocked using Spamhaus"


def many(prefix, count, each):
    return {"%s%d" % (prefix, number): each for number in range(count)}


INNOCENT = {
    "office behind NAT": {
        "total": 300,
        "mta": "postfix",
        "top": {
            "sasl_username": many("user", 10, 30),
            "client_address": {OFFICE: 300},
            "sender": many("user%d@" % 1, 10, 30),
            "sender_domain": {OWN: 300},
            "delay_reason": {DOWN: 300},
        },
    },
    "office without logins": {
        "total": 300,
        "mta": "postfix",
        "top": {
            "client_address": {OFFICE: 300},
            "sender": many("u@", 10, 30),
            "sender_domain": {OWN: 300},
            "delay_reason": {DOWN: 300},
        },
    },
    "webmail": {
        "total": 400,
        "mta": "postfix",
        "top": {
            "sasl_username": many("user", 10, 20),
            "client_address": {"127.0.0.1": 400},
            "sender_domain": {OWN: 400},
        },
    },
    "backup MX": {
        "total": 2000,
        "mta": "postfix",
        "top": {
            "client_address": many("192.0.2.", 10, 60),
            "recipient_domain": {OWN: 2000},
            "delay_reason": {DOWN: 2000},
        },
    },
    "backup MX of qmail": {"total": 2000, "top": {"recipient_domain": {OWN: 2000}, "delay_reason": {QMAIL_DOWN: 2000}}},
    "smarthost down": {
        "total": 1800,
        "mta": "postfix",
        "top": {
            "sasl_username": many("user", 10, 90),
            "client_address": many("198.51.100.", 10, 90),
            "sender_domain": {OWN: 1800},
            "delay_reason": {DOWN: 1800},
        },
    },
    "smarthost refuses the password": {
        "total": 1800,
        "mta": "postfix",
        "top": {
            "sender_domain": {OWN: 1800},
            "delay_reason": {"SASL authentication failed; server relay.example.net said: 535": 1800},
        },
    },
    "monitoring": {
        "total": 500,
        "mta": "postfix",
        "top": {
            "origin_uid": {112: 500},
            "sender": {"nagios@example.com": 500},
            "subject": {"** PROBLEM alert **": 500},
            "recipient_domain": {"pager.example": 500},
            "delay_reason": {FULL: 500},
        },
    },
    "newsletter": {
        "total": 5000,
        "mta": "postfix",
        "top": {
            "sasl_username": {"news@example.com": 5000},
            "client_address": {"198.51.100.20": 5000},
            "sender": {"news@example.com": 5000},
            "subject": {"Autumn offers": 5000},
            "recipient_domain": {"big.example": 3000, "mail.example": 1000},
            "delay_reason": {GREY: 3000},
        },
    },
    "mailing list with VERP": {
        "total": 3000,
        "mta": "postfix",
        "top": {
            "client_address": {"127.0.0.1": 3000},
            "sender": many("list-bounces+", 10, 1),
            "subject": {"[list] Minutes": 3000},
            "delay_reason": {GREY: 1500},
        },
    },
    "cron storm as root": {
        "total": 900,
        "mta": "postfix",
        "top": {
            "origin_uid": {0: 900},
            "sender": {"root@example.com": 900},
            "subject": {"Cron <root@x> backup": 900},
            "recipient_domain": {OWN: 900},
            "delay_reason": {DOWN: 900},
        },
    },
    "vacation replies": {
        "total": 200,
        "mta": "postfix",
        "top": {"sender": {"": 200}, "subject": {"Out of office": 200}, "recipient_domain": many("d", 10, 10)},
    },
    "read receipts": {"total": 120, "top": {"sender": {"": 120}, "recipient_domain": many("d", 10, 10)}},
    "import as root": {
        "total": 4000,
        "mta": "postfix",
        "top": {
            "origin_uid": {0: 4000},
            "sender": many("old@", 10, 200),
            "recipient_domain": {OWN: 4000},
            "delay_reason": {DOWN: 4000},
        },
    },
    "shop notifier": {
        "total": 250,
        "mta": "postfix",
        "top": {
            "origin_uid": {33: 250},
            "sender": {"shop@example.com": 250},
            "subject": {"Your order": 200},
            "delay_reason": {GREY: 250},
        },
    },
    "forwarding user": {
        "total": 600,
        "mta": "postfix",
        "top": {
            "client_address": many("192.0.2.", 10, 30),
            "recipient_domain": {"gmail.example": 600},
            "delay_reason": {FULL: 600},
        },
    },
    "content filter on loopback": {
        "total": 800,
        "mta": "postfix",
        "top": {"client_address": {"127.0.0.1": 800}, "sender": many("u@", 10, 40), "delay_reason": {DOWN: 800}},
    },
    "calendar invitations": {
        "total": 150,
        "mta": "postfix",
        "top": {
            "sasl_username": {"ceo@example.com": 150},
            "client_address": {"198.51.100.9": 150},
            "sender": {"ceo@example.com": 150},
            "subject": {"Invitation: All hands": 150},
        },
    },
    "ticket system": {
        "total": 350,
        "mta": "postfix",
        "top": {
            "client_address": {"198.51.100.30": 350},
            "sender": {"help@example.com": 350},
            "delay_reason": {GREY: 350},
        },
    },
    "own bounces after an outage": {
        "total": 300,
        "bounces": 300,
        "top": {
            "sender": {"": 300},
            "subject": {"failure notice": 300},
            "recipient_domain": {OWN: 300},
            "bounced_recipient_domain": {"big.example": 200},
            "delay_reason": {QMAIL_DOWN: 300},
        },
    },
    "notices of many domains": {
        "total": 300,
        "mta": "postfix",
        "bounces": 300,
        "top": {"recipient_domain": many("d", 10, 10), "bounced_recipient_domain": many("r", 10, 20)},
    },
    "large mailing by one login": {
        "total": 2000,
        "mta": "postfix",
        "top": {
            "sasl_username": {"hr@example.com": 2000},
            "client_address": {"198.51.100.9": 2000},
            "sender": {"hr@example.com": 2000},
            "recipient_domain": {"big.example": 2000},
            "delay_reason": {FULL: 1500},
        },
    },
    "qmail behind a scanner": {
        "total": 700,
        "top": {"origin_uid": {89: 700}, "sender": many("u@", 5, 140), "delay_reason": {QMAIL_DOWN: 700}},
    },
    "the own domain": {
        "total": 1656,
        "mta": "postfix",
        "top": {"sasl_username": {"info@example.com": 700, **many("user", 9, 50)}, "sender_domain": {OWN: 1656}},
    },
    "a traveller with three devices": {
        "total": 90,
        "mta": "postfix",
        "top": {
            "sasl_username": {"boss@example.com": 90},
            "client_address": {"192.0.2.1": 40, "192.0.2.2": 30, "192.0.2.3": 20},
            "sender": {"boss@example.com": 90},
        },
    },
}
CULPRIT = {
    "stolen account, many addresses": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {"sasl_username": {"info@example.com": 950}, "client_address": many("192.0.2.", 10, 20)},
        },
        {"sasl_username": "info@example.com"},
    ),
    "stolen account, one address, called spam": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {
                "sasl_username": {"info@example.com": 900},
                "client_address": {"203.0.113.9": 900},
                "delay_reason": {SPAM: 850},
            },
        },
        {"sasl_username": "info@example.com"},
    ),
    "stolen account, listed": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {
                "sasl_username": {"info@example.com": 900},
                "client_address": {"203.0.113.9": 900},
                "delay_reason": {LISTED: 900},
            },
        },
        {"sasl_username": "info@example.com"},
    ),
    "stolen account, made-up senders": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {
                "sasl_username": {"info@example.com": 900},
                "client_address": {"203.0.113.9": 900},
                "sender": many("x@", 10, 3),
            },
        },
        {"sasl_username": "info@example.com"},
    ),
    "spelled in many cases": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {"sasl_username": {"Info@Example.com": 950}, "client_address": many("192.0.2.", 10, 20)},
        },
        {"sasl_username": "Info@Example.com"},
    ),
    "web form, made-up senders": (
        {"total": 1000, "mta": "postfix", "top": {"origin_uid": {33: 900}, "sender": many("x@", 10, 5)}},
        {"origin_uid": 33},
    ),
    "web form, called spam": (
        {
            "total": 1000,
            "mta": "postfix",
            "top": {"origin_uid": {33: 900}, "sender": {"www-data@example.com": 900}, "delay_reason": {SPAM: 900}},
        },
        {"origin_uid": 33},
    ),
    "local user": (
        {"total": 400, "top": {"origin_uid": {1007: 390}, "sender": many("x@", 10, 4)}},
        {"origin_uid": 1007},
    ),
    "backscatter of qmail": (
        {
            "total": 2045,
            "bounces": 1996,
            "top": {
                "sender": {"": 1996},
                "subject": {"failure notice": 1996},
                "recipient_domain": many("d", 10, 30),
                "bounced_recipient_domain": {OWN: 1996},
            },
        },
        {"bounce": True},
    ),
    "backscatter of Postfix": (
        {
            "total": 500,
            "mta": "postfix",
            "bounces": 450,
            "top": {"recipient_domain": many("d", 10, 5), "bounced_recipient_domain": {OWN: 400}},
        },
        {"bounce": True},
    ),
    "open relay for one client": (
        {
            "total": 700,
            "mta": "postfix",
            "top": {"client_address": {"203.0.113.9": 700}, "sender": many("x@", 10, 9), "delay_reason": {LISTED: 700}},
        },
        {"client_address": "203.0.113.9"},
    ),
    "open relay over IPv6": (
        {"total": 700, "mta": "postfix", "top": {"client_address": {"2001:db8::9": 700}, "delay_reason": {SPAM: 650}}},
        {"client_address": "2001:db8::9"},
    ),
    "one subject, called spam": (
        {"total": 500, "mta": "postfix", "top": {"subject": {"You won": 450}, "delay_reason": {SPAM: 450}}},
        {"subject": "^You won$", "ignore_case": False},
    ),
    "one sender, called spam": (
        {"total": 500, "mta": "postfix", "top": {"sender": {"win@example.net": 450}, "delay_reason": {SPAM: 450}}},
        {"sender": "^win@example\\.net$"},
    ),
    "all of a small queue": (
        {
            "total": 60,
            "mta": "postfix",
            "top": {"sasl_username": {"a@example.com": 60}, "client_address": many("192.0.2.", 10, 3)},
        },
        {"sasl_username": "a@example.com"},
    ),
}


def offered(scene):
    """Return the selections of the purges that are offered."""
    found = findings(result(**scene))
    steps = [step for one in next_commands({"mx1": found}, Invocation()) for step in one["steps"]]
    return [json.loads(shlex.split(command)[-1])["select"] for _purpose, command in steps if "/purge.yml" in command]


@pytest.mark.parametrize("name", sorted(INNOCENT))
def test_nothing_is_offered_to_be_taken_without_a_culprit(name):
    assert offered(INNOCENT[name]) == []


@pytest.mark.parametrize("name", sorted(CULPRIT))
def test_a_culprit_is_offered_and_nothing_else(name):
    scene, select = CULPRIT[name]
    assert offered(scene) == [select]


def test_what_would_remain_is_shown_beside_it():
    scene, _select = CULPRIT["backscatter of qmail"]
    (one,) = next_commands({"mx1": findings(result(**scene))}, Invocation())
    assert one["steps"][-1][0].endswith("(49 others would remain)")


@pytest.mark.parametrize("reason", [DOWN, QMAIL_DOWN, "SASL authentication failed; server said: 535 5.7.8 Error"])
def test_a_next_hop_that_takes_nothing_is_a_finding_of_its_own(reason):
    found = findings(result(300, mta="postfix", top={"delay_reason": {reason: 290}}))
    assert [one.kind for one in found] == ["next_hop"]
    assert "the next hop refuses everything" in found[0].text
