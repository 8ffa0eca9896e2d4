"""Sets qmail up and fills its queue; where qmail is not here, makes the queue that it would have made.

Nothing can be delivered yet: nobody listens where remote mail goes, and the folder of local mail is missing. A message
is known again by its Message-ID, which is its first recipient.
"""

import json
import os
import pwd
import subprocess
import time

ME = "mail.example.com"
HERE = "/opt/mailops/"
LOG = "/var/log/qmail.log"
UNIT = """[Service]
ExecStart=/usr/bin/env PATH=%(home)s/bin:/usr/bin:/bin %(home)s/bin/qmail-start ./Mailbox
StandardOutput=append:%(log)s
"""
ALIASES = {".qmail-now": "./box\n", ".qmail-default": "./later/box\n"}
CONTROL = {
    "me": ME,
    "locals": ME,
    "rcpthosts": ME,
    "defaultdomain": "example.com",
    "plusdomain": "example.com",
    "smtproutes": ":127.0.0.1:10025",
    "concurrencylocal": "10",
    "concurrencyremote": "20",
}


def case(kind, sender, origin, recipients):
    return {"kind": kind, "sender": sender, "origin": origin, "recipients": recipients}


def cases():
    for n in range(25):
        yield case("offline", "info@" + ME, "network", ["offline-%d@example.org" % n])
    for n in range(15):
        yield case("online", "www-data@" + ME, "uid 33", ["online-%d@example.org" % n])
    for n in range(5):
        yield case("online", "www-data@" + ME, "uid 33", ["online-both-%d@example.org" % n, "online-%d@%s" % (n, ME)])
        yield case("offline", "info@" + ME, "network", ["offline-local-%d@%s" % (n, ME)])
        yield case("ham", "friend@example.net", "network", ["ham-%d@example.org" % n])
        yield case("ham", "friend@example.net", "network", ["ham-local-%d@%s" % (n, ME)])
        yield case("ham", "root@" + ME, "uid 0", ["ham-both-%d@%s" % (n, ME), "ham-both-%d@example.org" % n])


def content(one):
    return "From: <%s>\nTo: <%s>\nSubject: Watches\nMessage-ID: <%s>\n\nHello\n" % (
        one["sender"],
        one["recipients"][0],
        one["recipients"][0],
    )


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def set_up(accounts):
    home = accounts["home"]
    for name, number in accounts["groups"].items():
        subprocess.run(["groupadd", "-g", str(number), name], check=True)
    for name, (uid, gid) in accounts["users"].items():
        where = home + "/alias" if name == "alias" else home
        subprocess.run(
            ["useradd", "-M", "-N", "-u", str(uid), "-g", str(gid), "-d", where, "-s", "/bin/true", name], check=True
        )
    os.mkdir(home + "/control", 0o755)
    os.mkdir(home + "/alias", 0o755)
    os.chown(home + "/alias", *accounts["users"]["alias"])
    for name, text in CONTROL.items():
        write(home + "/control/" + name, text + "\n")
    for name, text in ALIASES.items():
        write(home + "/alias/" + name, text)
    write("/etc/systemd/system/qmail.service", UNIT % {"home": home, "log": LOG})
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start", "qmail"], check=True)


def inject(home, one):
    user = one["origin"][4:]
    user = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam("qmaild")
    body, body_end = os.pipe()
    envelope, envelope_end = os.pipe()
    os.write(body_end, content(one).encode())
    fields = ["F" + one["sender"]] + ["T" + address for address in one["recipients"]]
    os.write(envelope_end, ("\0".join(fields) + "\0\0").encode())
    os.close(body_end)
    os.close(envelope_end)
    # Descriptor 1 of qmail-queue is an input too.
    subprocess.run(
        [home + "/bin/qmail-queue"],
        stdin=body,
        stdout=envelope,
        check=True,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )
    os.close(body)
    os.close(envelope)


def settle(wanted):
    """Wait until each delivery was tried and put off once."""
    end = time.monotonic() + 120
    while True:
        with open(LOG, "rb") as f:
            found = f.read().count(b": deferral: ")
        if found == wanted:
            return
        if time.monotonic() > end:
            raise SystemExit("%d instead of %d deliveries were put off; see %s" % (found, wanted, LOG))
        time.sleep(0.2)


def main():
    found = list(cases())
    if os.path.exists(HERE + "accounts.json"):
        with open(HERE + "accounts.json") as f:
            accounts = json.load(f)
        set_up(accounts)
        for one in found:
            inject(accounts["home"], one)
        settle(sum(len(one["recipients"]) for one in found))
        queue = accounts["home"] + "/queue"
    else:
        from tests.support.qmail_double import QmailDouble

        queue = "/var/qmail/queue"
        double = QmailDouble(queue)
        for one in found:
            double.inject(
                content(one).encode(), one["sender"].encode(), [r.encode() for r in one["recipients"]], one["origin"]
            )
        double.preprocess()
    with open(HERE + "expected.json", "w") as f:
        json.dump([dict(one, key=one["recipients"][0], queue_directory=queue) for one in found], f)
    print("%d messages" % len(found))


if __name__ == "__main__":
    main()
