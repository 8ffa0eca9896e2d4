# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Postfix keeps what (src/global/mail_queue.h of its sources)."""

__all__ = [
    "FLOW",
    "HASH_NAME",
    "LOGS",
    "QUEUES",
    "REST",
    "check",
    "existing_depth",
    "hash_names",
    "is_id",
    "place",
    "skeleton",
]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

# Mail moves through the first three, and back into them from "deferred" at every retry.
FLOW = ("maildrop", "incoming", "active")
REST = ("deferred", "hold", "corrupt")
QUEUES = FLOW + REST
# Each message may have a file of its own name in these.
LOGS = ("defer", "bounce", "trace")

HASH_NAME = re.compile(r"[0-9A-F]\Z")
_ID = re.compile(r"[A-Za-z0-9_]{1,100}\Z")
_LONG_ID = re.compile(r"[0-9A-Za-z]{6,}([0-9A-Za-z]{4})z[0-9A-Za-y]+\Z")
_BASE_52 = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_DEEPEST = 8


def is_id(name):
    """Tell whether Postfix would take ``name`` for a queue id."""
    return _ID.match(name) is not None and (len(name) > 1 or not HASH_NAME.match(name))


def hash_names(queue_id):
    """Return the names of the hash directories of an id, outermost first: as many as Postfix could use at most."""
    found = _LONG_ID.match(queue_id)
    if found:
        microseconds = 0
        for digit in found.group(1):
            value = _BASE_52.find(digit)
            if value < 0:
                return ()
            microseconds = microseconds * 52 + value
        queue_id = "%05X" % microseconds
    return tuple(queue_id[:_DEEPEST])


def place(queue, queue_id, depth):
    """Return the path, relative to the queue directory, of a message's file, or log, that is hashed ``depth`` deep."""
    return "/".join((queue,) + hash_names(queue_id)[:depth] + (queue_id,))


def existing_depth(directory, queue):
    """Return how deep the hash directories below a queue, or a directory of logs, are; 0 where there are none."""
    depth, level = 0, [os.path.join(directory, queue)]
    while depth < _DEEPEST:
        below = []
        for path in level:
            try:
                with os.scandir(path) as found:
                    named = [one for one in found if HASH_NAME.match(one.name)]
                    below += [one.path for one in named if one.is_dir(follow_symlinks=False)]
            except OSError:
                continue
        if not below:
            return depth
        depth, level = depth + 1, below
    return depth


def skeleton(queue_directory):
    """Return the directories that a batch needs, to be read as a queue."""
    return [name for name in QUEUES + LOGS if os.path.isdir(os.path.join(queue_directory, name))]


def check(directory):
    """Raise RescueError where ``directory`` is no Postfix queue directory, or may not be read."""
    missing = []
    for name in QUEUES:
        path = os.path.join(directory, name)
        try:
            os.scandir(path).close()
        except PermissionError:
            raise RescueError("%s cannot be read: run as root (become: true)." % path) from None
        except OSError:
            missing.append(name)
    needed = [name for name in ("incoming", "active", "deferred") if name in missing]
    if needed:
        raise RescueError(
            "%s is not a whole Postfix queue directory: %s is missing; is it being rebuilt?"
            % (directory, " and ".join(needed))
        )
