"""Runs inside a container: where a real Postfix offers AUTH before and after the role's plan of tls_auth_only.
Prints, as JSON, what went wrong in each scene, or null.

    python3 -m tests.support.postfix_auth_scenes
"""

import json
import os
import smtplib
import socketserver
import ssl
import subprocess
import threading
import time
import traceback

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postfix_config import configure
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening import postfix_hardening_plan
from tests.support.configured import OPTIONS

DIRECTORY = "/etc/postfix"
SASL_PORT = 2400
FIRST = 2500
CERTIFICATE = "-o smtpd_tls_cert_file=/etc/postfix/%s -o smtpd_tls_key_file=/etc/postfix/%s"
# What a service sets for itself, and whether its TLS works: always, never, or as main.cf has it (None).
SERVICES = [
    ("", None),
    ("-o smtpd_tls_security_level=none", False),
    ("-o smtpd_tls_security_level=may", True),
    ("-o smtpd_tls_security_level=may -o smtpd_tls_auth_only=no", True),
    ("-o smtpd_tls_security_level=encrypt", True),
    ("-o smtpd_tls_security_level=may -o smtpd_tls_cert_file=", False),
    ("-o smtpd_tls_security_level=may " + CERTIFICATE % ("one.pem", "gone.key"), False),
    ("-o smtpd_tls_security_level=may " + CERTIFICATE % ("one.pem", "two.key"), False),
    ("-o smtpd_tls_security_level=may " + CERTIFICATE % ("one.pem", "garbage"), False),
    ("-o smtpd_tls_security_level=may " + CERTIFICATE % ("two.pem", "two.key"), True),
    ("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/postfix/chain", True),
    ("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/postfix/two.pem", False),
    ("-o smtpd_tls_security_level=may " + CERTIFICATE % ("chain", "chain"), True),
    ("-o smtpd_tls_security_level= -o smtpd_tls_wrappermode=yes", True),
    ("-o smtpd_tls_security_level=encrypt -o smtpd_tls_wrappermode=yes", True),
]
LEVELS = ("may", "none")


class Sasl(socketserver.StreamRequestHandler):
    """Names its mechanisms as Dovecot does, and knows nobody."""

    def handle(self):
        self.wfile.write(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t%s\nDONE\n" % (b"0" * 32))
        self.rfile.read()


def certify(name):
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "9",
            "-subj",
            "/CN=" + name,
            "-keyout",
            name + ".key",
            "-out",
            name + ".pem",
        ],
        check=True,
        capture_output=True,
        cwd=DIRECTORY,
    )


def set_up():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", SASL_PORT), Sasl)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    certify("one")
    certify("two")
    subprocess.run("cat two.key two.pem > chain; echo nothing > garbage", shell=True, check=True, cwd=DIRECTORY)
    subprocess.run(
        [
            "postconf",
            "-e",
            "smtpd_sasl_auth_enable=yes",
            "smtpd_sasl_type=dovecot",
            "maillog_file=/var/log/maillog",
            "smtpd_sasl_path=inet:127.0.0.1:%d" % SASL_PORT,
            "inet_protocols=ipv4",
            "smtpd_peername_lookup=no",
            "smtpd_tls_cert_file=/etc/postfix/one.pem",
            "smtpd_tls_key_file=/etc/postfix/one.key",
            "smtpd_tls_auth_only=no",
        ],
        check=True,
    )
    with open(DIRECTORY + "/master.cf", "a") as file:
        for number, (options, _works) in enumerate(SERVICES):
            file.write("%d inet n - n - - smtpd %s\n" % (FIRST + number, options))


def offers(number):
    """Return whether AUTH is offered in clear, and whether it is under TLS."""
    context = ssl._create_unverified_context()
    try:
        if "wrappermode" in SERVICES[number][0]:
            with smtplib.SMTP_SSL("127.0.0.1", FIRST + number, timeout=20, context=context) as session:
                session.ehlo()
                return False, session.has_extn("auth")
        with smtplib.SMTP("127.0.0.1", FIRST + number, timeout=20) as session:
            session.ehlo()
            clear = session.has_extn("auth")
            if not session.has_extn("starttls") or session.docmd("STARTTLS")[0] != 220:
                return clear, False
            session.sock = context.wrap_socket(session.sock)
            session.file = None
            session.ehlo()
            return clear, session.has_extn("auth")
    except (ssl.SSLError, smtplib.SMTPServerDisconnected):
        return False, False


def reached():
    time.sleep(2)
    return [offers(number) for number in range(len(SERVICES))]


def try_level(level):
    """Apply the plan with main.cf at one security level; return what was offered before, after, and the notes."""
    subprocess.run(["postconf", "-e", "smtpd_tls_security_level=" + level], check=True)
    subprocess.run(["postfix", "reload"], check=True)
    before = reached()
    params = {
        "config_directory": None,
        "remember": "postfix_hardening",
        "unknown_recipients": "unchanged",
        "discard_alias": "mailops-discard",
        "domain": "",
        "rate_limits": None,
        "tls_auth_only": True,
        "auth_on_port_25": True,
        "relay_restrictions": False,
    }
    plan = postfix_hardening_plan.plan(params)
    wanted = dict(
        OPTIONS,
        remember="postfix_hardening",
        parameters=plan["parameters"],
        service_parameters=plan["service_parameters"],
    )
    configure(wanted, False)
    after = reached()
    again = configure(wanted, False)
    assert not again["changed"] and postfix_hardening_plan.plan(params) == plan
    configure(dict(OPTIONS, remember="postfix_hardening", state="absent"), False)
    assert reached() == before, "it did not come back"
    return before, after, " ".join(plan["notes"])


def scene(level, number, before, after, notes):
    works = SERVICES[number][1]
    works = level == "may" if works is None else works
    assert any(before), "Postfix offered AUTH nowhere to begin with: it does otherwise"
    assert before[1] is works, ("TLS does otherwise", before)
    assert any(after), ("AUTH is gone", before, notes)
    assert after == ((False, True) if works else before), (before, after, notes)
    assert ("%d/inet (" % (FIRST + number) in notes) is not works, notes


def main():
    set_up()
    subprocess.run(["postfix", "start"], check=True)
    results = {}
    for level in LEVELS:
        try:
            before, after, notes = try_level(level)
        except Exception:
            results.update(dict.fromkeys(scenes(level), traceback.format_exc()))
            continue
        for number, key in enumerate(scenes(level)):
            try:
                scene(level, number, before[number], after[number], notes)
                results[key] = None
            except AssertionError:
                results[key] = traceback.format_exc()
    print(json.dumps(results))


def scenes(level):
    return ["%s: %s" % (level, options) for options, _works in SERVICES]


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin"
    main()
