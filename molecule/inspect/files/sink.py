"""Destinations for the scenario's mail, on the loopback interface.

Port 10025 decides by the recipient's local part, port 10026 takes a connection and then says nothing.
"""

import socket
import socketserver
import threading

REPLIES = {
    b"done": b"250 2.1.5 Ok",
    b"gone": b"550 5.1.1 There is nobody of this name",
    b"odd": b'451 4.7.1 "quoted" back\\slash <b>&amp;</b> {{ 7 * 7 }} caf\xc3\xa9 \xe9',
}
LATER = b"451 4.7.1 Greylisted, try again later"


class Sink(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line + b"\r\n")

    def handle(self):
        self.say(b"220 sink.example.org ESMTP")
        while True:
            line = self.rfile.readline(4096).rstrip(b"\r\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-sink.example.org\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n")
            elif verb == b"RCPT":
                local = line.partition(b"<")[2].partition(b"@")[0]
                self.say(REPLIES.get(local.partition(b"-")[0], LATER))
            elif verb == b"DATA":
                self.say(b"354 Go on")
                while self.rfile.readline(65536) not in (b".\r\n", b""):
                    pass
                self.say(b"250 2.0.0 Ok")
            elif verb in (b"QUIT", b""):
                self.say(b"221 2.0.0 Bye")
                return
            else:
                self.say(b"250 2.0.0 Ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def keep_silent():
    listener = socket.create_server(("127.0.0.1", 10026), backlog=100)
    connections = []
    while True:
        connections.append(listener.accept())


if __name__ == "__main__":
    threading.Thread(target=keep_silent, daemon=True).start()
    Server(("127.0.0.1", 10025), Sink).serve_forever()
