"""Takes alerts as a webhook (8443, TLS) and as a mail server (2525), and writes down when which one came.

receive.py                                     serve
receive.py expect SINCE EXTRA EVENT...         wait until each channel has brought these events, in this order;
                                               the first alert must have come within two periods after SINCE,
                                               and nothing else may come within EXTRA seconds
"""

import http.server
import json
import socketserver
import ssl
import sys
import threading
import time

RECEIVED = "/opt/mailops/received.jsonl"
PERIOD = 10

lock = threading.Lock()


def note(channel, event, what):
    with lock, open(RECEIVED, "a") as file:
        file.write(json.dumps({"channel": channel, "event": event, "at": time.time(), "what": what}) + "\n")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        made = json.loads(self.rfile.read(int(self.headers["Content-Length"])).decode())
        good = self.headers["Authorization"] == "Bearer molecule-token" and self.path == "/hook"
        note("webhook", made["event"] if good else "unauthorized", made)
        self.send_response(204)
        self.end_headers()


class Mail(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 alerts.example.net ESMTP")
        commands = []
        for line in self.rfile:
            commands.append(line.decode().rstrip())
            verb = commands[-1][:4].upper()
            if verb == "EHLO":
                self.say("250 alerts.example.net")
            elif verb == "DATA":
                self.say("354 Go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                event = text.partition("X-Mailops-Event: ")[2].partition("\r\n")[0]
                note("smtp", event, {"from": self.client_address[0], "commands": commands, "text": text})
                self.say("250 Ok")
            elif verb == "QUIT":
                self.say("221 Bye")
                return
            else:
                self.say("250 Ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/opt/mailops/hook.pem", "/opt/mailops/key.pem")
    hook = http.server.HTTPServer(("", 8443), Hook)
    hook.socket = context.wrap_socket(hook.socket, server_side=True)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    Server(("", 2525), Mail).serve_forever()


def received():
    try:
        with open(RECEIVED) as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def events(channel):
    return [one["event"] for one in received() if one["channel"] == channel]


def expect(since, extra, wanted):
    ends = time.time() + 90
    while any(len(events(channel)) < len(wanted) for channel in ("webhook", "smtp")) and time.time() < ends:
        time.sleep(0.2)
    time.sleep(extra)
    for channel in ("webhook", "smtp"):
        assert events(channel) == wanted, (channel, events(channel))
    for one in received():
        text = one["what"]["text"]
        # A mail's text is wrapped, and its lines end as the protocol wants.
        assert "flood@" not in text and "Cheap" not in text, text
        if one["event"] == "alert":
            seconds = one["at"] - since
            print("%s: alert after %.1f s" % (one["channel"], seconds))
            assert 0 < seconds < 2 * PERIOD, (one["channel"], seconds)
            assert "rescue-queue-watch-mail" in text and "threshold 300" in text, text
        if one["channel"] == "smtp":
            assert one["what"]["from"] == "198.18.88.11", one
    alert = next(one["what"] for one in received() if one["channel"] == "webhook" and one["event"] == "alert")
    assert alert["messages"] > 300, alert
    assert {"count"} == {one["name"] for one in alert["conditions"]}, alert
    assert alert["next"] == "ansible-playbook mailops.rescue.inspect -l 'rescue-queue-watch-mail'", alert


if __name__ == "__main__":
    if sys.argv[1:]:
        expect(float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    else:
        serve()
