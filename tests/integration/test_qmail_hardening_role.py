"""The role qmail_hardening as an operator runs it, on a qmail that is set up and not installed, and an SMTP server that
looks for a catch-all as qmail-smtpd with realrcptto does, or does not."""

import os
import socketserver
import threading
from pathlib import Path

import pytest
import yaml

from tests.support.qmail_home import QmailHome

PLAY = """
- hosts: all
  gather_facts: false
  roles:
    - role: mailops.rescue.qmail_hardening
"""
README = Path(__file__).resolve().parents[2] / "roles" / "qmail_hardening" / "README.md"
ALIAS = "alias/.qmail-default"
JOE = "joe/.qmail-default"
MAILBOX = "mailnames/example.net/.qmail-default"


class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail.example.com ESMTP\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            self.wfile.write(self.server.answer(line) if verb == b"RCPT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@pytest.fixture
def home(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=("example.com:example.com", "example.net:1"))
    home.vpopmail("example.com")
    home.home("mailnames/example.net", {".qmail-default": b"./Maildir/\n"})
    home.assign("+1-", "popuser", home.path / "mailnames/example.net")
    home.control("doublebounceto", "root")
    return home


@pytest.fixture
def smtp(home):
    """A server; `smtp.looks`: whether it refuses recipients in example.net and mail.example.com without catch-all."""
    catchalls = {b"mail.example.com": home.path / ALIAS, b"example.net": home.path / MAILBOX}
    extensions = home.path / JOE

    def answer(line):
        smtp.asked.append(line.partition(b"<")[2].partition(b">")[0].decode())
        if smtp.code:
            return b"%d not now\r\n" % smtp.code
        domain = line.partition(b"@")[2].partition(b">")[0]
        if b"<joe-" in line:
            return b"550 sorry, no mailbox\r\n" if smtp.looks and not extensions.exists() else b"250 ok\r\n"
        if b"<postmaster@" in line:
            return b"250 ok\r\n" if smtp.postmaster else b"550 sorry, no mailbox\r\n"
        return b"250 ok\r\n" if not smtp.looks or catchalls[domain].exists() else b"550 sorry, no mailbox\r\n"

    smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    smtp.daemon_threads = True
    smtp.asked, smtp.answer, smtp.looks, smtp.code, smtp.postmaster = [], answer, True, None, True
    threading.Thread(target=smtp.serve_forever, daemon=True).start()
    yield smtp
    smtp.shutdown()
    smtp.server_close()


@pytest.fixture
def harden(play, home, smtp):
    def harden(*arguments, text=PLAY, **variables):
        (play.directory / "play.yml").write_text(text)
        given = {"qmail_hardening_" + name: value for name, value in variables.items()}
        given.update(qmail_hardening_home=str(home.path), qmail_hardening_probe_port=smtp.server_address[1])
        (play.directory / "given.yml").write_text(yaml.safe_dump(given))
        return play("play.yml", {"qmail": {"mx": {}}}, "-e", "@given.yml", *arguments)

    return harden


def files(home):
    found = {}
    for folder, _, names in os.walk(str(home.path)):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, str(home.path))] = (stream.read(), os.stat(path).st_mtime_ns)
    return found


def changed(made):
    return "changed=0" not in made.text.split("PLAY RECAP")[1]


def test_discard_reject_and_back(harden, home, smtp):
    before = files(home)
    foreseen = harden("--check", "--diff")
    assert foreseen.status == 0, foreseen.text
    assert files(home) == before
    made = harden("--diff")
    assert made.status == 0, made.text
    assert [line for line in made.text.splitlines() if line[:1] in "+-"] == [
        line for line in foreseen.text.splitlines() if line[:1] in "+-"
    ]
    assert "-| %s/vpopmail/bin/vdelivermail '' bounce-no-mailbox" % home.path in made.text
    assert "Mail to a mistyped address vanishes" in made.text
    assert "realrcptto" in made.text
    assert "left, as existing=spare says: delivers" in made.text
    discarding = files(home)
    assert b"discarded" in discarding[ALIAS][0]
    assert discarding["control/doublebounceto"][0].startswith(b"mailops_double_bounces\n")
    assert not changed(harden())
    assert files(home) == discarding

    rejecting = {"unknown_recipients": "reject", "domains": ["mail.example.com"]}
    assert changed(harden("--check", **rejecting))
    assert files(home) == discarding
    assert smtp.asked == []
    made = harden(**rejecting)
    assert made.status == 0, made.text
    assert changed(made)
    asked, postmaster = smtp.asked
    assert postmaster == "postmaster@mail.example.com"
    assert asked.endswith("@mail.example.com")
    assert not (home.path / ALIAS).exists()
    assert os.listdir(str(home.path / "alias")) == [".qmail-mailops_double_bounces"]
    assert not changed(harden(**rejecting))
    made = harden(reject_domains=["mail.example.com"])
    assert made.status == 0, made.text
    assert not changed(made)

    assert changed(harden(state="absent"))
    assert files(home) == before
    assert not changed(harden(state="absent"))


@pytest.mark.parametrize("was_discarding", [False, True])
def test_a_server_that_cannot(harden, home, smtp, was_discarding):
    smtp.looks = False
    if was_discarding:
        harden(double_bounces="unchanged")
    before = files(home)
    made = harden(unknown_recipients="reject", domains=["mail.example.com"])
    assert made.status == 2
    assert (
        "mail.example.com: the SMTP server accepts mail to unknown recipients, so this qmail-smtpd cannot "
        "reject it: set qmail_hardening_unknown_recipients to discard. Nothing was changed."
    ) in " ".join(made.text.split())
    assert not changed(made)
    assert files(home) == before


