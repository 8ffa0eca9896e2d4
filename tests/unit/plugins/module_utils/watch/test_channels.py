"""Each channel against a small server on the loopback interface: good ones, refusing ones, and those that hang."""

import http.server
import json
import socket
import socketserver
import threading
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, notice
from ansible_collections.mailops.rescue.plugins.module_utils.watch.queues import Reading
from tests.support.smtp_server import Script, certificate, serving
from tests.unit.plugins.module_utils.watch.conftest import SETTINGS

QUEUE = {"name": "postfix", "mta": "postfix", "directories": ["/var/spool/postfix"]}
FOUND = [{"name": "count", "value": 400, "threshold": 300}]


def made(event="alert"):
    return notice.document(event, SETTINGS, QUEUE, Reading(400, 7200, 12, None), FOUND, 1e9, 400, 1e9 + 60, 12.345)


class Web:
    """An HTTP server that answers with `status`; `asked` is what it was asked."""

    def __init__(self, status=204, context=None, headers=()):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, dict(self.headers), body))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


def hook(url, token=None, ca=None):
    return {"webhook": {"url": url, "token_file": token, "ca_file": ca}}


def send(name, settings, seconds=20, event="alert"):
    return channels.send_all([(name, made(event))], settings, seconds)[0]


def test_webhook():
    with Web() as web:
        assert send("webhook", hook("http://127.0.0.1:%d/hook?a=b" % web.port)) is None
    path, headers, body = web.asked[0]
    assert path == "/hook?a=b"
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert json.loads(body) == json.loads(json.dumps(made()))


def test_a_reason_does_not_show_the_url():
    reason = send("webhook", hook("http://127.0.0.1:9/services/T0/secret key"))
    assert "InvalidURL" in reason and "secret" not in reason


def test_webhook_over_tls_with_a_token(tmp_path):
    context, pem = certificate(tmp_path, names=("localhost",))
    (tmp_path / "token").write_text("secret\n")
    with Web(context=context) as web:
        settings = hook("https://localhost:%d/" % web.port, str(tmp_path / "token"), str(pem))
        assert send("webhook", settings) is None
    assert web.asked[0][1]["Authorization"] == "Bearer secret"


def test_a_webhook_with_a_certificate_that_nobody_trusts_gets_nothing(tmp_path):
    context, _pem = certificate(tmp_path, names=("localhost",))
    with Web(context=context) as web:
        assert "certificate" in send("webhook", hook("https://localhost:%d/" % web.port)).lower()
    assert web.asked == []


def test_a_webhook_with_the_certificate_of_another_gets_nothing(tmp_path):
    context, pem = certificate(tmp_path, names=("other.example.com",))
    with Web(context=context) as web:
        assert "certificate" in send("webhook", hook("https://localhost:%d/" % web.port, None, str(pem))).lower()
    assert web.asked == []


def test_a_webhook_that_refuses():
    with Web(500) as web:
        assert send("webhook", hook("http://127.0.0.1:%d/" % web.port)) == "the server answered 500"


def test_a_redirect_is_not_followed(tmp_path):
    with Web() as other, Web(302, headers=[("Location", "http://127.0.0.1:%d/" % other.port)]) as web:
        assert send("webhook", hook("http://127.0.0.1:%d/" % web.port)) == "the server answered 302"
    assert other.asked == []


@pytest.mark.parametrize("text", [b"", b"two\nlines", b"\xff"])
def test_a_bad_token_is_not_sent(tmp_path, text):
    (tmp_path / "token").write_bytes(text)
    with Web() as web:
        assert "token" in send("webhook", hook("http://127.0.0.1:%d/" % web.port, str(tmp_path / "token")))
    assert web.asked == []


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "refused" in send("webhook", hook("http://127.0.0.1:%d/" % taken.getsockname()[1]))


class Hanging(socketserver.BaseRequestHandler):
    """Says a letter now and then: each step is in time, and the whole never ends."""

    def handle(self):
        try:
            while True:
                self.request.sendall(b"H")
                time.sleep(0.1)
        except OSError:
            pass


def test_one_that_hangs_stops_no_other():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hanging)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    begun = time.monotonic()
    with Web() as web:
        settings = hook("http://127.0.0.1:%d/" % server.server_address[1])
        wanted = [("webhook", made()), ("syslog", made())]
        settings["syslog"] = True
        first, _second = channels.send_all(wanted, settings, 2)
        assert send("webhook", hook("http://127.0.0.1:%d/" % web.port)) is None
    server.shutdown()
    server.server_close()
    assert first == "no answer within 2 seconds"
    assert time.monotonic() - begun < 15


class Taking(Script):
    """Takes mail, and keeps it in `mails`."""

    mails = ()
    refusal = "550 5.1.1 No such user"

    def do_rcpt(self, peer, line):
        peer.say(self.refusal if self.refusal and "nobody" in line else "250 2.1.5 Ok")

    def do_data(self, peer, line):
        peer.say("354 Go on")
        lines = []
        while not lines or lines[-1] != ".":
            lines.append(peer.line())
        self.mails = (*self.mails, lines[:-1])
        peer.say("250 2.0.0 Ok")


