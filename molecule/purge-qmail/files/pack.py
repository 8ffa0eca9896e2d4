"""Packs the qmail in $QMAIL_HOME, without its mail, settings and aliases; without that variable, the tests' double.

usage: pack.py CHECKOUT TARGET [SCENARIO]; it says which of the two it packed. A qmail that merely happens to be
installed is not taken: the same run would prove less on the next machine.
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
SUPPORT = (
    "tests/__init__.py",
    "tests/support/__init__.py",
    "tests/support/delivering_double.py",
    "tests/support/installed_double.py",
    "tests/support/qmail_double.py",
    "tests/support/qmail_home.py",
    "tests/support/qmail_queue.py",
)


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
    home = os.environ.get("QMAIL_HOME")
    # Whoever names a qmail wants no other.
    if home and not os.path.exists(home + "/bin/qmail-send"):
        raise SystemExit("QMAIL_HOME: there is no %s/bin/qmail-send" % home)
    if home and not os.access(home + "/queue/lock/sendmutex", os.R_OK):
        raise SystemExit("QMAIL_HOME: only root can read %s/queue" % home)
    with tarfile.open(target, "w") as tar:
        if home:
            pack_qmail(tar, home)
        else:
            for name in SUPPORT:
                tar.add(os.path.join(checkout, name), "opt/mailops/" + name)
    if home:
        print("%s runs on the real qmail of %s" % (scenario, home))
    else:
        print("%s runs on a double, NOT ON A REAL QMAIL: QMAIL_HOME is not set" % scenario)


if __name__ == "__main__":
    main()
