# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A qmail queue that may lack parts: what it should consist of, and what is there."""

__all__ = ["CHANNELS", "UNSPLIT", "WITH_MESS", "Owners", "QueueTree", "find_broken_queues", "is_number"]

import os
import pwd
import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, open_directory
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

CHANNELS = ("local", "remote")
WITH_MESS = ("info", "local", "remote")
UNSPLIT = ("todo", "intd", "bounce")

# As qmail's installation makes them; ``mode`` of the directory and of a file in it.
_Kind = namedtuple("_Kind", "user mode file_mode")
_KINDS = {
    "bounce": _Kind("qmails", 0o700, 0o600),
    "info": _Kind("qmails", 0o700, 0o600),
    "intd": _Kind("qmailq", 0o700, 0o644),
    "local": _Kind("qmails", 0o700, 0o600),
    "lock": _Kind("qmailq", 0o750, None),
    "mess": _Kind("qmailq", 0o750, 0o644),
    "pid": _Kind("qmailq", 0o700, None),
    "remote": _Kind("qmails", 0o700, 0o600),
    "todo": _Kind("qmailq", 0o750, 0o644),
}
_NEEDED = ("mess", "info", "local", "remote", "todo", "intd", "bounce")
_SEVERAL = re.compile(r"queue[0-9]+\Z")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,4})\Z")


class Owners:
    """Who owns what in a queue, as far as this host has qmail's users.

    ``known``: whether it has, and whether it can be put right; ``why`` not, as a sentence for the operator, or None.
    """

    def __init__(self):
        self.known = False
        self.why = None
        self._users = {}
        self.group = None
        if os.geteuid() != 0:
            self.why = "Owners and groups were not checked: that needs root."
            return
        try:
            for name in ("qmailq", "qmails", "qmailr"):
                found = pwd.getpwnam(name)
                self._users[name] = found.pw_uid
                if name == "qmailq":
                    # Called qmail, or sqmail with s/qmail.
                    self.group = found.pw_gid
        except KeyError:
            self.why = "Owners and groups were not checked: this host has no user %s." % name
            return
        self.known = True

    def user(self, name):
        """Return a user's id, or None where it is not known."""
        return self._users.get(name) if self.known else None


class QueueTree:
    """The queue at ``directory``, split by ``split``; ``is_big``: whether todo and intd are split too."""

    def __init__(self, directory, split, owners):
        self.directory = directory
        self.split = split
        self.owners = owners
        self._fds = {}
        numbers = self.numbers("todo"), self.numbers("intd")
        self.is_big = 2 * max(map(len, numbers)) > len(self.numbers("mess"))

    def numbers(self, name):
        """Return the sorted numbers of a directory's numbered subdirectories; none where it is missing."""
        try:
            return layout.splits(self.directory, name)
        except OSError:
            return []

    def is_split(self, name):
        return name == "mess" or name in WITH_MESS or (self.is_big and name in ("todo", "intd"))

    def directories(self):
        """Yield ``(path, user, mode)`` of every directory that the queue should have, upper ones first."""
        yield "", "qmailq", 0o750
        for name in sorted(_KINDS):
            kind = _KINDS[name]
            yield name, kind.user, kind.mode
            if self.is_split(name):
                for number in range(self.split):
                    yield "%s/%d" % (name, number), kind.user, kind.mode

    def expected(self, name):
        """Return ``(uid, gid, mode)`` of files in directory ``name``; None for what does not matter."""
        kind = _KINDS[name]
        # qmail-queue leaves the group of whoever runs it.
        group = self.owners.group if kind.user == "qmails" else None
        return self.owners.user(kind.user), group, kind.file_mode

    def path(self, name, queue_id):
        """Return the path where a file of this id (int) belongs."""
        if self.is_split(name):
            return "%s/%d/%d" % (name, queue_id % self.split, queue_id)
        return "%s/%d" % (name, queue_id)

    def place(self, path):
        """Return ``(name, dir_fd)`` of a path; OSError where its directory is missing."""
        parent, unused, name = path.rpartition("/")
        if parent not in self._fds:
            full = os.path.join(self.directory, parent) if parent else os.path.realpath(self.directory)
            self._fds[parent] = open_directory(full)
        return name, self._fds[parent]

    def status(self, path):
        """Return the os.stat_result of a file, or None where there is none."""
        try:
            name, fd = self.place(path)
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, path):
        return self.status(path) is not None

    def listing(self, path):
        """Return ``({id: inode}, [(name, kind)])`` of a directory: its queue files, and what else is there.

        ``kind``: a FileKind, or None for a regular file whose name is no id. Both are empty where it is missing.
        """
        ids, others = {}, []
        try:
            fd = self.place(path + "/.")[1]
        except (FileNotFoundError, NotADirectoryError):
            return ids, others
        with os.scandir("/proc/self/fd/%d" % fd) as found:
            for entry in found:
                if entry.is_file(follow_symlinks=False):
                    if layout.is_id(entry.name):
                        ids[entry.name] = entry.inode()
                    else:
                        others.append((entry.name, None))
                else:
                    try:
                        kind = FileKind.of(entry.stat(follow_symlinks=False).st_mode)
                    except OSError:
                        continue
                    others.append((entry.name, kind))
        return ids, others

    def find(self, name, queue_id, near=None):
        """Return the path of an id's file in a split directory, in whichever number it is, or None.

        Looked for first in number ``near``, then where it belongs.
        """
        if not self.is_split(name):
            path = "%s/%s" % (name, queue_id)
            return path if self.exists(path) else None
        first = [int(queue_id) % self.split]
        if near is not None:
            first.insert(0, near)
        for number in first + self.numbers(name):
            path = "%s/%d/%s" % (name, number, queue_id)
            if self.exists(path):
                return path
        path = "%s/%s" % (name, queue_id)
        return path if name in ("todo", "intd") and self.exists(path) else None

    def forget(self, path):
        """Close a directory that is about to be removed."""
        fd = self._fds.pop(path, None)
        if fd is not None:
            os.close(fd)

    def sync(self, directories):
        """Bring the names in these directories to the disk."""
        for path in sorted(directories):
            disk.sync_directory(self.place(path + "/.")[1])

    def close(self):
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}


def is_number(name):
    """Tell whether a directory of this name can be a part of a split directory."""
    return _NUMBER.match(name) is not None


def find_broken_queues(directory):
    """Return the queues in ``directory``, as layout.find_queues does, whatever they lack."""
    if _looks_like_queue(directory):
        return [directory]
    try:
        names = sorted(os.listdir(directory), key=lambda name: (len(name), name))
    except OSError:
        return []
    found = [os.path.join(directory, name) for name in names if _SEVERAL.match(name)]
    return [one for one in found if _looks_like_queue(one)]


def _looks_like_queue(directory):
    found = [name for name in _NEEDED if os.path.isdir(os.path.join(directory, name))]
    return len(found) > len(_NEEDED) // 2 and ("mess" in found or "info" in found)
