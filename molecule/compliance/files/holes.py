"""Adds holes to those that the scenario mixed makes, so that most of what hardening closes is open.

usage: holes.py postfix|qmail; prints the digest of trees.py after that
"""

import os
import subprocess
import sys

import trees

POSTFIX = {
    "smtpd_relay_restrictions": "check_client_access static:ok, reject_unauth_destination",
    "smtpd_recipient_restrictions": "",
    # There is nobody to ask for names.
    "smtpd_peername_lookup": "no",
    "luser_relay": "nobody-has-this@mail.example.com",
    "local_recipient_maps": "",
}


def main():
    if sys.argv[1] == "postfix":
        subprocess.run(["postconf", "-e"] + ["%s=%s" % pair for pair in POSTFIX.items()], check=True)
        subprocess.run(["postfix", "reload"], check=True)
        trees.main()
        return
    with open("/var/qmail/control/virtualdomains", "w") as f:
        f.write("example.org:info\n")
    with open("/var/qmail/control/rcpthosts", "a") as f:
        f.write("example.org\n")
    with open("/home/info/.qmail-default", "w") as f:
        f.write("/dev/null\n")
    os.chmod("/home/info/.qmail-default", 0o644)
    trees.main()


if __name__ == "__main__":
    main()
