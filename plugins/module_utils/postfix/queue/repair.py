# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what is wrong with a Postfix queue, and sets aside what belongs to no message.

Files of messages are never touched: what is wrong with them, postsuper(1) and Postfix itself put right.
"""

__all__ = ["PostfixRepairer"]

import itertools
import os
import re
import stat
import time
from contextlib import contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, open_directory
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet
from ansible_collections.mailops.rescue.plugins.module_utils.mta.faults import NONE, QUARANTINE, Fault
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_locked, is_running
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.set_aside import Group

# A message that moves is found in the queue that it comes from, or in the one that it goes to.
_ROUND = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "deferred", "active", "incoming")
_YOUNG_LOG = 300
_YOUNG_STRAY = 3600
# postsuper -p takes what is not ready for dead after so long.
_DEAD = 7 * 86400
_SECOND_LINK = 60
# Names under which Postfix's programs begin to write.
_TEMPORARY = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?\Z")
_FIX = "#FIX"
_SHORT_ID = re.compile(r"[0-9A-F]{5}([0-9A-F]+)\Z")
_DEEPEST = 8
_CHUNK = 500
_KEPT_PATHS = 10000
_STRUCTURE = "; stop Postfix and run postsuper -s twice"
_PURGE = "; postsuper -p removes it"
_CHECK = "; postfix check tells more"
_ELSEWHERE = "Postfix does not look for it there" + _STRUCTURE


class PostfixRepairer:
    """The queue directory ``directory``; see QmailRepairer for the names. Postfix may run."""

    # Nothing is noted of how it is laid out.
    split = None

    def __init__(self, directory):
        self.directory = directory
        self.notes = []
        self.changed = False
        self._now = time.time()
        self._fds = {}
        self._depths = {}
        self._reasons = {}

    def is_running(self):
        """Tell whether Postfix runs on this queue."""
        return is_running(self.directory)

    def find(self, wait=0):
        """Yield every Fault. What would be set aside was seen twice, ``wait`` seconds or more apart."""
        known = IdSet()
        for queue in layout.QUEUES:
            yield from self._lasting(self._queue(queue, known))
        time.sleep(wait)
        ids = known.container()
        for log in layout.LOGS:
            yield from self._lasting(self._logs(log, ids))

    def _lasting(self, faults):
        return (one for one in faults if one.repair != QUARANTINE or self._persists(one))

    # What is in the queues

    def _queue(self, queue, known):
        """Yield the Faults of one queue; ``known`` receives the ids of its messages."""
        by_depth = {}
        for path, names in self._hash_directories(queue):
            depth = path.count("/")
            for name, found in names:
                full = "%s/%s" % (path, name)
                if not stat.S_ISREG(found.st_mode):
                    yield from self._not_regular(full, name, found)
                elif not layout.is_id(name):
                    yield from self._misnamed(full, name, found)
                else:
                    known.update([name])
                    yield from self._message(queue, full, name, found)
                    if path.split("/")[1:] == list(layout.hash_names(name)[:depth]):
                        count, paths = by_depth.setdefault(depth, (0, []))
                        by_depth[depth] = (count + 1, paths)
                        if count < _KEPT_PATHS:
                            paths.append(full)
                    else:
                        yield Fault("wrong_directory", full, _ELSEWHERE, NONE, None)
        # The depth at which most files stand is the one that Postfix is configured for.
        usual = max(by_depth, key=lambda depth: by_depth[depth][0]) if by_depth else 0
        for depth, (_unused, paths) in sorted(by_depth.items()):
            if depth != usual:
                for path in paths:
                    yield Fault("wrong_directory", path, _ELSEWHERE, NONE, None)

    def _not_regular(self, path, name, found):
        kind = FileKind.of(found.st_mode)
        if kind == "directory":
            detail = "a directory; look what is in it, and move it away"
            yield Fault("stray", path, detail, NONE, None)
        elif found.st_ctime + _YOUNG_STRAY < self._now or layout.is_id(name):
            yield Fault("stray", path, "not a regular file (%s)" % kind, QUARANTINE, found.st_ino)

    def _misnamed(self, path, name, found):
        if name.endswith(_FIX):
            yield Fault("interrupted_fix", path, "postsuper -s was interrupted" + _STRUCTURE, NONE, None)
            return
        patience = _DEAD if _TEMPORARY.match(name) else _YOUNG_STRAY
        if max(found.st_mtime, found.st_atime) + patience < self._now:
            yield Fault("stray", path, "not a queue id", QUARANTINE, found.st_ino)

    def _message(self, queue, path, name, found):
        """Yield the Faults in a message's file; none of them is repaired here."""
        short = _SHORT_ID.match(name)
        if short and int(short.group(1), 16) != found.st_ino:
            yield Fault("wrong_id", path, "its inode is %X%s" % (found.st_ino, _STRUCTURE), NONE, None)
        mode = stat.S_IMODE(found.st_mode)
        # The group's x says that postsuper -e has let it expire.
        if mode & (0o022 if queue == "maildrop" else 0o067):
            yield Fault("mode", path, "its mode is %04o%s" % (mode, _CHECK), NONE, None)
        elif not mode & stat.S_IXUSR and queue != "corrupt" and found.st_mtime + _DEAD < self._now:
            yield Fault("incomplete", path, "it was begun over a week ago" + _PURGE, NONE, None)
        if queue != "maildrop":
            # Files in maildrop belong to whoever submitted them.
            owner = os.fstat(self._fd(queue)).st_uid
            if found.st_uid != owner:
                detail = "it belongs to user %d, and %s to %d%s" % (found.st_uid, queue, owner, _CHECK)
                yield Fault("owner", path, detail, NONE, None)
        if found.st_nlink > 1 and found.st_ctime + _SECOND_LINK < self._now:
            detail = "it has %d links, and Postfix refuses such a file" % found.st_nlink
            yield Fault("links", path, detail, NONE, None)

    # Logs

    def _logs(self, log, known):
        for path, names in self._hash_directories(log):
            for name, found in names:
                full = "%s/%s" % (path, name)
                if not stat.S_ISREG(found.st_mode):
                    yield from self._not_regular(full, name, found)
                elif not layout.is_id(name):
                    yield from self._misnamed(full, name, found)
                elif name not in known and found.st_mtime + _YOUNG_LOG < self._now:
                    yield Fault("orphan", full, "there is no message of this id", QUARANTINE, found.st_ino)

    def _has_message(self, queue_id):
        names = layout.hash_names(queue_id)
        for queue in _ROUND:
            for depth in range(min(self._depth(queue), len(names)) + 1):
                if self._status("/".join((queue,) + names[:depth] + (queue_id,))) is not None:
                    return True
        return False

    def _depth(self, queue):
        if queue not in self._depths:
            paths = [path for path, unused in self._hash_directories(queue, False)]
            self._depths[queue] = max([path.count("/") for path in paths], default=0)
        return self._depths[queue]

    def _persists(self, fault):
        """Look again: tell whether a Fault is still there."""
        found = self._status(fault.path)
        if found is None or found.st_ino != fault.what:
            return False
        if fault.kind == "orphan":
            return found.st_mtime + _YOUNG_LOG < self._now and not self._has_message(fault.path.rpartition("/")[2])
        return True

    # Reading

    def _hash_directories(self, top, with_files=True):
        """Yield ``(path, [(name, os.stat_result)])`` of a directory and the hash directories below it."""
        waiting = [top]
        while waiting:
            path = waiting.pop()
            try:
                fd = self._fd(path)
                names = sorted(os.listdir(fd))
            except OSError:
                continue
            found = []
            for name in names:
                if not with_files and not layout.HASH_NAME.match(name):
                    continue
                try:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode) and layout.HASH_NAME.match(name) and path.count("/") < _DEEPEST:
                    waiting.append("%s/%s" % (path, name))
                else:
                    found.append((name, status))
            yield path, found

    def _fd(self, path):
        fd = self._fds.get(path)
        if fd is None:
            parent, unused, name = path.rpartition("/")
            if parent:
                fd = open_directory(name, self._fd(parent))
            else:
                fd = open_directory(os.path.join(os.path.realpath(self.directory), name))
            self._fds[path] = fd
        return fd

    def _status(self, path):
        parent, unused, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self._fd(parent), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def place(self, path):
        """Return ``(name, dir_fd)`` of a path in the queue; OSError where its directory is missing."""
        parent, unused, name = path.rpartition("/")
        return name, self._fd(parent)

    @contextmanager
    def opened(self):
        """As QmailRepairer's."""
        yield

    # Repairing

    def repair(self, aside):
        """Set aside what belongs to no message; yield ``(fault, reason)`` of what is left. ``aside``: an Aside."""
        chosen = (one for one in self.find() if one.repair == QUARANTINE)
        while True:
            faults = list(itertools.islice(chosen, _CHUNK))
            if not faults:
                break
            self._set_aside(aside, faults)
        for fault in self.find():
            yield fault, self._reasons.get((fault.kind, fault.path), fault.detail)

    def _set_aside(self, aside, faults):
        chosen, groups = [], []
        for fault in faults:
            reason = self._refusal(fault)
            if reason is not None:
                self._reasons[fault.kind, fault.path] = reason
                continue
            parent, unused, name = fault.path.rpartition("/")
            items = [(fault.path, name, self._fd(parent))]
            groups.append(Group(name, fault.path.partition("/")[0], items, "%s: %s" % (fault.kind, fault.detail)))
            chosen.append(fault)
        done = 0
        try:
            for group, reason in aside.take(groups):
                fault = chosen[done]
                done += 1
                if reason is None:
                    self.changed = True
                    if fault.kind == "orphan":
                        self._check_again(aside, group)
                else:
                    self._reasons[fault.kind, fault.path] = reason
        except (OSError, RescueError) as error:
            for fault in chosen[done:]:
                self._reasons[fault.kind, fault.path] = getattr(error, "strerror", None) or str(error)

    def _refusal(self, fault):
        if not self._persists(fault):
            return "it changed meanwhile"
        if fault.kind == "orphan" and is_locked(fault.what):
            return "bounce(8) is at work on it"
        return None

    def _check_again(self, aside, group):
        """Give a log back where a message has got its id in the last instant."""
        path, name, fd = group.items[0]
        if self._has_message(name):
            try:
                disk.link(*(aside.batch.find(path) + (name, fd)))
            except FileExistsError:
                return
            disk.unlink(*aside.batch.find(path))

    def close(self):
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}
