"""Makes runs of the schedule on the control node, and looks at what they and the role leave there."""

import glob
import json
import os
import pwd
import subprocess
import sys

from watching import BEFORE, output, run, tree, wait

DIRECTORY = "/var/lib/mailops-compliance"
TIMER, SERVICE = "mailops-compliance.timer", "mailops-compliance.service"
FILES = ["nagios.txt", "report.html", "report.json"]


def show(name, unit=SERVICE):
    return output("systemctl", "show", "-P", name, unit).strip()


def before():
    # What everybody may write to, but a run.
    os.mkdir("/srv/open")
    os.chmod("/srv/open", 0o777)
    with open(BEFORE, "w") as file:
        json.dump(tree(), file)


def dated():
    return sorted(os.listdir(DIRECTORY + "/reports"))


def report(path=DIRECTORY + "/report"):
    with open(path + "/report.json") as file:
        return json.load(file)


def controls(document, status):
    (host,) = document["hosts"]
    return [one["id"] for one in host["controls"] if one["status"] == status]


def scheduled():
    assert output("systemctl", "is-enabled", TIMER).strip() == "enabled"
    assert output("systemctl", "is-active", TIMER).strip() == "active"
    assert " 02:" in show("NextElapseUSecRealtime", TIMER) or " 03:0" in show("NextElapseUSecRealtime", TIMER)
    # Not run by that the timer was started.
    assert show("ExecMainStartTimestampMonotonic") == "0" and not glob.glob(DIRECTORY + "/reports/*")


def can_write(pid, path):
    """Whether the run itself can make a file there, as its own user."""
    made = run(
        "nsenter",
        "--mount",
        "--target",
        pid,
        "setpriv",
        "--reuid=ansible",
        "--regid=ansible",
        "--clear-groups",
        "touch",
        path,
    )
    if made.returncode == 0:
        os.unlink("/proc/%s/root%s" % (pid, path))
    return made.returncode == 0


def look_inside():
    """See as whom a run is made, what it has for ssh, and what it may."""
    pid = show("MainPID")
    wait(lambda: glob.glob(DIRECTORY + "/ansible/cp/*"))
    with open("/proc/%s/status" % pid) as file:
        status = dict(line.rstrip().split(":\t", 1) for line in file)
    assert status["Uid"].split() == [str(pwd.getpwnam("ansible").pw_uid)] * 4, status
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapBnd"], 16)) == ("1", "2", 0), status
    assert os.readlink("/proc/%s/cwd" % pid) == "/home/ansible/mail-servers"
    assert can_write(pid, DIRECTORY + "/report/x")
    for path in ("/srv/open/x", "/home/ansible/x", "/home/ansible/.ssh/x", "/var/tmp/x", "/tmp/x"):
        # A directory for temporary files of its own, of which the host sees nothing.
        assert can_write(pid, path) == ("tmp" in path) and not os.path.exists(path), path


def start(status):
    """Make a run that is to end with this exit status."""
    command = subprocess.Popen(["systemctl", "start", SERVICE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: show("MainPID") != "0")
    look_inside()
    assert (command.wait() == 0) == (status == 0)
    see(status)


def see(status):
    """See that the last run ended with this exit status, and that all of it has ended."""
    state, result = ("failed", "exit-code") if status else ("inactive", "success")
    log = output("journalctl", "-q", "--no-pager", "-n", "40", "-u", SERVICE)
    assert (show("ExecMainStatus"), show("ActiveState"), show("Result")) == (str(status), state, result), log
    assert not run("pgrep", "-u", "ansible").stdout
    assert glob.glob(DIRECTORY + "/ansible/*/*") == []
    uid = pwd.getpwnam("ansible").pw_uid
    for directory in (DIRECTORY + "/report", "%s/reports/%s" % (DIRECTORY, dated()[-1])):
        assert sorted(set(os.listdir(directory)) - {"report.previous.json"}) == FILES, os.listdir(directory)
        for name in FILES:
            about = os.stat(os.path.join(directory, name))
            assert (about.st_uid, about.st_mode & 0o777) == (uid, 0o640) and about.st_size, (name, about)
    assert report() == report("%s/reports/%s" % (DIRECTORY, dated()[-1]))
    assert report()["summary"]["exit_code"] == status


def first():
    start(0)
    made = report()
    assert (made["hosts"][0]["name"], made["hosts"][0]["status"]) == ("mail1", "pass")
    # From localhost, port 25 was reached and no other: a module has run on the control node, too.
    assert {"FIREWALL-020", "POSTFIX-060", "COMMON-020"} <= set(controls(made, "pass")), controls(made, "pass")
    assert controls(made, "fail") == controls(made, "unknown") == controls(made, "waived") == []
    assert made["changes"] is None and len(dated()) == 1


def second():
    since = report()["run"]["finished"]
    start(1)
    changes = report()["changes"]
    assert changes["since"] == since
    assert changes["hosts"] == [{"name": "mail1", "before": "pass", "after": "fail"}], changes
    worse = {"host": "mail1", "id": "POSTFIX-060", "before": "pass", "after": "fail", "kind": "worse"}
    assert [one for one in changes["controls"] if one["after"] == "fail"] == [worse], changes
    assert controls(report(), "fail") == ["POSTFIX-060"] and len(dated()) == 2
    assert run("systemctl", "is-failed", SERVICE).returncode == 0


def third():
    """By the timer, with nothing changed."""
    since = report()["run"]["finished"]
    wait(lambda: report()["run"]["finished"] != since and show("ActiveState") == "failed")
    see(1)
    changes = report()["changes"]
    assert (changes["since"], changes["hosts"], changes["controls"]) == (since, [], []), changes
    # Of three each.
    assert len(dated()) == 2 and len(glob.glob(DIRECTORY + "/runner/artifacts/*")) == 2


def busy():
    """Make a run that is under way when the schedule is removed."""
    output("systemctl", "start", "--no-block", SERVICE)
    wait(lambda: glob.glob(DIRECTORY + "/ansible/cp/*"))


def gone():
    assert not run("pgrep", "-u", "ansible").stdout
    with open(BEFORE) as file:
        old = json.load(file)
    new = json.loads(json.dumps(tree()))
    different = sorted(path for path in set(old) | set(new) if old.get(path) != new.get(path))
    assert DIRECTORY + "/report/report.json" in different and len(dated()) == 2
    reports = (DIRECTORY + "/report/", DIRECTORY + "/reports/")
    others = [path for path in different if not (path + "/").startswith(reports)]
    assert others == [DIRECTORY], others
    assert not glob.glob("/var/lib/systemd/timers/*mailops*")
    for what in ("list-timers", "list-units", "list-unit-files"):
        assert b"mailops" not in run("systemctl", what, "--all", "--no-pager").stdout, what


if __name__ == "__main__":
    globals()[sys.argv[1]]()