@pytest.fixture
def elsewhere(monkeypatch):
    """Lets a server on the loopback interface pass for another host."""
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.1"])


def mail(port, to=("ops@example.com",), tls="auto"):
    return {"smtp": {"host": "localhost", "port": port, "tls": tls, "from": "watch@mx1.example.com", "to": list(to)}}


def test_smtp(elsewhere):
    script = Taking()
    with serving(script) as port:
        assert send("smtp", mail(port, ["ops@example.com", "night@example.com"])) is None
    assert script.commands[0] == "ehlo mx1.example.com"
    assert [one.partition(" ")[2].lower() for one in script.commands if one[:4].lower() in ("mail", "rcpt")] == [
        "from:<watch@mx1.example.com> size=%s" % script.commands[1].rpartition("=")[2],
        "to:<ops@example.com>",
        "to:<night@example.com>",
    ]
    (lines,) = script.mails
    assert "Subject: ALERT mx1 queue postfix: 400 messages, threshold 300; since" in "\n".join(lines)
    assert "Auto-Submitted: auto-generated" in lines
    assert "  ansible-playbook mailops.rescue.inspect -l 'mx1'" in lines
    assert "Messages:       400" in lines


def test_smtp_with_any_certificate_unless_it_must_be_verified(elsewhere, tmp_path):
    context, _pem = certificate(tmp_path, names=("other.example.com",))
    script = Taking(context=context)
    with serving(script) as port:
        assert send("smtp", mail(port)) is None
        assert "certificate" in send("smtp", mail(port, tls="verified")).lower()
    assert len(script.mails) == 1


def test_smtp_that_must_be_verified_does_not_go_in_clear(elsewhere):
    script = Taking()
    with serving(script) as port:
        assert "STARTTLS" in send("smtp", mail(port, tls="verified"))
    assert script.mails == ()


def test_smtp_takes_the_next_address_where_nobody_answers(monkeypatch):
    script = Taking()
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.9", "127.0.0.1"])
    with serving(script) as port:
        assert send("smtp", mail(port)) is None
    assert len(script.mails) == 1


def test_smtp_that_does_not_serve_us(elsewhere):
    with serving(Taking(greet=lambda peer: peer.say("554 5.7.1 Go away"))) as port:
        assert send("smtp", mail(port)) == "the server does not serve us: 554 5.7.1 Go away"


def test_smtp_that_refuses_a_recipient(elsewhere):
    with serving(Taking()) as port:
        assert "No such user" in send("smtp", mail(port, ["nobody@example.com"]))
        assert send("smtp", mail(port, ["nobody@example.com", "ops@example.com"])) == (
            "the server refused 1 of 2 recipients"
        )


@pytest.mark.parametrize(
    ("refusal", "final"),
    [("550 5.1.1 No such user", True), ("450 4.2.0 Come back", False), ("421 4.3.2 Closing", False)],
)
def test_smtp_to_each_recipient(elsewhere, refusal, final):
    script = Taking()
    script.refusal = refusal
    settings = mail(0, ["ops@example.com", "nobody@example.com", "night@example.com"])
    notice = made()
    targets = channels.targets(dict(settings, webhook=None, syslog=True))
    assert targets == ["smtp:ops@example.com", "smtp:nobody@example.com", "smtp:night@example.com", "syslog"]
    with serving(script) as port:
        settings["smtp"]["port"] = port
        first, second, third = channels.send_all([(one, notice) for one in targets[:3]], settings)
    assert second == refusal and second.final is final
    if refusal.startswith("421"):
        # Nobody got it, and all are tried again.
        assert not first.final and not third.final and script.mails == ()
    else:
        assert first is third is None and len(script.mails) == 1


def test_smtp_that_says_nothing(elsewhere):
    with serving(Taking(greet=lambda peer: peer.stopped.wait())) as port:
        assert send("smtp", mail(port), seconds=1) == "no answer within 1 seconds"


def test_a_name_that_has_come_to_lead_to_this_host_is_not_used():
    script = Taking()
    with serving(script) as port:
        assert "is this host" in send("smtp", mail(port))
    assert script.sessions == 0


@pytest.mark.parametrize(("event", "level"), [("alert", 18), ("reminder", 18), ("recovery", 21), ("test", 21)])
def test_syslog(tmp_path, monkeypatch, event, level):
    monkeypatch.setattr(channels, "LOG", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(channels.LOG)
        assert send("syslog", {"syslog": True}, event=event) is None
        text = log.recv(4096).decode()
    assert text.startswith("<%d>mailops-queue-watch[" % level)
    assert text.endswith("]: " + made(event)["text"])


def test_no_syslog(tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "LOG", str(tmp_path / "log"))
    assert "No such file" in send("syslog", {"syslog": True})


def test_notices_say_what_is_needed():
    text = notice.body(made())
    for wanted in ("mx1", "postfix", "400", "threshold 300", "2001-09-09T01:46:40Z", "12.3 messages a minute", "12 %"):
        assert wanted in text
