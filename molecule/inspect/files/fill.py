"""Sets up two Postfix instances and fills their queues, and writes down what must be found in them.

Each case of SENT is submitted twice, first under a short and then under a long queue id. `main` has the
directory hashing that Debian ships, `deep` hashes more queues, and deeper. A message is known again by its
first recipient, which no other message of the same instance has.
"""

import collections
import json
import smtplib
import subprocess
import time

PASSWORD = "correct horse"
CANARY = "/tmp/mailops-canary"
TEMPLATE = "{{ lookup('pipe', 'touch %s') }}" % CANARY

# Long ids are switched on half-way; switching them off would make Postfix rename what is there.
INSTANCES = {
    "main": {"config": "/etc/postfix", "queue": "/var/spool/postfix", "port": 25},
    "deep": {
        "config": "/etc/postfix-deep",
        "queue": "/var/spool/postfix-deep",
        "port": 2525,
    },
}

SETTINGS = {
    "myhostname": "mail.example.com",
    "mydestination": "",
    "inet_interfaces": "loopback-only",
    "inet_protocols": "all",
    "default_transport": "smtp:[127.0.0.1]:10025",
    "transport_maps": (
        "inline:{{hang.example.org=smtp:[127.0.0.1]:10026},{refused.example.org=smtp:[127.0.0.1]:10027}}"
    ),
    "smtp_helo_timeout": "3600s",
    # No second attempt while the queue is looked at.
    "minimal_backoff_time": "14400s",
    "maximal_backoff_time": "14400s",
    "queue_run_delay": "14400s",
    "mynetworks": "127.0.0.0/8 198.51.100.0/24 [2001:db8::]/32",
    "smtpd_authorized_xclient_hosts": "127.0.0.1",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
    "smtpd_client_connection_rate_limit": "0",
    "authorized_submit_users": "static:anyone",
    "compatibility_level": "2",
}


def smtp(sender, recipients, subject, raw=None, **more):
    case = {
        "via": "smtp",
        "sender": sender,
        "recipients": recipients,
        "subject": subject,
        "queue": "deferred",
    }
    case["raw_subject"] = subject.encode() if raw is None and subject is not None else raw
    case.update(more)
    return case


def sendmail(sender, recipients, subject, raw=None, **more):
    return smtp(sender, recipients, subject, raw, via="sendmail", **more)


