"""What is said of a host, from what was measured and what was read."""

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.hardening_checks import (
    Evidence,
    discards,
    statements,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.hardening import show_holding

OPEN = {
    "count": 9,
    "open_count": 1,
    "unknown_count": 0,
    "unknown": [],
    "incomplete": None,
    "recipients": ["somebody@example.com"],
    "open": [{"extension": "joe-", "does": "bounces", "reason": None}],
}


def postfix(parameters=None, soft_bounce=(), **luser):
    """How Postfix is set up, as mta_facts says it, with an alias to /dev/null that gets mail to nobody."""
    luser = {"address": "mailops-discard", "target": "/dev/null", "resolves": True, "takers": [], **luser}
    values = {"local_recipient_maps": "", **(parameters or {})}
    is_reached = not luser["takers"] and not values["local_recipient_maps"]
    is_effective = bool(luser["address"] and luser["resolves"] and is_reached)
    luser.update(effective=is_effective, discards=is_effective and luser["target"] == "/dev/null")
    return {"luser": luser, "parameters": values, "soft_bounce": list(soft_bounce)}


DISCARDING = postfix()


def verdict(word, code=250, text="Ok"):
    return {"address": "somebody@example.com", "verdict": word, "code": code, "text": text}


def probe(
    port=25,
    address="127.0.0.1",
    unknown=None,
    postmaster="accepted",
    relay="refused",
    before=(),
    after=None,
    days=None,
    **more,
):
    certificate = None
    if days is not None:
        certificate = {"days_left": days, "subject": "CN=mail.example.com", "error": None}
    found = {
        "connected": True,
        "address": address,
        "port": port,
        "helo_code": 250,
        "unknown_recipient": verdict(unknown) if unknown else None,
        "postmaster": verdict(postmaster) if postmaster else None,
        "relay": verdict(relay) if relay else None,
        "auth": {"before_tls": list(before), "after_tls": after},
        "starttls": {"offered": certificate is not None, "certificate": certificate, "error": None},
    }
    return dict(found, **more)


def evidence(*probes, **more):
    given = {
        "outside": [],
        "postfix": None,
        "catchalls": None,
        "firewall": None,
        "checking": False,
        "port": 25,
    }
    return Evidence(probes=list(probes), **dict(given, **more))


def said(label, *probes, **more):
    """Return (text, whether it is bad) of the statement with this label."""
    (found,) = [one for one in statements(evidence(*probes, **more)) if one.label == label]
    return found.text, found.bad


@pytest.mark.parametrize(
    ("found", "fate", "bad"),
    [
        (DISCARDING, "discarded (read: luser_relay = mailops-discard, an alias to /dev/null)", False),
        (postfix(target="root"), "sent to mailops-discard (read: luser_relay, an alias to root)", True),
        (
            postfix(target=None, resolves=False),
            "sent to mailops-discard (read: luser_relay, an alias to nothing)",
            True,
        ),
        (postfix(address=""), "BOUNCED to the sender (read: luser_relay is empty)", True),
        (
            postfix({"local_recipient_maps": "$alias_maps"}),
            "not sent to luser_relay = mailops-discard (read: local_recipient_maps is not empty)",
            True,
        ),
        (
            postfix({"fallback_transport": "lmtp:x"}, takers=["fallback_transport"]),
            "given to lmtp:x (read: fallback_transport comes before luser_relay)",
            True,
        ),
        (
            postfix({"mailbox_transport": "lmtp:x"}, takers=["mailbox_transport"]),
            "given to lmtp:x (read: mailbox_transport comes before luser_relay)",
            True,
        ),
        (
            postfix({"local_transport": "lmtp:x"}, takers=["local_transport"]),
            "given to lmtp:x (read: local_transport, which luser_relay is not for)",
            True,
        ),
        (
            postfix(address="boss@else.example", target=None),
            "sent to boss@else.example (read: luser_relay)",
            True,
        ),
        (
            postfix({"allow_mail_to_files": "forward"}, takers=["allow_mail_to_files"]),
            "BOUNCED to the sender (read: allow_mail_to_files lets no alias lead to /dev/null)",
            True,
        ),
    ],
)
def test_what_postfix_does_with_what_it_accepted(found, fate, bad):
    assert said("unknown", probe(unknown="accepted"), postfix=found) == ("accepted (measured), then " + fate, bad)
    assert discards(evidence(postfix=found)) is not bad


def test_what_qmail_does_with_what_it_accepted():
    catchalls = [{"domain": "a.example", "does": "discards"}, {"domain": "b.example", "does": "bounces"}]
    catchalls += [{"domain": "c%d.example" % n, "does": "discards"} for n in range(5)]
    assert said("unknown", probe(unknown="accepted"), catchalls=catchalls) == (
        "accepted (measured), then BOUNCED to the sender (b.example); discarded (a.example, c0.example, c1.example and "
        "3 more) (read: .qmail files)",
        True,
    )
    assert said("unknown", probe(unknown="accepted"), catchalls=catchalls[:1])[1] is False
    assert discards(evidence(catchalls=catchalls)) is True
    assert discards(evidence(catchalls=catchalls[1:2])) is False
    assert said("unknown", probe(unknown="accepted")) == ("accepted (measured), then unknown: nothing was read", True)


def test_what_the_session_itself_says():
    assert said("unknown", probe(unknown="refused")) == ("refused in the session (measured)", False)
    # Deferred for the one, accepted for the other: both are said.
    text, bad = said("unknown", probe(unknown="accepted"), probe(unknown="deferred"))
    assert (text, bad) == ("accepted (250 Ok); deferred (250 Ok) (measured)", True)
    assert said("unknown", probe(unknown="deferred"))[1] is True
    alike = "refused, but so is postmaster, so that this proves nothing (measured)"
    assert said("unknown", probe(unknown="refused", postmaster="refused")) == (alike, True)
    unasked = "refused, but postmaster was not asked for: this proves nothing (measured)"
    assert said("unknown", probe(unknown="refused", postmaster=None)) == (unasked, True)
    catchalls = [{"domain": "example.com", "does": "bounces"}, {"domain": "b.example", "does": "discards"}]
    assert said("unknown", probe(unknown="refused"), catchalls=catchalls)[1] is False
    catchalls.append({"domain": "c.example", "domains": ["c.example", "d.example"], "does": "bounces"})
    assert said("unknown", probe(unknown="refused"), catchalls=catchalls) == (
        "refused in the session for example.com (measured); NOT ASKED for c.example",
        True,
    )
    assert said("unknown") == ("not asked: nobody answers on port 25", False)
    assert said("unknown", probe())[0].endswith("set mailops_probe_domain")
    assert said("unknown", probe(unknown="untried")) == ("not asked: Ok", True)
    assert said("unknown", probe(connected=False, unknown="accepted"))[0] == "not asked: nobody answers on port 25"


def test_postmaster():
    assert said("postmaster", probe()) == ("accepted (measured)", False)
    assert said("postmaster", probe(), probe(postmaster="refused")) == ("refused: 250 Ok (measured)", True)


def test_relaying():
    both = probe(relay="accepted"), probe(address="192.0.2.25", relay="deferred"), probe(587, "::1", relay="refused")
    text, bad = said("relaying", *both)
    assert text == (
        "refused to 192.0.2.25, itself on 25, 587; allowed to itself on 25; "
        "whether to strangers was not asked: run with outside=true (measured)"
    )
    assert bad is False
    assert said("relaying", *both, outside=[probe(relay="refused")])[0].endswith("; refused from here (measured)")
    assert said("relaying", *both, outside=[probe(relay="accepted")]) == (
        "refused to 192.0.2.25, itself on 25, 587; allowed to itself on 25; ALLOWED from here (measured)",
        True,
    )


def test_auth():
    assert said("AUTH", probe(), probe(587, after=["PLAIN"])) == (
        "25: not offered; 587: over TLS only (measured)",
        False,
    )
    failing = {"offered": True, "certificate": None, "error": "wrong version number"}
    assert said("AUTH", probe(starttls=failing))[0] == "25: not offered before TLS, which failed (measured)"
    assert said("AUTH", probe(), probe(before=["LOGIN"])) == ("25: BEFORE TLS (measured)", True)
    # Where it is not wanted, port 25 is to offer none at all.
    assert said("AUTH", probe(after=["PLAIN"])) == ("25: over TLS only (measured)", True)
    assert said("AUTH", probe(after=["PLAIN"]), may_auth=True) == ("25: over TLS only (measured)", False)
    assert said("AUTH", probe(before=["PLAIN"]), may_auth=True)[1] is True


def test_certificates():
    assert said("certificate", probe(days=14), probe(587, days=14)) == (
        "25, 587: 14 days left, CN=mail.example.com (measured)",
        False,
    )
    assert said("certificate", probe(days=13))[1] is True
    assert said("certificate", probe(days=-1)) == ("25: EXPIRED 1 day ago, CN=mail.example.com (measured)", True)
    assert said("TLS", probe()) == ("25: STARTTLS is not offered (measured)", False)
    broken = {"offered": True, "certificate": None, "error": "wrong version number"}
    assert said("TLS", probe(starttls=broken)) == ("25: wrong version number (measured)", True)


def plan(**more):
    given = {
        "backend": "nftables",
        "in_force": True,
        "ports": [465, 587],
        "allowed_networks": ["192.0.2.0/24"],
        "nftables": {"table": "x", "load": False, "found": True},
        "firewalld": {"add": [], "remove": []},
        "ufw": {"add": [], "remove": []},
    }
    return dict(given, **more)


def test_the_firewall():
    listening = probe(587)
    assert said("firewall", listening, firewall=plan()) == (
        "submission listens on 587 (measured); 1 network allowed on 465, 587 by nftables (read)",
        False,
    )
    assert said("firewall") == ("no submission (measured); who may reach it was not looked at", False)
    pending = plan(in_force=False, nftables={"table": "x", "load": True, "found": False})
    assert "1 network would be allowed on" in said("firewall", firewall=pending, checking=True)[0]
    assert "1 network allowed on" in said("firewall", firewall=plan(), checking=True)[0]
    text, is_marked = said("firewall", firewall=pending)
    assert "1 network should be allowed, and NOT ALL OF THAT IS IN FORCE, on 465, 587" in text and is_marked
    gone = plan(backend=None, nftables={"table": None, "load": False, "found": True})
    assert said("firewall", firewall=gone)[0] == "no submission (measured); open to all (read)"
    assert said("firewall", firewall=gone, checking=True)[0] == "no submission (measured); would be open to all (read)"


def test_leftovers_of_an_incident():
    assert said("leftovers", postfix=DISCARDING) == ("none (read)", False)
    held = {"defer_transports": "smtp", "relay_transport": "hold:x", "default_transport": "smtp"}
    text, bad = said("leftovers", postfix=postfix(held, soft_bounce=["main.cf"]))
    assert text.startswith("soft_bounce = yes: ") and "defer_transports = smtp: " in text
    assert "relay_transport = hold:x: " in text and "default_transport" not in text
    assert bad is True
    assert said("leftovers", postfix=postfix(soft_bounce=["smtp/inet"]))[0].startswith("soft_bounce = yes (smtp/inet)")


def test_the_page():
    hosts = {
        "mx10.example.com": evidence(probe(unknown="accepted", days=400), postfix=DISCARDING),
        "mx9.example.com": evidence(probe(before=["LOGIN"], unknown="refused"), postfix=postfix(address="")),
        "broken": evidence({"port": 25, "connected": True}),
    }
    text = show_holding(hosts, False, width=40)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= 40
    assert lines[0] == "WHAT HOLDS NOW"
    assert lines.index("mx9.example.com") < lines.index("mx10.example.com")
    assert "! AUTH        25: BEFORE TLS (measured)" in lines
    assert "  postmaster  accepted (measured)" in lines
    assert "! its answers are not what the modules" in lines
    assert "WHAT A CATCH-ALL BREAKS" in lines and lines[-1] == "Discarding now: mx10.example.com"
    text = show_holding({"mx9.example.com": hosts["mx9.example.com"]}, True)
    assert text.startswith("WHAT HOLDS NOW, as nothing was changed by this check\n")
    assert "CATCH-ALL" not in text


def test_text_of_a_server_is_harmless():
    refused = dict(verdict("refused"), text="\x1b[2J" + "x" * 9000)
    text = show_holding({"mx1": evidence(probe(postmaster=None), probe(postmaster=None))}, False)
    assert "postmaster" not in text
    text = show_holding({"mx1": evidence(dict(probe(), postmaster=refused))}, False)
    assert "\x1b" not in text and "\\x1b[2J" in text
    assert len(text) < 6000


BOUNCED = "BOUNCED to the sender for %s (read); qmail_hardening_user_extensions=discard ends that"
JOE = "1 user: joe-\u2026"
GONE = {"open": [{"extension": "joe-", "does": "defers", "reason": "/home/joe is not there"}]}
CLOSED = {"open_count": 0, "open": []}
LINKED = dict(CLOSED, unknown_count=2, unknown=["ann-: a link"])
UNLISTED = dict(CLOSED, count=0, incomplete="sss does not list its users")


@pytest.mark.parametrize(
    ("verdicts", "postmaster", "changes", "text", "bad"),
    [
        (["accepted"], "accepted", {}, "accepted (measured), then " + BOUNCED % JOE, True),
        (["refused"], "accepted", {}, "refused in the session for %s (measured)" % JOE, False),
        (
            ["refused"],
            "refused",
            {},
            "refused like postmaster, so that this proves nothing (measured); if accepted, then " + BOUNCED % JOE,
            True,
        ),
        (
            ["refused", "accepted"],
            "accepted",
            {"open_count": 300000},
            "accepted or refused (measured), then " + BOUNCED % "300,000 users: joe-\u2026 and 299,999 more",
            True,
        ),
        ([], "accepted", {}, "not asked; if accepted, then " + BOUNCED % JOE, True),
        (
            ["accepted"],
            "accepted",
            GONE,
            "accepted (measured), then PUT OFF, and bounced in the end for %s (read); /home/joe is not there" % JOE,
            True,
        ),
        (["accepted"], "accepted", CLOSED, "not bounced for any of 9 users (read)", False),
        (
            [],
            "accepted",
            LINKED,
            "not bounced for any of 9 users (read); 2 users could not be looked at (ann-: a link)",
            True,
        ),
        ([], "accepted", UNLISTED, "not bounced for any of 0 users (read); sss does not list its users", True),
    ],
)
def test_extensions_of_users(verdicts, postmaster, changes, text, bad):
    """All domains discard, and yet what is open is said."""
    probes = [probe(unknown="accepted", postmaster=postmaster, recipients=[verdict(one) for one in verdicts])]
    assert said("extensions", *probes, extensions=dict(OPEN, **changes)) == (text, bad)


def test_without_users_nothing_is_said_of_extensions():
    none = dict(OPEN, count=0, open_count=0, open=[])
    for given in (None, none):
        assert "extensions" not in [one.label for one in statements(evidence(probe(), extensions=given))]
