"""Writes down everything that is in queues and in their quarantines, leaving no trace itself.

usage: snapshot.py NAME QUEUE...; it writes /opt/mailops/NAME.json, unless that is there.
"""

import hashlib
import json
import os
import re
import stat
import sys

# What comes and goes with the MTA's own processes.
PASSED_OVER = {"pid", "private", "public", "lock"}
SIZE_RECORD = re.compile(rb"C.\s*(\d+)", re.DOTALL)
MESSAGE_ID = re.compile(rb"Message-ID: <([^>]*)>", re.IGNORECASE)


def describe(path):
    status = os.lstat(path)
    found = {
        "kind": stat.S_IFMT(status.st_mode),
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "inode": status.st_ino,
        "mtime": status.st_mtime_ns,
    }
    if stat.S_ISREG(status.st_mode):
        found.update(links=status.st_nlink, size=status.st_size, atime=status.st_atime_ns)
        with open(os.open(path, os.O_RDONLY | os.O_NOATIME), "rb") as f:
            data = f.read()
        found["sha256"] = hashlib.sha256(data).hexdigest()
        size, key = SIZE_RECORD.match(data), MESSAGE_ID.search(data)
        found["message_size"] = int(size.group(1)) if size else status.st_size
        found["key"] = key.group(1).decode() if key else None
    return found


def tree(root):
    found = {}
    for directory, below, names in os.walk(root):
        if directory == root:
            below[:] = [name for name in below if name not in PASSED_OVER]
        for name in below + names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = describe(path)
    return found


def main():
    target = "/opt/mailops/%s.json" % sys.argv[1]
    if os.path.exists(target):
        return
    roots = [root for queue in sys.argv[2:] for root in (queue, queue + ".quarantine") if os.path.isdir(root)]
    found = {root: tree(root) for root in roots}
    with open(target, "w") as f:
        json.dump(found, f)


if __name__ == "__main__":
    main()
