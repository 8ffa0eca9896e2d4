"""Makes one fault on this host that one control looks for, after it has mended the one before.

usage: faults.py [--typed] NAME; with no name, it only mends, and after --typed it does not. What cannot be seen at
once is waited for.
"""

import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import time

KEPT = "/opt/mailops/before-fault"
QMAIL = "/var/qmail"
CATCHALL = QMAIL + "/alias/.qmail-default"
SAVED = {
    "postfix": ["/etc/postfix/main.cf", "/etc/postfix/master.cf"],
    "qmail": [CATCHALL, QMAIL + "/control/doublebounceto", QMAIL + "/control/rcpthosts"],
}
WANTS = "/etc/systemd/system/sysinit.target.wants/mailops-submission-firewall.service"
UNIT = "/etc/systemd/system/mailops-submission-firewall.service"
STRAY = QMAIL + "/queue/mess/0/stray"
BATCH = QMAIL + "/queue.quarantine/20200101T000000Z-abcd"
BESIDE = "table ip beside {\nchain in {\ntype nat hook prerouting priority -100;\ntcp dport 587 redirect to :25\n}\n}\n"
MAIN = {
    "COMMON-020": {"smtpd_relay_restrictions": "check_client_access static:ok, reject_unauth_destination"},
    "COMMON-030": {"smtpd_sasl_auth_enable": "yes"},
    "POSTFIX-010": {"luser_relay": ""},
    "POSTFIX-010/relay": {"relay_domains": "relayed.example"},
    "POSTFIX-020": {"local_recipient_maps": "proxy:unix:passwd.byname $alias_maps"},
    "POSTFIX-050": {"smtpd_client_message_rate_limit": "0"},
    "POSTFIX-060": {"soft_bounce": "yes"},
    "POSTFIX-070": {"defer_transports": "smtp"},
    "POSTFIX-090": {"notify_classes": "resource, software, 2bounce"},
}


def run(*command, data=None):
    subprocess.run(command, check=True, input=data)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def wait(what, condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("not within a minute: " + what)
        time.sleep(0.05)


def answers():
    try:
        with socket.create_connection(("127.0.0.1", 25), 5) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def save(mta):
    if os.path.isdir(KEPT):
        return
    os.makedirs(KEPT)
    for path in SAVED[mta]:
        shutil.copy2(path, KEPT)
        status = os.stat(path)
        os.chown(os.path.join(KEPT, os.path.basename(path)), status.st_uid, status.st_gid)


def mend(mta):
    for path in SAVED[mta]:
        shutil.copy2(os.path.join(KEPT, os.path.basename(path)), path)
    {"postfix": mend_postfix, "qmail": mend_qmail}[mta]()
    wait("port 25 answers", answers)


def mend_postfix():
    run("postsuper", "-d", "ALL")
    if not os.path.lexists(WANTS):
        os.symlink(UNIT, WANTS)
    subprocess.run(["nft", "delete", "table", "ip", "beside"], check=False, stderr=subprocess.DEVNULL)
    run("systemctl", "start", "postfix")
    run("postfix", "reload")


def mend_qmail():
    if glob.glob(QMAIL + "/queue/mess/*/*"):
        run("systemctl", "stop", "qmail")
        for part in ("mess", "info", "local", "remote"):
            for path in glob.glob("%s/queue/%s/*/*" % (QMAIL, part)):
                os.unlink(path)
    shutil.rmtree(QMAIL + "/queue.quarantine", ignore_errors=True)
    run("systemctl", "start", "qmail", "qmail-smtpd.socket")


def deferred():
    """Return the names of the messages that were tried once."""
    return [os.path.basename(path) for path in glob.glob(QMAIL + "/queue/info/*/*")]


def inject(count):
    for _number in range(count):
        run(QMAIL + "/bin/qmail-inject", "-finfo@mail.example.com", "somebody@example.net", data=b"Subject: x\n\nx\n")
    # info is there before it is written.
    wait("qmail has taken them", lambda: len(deferred()) == count and not os.listdir(QMAIL + "/queue/todo"))


def age():
    inject(1)
    before = time.time() - 3 * 86400
    for path in glob.glob(QMAIL + "/queue/info/*/*"):
        os.utime(path, (before, before))


def old_batch():
    os.makedirs(BATCH + "/files", 0o700)
    os.chmod(os.path.dirname(BATCH), 0o700)
    manifest = {
        "format": 1,
        "kind": "purge",
        "batch": os.path.basename(BATCH),
        "mta": "qmail",
        "created": 1577836800,
        "queue_directory": QMAIL + "/queue",
    }
    write(BATCH + "/manifest.json", json.dumps(manifest))
    write(BATCH + "/ledger.jsonl", "")
    write(BATCH + "/complete.json", "{}")


def hold():
    run("sendmail", "-finfo@mail.example.com", "somebody@example.net", data=b"Subject: x\n\nx\n")

    def is_held():
        # The queue manager may be moving it just now.
        run("postsuper", "-h", "ALL")
        return os.listdir("/var/spool/postfix/hold")

    wait("it is on hold", is_held)


def clear_auth():
    run("postconf", "-P", "submission/inet/smtpd_tls_auth_only=no")
    run("postfix", "reload")


def stray():
    write(STRAY, "")


FAULTS = {
    "COMMON-040": clear_auth,
    "POSTFIX-080": hold,
    "POSTFIX-100": lambda: run("systemctl", "stop", "postfix"),
    "FIREWALL-010": lambda: os.unlink(WANTS),
    "FIREWALL-020": lambda: run("nft", "-f", "-", data=BESIDE.encode()),
    "COMMON-020": lambda: os.unlink(QMAIL + "/control/rcpthosts"),
    "QMAIL-010": lambda: os.unlink(CATCHALL),
    "QMAIL-020": lambda: write(CATCHALL, "/dev/null\n"),
    "QMAIL-090": lambda: os.unlink(QMAIL + "/control/doublebounceto"),
    "QMAIL-100": lambda: run("systemctl", "stop", "qmail"),
    "COMMON-050": lambda: write(CATCHALL, "&info\n"),
    "COMMON-100": lambda: inject(3),
    "COMMON-110": age,
    "COMMON-120": lambda: inject(1),
    "COMMON-130": stray,
    "COMMON-140": old_batch,
    "no-smtp": lambda: run("systemctl", "stop", "qmail-smtpd.socket"),
}


def main():
    mta = "qmail" if os.path.exists(QMAIL + "/control/me") else "postfix"
    names = [one for one in sys.argv[1:] if one != "--typed"]
    name = names[0] if names else ""
    save(mta)
    if "--typed" in sys.argv:
        wait("port 25 answers", answers)
    else:
        mend(mta)
    if mta == "postfix" and name in MAIN:
        run("postconf", "-e", *("%s=%s" % pair for pair in MAIN[name].items()))
        run("postfix", "reload")
        # Each smtpd that was there reads it after its session.
        wait("port 25 answers", answers)
    elif name in FAULTS:
        FAULTS[name]()


if __name__ == "__main__":
    main()
