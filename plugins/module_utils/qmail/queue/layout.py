# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where qmail keeps what (qmail's INTERNALS), and what the bytes in those files mean."""

__all__ = [
    "PARSE_CHANNEL",
    "QUEUES",
    "Envelope",
    "find_queues",
    "is_id",
    "parse_channel",
    "parse_info",
    "parse_todo",
    "splits",
]

import os
import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient

QUEUES = ("local", "remote", "todo", "incomplete", "bounce")

_DIRECTORIES = ("bounce", "info", "intd", "local", "mess", "remote", "todo")
_SPLIT = ("info", "local", "mess", "remote")
_ID = re.compile(r"[1-9][0-9]{0,19}\Z")

# uid and sender as in todo/<id>, recipients as a tuple of Recipient.
Envelope = namedtuple("Envelope", "uid sender recipients")


def is_id(name):
    """Tell whether ``name`` is a queue id as qmail writes it."""
    return _ID.match(name) is not None


def find_queues(directory):
    """Return the queues in ``directory``: itself, or its several ``queue*``; an empty list where it is no qmail queue.

    Raises RescueError where a queue lacks a part, or has its parts split differently.
    """
    if os.path.isdir(os.path.join(directory, "mess")):
        _check(directory)
        return [directory]
    try:
        names = sorted(os.listdir(directory), key=lambda name: (len(name), name))
    except OSError:
        return []
    found = [os.path.join(directory, name) for name in names if re.match(r"queue[0-9]+\Z", name)]
    found = [one for one in found if os.path.isdir(os.path.join(one, "mess"))]
    for one in found:
        _check(one)
    return found


def _check(directory):
    for name in _DIRECTORIES:
        path = os.path.join(directory, name)
        try:
            # Listing is what a reader needs most; try it now, so that nothing is half read for want of it.
            os.listdir(path) if name in ("bounce", "intd") else os.scandir(path).close()
        except PermissionError:
            raise RescueError("%s cannot be read: run as root (become: true)." % path) from None
        except OSError as error:
            raise RescueError(
                "%s is not a whole qmail queue: %s: %s; is it being rebuilt?" % (directory, name, error.strerror)
            ) from None
    expected = splits(directory, "mess")
    if not expected:
        raise RescueError("%s is not a whole qmail queue: mess has no numbered directories." % directory)
    missing = sorted(set(range(len(expected))).difference(expected))
    if missing:
        raise RescueError(
            "%s is not a whole qmail queue: mess has no directory %d; is it being rebuilt?" % (directory, missing[0])
        )
    for name in _SPLIT:
        if splits(directory, name) != expected:
            raise RescueError(
                "%s is not a whole qmail queue: mess is split in %d and %s in %d; is it being rebuilt?"
                % (directory, len(expected), name, len(splits(directory, name)))
            )


def splits(directory, name):
    """Return the sorted numbers of the subdirectories of ``name``; none where it is not split."""
    with os.scandir(os.path.join(directory, name)) as found:
        return sorted(
            int(one.name)
            for one in found
            if one.name.isdigit()
            and one.is_dir(follow_symlinks=False)
            and str(int(one.name)) == one.name
            and len(one.name) < 6
        )


def parse_info(data):
    """Return the envelope sender in the bytes of info/<id>."""
    if not data.startswith(b"F") or not data.endswith(b"\0") or data.count(b"\0") != 1:
        raise Damaged("not an info file: no sender in it")
    return data[1:-1]


def parse_channel(data, channel):
    """Return the list of Recipient in the bytes of local/<id> or remote/<id>."""
    if not data.endswith(b"\0"):
        # qmail-send writes whole records; what comes after the last NUL is no recipient to it either.
        raise Damaged("not a %s file: it ends within a recipient" % channel)
    found = []
    for record in data[:-1].split(b"\0"):
        kind = record[:1]
        if kind == b"T":
            found.append(Recipient(record[1:], False, channel))
        elif kind == b"D":
            found.append(Recipient(record[1:], True, channel))
        else:
            raise Damaged("not a %s file: a recipient is neither pending nor done" % channel)
    return found


PARSE_CHANNEL = {
    "local": lambda data: parse_channel(data, "local"),
    "remote": lambda data: parse_channel(data, "remote"),
}


def parse_todo(data):
    """Return the Envelope in the bytes of todo/<id>, as qmail-queue writes it."""
    if not data.endswith(b"\0"):
        raise Damaged("not a todo file: it ends within a record")
    uid = sender = None
    recipients = []
    for record in data[:-1].split(b"\0"):
        kind, value = record[:1], record[1:]
        if kind == b"T":
            recipients.append(Recipient(value, False, None))
        elif kind == b"F":
            sender = value
        elif kind == b"u":
            uid = int(value) if value.isdigit() and len(value) < 11 else None
        elif kind != b"p":
            raise Damaged("not a todo file: it has a record of unknown kind")
    if sender is None:
        raise Damaged("not a todo file: no sender in it")
    return Envelope(uid, sender, tuple(recipients))
