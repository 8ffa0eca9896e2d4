"""Prepare a Postfix with holes, and a backup MX in front of it; check by real mail what holds.

python3 check_postfix.py prepare|before|discard|reject|restored
"""

import json
import os
import pwd
import shutil
import smtplib
import subprocess
import sys
import time
import uuid

DOMAIN = "mail.example.com"
MAIN, MX = "/etc/postfix", "/etc/postfix-mx"
KEPT = "/opt/mailops/kept"
FILES = (MAIN + "/main.cf", MAIN + "/master.cf", "/etc/aliases")
LOG = "/var/log/postfix.log"
WAIT = 60
HOLES = (
    "maillog_file = " + LOG,
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "mynetworks = 127.0.0.9/32",
    # Bounces stay in the queue, where they can be seen.
    "default_transport = smtp",
    "defer_transports = smtp",
    "smtpd_relay_restrictions = permit_mynetworks, check_client_access static:OK, reject_unauth_destination",
    "smtpd_recipient_restrictions =",
    "smtpd_sasl_auth_enable = yes",
    "smtpd_sasl_path = smtpd",
    "cyrus_sasl_config_path = /etc/postfix/sasl",
    "smtpd_tls_cert_file = /etc/postfix/cert.pem",
    "smtpd_tls_key_file = /etc/postfix/key.pem",
    "smtpd_tls_security_level = may",
    "smtpd_client_connection_rate_limit = 0",
)
BACKUP = (
    "maillog_file = " + LOG + "-mx",
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "mydestination =",
    "relay_domains = " + DOMAIN,
    "relayhost =",
    "transport_maps = inline:{%s=smtp:[127.0.0.1]:2524}" % DOMAIN,
    "smtp_host_lookup = native",
    "default_transport = retry:no network here",
    "relay_recipient_maps =",
    "smtpd_relay_restrictions = reject_unauth_destination",
    "master_service_disable =",
    "authorized_submit_users =",
    "queue_run_delay = 2s",
    "minimal_backoff_time = 2s",
    "maximal_backoff_time = 4s",
)
# The second is for the backup MX, which takes its own address at port 25 for a loop.
SERVICES = "submission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n2524 inet n - y - - smtpd\n"


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout.decode()


def prepare():
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=" + DOMAIN,
        "-keyout",
        MAIN + "/key.pem",
        "-out",
        MAIN + "/cert.pem",
        stderr=subprocess.DEVNULL,
    )
    with open(MAIN + "/sasl/smtpd.conf", "w") as file:
        file.write("pwcheck_method: auxprop\nmech_list: PLAIN LOGIN\n")
    run("useradd", "--create-home", "known")
    with open("/etc/aliases", "a") as file:
        # A name that is taken is kept aside.
        file.write("staff: known\nmailops-discard: staff,\n  root\n")
    run("postalias", "/etc/aliases")
    run("postconf", "-e", *HOLES)
    with open(MAIN + "/master.cf", "a") as file:
        file.write(SERVICES)
    run("postmulti", "-e", "init")
    run("postmulti", "-I", "postfix-mx", "-G", "mta", "-e", "create")
    run("postconf", "-c", MX, "-e", *BACKUP)
    run("postconf", "-c", MX, "-M", "smtp/inet=127.0.0.1:2525 inet n - n - - smtpd")
    run("postmulti", "-i", "postfix-mx", "-e", "enable")
    run("postconf", "-e", "mydestination = %s, localhost" % DOMAIN)
    os.makedirs(KEPT)
    for path in FILES:
        shutil.copy2(path, KEPT)
    run("systemctl", "restart", "postfix")


def up():
    """Wait until both listen; after a reboot not every system starts all instances by itself."""
    for port, directory in ((25, MAIN), (2525, MX)):
        end = time.monotonic() + WAIT
        while True:
            try:
                smtplib.SMTP("127.0.0.1", port, timeout=30).close()
                break
            except OSError:
                if directory == MX:
                    subprocess.run(["postfix", "-c", MX, "start"], check=False, stderr=subprocess.DEVNULL)
                assert time.monotonic() < end, "nobody listens on port %d" % port
                time.sleep(0.3)


def queue(directory):
    lines = run("postqueue", "-c", directory, "-j").splitlines()
    return [json.loads(line) for line in lines]


def wait(what, condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "%s: not within %d seconds; queues: %s %s" % (what, WAIT, queue(MAIN), queue(MX))
        time.sleep(0.2)


def connect(port):
    """Return a session. smtpd(8) counts one that was closed until it has seen that: then it is tried again."""
    end = time.monotonic() + WAIT
    while True:
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=60)
        except smtplib.SMTPConnectError as error:
            if error.smtp_code != 421 or time.monotonic() > end:
                raise
        time.sleep(0.2)


def rcpt(address, port=25):
    """Return the code that a recipient gets."""
    with connect(port) as session:
        session.ehlo("client.example.net")
        session.mail("victim@elsewhere.example")
        return session.rcpt(address)[0]