def test_a_server_that_refuses_everything(harden, home, smtp):
    harden(double_bounces="unchanged")
    smtp.postmaster = False
    before = files(home)
    made = harden(unknown_recipients="reject", domains=["mail.example.com"])
    assert made.status == 2
    text = " ".join(made.text.split())
    assert "mail.example.com: postmaster is refused as well as an unknown recipient" in text
    assert files(home) == before


def test_a_catch_all_of_the_operator_in_the_way(harden, home):
    before = files(home)
    made = harden(unknown_recipients="reject", domains=["example.net"])
    assert made.status == 2
    assert "example.net: %s takes mail to every address, so none can be rejected" % (home.path / MAILBOX) in made.text
    assert files(home) == before


def test_an_answer_that_tells_nothing(harden, home, smtp):
    smtp.code = 451
    before = files(home)
    made = harden(unknown_recipients="reject", domains=["mail.example.com"])
    assert made.status == 2
    assert "whether mail to unknown recipients is rejected could not be determined: " in made.text
    smtp.shutdown()
    smtp.server_close()
    made = harden(unknown_recipients="reject", domains=["mail.example.com"])
    assert made.status == 2
    assert "could not be determined: " in made.text
    assert files(home) == before


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"domains": ["else.example"]}, "domains: else.example is not a domain that this qmail delivers for"),
        ({"reject_domains": ["else.example"]}, "domains: else.example is not a domain that this qmail delivers for"),
        ({"double_bounces": "no address"}, "to: expected discard or an address"),
        ({"unknown_recipients": "vanish"}, "qmail_hardening_unknown_recipients"),
    ],
)
def test_bad_input(harden, home, given, sentence):
    before = files(home)
    made = harden(**given)
    assert made.status == 2
    assert sentence in made.text
    assert files(home) == before


def test_a_narrower_choice_puts_the_others_back(harden, home):
    before = files(home)
    harden(double_bounces="unchanged")
    made = harden(double_bounces="unchanged", domains=["mail.*"])
    assert made.status == 0, made.text
    after = files(home)
    assert {path for path in before if after[path] != before[path]} == set()
    assert set(after) - set(before) == {ALIAS}


def test_the_example_in_the_readme(harden, home):
    example, shown = README.read_text().split("```")[1:4:2]
    home.control("locals", "mail.example.com")
    made = harden(text=example.partition("\n")[2])
    assert made.status == 0, made.text
    said = [line.strip().rstrip("* ") for line in made.text.splitlines()]
    assert len(shown.splitlines()) > 5
    for line in shown.splitlines():
        assert line.strip() in said, line
    assert (home.path / "control/doublebouncehost").read_text().startswith("mail.example.com\n")


@pytest.fixture
def joe(home):
    """A user of the local domain, who has one list."""
    path = home.home("joe", {".qmail-list": b"&boss@example.net\n"})
    key, (user, _uid, gid, *rest) = "+joe-", ("joe", "", str(os.getgid()), str(path), "-", "")
    home.assignments.append((key, (user, str(os.getuid() or 4242), gid, *rest)))
    home.rewrite()
    return path


def test_extensions_of_users_are_left_discarded_rejected_and_put_back(harden, home, smtp, joe):
    before = files(home)
    made = harden()
    assert made.status == 0
    assert "Mail to unknown extensions of 1 user(s) is bounced if it is accepted (joe-…)" in " ".join(made.text.split())
    assert not (home.path / JOE).exists()
    harden("--check", user_extensions="discard")
    assert not (home.path / JOE).exists()
    made = harden(user_extensions="discard")
    assert made.status == 0, made.text
    assert (home.path / JOE).read_bytes().startswith(b"# mailops.rescue: ")
    assert "that the users have no .qmail file for vanishes" in " ".join(made.text.split())
    assert not changed(harden(user_extensions="discard"))
    # It is not undone by a run that says nothing of it.
    assert not changed(harden())

    smtp.asked.clear()
    made = harden(user_extensions="reject")
    assert made.status == 0, made.text
    assert [one.partition("mailopsprobe")[0] for one in smtp.asked] == ["postmaster@mail.example.com", "joe-"]
    assert not (home.path / JOE).exists()
    assert not changed(harden(user_extensions="reject"))

    harden(user_extensions="discard")
    assert changed(harden(state="absent"))
    assert files(home) == before


@pytest.mark.parametrize(
    "postmaster, said",
    [
        (
            True,
            "this qmail-smtpd cannot reject it: set qmail_hardening_user_extensions to discard. Nothing was changed.",
        ),
        (False, "postmaster is refused as well, which proves nothing: "),
    ],
)
def test_a_server_that_does_not_reject_extensions(harden, home, smtp, joe, postmaster, said):
    harden(user_extensions="discard", double_bounces="unchanged")
    before = files(home)
    smtp.looks, smtp.postmaster = not postmaster, postmaster
    made = harden(user_extensions="reject", double_bounces="unchanged")
    assert made.status == 2
    assert said in " ".join(made.text.split())
    assert files(home) == before


def test_extensions_of_a_narrower_choice_are_put_back(harden, home, joe):
    before = files(home)
    harden(user_extensions="discard", unknown_recipients="unchanged", double_bounces="unchanged")
    assert set(files(home)) - set(before) == {JOE}
    harden(
        user_extensions="discard", unknown_recipients="unchanged", double_bounces="unchanged", domains=["example.com"]
    )
    assert files(home) == before
