# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives messages of a qmail queue the id, and the place, that qmail expects; qmail-send must be stopped.

First the envelope gets a second name where the message is going to be, then the file in mess is renamed, then the old
names of the envelope go. At every instant the file in mess has one name, and a whole envelope of the same id: were
qmail-send started just then, it would find the message, once. A run that goes on from there finds what is to be done.
"""

__all__ = ["Mover"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_findings import (
    ENVELOPE,
    PLACEHOLDER,
    Message,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_tree import WITH_MESS

# While todo is there, the others mean nothing to qmail-send; without it, info makes a message of them.
_COMING = {
    True: ("todo", "intd", "local", "remote", "bounce", "info"),
    False: ("intd", "local", "remote", "bounce", "info"),
}
_GOING = {
    True: ("local", "remote", "bounce", "info", "intd", "todo"),
    False: ("info", "local", "remote", "bounce", "intd"),
}
_CHUNK = 500
_LATER = "another message has files of the id that it needs"
_CHANGED = "it was changed while it was being repaired"


class Mover:
    """``tree``: a QueueTree; ``finder``: its Finder; ``set_aside(path, reason)`` returns why it failed, or None."""

    def __init__(self, tree, finder, set_aside):
        self._tree = tree
        self._finder = finder
        self._set_aside = set_aside
        self._pending = []
        self._results = []
        self._evicted = {}
        self._placeholders = []

    def move(self, messages):
        """Give each Message its inode's number as id; yield ``(message, reason)``, None as reason where it has it."""
        for message in messages:
            # It may have made room for another one meanwhile.
            current = self._evicted.pop(message.inode, message)
            try:
                reason = self._make_room(current)
            except OSError as error:
                reason = _said(error)
            if reason is not None:
                yield message, reason
                continue
            self._pending.append((message, current, current.inode))
            if len(self._pending) >= _CHUNK:
                self._flush()
        self._flush()
        yield from self._results
        self._results = []

    def finish(self):
        """Remove what kept inode numbers free."""
        for name in self._placeholders:
            disk.unlink(*self._tree.place("pid/" + name))
        self._placeholders = []

    def _make_room(self, message):
        """Free the message's new place of others; return why that cannot be done now, or None."""
        found = self._tree.status(message.path)
        if found is None or found.st_ino != message.inode:
            return _CHANGED
        target = message.inode
        path = self._tree.path("mess", target)
        there = self._tree.status(path)
        if there is not None and there.st_ino != message.inode:
            # Whoever has that name may be about to leave it.
            self._flush()
            there = self._tree.status(path)
            if there is not None and there.st_ino != message.inode:
                reason = self._evict(target, path, there.st_ino)
                if reason is not None:
                    return reason
        elif there is not None and path != message.path:
            # Two names of one file. The one with an envelope stays.
            if self._tree.exists(self._tree.path("info", target)) or self._tree.exists(self._tree.path("todo", target)):
                disk.unlink(*self._tree.place(message.path))
                return _LATER
            disk.unlink(*self._tree.place(path))
        return self._clear_envelope(message, target)

    def _clear_envelope(self, message, target):
        for name in ENVELOPE:
            path = self._tree.path(name, target)
            found = self._tree.status(path)
            if found is None or path == message.files.get(name):
                continue
            mine = self._tree.status(message.files[name]) if name in message.files else None
            if mine is not None and mine.st_ino == found.st_ino:
                continue
            if found.st_nlink > 1:
                return _LATER
            reason = self._set_aside(path, "orphan: there was no message of this id")
            if reason is not None:
                return reason
        return None

    def _evict(self, queue_id, path, inode):
        """Move the message that has another one's id away: to its own, if that is free, else to any free one."""
        number = queue_id % self._tree.split
        name = str(queue_id)
        names = [one for one in WITH_MESS if self._tree.exists("%s/%d/%s" % (one, number, name))]
        occupant = self._finder.gather(path, number, name, inode, names)
        target = inode if self._is_free(inode) else self._free_id()
        for _message, reason in self._perform([(occupant, occupant, target)]):
            if reason is not None:
                return reason
        moved = {one: self._tree.path(one, target) for one in occupant.files}
        self._evicted[inode] = Message(str(target), inode, moved["mess"], moved, occupant.state)
        return None

    def _is_free(self, queue_id):
        return not any(self._tree.exists(self._tree.path(name, queue_id)) for name in ("mess",) + ENVELOPE)

    def _free_id(self):
        """Return an id that nothing has, and that no inode can get before ``finish``."""
        while True:
            name = "%s%d.%d" % (PLACEHOLDER, os.getpid(), len(self._placeholders))
            fd = self._tree.place("pid/" + name)[1]
            disk.write_new(name, fd, b"")
            self._placeholders.append(name)
            queue_id = os.stat(name, dir_fd=fd, follow_symlinks=False).st_ino
            if self._is_free(queue_id):
                return queue_id

    def _flush(self):
        pending, self._pending = self._pending, []
        self._results += self._perform(pending)

    def _perform(self, moves):
        """Move each ``(message, where it is now, new id)``; return a list of ``(message, reason)``."""
        results = []
        touched, ready = set(), []
        for message, current, target in moves:
            reason = self._guard(self._link, current, target, touched)
            if reason is None:
                ready.append((message, current, target))
            else:
                results.append((message, reason))
        self._sync(touched)
        touched, moved = set(), []
        for message, current, target in ready:
            reason = self._guard(self._rename, current, target, touched)
            if reason is None:
                moved.append((message, current, target))
            else:
                results.append((message, reason))
        self._sync(touched)
        touched = set()
        for message, current, target in moved:
            results.append((message, self._guard(self._unlink, current, target, touched)))
        self._sync(touched)
        return results

    @staticmethod
    def _guard(step, message, target, touched):
        try:
            return step(message, target, touched)
        except OSError as error:
            return _said(error)

    def _sync(self, paths):
        self._tree.sync({path.rpartition("/")[0] for path in paths})

    def _link(self, message, target, touched):
        for name in _COMING["todo" in message.files]:
            old, new = message.files.get(name), self._tree.path(name, target)
            if old is None or old == new:
                continue
            found = self._tree.status(old)
            if found is None:
                continue
            try:
                disk.link(*(self._tree.place(old) + self._tree.place(new)))
            except FileExistsError:
                there = self._tree.status(new)
                if there is None or there.st_ino != found.st_ino:
                    return _LATER
            touched.add(new)
        return None

    def _rename(self, message, target, touched):
        new = self._tree.path("mess", target)
        if new == message.path:
            return None
        found = self._tree.status(message.path)
        if found is None or found.st_ino != message.inode:
            return _CHANGED
        disk.move(*(self._tree.place(message.path) + self._tree.place(new)))
        touched.update((new, message.path))
        return None

    def _unlink(self, message, target, touched):
        for name in _GOING["todo" in message.files]:
            old, new = message.files.get(name), self._tree.path(name, target)
            if old is None or old == new:
                continue
            found, there = self._tree.status(old), self._tree.status(new)
            if found is not None and there is not None and found.st_ino == there.st_ino:
                disk.unlink(*self._tree.place(old))
                touched.add(old)


def _said(error):
    return error.strerror or str(error)
