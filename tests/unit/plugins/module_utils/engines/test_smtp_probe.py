"""Probes of servers that behave in every way there is."""

import json
import socket
import threading

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import smtp_probe
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.smtp_server import Script, certificate, serving

DEFAULTS = {
    "host": None,
    "port": 25,
    "family": "auto",
    "timeout": 30.0,
    "tls": None,
    "verify_name": None,
    "helo": None,
    "sender": "",
    "unknown_domain": None,
    "postmaster": False,
    "relay": False,
    "recipients": [],
    "expect": None,
}
# Where the end of the time is what is tested; what is measured is far more, or a slow machine would fail it.
SHORT, LONG = 1.0, 25


def probe(**options):
    return smtp_probe.probe(dict(DEFAULTS, **options))


def ask(script, **options):
    """Return what is found out about a server that follows `script`."""
    with serving(script, options.get("host") or "127.0.0.1") as port:
        return probe(port=port, **options)


@pytest.fixture
def tls(tmp_path):
    return certificate(tmp_path)[0]


def script(**methods):
    """Return a Script with other methods."""
    return type("Changed", (Script,), methods)()


def says(*lines):
    return lambda self, peer, line: peer.say(*lines)


def test_what_a_server_accepts_is_told_apart():
    server = Script()
    found = ask(server, unknown_domain="example.com", postmaster=True, relay=True, recipients=["info", "nobody"])
    assert (found["connected"], found["error"], found["banner_code"], found["helo_code"]) == (True, None, 220, 250)
    assert found["unknown_recipient"]["verdict"] == "refused"
    assert found["unknown_recipient"]["text"] == "5.1.1 User unknown"
    assert found["postmaster"] == {
        "address": "postmaster@example.com",
        "verdict": "accepted",
        "code": 250,
        "text": "2.1.5 Ok",
    }
    assert (found["relay"]["verdict"], found["relay"]["code"]) == ("refused", 554)
    assert [one["verdict"] for one in found["recipients"]] == ["accepted", "refused"]
    assert (found["starttls"]["offered"], found["starttls"]["ok"]) == (False, False)
    assert found["auth"] == {"before_tls": [], "after_tls": None}
    assert found["pipelining"] is True
    # One session, one message begun, and none of it sent.
    assert server.sessions == 1
    assert [line.partition(" ")[0] for line in server.commands] == ["EHLO", "MAIL"] + 5 * ["RCPT"] + ["RSET", "QUIT"]
    assert server.commands[1] == "MAIL FROM:<>"


def test_each_run_asks_for_another_unknown_recipient():
    server = Script()
    first, second = (ask(server, unknown_domain="example.com")["unknown_recipient"]["address"] for _ in range(2))
    assert first != second


def test_without_recipients_no_message_is_begun():
    server = Script()
    found = ask(server)
    assert (found["unknown_recipient"], found["postmaster"], found["relay"], found["recipients"]) == (None,) * 3 + ([],)
    assert [line.partition(" ")[0] for line in server.commands] == ["EHLO", "QUIT"]


def test_sender_and_helo_are_said():
    server = Script()
    ask(server, helo="probe.example.org", sender="ops@example.org", postmaster=True)
    assert server.commands[0] == "EHLO probe.example.org"
    assert server.commands[1:3] == ["MAIL FROM:<ops@example.org>", "RCPT TO:<postmaster>"]


def test_over_tls(tls):
    server = Script(context=tls)
    found = ask(server, unknown_domain="example.com")
    starttls = found["starttls"]
    assert (starttls["offered"], starttls["ok"], starttls["error"]) == (True, True, None)
    assert starttls["version"].startswith("TLSv1.") and starttls["cipher"]
    shown = starttls["certificate"]
    assert (shown["subject"], shown["issuer"]) == ("CN=mail.example.com, O=Grüße",) * 2
    assert (shown["days_left"], shown["names"]) == (10, ["mail.example.com"])
    assert (shown["verified"], shown["error"]) == (None, None)
    assert found["auth"] == {"before_tls": [], "after_tls": ["LOGIN", "PLAIN"]}
    assert found["unknown_recipient"]["verdict"] == "refused"
    assert [line.partition(" ")[0] for line in server.commands] == [
        "EHLO",
        "STARTTLS",
        "EHLO",
        "MAIL",
        "RCPT",
        "RSET",
        "QUIT",
    ]


