# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch's manifest says of the run that made it."""

__all__ = ["check_label", "provenance"]

import getpass
import os
import socket

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_LONGEST_LABEL = 200


def check_label(label):
    """Raise RescueError where the option ``label`` is too long."""
    if label is not None and len(label) > _LONGEST_LABEL:
        raise RescueError("label: expected at most %d characters, got %d." % (_LONGEST_LABEL, len(label)))


def provenance(kind, batch, mta, instance, label, started):
    """Return what every manifest holds, as a dict. ``kind``: purge or repair; ``started``: epoch seconds."""
    return {
        "kind": kind,
        "batch": batch,
        "host": socket.gethostname(),
        "mta": mta,
        "instance": instance,
        "label": label,
        "created": started,
        "user": _user(),
    }


def _user():
    """Return who runs this, as far as the host knows."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = "uid %d" % os.geteuid()
    real = os.environ.get("SUDO_USER")
    return "%s (sudo from %s)" % (name, real) if real and real != name else name
