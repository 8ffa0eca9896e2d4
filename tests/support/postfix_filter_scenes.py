"""Runs inside a container: who sent messages that came back from content filters, or were requeued. Prints, as JSON,
what each scene's messages show: by subject [origin_uid, sasl_username, client_address, origin_from].

    python3 -m tests.support.postfix_filter_scenes
"""

import json
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import threading

from tests.support.inspecting import queue_info
from tests.support.postfix_origin_scenes import MILTER, insert_header
from tests.support.waiting import wait_for

WEB = 33
SCAN = "scan:[127.0.0.1]:10025"
REINJECTION = "content_filter= smtpd_proxy_filter= mynetworks=127.0.0.0/8 smtpd_authorized_xforward_hosts=127.0.0.0/8"
FORGED = (
    "Received: from x (x [198.51.100.1])\r\n\t(Authenticated sender: victim@example.com)\r\n"
    "\tby mail.example.com (Postfix) with ESMTPSA id 4Ab\r\n\tfor <to@remote.example>; now\r\n"
    "Received: by mail.example.com (Postfix, from userid 0)\r\n\tid ABCDEF; now\r\n"
)
MILTERS = dict.fromkeys(("smtpd_milters", "non_smtpd_milters"), "inet:127.0.0.1:%d" % MILTER)
SCRIPT = """#!/bin/sh
exec /usr/sbin/sendmail -G -i "$@"
"""


