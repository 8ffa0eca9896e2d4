"""Writes down everything that hardening may change, or compares it with what was written down.

usage: settings.py write|compare
"""

import hashlib
import json
import os
import subprocess
import sys

WRITTEN = "/opt/mailops/settings.json"
TREES = ("/etc/postfix", "/var/qmail/alias", "/var/qmail/control", "/etc/systemd/system", "/etc/nftables.d")
FILES = ("/etc/aliases", "/etc/nftables.conf")


def look():
    paths = list(FILES)
    for tree in TREES:
        for directory, _below, names in os.walk(tree):
            paths += [os.path.join(directory, name) for name in names]
    found = {}
    for path in paths:
        if os.path.isfile(path):
            status = os.stat(path)
            with open(path, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            found[path] = [status.st_mode, status.st_uid, status.st_gid, digest]
    rules = subprocess.run(["nft", "list", "ruleset"], check=True, stdout=subprocess.PIPE)
    found["rules of nftables"] = rules.stdout.decode()
    return found


def main():
    found = look()
    if sys.argv[1] == "write":
        with open(WRITTEN, "w") as f:
            json.dump(found, f)
        return
    with open(WRITTEN) as f:
        before = json.load(f)
    different = sorted(name for name in set(before) | set(found) if before.get(name) != found.get(name))
    if different:
        raise SystemExit("not as it was: " + ", ".join(different))
    print("%d files are as they were" % len(found))


if __name__ == "__main__":
    main()
