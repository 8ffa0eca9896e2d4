"""Running queue_repair's engine on queues of our own, and what to compare before and after."""

import hashlib
import os
import pwd
import stat
from collections import Counter
from pathlib import Path

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_repair import repair

__all__ = ["OPTIONS", "contents", "queue_repair", "read", "snapshot", "with_owners"]

OPTIONS = {
    "mta": "auto",
    "queue_directory": None,
    "config_directory": None,
    "split": None,
    "quarantine": None,
    "label": None,
    "supervisor": "auto",
    "service": None,
    "stop_timeout": 20,
    "on_timeout": "fail",
    "start_timeout": 20,
}
DIRECTORIES = (
    "mess",
    "info",
    "local",
    "remote",
    "todo",
    "intd",
    "bounce",
    "pid",
    "maildrop",
    "incoming",
    "active",
    "deferred",
    "hold",
    "corrupt",
    "defer",
    "trace",
)


def queue_repair(directory, check_mode=False, **options):
    """Return queue_repair's result for a queue."""
    return repair(dict(OPTIONS, queue_directory=str(directory), **options), check_mode)


def with_owners():
    """Tell whether files can be given to qmail's users here."""
    try:
        pwd.getpwnam("qmailq"), pwd.getpwnam("qmails"), pwd.getpwnam("qmailr")
    except KeyError:
        return False
    return os.geteuid() == 0


def contents(directory):
    """Return how often each content (SHA-256, or what it is) is in a queue or its quarantine: each inode once."""
    seen = {}
    tops = [Path(directory) / name for name in DIRECTORIES]
    tops += Path(str(directory) + ".quarantine").glob("*/files")
    for top in tops:
        for folder, folders, names in os.walk(str(top)):
            for name in names + [one for one in folders if os.path.islink(os.path.join(folder, one))]:
                path = os.path.join(folder, name)
                found = os.lstat(path)
                if stat.S_ISREG(found.st_mode):
                    seen[found.st_ino] = hashlib.sha256(read(path)).hexdigest()
                else:
                    seen[found.st_ino] = stat.S_IFMT(found.st_mode)
    return Counter(seen.values())


def read(path):
    """Return a file's bytes; the look does not make an old file young."""
    with open(os.open(str(path), os.O_RDONLY | os.O_NOATIME), "rb") as file:
        return file.read()


def snapshot(directory):
    """Return everything that can be seen of a tree without reading it."""
    found = {}
    for folder, folders, names in os.walk(str(directory)):
        for path in [folder] + [os.path.join(folder, name) for name in folders + names]:
            one = os.lstat(path)
            times = () if stat.S_ISDIR(one.st_mode) else (one.st_atime_ns,)
            found[path] = (
                one.st_ino,
                one.st_mode,
                one.st_uid,
                one.st_gid,
                one.st_size,
                one.st_nlink,
                one.st_mtime_ns,
                one.st_ctime_ns,
            ) + times
    return found