def send(address, port=25, sender="victim@elsewhere.example"):
    """Return the token that the message has."""
    token = uuid.uuid4().hex
    with connect(port) as session:
        session.ehlo("client.example.net")
        refused = session.sendmail(sender, [address], "Subject: %s\r\n\r\nx\r\n" % token)
        assert not refused, refused
    return token


def pickup(address):
    """Send by sendmail(1), where nobody looks whether the recipient exists."""
    token = uuid.uuid4().hex
    command = ["/usr/sbin/sendmail", "-i", "-f", "victim@elsewhere.example", address]
    subprocess.run(command, input=("Subject: %s\n\nx\n" % token).encode(), check=True)
    return token


def unknown():
    return "nobody-%s@%s" % (uuid.uuid4().hex[:10], DOMAIN)


def mailbox(user="known"):
    try:
        with open("/var/mail/" + user) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def bounces(directory):
    return [
        one
        for one in queue(directory)
        if one["sender"] == "MAILER-DAEMON"
        and [to["address"] for to in one["recipients"]] == ["victim@elsewhere.example"]
    ]


def clear():
    for directory in (MAIN, MX):
        run("postsuper", "-c", directory, "-d", "ALL", stderr=subprocess.DEVNULL)


def offers_auth(port):
    """Return (before, after) TLS."""
    with connect(port) as session:
        session.ehlo("client.example.net")
        before = session.has_extn("auth")
        session.starttls()
        session.ehlo("client.example.net")
        return before, session.has_extn("auth")


def banner_codes(count):
    """Return what so many connections at the same time are greeted with."""
    sessions, codes = [], []
    try:
        for _ in range(count):
            session = smtplib.SMTP(timeout=60)
            sessions.append(session)
            codes.append(session.connect("127.0.0.1", 25)[0])
    finally:
        for session in sessions:
            session.close()
    return codes


def known_mail_arrives():
    tokens = [send(name + "@" + DOMAIN) for name in ("known", "staff", "known+tag")]
    tokens += [send("staff@" + DOMAIN, 2525), pickup("known@" + DOMAIN)]
    wait("mail to known users arrives", lambda: all(token in mailbox() for token in tokens))


def before():
    """The faults are there."""
    assert rcpt(unknown()) == 550
    known_mail_arrives()
    assert not queue(MAIN) and not queue(MX)
    send(unknown(), 2525)
    wait("what the backup MX accepted bounces", lambda: len(bounces(MX)) == 1)
    pickup(unknown())
    wait("what was accepted here bounces", lambda: len(bounces(MAIN)) == 1)
    clear()
    assert rcpt("someone@elsewhere.example") == 250
    assert offers_auth(25) == offers_auth(587) == (True, True)
    assert set(banner_codes(8)) == {220}


def closed():
    """What both kinds of hardening close."""
    assert rcpt("someone@elsewhere.example") == 554
    assert rcpt("someone@elsewhere.example", 587) == 554
    assert offers_auth(25) == (False, False)
    assert offers_auth(587) == (False, True)
    # The limit counts what is open, from everywhere: 5 at most.
    wait("the limit of connections", lambda: banner_codes(8).count(421) >= 3)
    wait("connections again", lambda: banner_codes(1) == [220])


def discard():
    start = os.path.getsize(LOG)
    others = [mailbox("root"), mailbox("nobody")]
    wait("the new configuration", lambda: rcpt(unknown()) == 250)
    closed()
    tokens = [send(unknown()), send(unknown(), 2525), pickup(unknown())]
    wait("the mail is gone", lambda: not queue(MAIN) and not queue(MX))
    known_mail_arrives()
    wait("the queues are empty", lambda: not queue(MAIN) and not queue(MX))
    assert not any(token in mailbox() for token in tokens)
    assert [mailbox("root"), mailbox("nobody")] == others
    with open(LOG) as file:
        file.seek(start)
        log = file.read()
    assert "status=bounced" not in log and "notification:" not in log, log[-3000:]
    assert log.count("status=sent (delivered to file: /dev/null)") == 3, log[-3000:]
    assert rcpt("postmaster@" + DOMAIN) == 250


def reject():
    wait("the new configuration", lambda: rcpt(unknown()) == 550)
    closed()
    known_mail_arrives()
    assert rcpt("postmaster@" + DOMAIN) == 250
    assert run("postalias", "-q", "mailops-discard", "hash:/etc/aliases") == "staff, root\n"


def restored():
    """Each file is what it was, and the faults are there again."""
    for path in FILES:
        with open(path, "rb") as now, open(os.path.join(KEPT, os.path.basename(path)), "rb") as kept:
            assert now.read() == kept.read(), path
    assert os.listdir("/var/lib/mailops-rescue/postfix_config") == []
    wait("the old configuration", lambda: rcpt("someone@elsewhere.example") == 250)
    before()


def main():
    assert pwd.getpwuid(os.geteuid()).pw_name == "root"
    work = {"prepare": prepare, "before": before, "discard": discard, "reject": reject, "restored": restored}
    for name in sys.argv[1:]:
        if name != "prepare":
            up()
        work[name]()


if __name__ == "__main__":
    main()
