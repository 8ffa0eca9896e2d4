"""Write down what a firewall's role could leave: all files below /etc and /var/lib, and what filters now.

usage: trace.py NAME            writes /opt/mailops/trace-NAME
       trace.py compare A B     fails where the two differ
"""

import hashlib
import os
import re
import subprocess
import sys

DIRECTORIES = ("/etc", "/var/lib", "/usr/lib/systemd", "/lib/ufw")
# What changes by itself.
LEFT_OUT = re.compile(r"/var/lib/(systemd|postfix|dbus|private)/|/etc/(mtab|resolv.conf|hosts|machine-id)$")


def files():
    for top in DIRECTORIES:
        for folder, folders, names in os.walk(top):
            yield from (os.path.join(folder, name) for name in folders)
            yield from (os.path.join(folder, name) for name in names)


def describe(path):
    if os.path.islink(path):
        return "link to " + os.readlink(path)
    if os.path.isdir(path):
        return "directory"
    with open(path, "rb") as file:
        return "%o %s" % (os.stat(path).st_mode, hashlib.sha256(file.read()).hexdigest())


def ruleset():
    listed = subprocess.run(["nft", "list", "ruleset"], check=True, stdout=subprocess.PIPE, universal_newlines=True)
    # Docker's own, for its name server, change with each start of the container.
    lines = [line for line in listed.stdout.splitlines() if "127.0.0.11" not in line]
    return re.sub(r"counter packets \d+ bytes \d+", "counter", "\n".join(lines))


def write(name):
    lines = sorted(
        "%s %s" % (path, describe(path))
        for path in files()
        if not LEFT_OUT.search(path)
        and (os.path.islink(path) or not os.path.exists(path) or os.path.isdir(path) or os.path.isfile(path))
    )
    with open("/opt/mailops/trace-" + name, "w") as file:
        file.write("\n".join(lines) + "\n" + ruleset())


def compare(first, second):
    texts = []
    for name in (first, second):
        with open("/opt/mailops/trace-" + name) as file:
            texts.append(file.read().splitlines())
    lost = [line for line in texts[0] if line not in texts[1]]
    new = [line for line in texts[1] if line not in texts[0]]
    if texts[0] != texts[1]:
        sys.exit("\n".join(["gone: " + line for line in lost] + ["new: " + line for line in new] or ["another order"]))


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(*sys.argv[2:])
    else:
        write(sys.argv[1])
