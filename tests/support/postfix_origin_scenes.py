"""Runs inside a container: who submitted a message, with headers above Postfix's own Received. Prints, as JSON, the
origin_uid that each scene's message shows.

    python3 -m tests.support.postfix_origin_scenes
"""

import json
import os
import socket
import struct
import subprocess
import threading

from tests.support.inspecting import queue_info
from tests.support.waiting import wait_for

MILTER = 9900
WEB = 33


def insert_header(index):
    """Serve as a Milter that inserts one header at an index, one message at a time, for good."""
    listening = socket.create_server(("127.0.0.1", MILTER + index))

    def serve():
        while True:
            connection = listening.accept()[0]
            stream = connection.makefile("rb")
            while True:
                head = stream.read(5)
                if len(head) < 5:
                    break
                stream.read(struct.unpack(">I", head[:4])[0] - 1)
                for reply in _replies(head[4:], index):
                    connection.sendall(struct.pack(">I", len(reply)) + reply)

    threading.Thread(target=serve, daemon=True).start()


def _replies(command, index):
    if command == b"O":
        # May add and change headers, and wants to see everything.
        return [b"O" + struct.pack(">III", 6, 0x11, 0)]
    if command == b"E":
        return [b"i" + struct.pack(">I", index) + b"X-Signed\0yes\0", b"c"]
    return [] if command in b"DAQK" else [b"c"]


def scene(**settings):
    """Return the origin_uid of a message that www-data sends under these settings."""
    defaults = {"header_checks": "", "non_smtpd_milters": "", "mail_name": "Postfix", "myhostname": "mail.example.com"}
    pairs = {**defaults, "defer_transports": "smtp", "default_transport": "smtp", **settings}
    subprocess.run(["postconf", "-e"] + ["%s=%s" % pair for pair in pairs.items()], check=True)
    subprocess.run(["postfix", "reload"], check=True)
    command = ["sendmail", "-f", "web@example.com", "to@remote.example"]
    forged = b"Received: by mail.example.com (Postfix, from userid 0)\n\tid ABCDEF; now\nSubject: x\n\nx\n"
    subprocess.run(command, input=forged, check=True, user=WEB)
    (message,) = wait_for(lambda: [one for one in queue_info()["messages"] if one["queue"] == "deferred"])
    subprocess.run(["postsuper", "-d", "ALL"], check=True)
    return message["origin_uid"]


def main():
    subprocess.run(["postfix", "start"], check=True)
    for index in (0, 1):
        insert_header(index)
    with open("/etc/postfix/prepend", "w") as file:
        file.write("/^Received:/ PREPEND X-Hop: one\n")
    with open("/etc/postfix/ignore", "w") as file:
        file.write("/^Received:.*userid 33/ IGNORE\n")
    os.chmod("/etc/postfix/prepend", 0o644)
    print(
        json.dumps(
            {
                "plain": scene(),
                "milter at 0": scene(non_smtpd_milters="inet:127.0.0.1:9900"),
                "milter at 1": scene(non_smtpd_milters="inet:127.0.0.1:9901"),
                "prepended": scene(header_checks="regexp:/etc/postfix/prepend"),
                "odd names": scene(mail_name="Big (Mail), Server", myhostname="x_1.mail-9.example.com"),
                "both": scene(mail_name="A B", header_checks="regexp:/etc/postfix/prepend"),
                "removed": scene(header_checks="regexp:/etc/postfix/ignore"),
            }
        )
    )


if __name__ == "__main__":
    main()
