"""Run queue_purge's and queue_restore's engines with the modules' defaults; and compare what there is."""

import hashlib
import os
import stat
from collections import Counter

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_purge import purge
from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_restore import restore

__all__ = ["messages", "queue_purge", "queue_restore", "snapshot", "whole"]

COMMON = {
    "mta": "auto",
    "queue_directory": None,
    "config_directory": None,
    "select": None,
    "exclude": None,
    "timeout_per_message": 1.0,
    "supervisor": "auto",
    "service": None,
    "stop_timeout": 60,
    "on_timeout": "fail",
    "start_timeout": 30,
    "quarantine": None,
}
PURGE = dict(
    COMMON, all=False, max_messages=None, mode="offline", watch_timeout=30, unprocessed=False, label=None, workers=1
)
RESTORE = dict(COMMON, batch="latest", method="exact", release=False, unsure=False)
KINDS = ("mess", "info", "local", "remote", "bounce", "todo", "intd")


def queue_purge(directory, check_mode=False, **options):
    """Return what queue_purge returns for the queue at `directory`."""
    given = dict(PURGE, queue_directory=os.fspath(directory), **options)
    assert set(given) == set(PURGE)
    return purge(given, check_mode)


def queue_restore(directory, check_mode=False, **options):
    """Return what queue_restore returns for the queue at `directory`."""
    given = dict(RESTORE, queue_directory=os.fspath(directory), **options)
    assert set(given) == set(RESTORE)
    return restore(given, check_mode)


def snapshot(path, inodes=True):
    """Return {path: what it is} of all below a directory: type, mode, owner, times, inode and contents."""
    found = {}
    for directory, names, files in os.walk(os.fspath(path)):
        for name in names + files:
            place = os.path.join(directory, name)
            status = os.lstat(place)
            what = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            if stat.S_ISREG(status.st_mode):
                digest = hashlib.sha256(_read(place)).hexdigest()
                what += (status.st_nlink, status.st_mtime_ns, status.st_atime_ns, digest)
                if inodes:
                    what += (status.st_ino,)
            found[os.path.relpath(place, os.fspath(path))] = what
    return found


def _read(path):
    # Not by open(), which would change the atime that is compared.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOATIME", 0)), "rb") as file:
        return file.read()


def messages(root):
    """Return {id: {directory: contents}} of a qmail queue, or of what lies in a batch's `files`."""
    found = {}
    for kind in KINDS:
        for directory, _, names in os.walk(os.path.join(os.fspath(root), kind)):
            for name in names:
                try:
                    data = _read(os.path.join(directory, name))
                except FileNotFoundError:
                    # A qmail that runs has dropped it.
                    continue
                found.setdefault(name, {})[kind] = data
    return found


def whole(queue):
    """Return a Counter of all messages, each as (id, its files), in a qmail queue and in the batches beside it."""
    roots, beside = [os.fspath(queue)], os.fspath(queue) + ".quarantine"
    if os.path.isdir(beside):
        roots += [os.path.join(beside, name, "files") for name in os.listdir(beside)]
    return Counter((number, tuple(sorted(files.items()))) for root in roots for number, files in messages(root).items())
