# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a directory that belongs to a user, by a path that the user cannot bend."""

__all__ = ["may", "open_home"]

import os
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 20


def open_home(path):
    """Return a descriptor of the directory ``path`` (absolute). Raises Damaged where it cannot be opened.

    Links are followed where only root can have made them, as for /home -> /srv/home: a user's own link could lead
    root's changes anywhere.
    """
    names = path.split("/")[::-1]
    fd = os.open("/", _STEP)
    links = 0
    try:
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    links += 1
                    target = _followed(name, fd, found, links)
                    names += target.split("/")[::-1]
                    below = os.open("/", _STEP) if target.startswith("/") else os.dup(fd)
                else:
                    below = os.open(name, _STEP, dir_fd=fd)
            except OSError as error:
                if isinstance(error, PermissionError) and os.geteuid():
                    raise RescueError("%s cannot be looked into: run as root (become: true)." % path) from None
                raise Damaged("%s: %s" % (path, error.strerror)) from None
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd


def may(status, uid, gid, bits):
    """Tell whether ``uid``, with no group but ``gid``, has the permissions ``bits`` (0 to 7) by a status."""
    if uid == 0:
        return True
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return status.st_mode >> shift & bits == bits


def _followed(name, fd, found, links):
    above = os.fstat(fd)
    trusted = (0, os.geteuid())
    if found.st_uid not in trusted or above.st_uid not in trusted or above.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Damaged("%s on the way to it is a symbolic link that somebody other than root can change" % name)
    if links > _MOST_LINKS:
        raise Damaged("too many symbolic links on the way to it")
    return os.readlink(name, dir_fd=fd)
