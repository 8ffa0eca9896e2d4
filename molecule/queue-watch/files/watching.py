"""Makes the flood, and looks at what the watch does on the host that it watches."""

import glob
import json
import os
import subprocess
import sys
import time

BEFORE = "/opt/mailops/files-before.json"
BELOW, FLOOD = 280, 340
TREES = ("/etc", "/usr", "/var/lib", "/srv", "/home", "/root")
# What changes by itself, or holds copies of what was before.
IGNORED = (
    "/etc/mtab",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
    "/var/lib/postfix/",
    "/var/lib/systemd/",
)
CONTENTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def output(*command):
    done = run(*command)
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout.decode()


def tree():
    found = {}
    for top in TREES:
        for folder, directories, names in os.walk(top):
            for path in [os.path.join(folder, name) for name in directories + names]:
                if not path.startswith(IGNORED) and "__pycache__" not in path:
                    status = os.lstat(path)
                    found[path] = [status.st_mode, status.st_uid, status.st_gid]
    for path in CONTENTS:
        if os.path.exists(path):
            with open(path) as file:
                found[path].append(sorted(file.read().splitlines()))
    return found


def prepare():
    os.makedirs("/srv/metrics")
    output(
        "postconf",
        "-e",
        "myhostname=mail.example.com",
        "mydestination=",
        "inet_interfaces=loopback-only",
        "mynetworks=127.0.0.0/8",
        "default_transport=smtp",
        "relay_transport=smtp",
        "defer_transports=smtp,local,relay",
        "smtpd_client_connection_rate_limit=0",
        "smtpd_recipient_restrictions=permit_mynetworks,reject",
    )
    output("systemctl", "restart", "postfix")
    with open(BEFORE, "w") as file:
        json.dump(tree(), file)


def deferred():
    return len(glob.glob("/var/spool/postfix/deferred/*/*"))


def queued():
    return sum(
        len(names)
        for queue in ("maildrop", "incoming", "active", "deferred", "hold")
        for _folder, _directories, names in os.walk("/var/spool/postfix/" + queue)
    )


def events():
    lines = output("journalctl", "-q", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=mailops-queue-watch").splitlines()
    return [line["MESSAGE"].split()[0] for line in map(json.loads, lines) if line["_TRANSPORT"] == "syslog"]


def metric(name):
    with open("/srv/metrics/mailops_queue_watch.prom") as file:
        return [float(line.split()[-1]) for line in file if line.startswith(name)][0]


def show(name):
    return output("systemctl", "show", "-P", name, "mailops-queue-watch.service").strip()


def wait(condition):
    ends = time.time() + 60
    while not condition():
        assert time.time() < ends, condition
        time.sleep(0.2)


def quiet():
    wait(lambda: os.path.exists("/srv/metrics/mailops_queue_watch.prom"))
    assert show("User") == "mailops-queue-watch"
    history = os.stat("/var/lib/mailops-queue-watch/history.json")
    assert history.st_uid == int(output("id", "-u", "mailops-queue-watch")) > 0, history
    assert events() == ["TEST", "TEST"], events()
    wait(lambda: show("Result") == "success" and show("ExecMainStatus") == "0")
    # As of a user without the right, the queue cannot be read: it is that one right that counts.
    refused = run(
        "setpriv",
        "--reuid=mailops-queue-watch",
        "--clear-groups",
        "--regid=mailops-queue-watch",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "ls",
        "/var/spool/postfix/deferred",
    )
    assert refused.returncode != 0, refused


def send(count):
    output(
        "smtp-source",
        "-m",
        str(count),
        "-s",
        "5",
        "-S",
        "Cheap",
        "-f",
        "flood@example.com",
        "-t",
        "x@example.org",
        "inet:127.0.0.1:25",
    )


def flood():
    # Anybody may open the watch's directory.
    output(
        "systemd-run",
        "--description=A stranger",
        "--uid=nobody",
        "flock",
        "/var/lib/mailops-queue-watch",
        "sleep",
        "60",
    )
    send(BELOW)
    # A message on its way from one directory to the next may be counted in both.
    wait(lambda: deferred() == BELOW)
    crossed = time.time()
    send(FLOOD - BELOW)
    print("%.3f" % crossed)


def alarmed():
    wait(lambda: deferred() == queued() == FLOOD)
    assert events() == ["TEST", "TEST", "ALERT"], events()
    assert metric("mailops_queue_messages{") == FLOOD and metric("mailops_queue_alert{") == 1
    # Between two runs it has ended with the status of an alert.
    wait(lambda: show("ActiveState") == "failed" and show("ExecMainStatus") == "2")
    status = run("/usr/local/lib/mailops-rescue/mailops-queue-watch", "--status")
    assert status.returncode == 2 and b"QUEUE CRITICAL - postfix: 340 messages" in status.stdout, status


def recovered():
    wait(lambda: events() == ["TEST", "TEST", "ALERT", "RECOVERED"])
    wait(lambda: show("ActiveState") == "inactive" and show("ExecMainStatus") == "0")
    assert metric("mailops_queue_messages{") == 0 and metric("mailops_queue_alert{") == 0


def spoil():
    """Have an alert on when the watch is removed."""
    path = "/etc/mailops-queue-watch.json"
    with open(path) as file:
        settings = json.load(file)
    settings["queues"][0]["directories"] = ["/nowhere"]
    with open(path, "w") as file:
        json.dump(settings, file)
    wait(lambda: show("ActiveState") == "failed")


def gone():
    with open(BEFORE) as file:
        before = json.load(file)
    after = json.loads(json.dumps(tree()))
    different = sorted(path for path in set(before) | set(after) if before.get(path) != after.get(path))
    assert not different, [(path, before.get(path), after.get(path)) for path in different]
    assert not os.path.exists("/run/mailops-queue-watch")
    for what in ("list-timers", "list-units"):
        assert b"mailops-queue-watch" not in run("systemctl", what, "--all", "--no-pager").stdout, what


if __name__ == "__main__":
    globals()[sys.argv[1]]()
