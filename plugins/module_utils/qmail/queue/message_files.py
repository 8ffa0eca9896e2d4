# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a message in a qmail queue consists of, and in which order they may come and go."""

__all__ = ["QueueFiles", "decisive", "others", "skeleton"]

import errno
import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

# qmail-send believes in a message as soon as info is there and todo is not: info (todo, while that is there) is what
# makes a message the queue's. What is left of one without it, qmail-send does not look at.
_DECISIVE = {"S5": "info", "S4": "todo"}
# A message with info and without local and remote is done, and one of bounce is reported: so these go after info.
_REMOVAL = ("info", "local", "remote", "bounce", "intd", "mess")
_SPLIT = ("mess", "info", "local", "remote")


def decisive(entry):
    """Return the FileRecord of the one file whose presence makes an Entry's message the queue's."""
    return next(one for one in entry.files if _kind(one) == _DECISIVE[entry.state])


def others(entry):
    """Return the other FileRecords of an Entry, in an order in which they may go once the decisive one has gone."""
    rest = [one for one in entry.files if _kind(one) != _DECISIVE[entry.state]]
    return sorted(rest, key=lambda one: _REMOVAL.index(_kind(one)))


def _kind(record):
    return record.path.partition("/")[0]


def skeleton(queue_directory):
    """Return the directories that a queue consists of, as far as messages are in them."""
    found = []
    for name in _SPLIT + ("todo", "intd", "bounce"):
        found.append(name)
        found += ["%s/%d" % (name, number) for number in layout.splits(queue_directory, name)]
    return found


class QueueFiles:
    """The files of the queue at ``directory``, through directories that are opened once.

    ``split``: number of its numbered directories.
    """

    def __init__(self, directory):
        self.directory = directory
        self.split = len(layout.splits(directory, "mess"))
        self._tree = Tree(directory)
        self._is_split = {}
        self._changed = set()

    def place(self, path):
        """Return ``(name, dir_fd)`` of a path relative to the queue."""
        parent, unused, name = path.rpartition("/")
        fd = self._tree.directory(parent)
        if fd is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), parent)
        return name, fd

    def paths(self, queue_id, number=None):
        """Return {directory: path} of all files that a message may have; ``number``: of its split, if not the usual."""
        number = int(queue_id) % self.split if number is None else number
        found = {}
        for name in _SPLIT + ("todo", "intd", "bounce"):
            is_split = name in _SPLIT or (name != "bounce" and self._has_numbers(name))
            found[name] = "%s/%d/%s" % (name, number, queue_id) if is_split else "%s/%s" % (name, queue_id)
        return found

    def _has_numbers(self, name):
        if name not in self._is_split:
            self._is_split[name] = bool(layout.splits(self.directory, name))
        return self._is_split[name]

    def status(self, path):
        """Return the os.stat_result of a file, or None where there is none."""
        return self._tree.status(path)

    def is_same(self, path, inode):
        """Tell whether the file at ``path`` is this inode."""
        found = self.status(path)
        return found is not None and found.st_ino == inode

    def remove(self, path, inode):
        """Remove a file if it is this inode; tell whether it was."""
        if not self.is_same(path, inode):
            return False
        name, fd = self.place(path)
        disk.unlink(name, fd)
        self.note(path)
        return True

    def note(self, path):
        """Take note that the directory of ``path`` was changed."""
        self._changed.add(path.rpartition("/")[0])

    def sync(self):
        """Bring all changes to the disk."""
        self._tree.sync(self._changed)
        self._changed.clear()

    def close(self):
        self._tree.close()
