"""Takes mail on the loopback interface and writes down what it took: a line of JSON for each recipient.

While /opt/mailops/open is missing, port 10025 takes recipients only whose local part begins with `now` or `done`, and
puts others off; so does port 10026, which says nothing at all to whoever connects once /opt/mailops/stall is there.
"""

import json
import os
import socketserver
import threading
import time

OPEN = "/opt/mailops/open"
STALL = "/opt/mailops/stall"
DELIVERED = "/opt/mailops/delivered.jsonl"
AT_ONCE = ("now", "done")

lock = threading.Lock()


class Sink(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line + b"\r\n")

    def handle(self):
        if self.server.server_address[1] == 10026 and os.path.exists(STALL):
            while not os.path.exists(OPEN):
                time.sleep(0.1)
        try:
            self.serve()
        except OSError:
            pass

    def serve(self):
        self.say(b"220 sink.example.org ESMTP")
        recipients = []
        while True:
            line = self.rfile.readline(4096).rstrip(b"\r\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-sink.example.org\r\n250 8BITMIME\r\n")
            elif verb == b"MAIL":
                recipients = []
                self.say(b"250 2.1.0 Ok")
            elif verb == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0].decode()
                if os.path.exists(OPEN) or address.startswith(AT_ONCE):
                    recipients.append(address)
                    self.say(b"250 2.1.5 Ok")
                else:
                    self.say(b"451 4.7.1 Try again later")
            elif verb == b"DATA":
                self.say(b"354 Go on")
                self.take(recipients)
                self.say(b"250 2.0.0 Ok")
            elif verb in (b"QUIT", b""):
                self.say(b"221 2.0.0 Bye")
                return
            else:
                self.say(b"250 2.0.0 Ok")

    def take(self, recipients):
        key = None
        line = self.rfile.readline(65536)
        while line not in (b".\r\n", b""):
            if key is None and line.lower().startswith(b"message-id:"):
                key = line.partition(b"<")[2].partition(b">")[0].decode()
            line = self.rfile.readline(65536)
        if line:
            with lock, open(DELIVERED, "a") as f:
                for address in recipients:
                    f.write(json.dumps([key, address]) + "\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100


if __name__ == "__main__":
    stalling = Server(("127.0.0.1", 10026), Sink)
    threading.Thread(target=stalling.serve_forever, daemon=True).start()
    Server(("127.0.0.1", 10025), Sink).serve_forever()
