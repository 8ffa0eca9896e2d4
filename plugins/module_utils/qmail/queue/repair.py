# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what is wrong with one qmail queue, and repairs it while qmail-send is stopped."""

__all__ = ["QmailRepairer"]

import os
import resource
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.mta.faults import QUARANTINE
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_findings import Finder
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_moves import Mover
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_split import find_split, is_prime
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_tree import Owners, QueueTree
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.set_aside import Group

# Messages that have each other's ids need a second pass; more are never needed but where something else interferes.
_MOST_PASSES = 5
_TCPTO = b"\0" * 1024
_KEPT_REASONS = 10000


class QmailRepairer:
    """The queue at ``directory``; ``split``: the option. Raises RescueError where that cannot be.

    ``notes``: sentences for the operator. ``changed``: whether something was changed.
    """

    def __init__(self, directory, split=None):
        self.directory = directory
        self.notes = []
        self.changed = False
        self._owners = Owners()
        if self._owners.why:
            self.notes.append(self._owners.why)
        self.split = find_split(directory, split)
        if split is not None and not is_prime(split):
            self.notes.append("split: %d is no prime number; qmail's conf-split asks for one." % split)
        self._tree = None
        self._aside = None
        self._reasons = {}

    def find(self, wait=0):
        """Yield every Fault; each was seen twice, ``wait`` seconds apart."""
        with _Opened(self):
            finder = Finder(self._tree)
            for part in finder.parts():
                yield from self._confirmed(finder, part, wait)

    @staticmethod
    def _confirmed(finder, part, wait):
        """Return the list of Faults of one part that are there at two looks."""
        seen = {(one.kind, one.path, one.repair) for one in finder.look(part)}
        if not seen:
            return []
        # Mail comes and goes; what is under way at one instant is done at the next.
        time.sleep(wait)
        return [one for one in finder.look(part) if (one.kind, one.path, one.repair) in seen]

    def repair(self, aside):
        """Repair what can be repaired; qmail-send must be stopped, and cannot start. Yield ``(fault, reason)`` of what
        is left.

        ``aside``: an Aside.
        """
        self._aside = aside
        with _Opened(self):
            for _unused in range(_MOST_PASSES):
                if not self._pass():
                    break
        for fault in self.find():
            yield fault, self._reasons.get((fault.kind, fault.path), fault.detail)

    def place(self, path):
        """Return ``(name, dir_fd)`` of a path in the queue, as settle asks for; inside ``opened`` only."""
        return self._tree.place(path)

    def close(self):
        """Outside ``opened`` nothing is open."""

    def opened(self):
        """Return a context manager inside which ``place`` can be used."""
        return _Opened(self)

    def _pass(self):
        """Repair every fault once; return whether anything was done."""
        done = False
        finder = Finder(self._tree)
        mover = Mover(self._tree, finder, self._set_aside_one)
        for part in finder.parts():
            faults = self._confirmed(finder, part, 0)
            for step in (self._quarantine, self._in_place, lambda faults: self._move(mover, faults)):
                for fault, reason in step(faults):
                    if reason is None:
                        done = self.changed = True
                    elif len(self._reasons) < _KEPT_REASONS:
                        self._reasons[fault.kind, fault.path] = reason
        mover.finish()
        return done

    # Into the quarantine

    def _quarantine(self, faults):
        wanted = [one for one in faults if one.repair == QUARANTINE]
        groups, by_group = [], []
        for fault in wanted:
            items = []
            for path in fault.what:
                try:
                    items.append((path,) + self._tree.place(path))
                except FileNotFoundError:
                    continue
            if items:
                by_group.append(fault)
                groups.append(self._group(fault.path, items, "%s: %s" % (fault.kind, fault.detail)))
        return zip(by_group, self._take(groups))

    @staticmethod
    def _group(path, items, reason):
        return Group(path.rpartition("/")[2], path.partition("/")[0], items, reason)

    def _set_aside_one(self, path, reason):
        self.changed = True
        return self._take([self._group(path, [(path,) + self._tree.place(path)], reason)])[0]

    def _take(self, groups):
        """Return the list of reasons why not, None where a group was moved."""
        reasons = []
        try:
            for _group, reason in self._aside.take(groups):
                reasons.append(reason)
        except OSError as error:
            why = error.strerror or str(error)
        except RescueError as error:
            why = str(error)
        else:
            return reasons
        return reasons + [why] * (len(groups) - len(reasons))

    # In place

    def _in_place(self, faults):
        steps = {
            "create": self._create,
            "owner": self._set_owner,
            "mode": self._set_mode,
            "replace": self._replace,
            "remove": self._remove,
            "rename_alone": self._rename_alone,
        }
        for fault in faults:
            if fault.repair in steps:
                try:
                    reason = steps[fault.repair](fault)
                except OSError as error:
                    reason = error.strerror or str(error)
                yield fault, reason

    def _create(self, fault):
        path, user, mode = fault.what
        name, fd = self._tree.place(path)
        owner = self._owner(user, path)
        if path == "lock/trigger":
            disk.make_fifo(name, fd)
        elif path.startswith("lock/"):
            data = _TCPTO if path == "lock/tcpto" else b""
            disk.write_new(name, fd, data, mode, owner)
        else:
            disk.make_directory(name, fd)
        if owner is not None:
            disk.set_owner(name, fd, owner)
        # Whatever the umask was.
        disk.set_mode(name, fd, mode)
        disk.sync_directory(fd)

    def _owner(self, user, path):
        """Return the user and group ids for a new file; None where it can only be ours."""
        if os.geteuid() != 0:
            return None
        if self._owners.known:
            return self._owners.user(user), self._owners.group
        # A copy of a queue, whose users this host does not have: as what is around it.
        beside = path.rpartition("/")[0] or "."
        if path in ("lock/trigger", "lock/sendmutex") and self._tree.exists("info"):
            beside = "info"
        found = self._tree.status(beside)
        return None if found is None else (found.st_uid, found.st_gid)

    def _set_owner(self, fault):
        path, owner, inode = fault.what
        if not self._is(path, inode):
            return "it was changed meanwhile"
        # A change of owner takes set-user-id away, and nothing else.
        disk.set_owner(*(self._tree.place(path or ".") + (owner,)))
        return None

    def _set_mode(self, fault):
        path, mode, inode = fault.what
        if not self._is(path, inode):
            return "it was changed meanwhile"
        disk.set_mode(*(self._tree.place(path or ".") + (mode,)))
        return None

    def _is(self, path, inode):
        found = self._tree.status(path or ".")
        return found is not None and found.st_ino == inode

    def _replace(self, fault):
        reason = self._set_aside_one(fault.what[0], "%s: %s" % (fault.kind, fault.detail))
        return reason if reason is not None else self._create(fault)

    def _remove(self, fault):
        if fault.kind == "extra_directory":
            self._tree.forget(fault.what)
            name, fd = self._tree.place(fault.what)
            disk.remove_directory(name, fd)
        elif fault.kind == "second_name":
            path, other, inode = fault.what
            if not (self._is(path, inode) and self._is(other, inode)):
                return "it was changed meanwhile"
            name, fd = self._tree.place(path)
            disk.unlink(name, fd)
        else:
            name, fd = self._tree.place(fault.what)
            disk.unlink(name, fd)
        disk.sync_directory(fd)
        return None

    def _rename_alone(self, fault):
        old, new = fault.what
        before, after = self._tree.place(old), self._tree.place(new)
        disk.move(*(before + after))
        disk.sync_directory(after[1])
        disk.sync_directory(before[1])

    # Messages

    @staticmethod
    def _move(mover, faults):
        by_path = {one.path: one for one in faults if one.repair == "rename"}
        for message, reason in mover.move([one.what for one in by_path.values()]):
            yield by_path[message.path], reason


class _Opened:
    """Keeps a QmailRepairer's QueueTree open, inside."""

    def __init__(self, repair):
        self._repair = repair

    def __enter__(self):
        repair = self._repair
        # Every numbered directory is open, of the queue and of the batch.
        unused, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        repair._tree = QueueTree(repair.directory, repair.split, repair._owners)

    def __exit__(self, *unused):
        self._repair._tree.close()
        self._repair._tree = None
