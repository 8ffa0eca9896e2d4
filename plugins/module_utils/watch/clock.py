# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments that can be compared though somebody sets the clock, and lengths of time as users write them."""

__all__ = ["Moment", "duration", "elapsed", "now"]

import re
import time
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

# ``at``: epoch seconds by the wall clock; ``up``: seconds since the boot that ``boot`` names.
Moment = namedtuple("Moment", "at up boot")

_DURATION = re.compile(r"([0-9]{1,6})[ ]?(s|sec|m|min|h|d)\Z")
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def now():
    """Return the Moment that it is."""
    with open("/proc/uptime", "rb") as file:
        up = float(file.read().split()[0])
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read(36).decode("ascii", "replace")
    return Moment(time.time(), up, boot)


def elapsed(then, moment):
    """Return the seconds from one Moment to another, or None where nothing tells."""
    if then.boot == moment.boot:
        return max(0.0, moment.up - then.up)
    # Over a reboot there is but the wall clock, and one that went back tells nothing.
    seconds = moment.at - then.at
    return seconds if seconds >= 0 else None


def duration(option, value):
    """Return the seconds that such as ``90s``, ``5min``, ``4h`` or ``2d`` means."""
    found = _DURATION.match(str(value))
    if not found or not int(found.group(1)):
        raise RescueError("%s: expected a time such as 90s, 5min, 4h or 2d, got %r." % (option, value))
    return int(found.group(1)) * _UNITS[found.group(2)]
