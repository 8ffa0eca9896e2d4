"""Packs the qmail that is installed here, without its mail, settings and aliases; or else the tests' double of it.

usage: pack.py CHECKOUT TARGET [SCENARIO]; qmail is looked for in $QMAIL_HOME or /var/qmail. It says which of the two it
packed.
"""

import grp
import io
import json
import os
import pwd
import sys
import tarfile

USERS = ("alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails")
GROUPS = ("nofiles", "qmail")
SUPPORT = ("tests/__init__.py", "tests/support/__init__.py", "tests/support/delivering_double.py",
           "tests/support/qmail_double.py", "tests/support/qmail_home.py", "tests/support/qmail_queue.py")  # fmt: skip


def add(tar, path, recursive=False):
    tar.add(path, path.lstrip("/"), recursive=recursive)


def add_text(tar, name, text):
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o644, len(text)
    tar.addfile(member, io.BytesIO(text.encode()))


def pack_qmail(tar, home):
    # Its programs have its path in them, and some versions the ids of its users as well.
    accounts = {
        "home": home,
        "groups": {name: grp.getgrnam(name).gr_gid for name in GROUPS},
        "users": {name: pwd.getpwnam(name)[2:4] for name in USERS},
    }
    add(tar, home)
    add(tar, home + "/bin", recursive=True)
    for directory, below, names in os.walk(home + "/queue", onerror=raise_it):
        add(tar, directory)
        if os.path.basename(directory) == "lock":
            for name in below + names:
                add(tar, os.path.join(directory, name))
    add_text(tar, "opt/mailops/accounts.json", json.dumps(accounts))


def raise_it(error):
    raise error


def main():
    checkout, target, scenario = (sys.argv[1:] + ["purge-qmail"])[:3]
    home = os.environ.get("QMAIL_HOME") or "/var/qmail"
    missing = None
    if not os.path.exists(home + "/bin/qmail-send"):
        missing = "there is no %s/bin/qmail-send" % home
    elif not os.access(home + "/queue/lock/sendmutex", os.R_OK):
        missing = "only root can read %s/queue" % home
    with tarfile.open(target, "w") as tar:
        if missing is None:
            pack_qmail(tar, home)
        else:
            for name in SUPPORT:
                tar.add(os.path.join(checkout, name), "opt/mailops/" + name)
    if missing is None:
        print("%s runs on the real qmail of %s" % (scenario, home))
    else:
        print("%s runs on a double, NOT ON A REAL QMAIL: %s" % (scenario, missing))


if __name__ == "__main__":
    main()
