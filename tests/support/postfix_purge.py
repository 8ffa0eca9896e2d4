"""Purge a Postfix queue with the engine's own parts, without a module around them; and compare what there is."""

import hashlib
import os
import stat
import time
from contextlib import closing

from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import NAME
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.purge import (
    PostfixRemover,
    recover,
    skeleton,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.batch import Batch
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.removal import Chooser, Taker
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine, batch_name
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

__all__ = [
    "check",
    "contents",
    "digests",
    "only_batch",
    "purge",
    "put_in_order",
    "quarantine_of",
    "restore",
    "snapshot",
]

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")


def quarantine_of(queue):
    """Return the open Quarantine beside a queue; the caller closes it."""
    quarantine = Quarantine(str(queue) + ".quarantine", str(queue))
    quarantine.create()
    return quarantine


def _scan(queue, select, collector):
    reader = PostfixReader([str(queue)])

    def tally(number):
        return Tally(Summary(time.time(), reader.queues, 1, False), collector)

    try:
        return scan(reader, Selection(select), NAME, tally, 1.0)
    finally:
        for remover in collector.removers:
            remover.close()


def check(queue, select=None, running=False):
    """Return the Chooser of what a purge would take."""
    chooser = Chooser([PostfixRemover(str(queue), None, running)], False)
    _scan(queue, select, chooser)
    return chooser


def purge(queue, select=None, running=False, discard=False, complete=True, remover=None):
    """Purge; return the Taker. `remover`: a class to use instead of PostfixRemover; `complete`: mark the batch so."""
    make = remover or PostfixRemover
    if discard:
        taker = Taker([make(str(queue), None, running)])
        _scan(queue, select, taker)
        return taker
    with quarantine_of(queue) as quarantine:
        manifest = {"queue_directory": os.path.realpath(str(queue))}
        with quarantine.new_batch(batch_name(time.time()), manifest, skeleton(str(queue))) as batch:
            taker = Taker([make(str(queue), batch, running)])
            _scan(queue, select, taker)
            if complete:
                batch.complete({})
    return taker


def only_batch(quarantine):
    """Return the one open Batch of a Quarantine."""
    names = quarantine.names()
    assert len(names) == 1, names
    return Batch.open(quarantine.path, quarantine._fd, names[0])


def put_in_order(queue):
    """Recover all batches, as the next run does; return [(messages, bytes)]."""
    found = []
    with quarantine_of(queue) as quarantine:
        for batch in quarantine.batches():
            if batch.returning() is not None:
                with closing(PostfixRestorer(str(queue), batch)) as restorer:
                    restorer.recover()
            found.append(recover(str(queue), batch))
    return found


def restore(queue, release=False, running=False, ids=None, **options):
    """Give a quarantine's messages back; return [(id, reason)]."""
    done = []
    with quarantine_of(queue) as quarantine:
        for batch in quarantine.batches():
            with closing(PostfixRestorer(str(queue), batch, release, running, **options)) as restorer:
                good = []
                for entry in batch.entries():
                    if ids is None or entry.id in ids:
                        reason = restorer.problem(entry)
                        if reason is None:
                            good.append(entry)
                        else:
                            done.append((entry.id, reason))
                if good:
                    done += [(entry.id, reason) for entry, reason in restorer.give_back(good)]
                restorer.finish()
    return done


def snapshot(path, times=True):
    """Return {path: what it is} of a tree: type, mode, owner, times (in ns), inode and contents.

    Times of directories are left out, and the pid directory.
    """
    found = {}
    for directory, names, files in os.walk(str(path)):
        for name in names + files:
            place = os.path.join(directory, name)
            status = os.lstat(place)
            key = os.path.relpath(place, str(path))
            what = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            if stat.S_ISREG(status.st_mode):
                with open(place, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                what += (status.st_ino, status.st_size, digest)
                if times:
                    what += (status.st_mtime_ns,)
            found[key] = what
    return found


def contents(root):
    """Return {id: [paths]} of all files of messages below a queue directory, or a batch's files."""
    found = {}
    for queue in QUEUES:
        for directory, _unused, files in os.walk(os.path.join(str(root), queue)):
            for name in files:
                found.setdefault(name, []).append(os.path.relpath(os.path.join(directory, name), str(root)))
    return found


def digests(queue):
    """Return the sorted list of (id, SHA-256) of every message in a queue and in all batches beside it."""
    roots, beside = [str(queue)], str(queue) + ".quarantine"
    if os.path.isdir(beside):
        roots += [os.path.join(beside, name, "files") for name in os.listdir(beside)]
    found = []
    for root in roots:
        for queue_id, paths in contents(root).items():
            for path in paths:
                with open(os.path.join(root, path), "rb") as file:
                    found.append((queue_id, hashlib.sha256(file.read()).hexdigest()))
    return sorted(found)