def test_tls_from_the_start(tls):
    class Implicit(Script):
        def serve(self, peer):
            peer.begin_tls(tls)
            super().serve(peer)

    found = ask(Implicit(), tls="implicit", postmaster=True)
    assert (found["starttls"]["ok"], found["starttls"]["offered"]) == (True, None)
    assert found["starttls"]["certificate"]["days_left"] == 10
    assert found["auth"] == {"before_tls": None, "after_tls": ["LOGIN", "PLAIN"]}
    assert found["postmaster"]["verdict"] == "accepted"


def test_tls_from_the_start_is_told_by_the_port(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setattr(smtp_probe, "_IMPLICIT_PORT", nobody.getsockname()[1])
        found = probe(port=nobody.getsockname()[1], timeout=SHORT)
    assert found["error"] == "TLS: no answer in time"


def test_without_tls_if_told_so(tls):
    server = Script(context=tls)
    found = ask(server, tls="none")
    assert (found["starttls"]["offered"], found["starttls"]["ok"]) == (True, False)
    assert "STARTTLS" not in server.commands


def test_an_expired_certificate(tmp_path):
    found = ask(Script(context=certificate(tmp_path, days=-3)[0]))
    assert found["starttls"]["certificate"]["days_left"] == -3


def test_a_certificate_is_verified_by_name(tmp_path, monkeypatch):
    context, path = certificate(tmp_path, names=("mail.example.com",))
    server = Script(context=context)
    shown = ask(server, verify_name="mail.example.com")["starttls"]["certificate"]
    assert shown["verified"] is False
    assert "self" in shown["error"] and "signed" in shown["error"]
    assert server.sessions == 2
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert ask(Script(context=context), verify_name="mail.example.com")["starttls"]["certificate"]["verified"] is True
    shown = ask(Script(context=context), verify_name="other.example.com")["starttls"]["certificate"]
    assert shown["verified"] is False
    assert "mismatch" in shown["error"] or "match" in shown["error"]


def test_a_handshake_that_fails_is_told_and_the_rest_asked_without(tls):
    class Broken(Script):
        def do_starttls(self, peer, line):
            peer.say("220 Ready")
            # The client speaks first: what came together with the answer is dropped.
            peer.sock.recv(1)
            peer.say("this is no TLS at all")
            return False

    server = Broken(context=tls)
    found = ask(server, unknown_domain="example.com")
    assert (found["starttls"]["offered"], found["starttls"]["ok"]) == (True, False)
    assert found["starttls"]["error"]
    assert (found["unknown_recipient"]["verdict"], found["error"]) == ("refused", None)
    assert server.sessions == 2
    found = ask(Broken(context=tls), unknown_domain="example.com", tls="required")
    assert found["error"].startswith("TLS: ")
    assert found["unknown_recipient"]["verdict"] == "untried"


def test_text_ahead_of_tls_is_not_taken_for_an_answer_within(tls):
    class Injected(Script):
        def do_starttls(self, peer, line):
            peer.say("220 Ready", "250-evil.example.org", "250 AUTH PLAIN")
            peer.begin_tls(self.context)

    found = ask(Injected(context=tls, auth_over_tls=None), tls="required")
    assert found["auth"]["after_tls"] in (None, [])
    assert "evil" not in json.dumps(found)


@pytest.mark.parametrize(
    ("answer", "mode", "error"),
    [
        ("454 4.7.0 TLS not available", "auto", None),
        ("454 4.7.0 TLS not available", "required", "TLS is required, and 454 4.7.0 TLS not available"),
        ("421 4.7.0 Bye", "auto", "STARTTLS: 421 4.7.0 Bye"),
    ],
)
def test_starttls_that_is_refused(tls, answer, mode, error):
    class Refusing(Script):
        do_starttls = says(answer)

    found = ask(Refusing(context=tls), tls=mode, postmaster=True)
    assert found["starttls"]["error"] == answer
    assert found["error"] == error
    assert found["postmaster"]["verdict"] == ("untried" if error else "accepted")


def test_tls_required_and_not_offered():
    found = ask(Script(), tls="required", postmaster=True)
    assert found["error"] == "TLS is required, and STARTTLS is not offered"
    assert found["postmaster"] == {
        "address": "postmaster",
        "verdict": "untried",
        "code": None,
        "text": found["error"],
    }


@pytest.mark.parametrize(
    ("offer", "mechanisms"),
    [
        ("AUTH PLAIN LOGIN", ["LOGIN", "PLAIN"]),
        ("auth=login plain", ["LOGIN", "PLAIN"]),
        ("AUTH=LOGIN CRAM-MD5", ["CRAM-MD5", "LOGIN"]),
        ("AUTHENTICATE PLAIN", []),
        ("AUTH", []),
        ("AUTH " + " ".join("M%04d" % n for n in range(200)), ["M%04d" % n for n in range(20)]),
    ],
)
def test_auth_in_both_forms(offer, mechanisms):
    assert ask(Script(auth=offer))["auth"]["before_tls"] == mechanisms


def test_a_server_that_knows_helo_only():
    found = ask(script(do_ehlo=says("500 What?")), postmaster=True)
    assert (found["helo_code"], found["extensions"], found["pipelining"]) == (250, [], False)
    assert found["postmaster"]["verdict"] == "accepted"


def test_a_sender_that_is_refused():
    found = ask(script(do_mail=says("550 5.7.1 No null sender")), postmaster=True, relay=True)
    text = "the sender was refused: 5.7.1 No null sender"
    assert found["postmaster"] == {"address": "postmaster", "verdict": "untried", "code": 550, "text": text}
    assert (found["relay"]["verdict"], found["error"]) == ("untried", None)


def test_greylisting_is_a_deferral():
    found = ask(script(do_rcpt=says("450 4.2.0 Greylisted")), postmaster=True)
    assert (found["postmaster"]["verdict"], found["postmaster"]["code"]) == ("deferred", 450)


def test_too_many_recipients_for_one_message():
    class One(Script):
        taken = 0

        def do_mail(self, peer, line):
            self.taken = 0
            peer.say("250 Ok")

        def do_rcpt(self, peer, line):
            self.taken += 1
            peer.say("250 Ok" if self.taken == 1 else "452 4.5.3 Too many")

    server = One()
    found = ask(server, recipients=["a@example.com", "b@example.com", "c@example.com"])
    assert [one["verdict"] for one in found["recipients"]] == ["accepted"] * 3
    assert sum(line.startswith("MAIL") for line in server.commands) == 3


def test_a_session_that_is_ended_in_the_middle():
    class Ending(Script):
        def do_rcpt(self, peer, line):
            if "<b@" in line:
                peer.say("421 4.7.0 Too many errors")
                return False
            peer.say("250 Ok")
            return None

    found = ask(Ending(), recipients=["a@example.com", "b@example.com", "c@example.com"])
    assert [one["verdict"] for one in found["recipients"]] == ["accepted", "deferred", "untried"]
    assert found["error"] == "RCPT: the server ended the session: 421 4.7.0 Too many errors"
    assert found["recipients"][2]["text"] == found["error"]


@pytest.mark.parametrize("code", [421, 554])
def test_a_server_that_does_not_serve(code):
    class Closed(Script):
        def greet(self, peer):
            peer.say("%d mail.example.com Go away" % code)

    found = ask(Closed(), postmaster=True)
    assert (found["connected"], found["banner_code"]) == (True, code)
    assert found["error"] == "the server does not serve us: %d mail.example.com Go away" % code
    assert found["postmaster"]["verdict"] == "untried"


def test_nothing_is_said_before_the_greeting():
    """A server may take those who do not wait for the end of its greeting for spammers."""
    early = []

    class Waiting(Script):
        def greet(self, peer):
            peer.say("220-mail.example.com ESMTP")
            peer.sock.settimeout(0.5)
            try:
                early.append(peer.sock.recv(100))
            except socket.timeout:
                early.append(None)
            peer.sock.settimeout(None)
            peer.say("220 Wait for it")

    found = ask(Waiting(), postmaster=True)
    assert early == [None]
    assert found["banner"] == "mail.example.com ESMTP Wait for it"
    assert found["postmaster"]["verdict"] == "accepted"


def greeting(function):
    return script(serve=lambda self, peer: function(peer))


def drip(peer):
    while not peer.stopped.wait(0.05):
        peer.send(b"2")


def drip_lines(peer):
    while not peer.stopped.wait(0.2):
        peer.send(b"220-still here\r\n")


def flood(peer):
    while not peer.stopped.is_set():
        peer.send(b"220-" + b"x" * 60 + b"\r\n")


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (greeting(lambda peer: peer.stopped.wait()), "the greeting: no answer in time"),
        (greeting(drip), "the greeting: no answer in time"),
        (greeting(drip_lines), "the greeting: no answer in time"),
        (script(do_ehlo=lambda self, peer, line: drip(peer)), "EHLO: no answer in time"),
        (script(do_rcpt=lambda self, peer, line: drip_lines(peer)), "RCPT: no"),
    ],
)
def test_the_time_is_bounded(server, error):
    found = ask(server, timeout=SHORT, postmaster=True)
    assert found["connected"] is True
    assert found["error"].startswith(error)
    assert SHORT <= found["seconds"]["total"] < LONG
    assert found["postmaster"]["verdict"] == "untried"


