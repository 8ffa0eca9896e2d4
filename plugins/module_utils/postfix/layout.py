# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Postfix keeps what (src/global/mail_queue.h of its sources)."""

__all__ = ["FLOW", "HASH_NAME", "QUEUES", "REST", "check", "hash_names", "is_id"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

# Mail moves through the first three, and back into them from "deferred" at every retry.
FLOW = ("maildrop", "incoming", "active")
REST = ("deferred", "hold", "corrupt")
QUEUES = FLOW + REST

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