def give_back(port, line=b"", forward=False, to=10026):
    """Serve as an SMTP filter, which puts a line above the headers and gives mail back at once, for good."""
    listening = socket.create_server(("127.0.0.1", port))

    def serve(connection):
        stream = connection.makefile("rwb")

        def say(text):
            stream.write(text + b"\r\n")
            stream.flush()

        say(b"220 filter ESMTP")
        commands = []
        for raw in stream:
            word = raw.split()[0].upper() if raw.split() else b""
            if word == b"EHLO":
                say(b"250-filter\r\n250 XFORWARD NAME ADDR PROTO HELO SOURCE" if forward else b"250 filter")
            elif word == b"DATA":
                say(b"354 go")
                text = b"".join(iter(stream.readline, b".\r\n"))
                say(pass_on(commands, line + text))
                commands = []
            elif word == b"QUIT":
                say(b"221 bye")
                return
            else:
                if word in (b"XFORWARD", b"MAIL", b"RCPT"):
                    commands.append(raw)
                say(b"250 ok")

    def pass_on(commands, text):
        with socket.create_connection(("127.0.0.1", to)) as out:
            stream = out.makefile("rwb")
            answers = []
            for command in [None, b"EHLO localhost\r\n"] + commands + [b"DATA\r\n", text + b".\r\n", b"QUIT\r\n"]:
                if command:
                    stream.write(command)
                    stream.flush()
                answer = stream.readline()
                while answer[3:4] == b"-":
                    answer = stream.readline()
                answers.append(answer.strip())
            return answers[-2]

    def accept():
        while True:
            threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def send(subject, login=None, address="203.0.113.9", port=25, forged=FORGED):
    """Send a message as a client elsewhere, who has logged in."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        if address:
            command = "NAME=[UNAVAILABLE] ADDR=%s" % address + (" LOGIN=" + login if login else "")
            code, answer = client.docmd("XCLIENT", command)
            assert code == 220, answer
        client.ehlo("pc1")
        text = forged + "Subject: %s\r\n\r\nx\r\n" % subject
        client.sendmail("a@example.com", ["to@remote.example"], text)


def submit(subject, uid=WEB):
    text = FORGED.replace("\r\n", "\n") + "Subject: %s\n\nx\n" % subject
    command = ["sendmail", "-f", "web@example.com", "to@remote.example"]
    subprocess.run(command, input=text.encode(), check=True, user=uid)


def everything():
    """Return what is sent in each scene, in one go."""
    send("login", "info@example.com")
    send("IPv6", "info@example.com", "IPV6:2001:db8::9")
    send("outside")
    send("from here", None, None)
    submit("web")


def shown(count, queue="deferred", **options):
    def settled():
        found = queue_info(limit=1000, **options)["messages"]
        return found if len(found) == count and {one["queue"] for one in found} == {queue} else None

    return {
        one["subject"]: [one["origin_uid"], one["sasl_username"], one["client_address"], one.get("origin_from")]
        for one in wait_for(settled, 60)
    }


def scene(services=None, fill=everything, count=5, **settings):
    """Return what the messages show under these settings of main.cf and of services (name: settings)."""
    defaults = {
        "content_filter": "",
        "smtpd_proxy_filter": "",
        "mail_name": "Postfix",
        "myhostname": "mail.example.com",
        "smtpd_sasl_authenticated_header": "yes",
        "smtpd_sender_restrictions": "",
        "header_checks": "",
        "smtpd_milters": "",
        "non_smtpd_milters": "",
    }
    subprocess.run(["postconf", "-e"] + ["%s=%s" % pair for pair in {**defaults, **settings}.items()], check=True)
    shutil.copy("/root/master.cf", "/etc/postfix/master.cf")
    for name, pairs in (services or {}).items():
        subprocess.run(["postconf", "-P"] + ["%s/%s" % (name, pair) for pair in pairs], check=True)
    # A new smtpd for each scene: those that run keep what they read.
    subprocess.run(["postfix", "stop"], check=False)
    subprocess.run(["postfix", "start"], check=True)
    found = fill() or shown(count)
    subprocess.run(["postsuper", "-d", "ALL"], check=True)
    return found


def requeue():
    everything()
    before = {one["id"] for one in queue_info(limit=1000)["messages"] if shown(5)}
    subprocess.run(["postsuper", "-r", "ALL"], check=True)
    subprocess.run(["postqueue", "-f"], check=True)
    wait_for(lambda: not before & {one["id"] for one in queue_info(limit=1000)["messages"]}, 60)


def requeue_while_stopped():
    everything()
    shown(5)
    subprocess.run(["postfix", "stop"], check=True)
    subprocess.run(["postsuper", "-r", "ALL"], check=True)
    return shown(5, "maildrop")


def copy():
    everything()
    shown(5)
    subprocess.run(["cp", "-a", "/var/spool/postfix", "/root/copy"], check=True)
    return shown(5, directory="/root/copy")


def flood():
    """Return what `inspect` finds when 60 messages of one account came through, and what its selection takes."""
    for number in range(60):
        send(str(number), "info@example.com")
    wait_for(lambda: queue_info()["counts"]["by_queue"]["deferred"] == 60, 120)
    result = queue_info()
    selected = queue_info(select={"sasl_username": "info@example.com"})["counts"]["matched"]
    return {"top": result["top"]["sasl_username"], "origins": result.get("origins"), "selected": selected}


def prepare():
    base = {
        "defer_transports": "smtp",
        "default_transport": "smtp",
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "mynetworks": "127.0.0.0/8 203.0.113.0/24 [2001:db8::]/32",
        "inet_interfaces": "all",
        "inet_protocols": "all",
        "smtpd_sasl_auth_enable": "yes",
    }
    subprocess.run(["postconf", "-e"] + ["%s=%s" % pair for pair in base.items()], check=True)
    user = pwd.getpwnam("games").pw_name
    with open("/usr/local/bin/filter", "w") as file:
        file.write(SCRIPT)
    os.chmod("/usr/local/bin/filter", 0o755)
    for name, text in (
        ("smtp/inet", "smtp inet n - n - - smtpd"),
        ("10026/inet", "10026 inet n - n - - smtpd"),
        ("scan/unix", "scan unix - - n - 10 smtp -o smtp_send_xforward_command=no"),
        ("scan-x/unix", "scan-x unix - - n - 10 smtp -o smtp_send_xforward_command=yes"),
        (
            "filter/unix",
            "filter unix - n n - 10 pipe flags=Rq user=%s null_sender= argv=/usr/local/bin/filter"
            " -f ${sender} -- ${recipient}" % user,
        ),
    ):
        subprocess.run(["postconf", "-M", "%s=%s" % (name, text)], check=True)
    subprocess.run(["postconf", "-P"] + ["10026/inet/" + one for one in REINJECTION.split()], check=True)
    # The way back does not take what the filter says for what a client of its own says.
    subprocess.run(["postconf", "-P", "10026/inet/smtpd_authorized_xclient_hosts="], check=True)
    shutil.copy("/etc/postfix/master.cf", "/root/master.cf")
    with open("/etc/postfix/to_filter", "w") as file:
        file.write("/./ FILTER scan:[127.0.0.1]:10025\n")
    with open("/etc/postfix/prepend", "w") as file:
        file.write("/^Received:/ PREPEND X-Hop: one\n")
    amavis = b"Received: from mail.example.com ([127.0.0.1])\r\n\tby localhost (mail.example.com [127.0.0.1])"
    amavis += b" (amavisd-new, port 10024)\r\n\twith ESMTP id x1 for <to@remote.example>; now\r\n"
    give_back(10025)
    give_back(10027, amavis)
    give_back(10028, forward=True)
    insert_header(0)


def main():
    prepare()
    found = {
        "content_filter": scene(content_filter=SCAN),
        "of a service": scene({"smtp/inet": ["content_filter=" + SCAN], "pickup/unix": ["content_filter=" + SCAN]}),
        "FILTER": scene(
            header_checks="regexp:/etc/postfix/to_filter",
            services={"10026/inet": ["receive_override_options=no_header_body_checks"]},
        ),
        "amavis": scene(content_filter="scan:[127.0.0.1]:10027"),
        "XFORWARD": scene(content_filter="scan-x:[127.0.0.1]:10028"),
        "before the queue": scene({"smtp/inet": ["smtpd_proxy_filter=127.0.0.1:10028"]}),
        "pipe": scene({"smtp/inet": ["content_filter=filter:dummy"]}),
        "no login in the header": scene(content_filter=SCAN, smtpd_sasl_authenticated_header="no"),
        "odd names": scene(content_filter=SCAN, mail_name="Big (Mail), Server", myhostname="x_1.mail-9.example.com"),
        "prepended": scene(content_filter=SCAN, header_checks="regexp:/etc/postfix/prepend"),
        "Milter": scene(content_filter=SCAN, **MILTERS),
        "none": scene(),
        "none, Milter": scene(**MILTERS),
        "requeued": scene(fill=requeue),
        "requeued, filter": scene(content_filter=SCAN, fill=requeue),
        "requeued while stopped": scene(fill=requeue_while_stopped),
        "flood": scene(content_filter=SCAN, fill=flood),
        "copy": scene(content_filter=SCAN, fill=copy),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