def test_the_time_is_bounded_in_the_handshake(tls):
    class Slow(Script):
        def do_starttls(self, peer, line):
            peer.say("220 Ready")
            # The head of a TLS record that never comes.
            peer.send(b"\x16\x03\x03\x40\x00")
            while not peer.stopped.wait(0.05):
                peer.send(b"\x02")

    found = ask(Slow(context=tls), timeout=SHORT, postmaster=True, tls="required")
    assert found["error"] == "TLS: no answer in time"
    assert found["seconds"]["total"] < LONG
    # Half of the time is kept for asking without TLS.
    found = ask(Slow(context=tls), timeout=8, postmaster=True)
    assert found["starttls"]["error"] == "no answer in time"
    assert (found["error"], found["postmaster"]["verdict"]) == (None, "accepted")
    assert found["seconds"]["total"] < LONG


def test_a_goodbye_is_not_waited_for_long():
    found = ask(script(do_quit=lambda self, peer, line: peer.stopped.wait() and False), timeout=600)
    assert (found["error"], found["seconds"]["total"] < 60) == (None, True)


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (greeting(lambda peer: None), "the greeting: the server closed the connection"),
        (greeting(flood), "the greeting: an answer of more than 100 lines"),
        (greeting(lambda peer: peer.send(b"220 " + b"x" * 100000)), "the greeting: a line longer than 2048 bytes"),
        (greeting(lambda peer: peer.say("SSH-2.0-OpenSSH_9.2p1")), "the greeting: no SMTP: SSH-2.0-OpenSSH_9.2p1"),
        (greeting(lambda peer: peer.say("")), "the greeting: no SMTP: "),
        (greeting(lambda peer: peer.say("2200 x")), "the greeting: no SMTP: 2200 x"),
        (greeting(lambda peer: peer.say("\u0662\u0662\u0660 x")), "the greeting: no SMTP: \u0662\u0662\u0660 x"),
        (greeting(lambda peer: peer.say("999 x")), "the greeting: no SMTP: 999 x"),
        (script(do_ehlo=says("421 Bye")), "HELO was refused: 421 Bye"),
        (script(do_ehlo=says("550 No"), do_helo=says("550 Never")), "HELO was refused: 550 Never"),
        (script(do_mail=lambda self, peer, line: False), "MAIL: the server closed the connection"),
        (script(do_mail=says("421 Bye")), "MAIL: the server ended the session: 421 Bye"),
    ],
)
def test_servers_that_are_none(server, error):
    found = ask(server, postmaster=True)
    assert found["connected"] is True
    # Some of what a server still sends may end in a reset.
    assert found["error"] == error
    assert found["postmaster"]["verdict"] == "untried"


