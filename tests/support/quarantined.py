"""Put messages of a queue into a batch without the engine that does that: plain renames, and a ledger."""

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT, SUBJECT
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import Entry, examine, to_line
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine

__all__ = ["make_batch"]

KINDS = {
    "qmail": ("mess", "info", "local", "remote", "bounce", "todo", "intd"),
    "postfix": ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "defer", "bounce", "trace"),
}


def _directories(queue, kind):
    for top in KINDS[kind]:
        for path, _names, _files in os.walk(os.path.join(queue, top)):
            yield os.path.relpath(path, queue)


def make_batch(queue, ids=None, quarantine=None, name="20261121T202427Z-3fa9", complete=True, **manifest):
    """Move the messages `ids` (None: all) of the queue at `queue` into a batch; return the batch's path.

    `manifest`: what it says otherwise than a purge's would by default.
    """
    queue = os.fspath(queue)
    reader = detect.find("auto", queue).reader
    place = Quarantine(os.fspath(quarantine or queue + ".quarantine"), queue)
    says = {
        "kind": "purge",
        "batch": name.partition(".")[0],
        "host": "mail.example.com",
        "mta": reader.mta,
        "version": None,
        "instance": None,
        "mode": None,
        "select": None,
        "exclude": None,
        "all": False,
        "label": None,
        "created": time.time(),
        "user": "root",
        **manifest,
    }
    with place:
        place.create()
        directories = sorted(_directories(queue, reader.mta))
        with place.new_batch(name, says, directories) as batch:
            lines = []
            for part in reader.early_parts() + reader.parts():
                for message in reader.read(part, None):
                    if ids is None or message.id in map(str, ids):
                        reader.load(message, ENVELOPE | STAT | SUBJECT)
                        lines.append(_move(queue, batch, message, reader.path(message), directories))
            batch.append(lines)
            batch.append([{"committed": "0.1", "left": []}])
            if complete:
                batch.complete({"messages": len(lines), "bytes": sum(line["size"] for line in lines)})
            return batch.path


def _move(queue, batch, message, path, directories):
    paths = [path] + ["%s/%s" % (one, message.id) for one in directories]
    paths = [one for one in dict.fromkeys(paths) if os.path.lexists(os.path.join(queue, one))]
    records = []
    for one in paths:
        parent, name = os.path.split(one)
        fd = os.open(os.path.join(queue, parent), os.O_RDONLY)
        records.append(examine(one, name, fd)[0])
        os.close(fd)
        os.rename(os.path.join(queue, one), os.path.join(batch.path, "files", one))
    entry = Entry(
        message.id,
        message.queue,
        message.state,
        message.sender,
        list(message.recipients),
        len(message.recipients),
        message.arrival,
        message.size,
        records,
    )
    return to_line(entry, "0.1")
