"""The playbook harden, run as an operator runs it, on hosts without an MTA and on hosts that cannot be reached."""

import os
import re

import pytest

from tests.support.playing import NOTHING_LISTENS, ROOT, playbook_text, player
from tests.support.qmail_home import QmailHome
from tests.support.smtp_server import Script, serving


@pytest.fixture
def play(tmp_path):
    return player(tmp_path)


def on(port, **variables):
    """Variables of a host whose SMTP server is at `port`, and that no role is for."""
    return {"mailops_mta": "none", "mailops_smtp_port": port, "submission_firewall_ports": [], **variables}


def test_what_holds_is_shown(play):
    server = Script(auth="AUTH LOGIN")
    with serving(server) as port:
        made = play("mailops.rescue.harden", {"mail": {"mx1": on(port, mailops_probe_domain="example.com")}}, "--check")
    assert made.status == 0, made.text
    assert "WHAT HOLDS NOW, as nothing was changed by this check\n" in made.text
    for line in (
        "  unknown     refused in the session (measured)",
        "  postmaster  accepted (measured)",
        "  relaying    refused to itself on %d (measured)" % port,
        "! AUTH        %d: BEFORE TLS (measured)" % port,
        "  TLS         %d: STARTTLS is not offered (measured)" % port,
    ):
        assert line in made.text.splitlines()
    assert not any(line.startswith("DATA") for line in server.commands)


def test_the_server_is_asked_from_the_controller_too(play):
    with serving(Script()) as port:
        hosts = {"mail": {"mx1": on(port, mailops_probe_domain="example.com", ansible_host="127.0.0.1")}}
        made = play("mailops.rescue.harden", hosts, "-e", "outside=true")
    assert made.status == 0, made.text
    assert "refused to itself on %d; refused from here (measured)" % port in " ".join(made.text.split())


@pytest.mark.parametrize("fatal", ["true", "false"])
def test_a_failing_host_stops_no_other(play, fatal):
    with serving(Script()) as port:
        hosts = {
            "a": {"a-gone": NOTHING_LISTENS, "a-wrong": on(port, mailops_probe_domain="two words")},
            "b": {"b1": on(port, mailops_probe_domain="example.com")},
        }
        made = play(
            "mailops.rescue.harden",
            hosts,
            "-e",
            '{"waves": [1, 1, 1]}',
            ANSIBLE_ANY_ERRORS_FATAL=fatal,
            ANSIBLE_STRATEGY="free",
        )
    assert made.status == 2
    text = " ".join(made.text.split())
    assert 'a-wrong: Ask the server: unknown_domain: expected a domain, got "two words".' in text
    assert "a-gone: unreachable: " in text
    assert '"msg": "2 of 3 hosts failed; see FAILED above"' in made.text
    assert "\nb1\n  unknown     refused in the session (measured)\n" in made.text


def test_a_host_without_an_mta_is_named(play, tmp_path):
    """Neither group nor variable says what it is, and there is no qmail or Postfix that could be found."""
    with serving(Script()) as port:
        host = {"mailops_smtp_port": port, "submission_firewall_ports": [], "mailops_queue_directory": str(tmp_path)}
        made = play("mailops.rescue.harden", {"mail": {"mx1": host}})
    assert made.status == 2
    assert "FAILED mx1: Find out which MTA it is: queue_directory: " in " ".join(made.text.split())
    # What holds is told nevertheless.
    assert "  postmaster  accepted (measured)\n" in made.text


def test_extensions_of_users_that_bounce_are_shown(play, tmp_path):
    """All domains of this qmail discard; what its user's extensions do is another matter."""
    home = QmailHome(tmp_path / "qmail")
    (home.path / "alias" / ".qmail-default").write_bytes(b"# gone\n")
    home.assignments.append(("+joe-", ("joe", str(os.getuid() or 4242), "0", str(home.home("joe")), "-", "")))
    home.rewrite()
    server = Script(do_rcpt=lambda peer, line: peer.say("250 Ok"))
    with serving(server) as port:
        host = on(port, mailops_mta="qmail", qmail_hardening_home=str(home.path))
        made = play("mailops.rescue.harden", {"mail": {"mx1": host}}, "--check")
    assert made.status == 0, made.text
    text = " ".join(made.text.split())
    assert "  unknown     accepted (measured), then discarded" in made.text
    assert (
        "! extensions accepted (measured), then BOUNCED to the sender for 1 user: joe-… (read); "
        "qmail_hardening_user_extensions=discard ends that"
    ) in text
    assert any(one.startswith("RCPT TO:<joe-mailopsprobe") for one in server.commands)


def test_a_wrong_state_changes_nothing(play):
    with serving(Script()) as port:
        made = play("mailops.rescue.harden", {"mail": {"mx1": on(port)}}, "-e", "state=gone")
    assert made.status == 2
    assert "mx1: Check what is wanted: state: expected present or absent, got gone." in " ".join(made.text.split())
    assert "changed=0" in made.text


def test_every_variable_is_documented():
    used = playbook_text("harden")
    names = set(re.findall(r"'(\w+)' in __mailops_set", used))
    names |= set(re.findall(r"(?<![\w.])([a-z]\w+)(?: \| default|\.\w+ \| default)", used))
    registered = set(re.findall(r"register: (\w+)", used))
    names = {one for one in names - registered if not one.startswith(("ansible_", "first"))}
    assert len(names) > 8
    documented = (ROOT / "docs" / "harden.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", documented, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names <= told, names - told