def test_all_answers_together_are_bounded(monkeypatch):
    class Wordy(Script):
        def do_rcpt(self, peer, line):
            peer.say(*["250-" + "x" * 2000] * 90, "250 Ok")

    found = ask(Wordy(), recipients=["%d@example.com" % n for n in range(10)])
    assert found["error"] == "RCPT: more than 262144 bytes of answers"
    assert [one["verdict"] for one in found["recipients"]][:2] == ["accepted", "untried"]
    assert len(json.dumps(found)) < 10000


def test_text_of_strangers_is_harmless():
    class Evil(Script):
        offers = ("X-\x1b]0;pwned\x07 \u202e moc", "X" * 2000)

        def greet(self, peer):
            peer.send(b"220 \x1b[2J{{ 6 * 7 }} Gr\xfc\xdfe\x00\r\n")

        def do_rcpt(self, peer, line):
            peer.send(b"550 \x9b31m" + b"y" * 1000 + b"\r\n")

    found = ask(Evil(), postmaster=True)
    assert found["banner"] == "\\x1b[2J{{ 6 * 7 }} Grüße\\x00"
    assert found["extensions"][0] == "X-\\x1b]0;pwned\\x07 \\u202e moc"
    assert len(found["postmaster"]["text"]) == 300
    assert len(found["extensions"][1]) == 200
    strange = [char for char in json.dumps(found, ensure_ascii=False) if ord(char) < 32 or 127 <= ord(char) < 160]
    assert strange == []


