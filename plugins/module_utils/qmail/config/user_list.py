# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the list of users that a host gives is all of them."""

__all__ = ["unlisted"]

import os

_SWITCH = "/etc/nsswitch.conf"
_PASSWD = "/etc/passwd"
_LARGEST = 1 << 20
# They list whom they know.
_LISTING = frozenset(("files", "compat", "systemd", "db", "altfiles", "extrausers", "usrfiles", "cache"))
# In the list of many systems where nobody has set it up.
_SOCKETS = {"sss": "/var/lib/sss/pipes/nss", "winbind": "/run/samba/winbindd/pipe"}


def unlisted(users, switch=_SWITCH, passwd=_PASSWD, sockets=None):
    """Return in words why ``users`` (Users that are listed) may not be all; None where they are.

    A directory service often answers for single names only. One that has listed anybody is taken to list all.
    """
    sockets = _SOCKETS if sockets is None else sockets
    services = [one for one in _services(switch) if one not in _LISTING]
    services = [one for one in services if one not in sockets or os.path.exists(sockets[one])]
    if not services or users.names - _names(passwd):
        return None
    return "%s (nsswitch.conf) does not list its users, so they were not looked at" % ", ".join(services)


def _services(path):
    for line in _lines(path):
        key, colon, value = line.partition("#")[0].partition(":")
        if colon and key.strip() == "passwd":
            return [word for word in value.split() if not word.startswith("[") and not word.endswith("]")]
    return []


def _names(path):
    return {line.partition(":")[0] for line in _lines(path, None)}


def _lines(path, most=_LARGEST):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return (file.read() if most is None else file.read(most)).split("\n")
    except OSError:
        return []
