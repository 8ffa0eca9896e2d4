# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a quarantine's ledger says of each message: its envelope, and every file it consisted of."""

__all__ = ["RECIPIENTS", "Entry", "FileRecord", "dump", "examine", "from_line", "identity", "to_line"]

import hashlib
import json
import os
import stat
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, open_file
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient

# ``path`` is relative to the queue; times are in ns; ``copied``: the quarantine holds a copy, not the very inode.
FileRecord = namedtuple("FileRecord", "path size mode uid gid atime mtime inode sha256 copied")

# ``files`` is a list of FileRecord, that of the message's text first; texts are bytes, ``arrival`` is in epoch seconds.
Entry = namedtuple("Entry", "id queue state sender recipients recipient_count arrival size files")

# How many of a message's recipients are kept; all are in its files.
RECIPIENTS = 1000
_HEAD = 16384
_PIECE = 1 << 18


def examine(path, name, dir_fd):
    """Read a whole file; return its FileRecord, and its first 16 KiB.

    Raises Vanished where it is gone, Damaged where it is no regular file or cannot be read.
    """
    fd = open_file(name, dir_fd)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise Damaged("not a regular file (%s)" % FileKind.of(found.st_mode), path)
        head = os.read(fd, _HEAD)
        digest = hashlib.sha256(head)
        if len(head) == _HEAD:
            piece = os.read(fd, _PIECE)
            while piece:
                digest.update(piece)
                piece = os.read(fd, _PIECE)
    except OSError as error:
        raise Damaged("cannot be read: %s" % error.strerror, path) from None
    finally:
        os.close(fd)
    record = FileRecord(
        path,
        found.st_size,
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        found.st_gid,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_ino,
        digest.hexdigest(),
        False,
    )
    return record, head


def identity(message):
    """Return a str that tells a message from a later one of the same id; its envelope must have been loaded."""
    return "%d %s %s %s %s" % (message.place, message.id, message.arrival, message.size, message.sender)


def to_line(entry, chunk):
    """Return an Entry as a dict for the ledger; ``chunk`` names those that leave the queue together."""
    return {
        "id": entry.id,
        "queue": entry.queue,
        "state": entry.state,
        "sender": _text(entry.sender),
        "recipients": [[_text(one.address), one.done, one.channel] for one in entry.recipients],
        "recipient_count": entry.recipient_count,
        "arrival": entry.arrival,
        "size": entry.size,
        "sha256": entry.files[0].sha256,
        "files": [one._asdict() for one in entry.files],
        "chunk": chunk,
    }


def from_line(line):
    """Return the Entry in a dict of the ledger."""
    files = [FileRecord(**one) for one in line["files"]]
    recipients = [Recipient(_raw(address), done, channel) for address, done, channel in line["recipients"]]
    return Entry(
        line["id"],
        line["queue"],
        line["state"],
        _raw(line["sender"]),
        recipients,
        line["recipient_count"],
        line["arrival"],
        line["size"],
        files,
    )


def dump(line):
    """Return a dict as one line of bytes."""
    return json.dumps(line, sort_keys=True).encode("ascii") + b"\n"


def _raw(text):
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _text(raw):
    # Bytes that are no UTF-8 come back from this unchanged.
    return None if raw is None else raw.decode("utf-8", "surrogateescape")
