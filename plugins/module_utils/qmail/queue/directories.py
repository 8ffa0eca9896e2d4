# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open directories of a qmail queue, and which ids are in them."""

__all__ = ["Queue", "Split"]

import os
import stat
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import entries, open_directory
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout

_WITH_MESS = ("info", "local", "remote")
_BATCH = 10000


class Queue:
    """One queue: ``problem(path, reason, is_message)`` is told of what should not be there."""

    def __init__(self, directory, problem):
        self.directory = directory
        self.problem = problem
        self._whole = {}
        # Younger files are not to be judged by the listings. A file's times lag behind the clock a little.
        self.since = time.time() - 1

    def listed(self, queue):
        """Return a container of the ids in an unsplit directory, which is listed once."""
        if queue not in self._whole:
            fd = open_directory(os.path.join(self.directory, queue))
            try:
                self._whole[queue] = self.ids(fd, queue)
            finally:
                os.close(fd)
        return self._whole[queue]

    def ids(self, fd, path):
        """Return a container of the names of an auxiliary directory's files; ``path`` is relative to the queue."""
        found = IdSet()
        for names in self.batches(fd, path, False):
            found.update(names)
        return found.container()

    def batches(self, fd, path, are_messages):
        """Yield the ids in a directory in lists of bounded length, each in numerical order.

        An id is an inode number: in this order, a disk that is not in the cache is read from one end to the other.
        """
        batch = []
        for name, kind in entries(fd):
            if kind is not None:
                # Only with big-todo do numbered directories stand beside ids.
                if kind != "directory" or path not in ("todo", "intd") or not name.isdigit():
                    is_message = are_messages and layout.is_id(name)
                    self.problem("%s/%s" % (path, name), "not a regular file (%s)" % kind, is_message)
            elif layout.is_id(name):
                batch.append(name)
                if len(batch) == _BATCH:
                    yield sorted(batch, key=int)
                    batch = []
            else:
                self.problem("%s/%s" % (path, name), "not a queue id", False)
        yield sorted(batch, key=int)


class Split:
    """The directories that belong to one number of a queue. A context manager.

    ``fds`` maps their names to descriptors, ``listed`` those of all but mess to containers of the ids in them.
    """

    def __init__(self, queue, number):
        self.queue = queue
        self.number = number
        self.fds = {}
        self._paths = {}
        self.listed = {}

    def __enter__(self):
        try:
            for name in ("mess",) + _WITH_MESS:
                self._open(name, "%s/%d" % (name, self.number))
            for name in ("todo", "intd", "bounce"):
                # With big-todo these are split like mess.
                path = "%s/%d" % (name, self.number)
                is_split = name != "bounce" and os.path.isdir(os.path.join(self.queue.directory, path))
                self._open(name, path if is_split else name)
                if is_split:
                    self.listed[name] = self.queue.ids(self.fds[name], path)
                else:
                    self.listed[name] = self.queue.listed(name)
            for name in _WITH_MESS:
                self.listed[name] = self.queue.ids(self.fds[name], self._paths[name])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def _open(self, name, path):
        self.fds[name] = open_directory(os.path.join(self.queue.directory, path))
        self._paths[name] = path

    def path(self, name, queue_id):
        """Return the path of an id's file, relative to the queue."""
        return "%s/%s" % (self._paths[name], queue_id)

    def exists(self, name, queue_id):
        """Tell whether the id's file is in directory ``name`` now."""
        try:
            found = os.stat(queue_id, dir_fd=self.fds[name], follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Damaged("cannot be read: %s" % error.strerror, self.path(name, queue_id)) from None
        return stat.S_ISREG(found.st_mode)

    def strays(self, names):
        """Tell the queue's ``problem`` of files without a message; ``names`` is a container of the messages' ids."""
        for name in _WITH_MESS:
            for queue_id in self._unknown(name, names):
                if not self.exists("mess", queue_id) and self.exists(name, queue_id):
                    self.queue.problem(self.path(name, queue_id), "there is no message of this id", False)

    def _unknown(self, name, names):
        listed = self.listed[name]
        if isinstance(listed, set) and isinstance(names, set):
            return listed - names
        found = entries(self.fds[name])
        return (one for one, kind in found if kind is None and layout.is_id(one) and one not in names)