def test_ipv6():
    found = ask(Script(), host="::1", postmaster=True)
    assert (found["address"], found["family"]) == ("::1", "ipv6")
    assert found["postmaster"]["verdict"] == "accepted"
    with serving(Script(), "::1") as port:
        assert probe(port=port, family="ipv6")["address"] == "::1"
        assert probe(host="[::1]", port=port)["address"] == "::1"


def two_addresses(monkeypatch, port):
    """Let every name have an IPv6 address on which nobody listens, and an IPv4 one."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)


def test_the_next_address_is_tried(monkeypatch):
    with serving(Script()) as port:
        two_addresses(monkeypatch, port)
        found = probe(host="mail.example.com", port=port)
    assert (found["address"], found["family"], found["error"]) == ("127.0.0.1", "ipv4", None)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = probe(port=port, postmaster=True)
    assert found["connected"] is False
    assert found["error"] == "connecting: 127.0.0.1: connection refused"
    assert found["postmaster"]["text"] == found["error"]
    assert (found["address"], found["seconds"]["connect"]) == (None, None)


def test_names_that_do_not_resolve():
    found = probe(host="nobody.invalid")
    assert found["connected"] is False
    assert found["error"].startswith("connecting: the name nobody.invalid cannot be resolved: ")
    assert probe(host="." * 200)["error"].startswith("connecting: the name ")
    assert probe(host="127.0.0.1", family="ipv6")["connected"] is False


def test_a_resolver_that_hangs(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: over.wait() and [])
    found = probe(host="mail.example.com", timeout=SHORT)
    over.set()
    assert found["error"] == "connecting: the name mail.example.com was not resolved in time"
    assert found["seconds"]["total"] < LONG


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": 0}, "port: expected 1 to 65535, got 0."),
        ({"port": 65536}, "port: expected 1 to 65535, got 65536."),
        ({"timeout": 0.0}, "timeout: expected 0.1 to 600 seconds, got 0.0."),
        ({"timeout": float("nan")}, "timeout: expected 0.1 to 600 seconds, got nan."),
        ({"host": ""}, 'host: expected a host name or an address, got "".'),
        ({"host": "a b"}, 'host: expected a host name or an address, got "a b".'),
        ({"host": "a\r\nDATA"}, 'host: expected a host name or an address, got "a\\x0d\\x0aDATA".'),
        ({"helo": "a b"}, "helo: expected a host name or an address in brackets, in ASCII without blanks, got"),
        ({"helo": "a\n"}, "helo: expected a host name"),
        ({"sender": "a@b>\r\nDATA"}, "sender: expected an address in ASCII without blanks and angle brackets, got"),
        ({"sender": "\u00e9@b"}, "sender: expected an address"),
        ({"recipients": ["a@b", "a@b\n"]}, "recipients: expected addresses in ASCII without blanks and angle brackets"),
        ({"recipients": ["a@b> ORCPT=x"]}, "recipients: expected addresses"),
        ({"recipients": [""]}, "recipients: expected addresses"),
        ({"recipients": ["a"] * 51}, "recipients: expected 50 at most, got 51."),
        ({"unknown_domain": "example..com"}, 'unknown_domain: expected a domain, got "example..com".'),
        ({"unknown_domain": "a.example\n"}, "unknown_domain: expected a domain"),
        ({"postmaster": "a b"}, 'postmaster: expected true, false or a domain, got "a b".'),
        ({"postmaster": ["a"]}, "postmaster: expected true, false or a domain"),
        ({"verify_name": "*"}, 'verify_name: expected a host name, got "*".'),
        (
            {"expect": {"unknown_recipient": ["refused"]}},
            "expect: unknown_recipient is expected and not tried; give the option unknown_domain.",
        ),
        ({"expect": {"relay": ["refused"]}}, "expect: relay is expected and not tried; give the option relay."),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(options, sentence):
    server = Script()
    with serving(server) as port, pytest.raises(RescueError) as refused:
        probe(**dict({"port": port}, **options))
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value) and server.sessions == 0


@pytest.mark.parametrize(
    ("value", "address"),
    [(True, "postmaster"), ("yes", "postmaster"), ("a.example", "postmaster@a.example"), (False, None), ("no", None)],
)
def test_postmaster_where(value, address):
    found = ask(Script(), postmaster=value)["postmaster"]
    assert (found and found["address"]) == address


def test_what_is_expected(tls):
    tried = {"unknown_domain": "example.com", "postmaster": True, "relay": True, "recipients": ["info@example.com"]}
    good = {
        "connected": True,
        "unknown_recipient": ["refused"],
        "postmaster": ["accepted"],
        "relay": ["refused", "deferred"],
        "recipients": ["accepted"],
        "starttls": True,
        "auth_before_tls": False,
        "auth_after_tls": True,
        "days_left": 9,
    }
    assert ask(Script(context=tls), expect=good, **tried)["error"] is None
    bad = {
        "connected": False,
        "unknown_recipient": ["accepted"],
        "postmaster": ["refused"],
        "relay": ["accepted"],
        "recipients": ["refused", "deferred"],
        "starttls": False,
        "auth_before_tls": True,
        "auth_after_tls": False,
        "days_left": 11,
    }
    with pytest.raises(RescueError) as failed:
        ask(Script(context=tls), expect=bad, **tried)
    text = str(failed.value)
    assert text.startswith("expect: unknown_recipient mailops-probe-")
    for phrase in (
        "is refused instead of accepted (550 5.1.1 User unknown); ",
        "relay mailops-probe@example.net is refused instead of accepted (554 5.7.1 Relay access denied); ",
        "recipients info@example.com is accepted instead of refused or deferred (250 2.1.5 Ok); ",
        "connected is true instead of false; starttls is true instead of false; ",
        "auth_before_tls is false instead of true; auth_after_tls is true instead of false; ",
        "days_left is 10, less than 11.",
    ):
        assert phrase in text
    assert failed.value.result["connected"] is True


def test_what_is_expected_and_was_not_asked():
    with pytest.raises(RescueError) as failed:
        ask(Script(), expect={"auth_after_tls": False, "days_left": 1})
    assert str(failed.value) == "expect: auth_after_tls was not asked instead of false; no certificate was seen."
    with pytest.raises(RescueError) as failed:
        probe(port=1, expect={"connected": True})
    assert "connected is false instead of true (connecting: 127.0.0.1: connection refused)" in str(failed.value)