SENT = [
    smtp("plain@example.net", ["plain@example.org"], "Minutes of Tuesday", client="198.51.100.7"),
    smtp("six@example.net", ["six@example.org"], "Over IPv6", client="2001:db8::25"),
    smtp("info@example.com", ["cheap@example.org"], "Cheap watches", user="info", client="192.0.2.77"),
    smtp(
        "info@example.com",
        ["many-%d@%s" % (n, domain) for n in range(30) for domain in ("example.org", "refused.example.org")],
        "Cheap watches for everyone",
        user="info",
        client="192.0.2.78",
    ),
    smtp("some@example.net", ["later@example.org", "done@example.org"], "One is through"),
    smtp("refused@example.net", ["closed@refused.example.org"], "Nobody listens there"),
    smtp("odd@example.net", ["odd@example.org"], "An odd reply"),
    smtp(
        "",
        ["notice@example.org"],
        "failure notice",
        notice=True,
        body=b"Hi. This is the qmail-send program at example.net.\r\n",
    ),
    smtp("no-subject@example.net", ["no-subject@example.org"], None),
    smtp("empty@example.net", ["empty-subject@example.org"], ""),
    smtp(
        "hostile@example.net",
        ["escapes@example.org"],
        None,
        b"\x1b[2J\x1b]0;owned\x07 \x9b31m red \x7f",
        hostile="red",
    ),
    smtp(
        "hostile@example.net",
        ["bidi@example.org"],
        None,
        "evil \u202egnp.exe\u2066".encode(),
        hostile="gnp.exe",
    ),
    smtp("hostile@example.net", ["template@example.org"], TEMPLATE),
    smtp("hostile@example.net", ["script@example.org"], "<script>alert(1)</script> & 'x' \"y\""),
    smtp("utf8@example.net", ["utf8@example.org"], "Grüße aus Köln ✓"),
    smtp("jp@example.jp", ["jp@example.org"], "未承諾広告", b"=?ISO-2022-JP?B?GyRCTCQ+NUJ6OS05cBsoQg==?="),
    smtp("folded@example.net", ["folded@example.org"], "one two three", b"one\r\n two\r\n\tthree", loose=True),
    smtp("jürgen@exämple.net", ["eai@example.org"], "SMTPUTF8", utf8=True),
    smtp('"odd sender"@example.net', ["quoted@example.org"], "Quoted local part"),
    smtp("big@example.net", ["big@example.org"], "300 kB", body=b"0123456789abcdef" * 4 + b"\r\n", times=4700),
    sendmail("www-data@mail.example.com", ["web@example.org"], "From a form", uid=33),
    sendmail("root@mail.example.com", ["cron@example.org"], "Cron", uid=0),
    sendmail(b"jos\xe9@example.net", ["latin@example.org"], "8-bit sender", uid=33, eight_bit=True),
    smtp("held@example.net", ["held@example.org"], "To be held", queue="hold"),
    smtp("info@example.com", ["held-too@example.org"], "To be held, too", user="info", queue="hold"),
    smtp("lost@example.net", ["gone@example.org"], None, b"Will come back", bounces=True),
]
LAST = [smtp("slow@example.net", ["slow-%d@hang.example.org" % n], "Slow %d" % n, queue="active") for n in range(4)] + [
    sendmail("www-data@mail.example.com", ["drop@example.org"], "Not picked up", uid=33, queue="maildrop"),
    sendmail(
        "www-data@mail.example.com",
        ["drop-2@example.org", "drop-3@example.org"],
        TEMPLATE,
        uid=33,
        queue="maildrop",
    ),
    sendmail("", ["drop-4@example.org"], "Null sender", uid=33, queue="maildrop"),
]


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout


def configure():
    run("systemd-run", "--quiet", "--unit=sink", "python3", "/opt/mailops/sink.py")
    with open("/etc/postfix/sasl/smtpd.conf", "w") as f:
        f.write("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n")
    run("saslpasswd2", "-p", "-c", "-u", "mail.example.com", "info", input=PASSWORD.encode())
    run("usermod", "-a", "-G", "sasl", "postfix")
    run("postmulti", "-e", "init")
    run("postmulti", "-I", "postfix-deep", "-G", "mta", "-e", "create")
    for instance in INSTANCES.values():
        settings = dict(SETTINGS)
        if instance["port"] != 25:
            settings["hash_queue_depth"] = "2"
            settings["hash_queue_names"] = "deferred, defer, hold, active, incoming"
            settings["master_service_disable"] = ""
        postconf = ("postconf", "-c", instance["config"])
        run(*postconf, "-e", *("%s=%s" % pair for pair in settings.items()))
        run(*postconf, "-M#", "smtp/inet")
        service = "127.0.0.1:%d" % instance["port"]
        run(*postconf, "-M", "%s/inet=%s inet n - n - - smtpd" % (service, service))
        run(*postconf, "-F", "*/*/chroot=n")
    run("cp", "-r", "/etc/postfix/sasl", "/etc/postfix-deep/")
    run("postmulti", "-i", "postfix-deep", "-e", "enable")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "postfix")
    # Releases differ in whether that started the second one, too.
    if subprocess.run(["postmulti", "-i", "postfix-deep", "-p", "status"], check=False).returncode != 0:
        run("postmulti", "-i", "postfix-deep", "-p", "start")


def message(case, recipient):
    head = b"From: Someone <someone@example.net>\r\nTo: <" + recipient.encode() + b">\r\n"
    if case["raw_subject"] is not None:
        head += b"Subject: " + case["raw_subject"] + b"\r\n"
    head += b"Message-ID: <" + recipient.encode() + b">\r\n\r\n"
    return head + case.get("body", b"Hello\r\n") * case.get("times", 1)


def submit(instance, case, round_):
    """Submits a case and returns what must be found of it."""
    recipients = [address.replace("@", "-%s@" % round_) for address in case["recipients"]]
    done = [address for address in recipients if address.startswith("done")]
    content = message(case, recipients[0])
    if case["via"] == "smtp":
        send_smtp(instance, case, recipients, content)
    else:
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", instance["config"], "-i", "-f", case["sender"] or "<>", "--"] + recipients,
            input=content.replace(b"\r\n", b"\n"),
            check=True,
            user=case["uid"],
            group=case["uid"],
            extra_groups=[],
        )
    found = {
        "sender": None if case.get("eight_bit") else case["sender"].replace('"', ""),
        "recipients": recipients,
        "done": done,
        "queue": case["queue"],
        "subject": case["subject"],
        "hostile": case.get("hostile"),
        "loose": case.get("loose", False),
        "is_bounce": case.get("notice", False),
        "sasl_username": case.get("user") and case["user"] + "@mail.example.com",
        "origin_uid": case.get("uid"),
        "bounced": None,
        "client_address": case.get("client", "127.0.0.1") if case["via"] == "smtp" else None,
    }
    if case.get("bounces"):
        found.update(
            sender="",
            recipients=[case["sender"]],
            subject="Undelivered Mail Returned to Sender",
            is_bounce=True,
            client_address=None,
            bounced=recipients,
        )
    return found


def send_smtp(instance, case, recipients, content):
    with smtplib.SMTP("127.0.0.1", instance["port"], local_hostname="client.example.net") as client:
        address = case.get("client")
        if address:
            shown = "IPV6:" + address if ":" in address else address
            code, answer = client.docmd("XCLIENT", "NAME=client.example.net ADDR=" + shown)
            assert code == 220, answer
        client.ehlo()
        if case.get("user"):
            client.login(case["user"] + "@mail.example.com", PASSWORD)
        client.sendmail(
            case["sender"],
            recipients,
            content,
            mail_options=["SMTPUTF8", "BODY=8BITMIME"] if case.get("utf8") else [],
        )


def listing(instance):
    return [json.loads(line) for line in run("postqueue", "-c", instance["config"], "-j").splitlines()]


def settle(instance, expected):
    """Waits until every message is in the queue where it is to stay."""
    wanted = collections.Counter(case["queue"] for case in expected)
    deadline = time.monotonic() + 60
    while True:
        found = collections.Counter(item["queue_name"] for item in listing(instance))
        if found == wanted:
            return
        if time.monotonic() > deadline:
            raise SystemExit("queues of %s do not settle: %r instead of %r" % (instance["config"], found, wanted))
        time.sleep(0.3)


def reload(instance):
    run("postfix", "-c", instance["config"], "reload", stderr=subprocess.DEVNULL)
    # Old processes go when they are idle.
    time.sleep(1.5)


def main():
    configure()
    expected = {name: [] for name in INSTANCES}

    def submit_all(cases, round_):
        for name, instance in INSTANCES.items():
            for case in cases:
                if case.get("bounces"):
                    case = dict(case, sender=case["sender"].replace("@", "-%s@" % round_))
                expected[name].append(submit(instance, case, round_))

    submit_all(SENT, "a")
    for instance in INSTANCES.values():
        run("postconf", "-c", instance["config"], "-e", "enable_long_queue_ids=yes")
        reload(instance)
    submit_all(SENT, "b")

    for name, instance in INSTANCES.items():
        settle(instance, [dict(case, queue="deferred") for case in expected[name]])
        held = {case["recipients"][0] for case in expected[name] if case["queue"] == "hold"}
        ids = [item["queue_id"] for item in listing(instance) if item["recipients"][0]["address"] in held]
        run("postsuper", "-c", instance["config"], "-h", "-", input="\n".join(ids).encode())
        run("postconf", "-c", instance["config"], "-M#", "pickup/unix")
        reload(instance)
    submit_all(LAST, "c")
    for name, instance in INSTANCES.items():
        settle(instance, expected[name])

    with open("/opt/mailops/expected.json", "w") as f:
        json.dump(
            [
                dict(case, queue_directory=INSTANCES[name]["queue"], config=INSTANCES[name]["config"])
                for name in INSTANCES
                for case in expected[name]
            ],
            f,
            indent=1,
        )
    print("%d messages" % sum(map(len, expected.values())))


if __name__ == "__main__":
    main()
