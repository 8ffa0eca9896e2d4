# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a qmail queue. It is only looked at; each look says what it sees at that instant."""

__all__ = ["ENVELOPE", "PLACEHOLDER", "Finder", "Message"]

import stat
import time
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import FileKind, read_all
from ansible_collections.mailops.rescue.plugins.module_utils.mta.faults import NONE, QUARANTINE, Fault
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_tree import (
    CHANNELS,
    UNSPLIT,
    WITH_MESS,
    is_number,
)

# qmail-send takes a message that it does not know, and any file in pid, for dead when nobody has read it for so long.
_LEFTOVER = 36 * 3600
# Empty files in pid that keep a free inode number free.
PLACEHOLDER = "rescue."

_ENVELOPE_LIMIT = 1 << 26
_TCPTO = 1024
ENVELOPE = WITH_MESS + UNSPLIT
_ALL = ("mess",) + ENVELOPE

# ``inode`` of the file in mess; ``files``: {directory: path} of all that belongs to it; ``state`` as in S2 to S5.
Message = namedtuple("Message", "id inode path files state")


class Finder:
    """Faults of the queue that is a QueueTree. ``now``: epoch seconds."""

    def __init__(self, tree, now=None):
        self._tree = tree
        self._now = time.time() if now is None else now
        self._linked = {}

    def parts(self):
        """Return the pieces that ``look`` takes, in the order in which they are to be looked at."""
        numbers = set(range(self._tree.split))
        for name in ("mess",) + WITH_MESS:
            numbers.update(self._tree.numbers(name))
        return ["structure", "pid"] + sorted(numbers) + list(UNSPLIT) + ["linked", "extra"]

    def look(self, part):
        """Yield the Faults of one part."""
        if part == "structure":
            yield from self._structure()
        elif part == "pid":
            yield from self._pid()
        elif part in UNSPLIT:
            yield from self._unsplit(part)
        elif part == "linked":
            yield from self._resolve_linked()
        elif part == "extra":
            yield from self._extra()
        else:
            yield from self._number(part)

    # Directories and what is in lock

    def _structure(self):
        for path, user, mode in self._tree.directories():
            name = path or "."
            found = self._tree.status(path or ".")
            if found is None:
                yield Fault("missing_directory", name, "it is missing", "create", (path, user, mode))
            elif not stat.S_ISDIR(found.st_mode):
                yield Fault("stray", name, "a %s in place of a directory" % _kind(found), QUARANTINE, [path])
            else:
                yield from self._attributes(path, found, self._tree.owners.user(user), self._tree.owners.group, mode)
        # Last: as long as sendmutex is missing, no qmail-send can start.
        yield from self._lock_file("lock/tcpto", "qmailr", 0o644, stat.S_ISREG, "file")
        yield from self._lock_file("lock/trigger", "qmails", 0o622, stat.S_ISFIFO, "FIFO")
        yield from self._lock_file("lock/sendmutex", "qmails", 0o600, stat.S_ISREG, "file")

    def _lock_file(self, path, user, mode, is_right, what):
        found = self._tree.status(path)
        if found is None:
            yield Fault("missing_file", path, "this %s is missing" % what, "create", (path, user, mode))
            return
        if not is_right(found.st_mode):
            detail = "expected a %s, found a %s" % (what, _kind(found))
            repair = NONE if stat.S_ISDIR(found.st_mode) else "replace"
            yield Fault("wrong_type", path, detail, repair, (path, user, mode))
        elif path == "lock/tcpto" and (found.st_size < _TCPTO or found.st_size % _TCPTO):
            detail = "it has %d bytes, not %d" % (found.st_size, _TCPTO)
            yield Fault("wrong_size", path, detail, "replace", (path, user, mode))
        else:
            owners = self._tree.owners
            yield from self._attributes(path, found, owners.user(user), owners.group, mode)

    def _extra(self):
        for name in ("mess",) + WITH_MESS + (("todo", "intd") if self._tree.is_big else ()):
            for number in self._tree.numbers(name):
                if number >= self._tree.split:
                    path = "%s/%d" % (name, number)
                    detail = "the queue is split in %d" % self._tree.split
                    yield Fault("extra_directory", path, detail, "remove", path)

    def _attributes(self, path, found, uid, gid, mode):
        """Yield the faults in owner, group and permissions; None for what does not matter."""
        wrong_owner = uid is not None and found.st_uid != uid
        wrong_group = gid is not None and self._tree.owners.known and found.st_gid != gid
        if wrong_owner or wrong_group:
            owner = (uid if uid is not None else found.st_uid, gid if gid is not None else found.st_gid)
            detail = "it belongs to %d:%d, not to %d:%d" % (found.st_uid, found.st_gid, owner[0], owner[1])
            yield Fault("owner", path or ".", detail, "owner", (path, owner, found.st_ino))
        there = stat.S_IMODE(found.st_mode)
        # A set-gid directory does no harm.
        if (there & ~0o2000 if stat.S_ISDIR(found.st_mode) else there) != mode:
            if mode == 0o644 and there == 0o640 and found.st_gid == self._tree.owners.group:
                return
            detail = "its mode is %04o, not %04o" % (there, mode)
            yield Fault("mode", path or ".", detail, "mode", (path, mode, found.st_ino))

    # Leftovers of qmail-queue

    def _pid(self):
        ids, others = self._tree.listing("pid")
        for name, kind in sorted([(name, None) for name in ids] + others):
            path = "pid/" + name
            found = self._tree.status(path)
            if found is None:
                continue
            if name.startswith(PLACEHOLDER) and kind is None and found.st_size == 0:
                yield Fault("leftover", path, "of an interrupted repair", "remove", path)
            elif found.st_atime + _LEFTOVER < self._now:
                yield self._stray(path, "a half written message that nobody has touched for 36 hours", kind)

    @staticmethod
    def _stray(path, detail, kind, name="stray"):
        if kind == "directory":
            return Fault(name, path, "a directory; look what is in it, and move it away", NONE, None)
        return Fault("leftover" if path.startswith("pid/") else name, path, detail, QUARANTINE, [path])

    # Messages

    def _number(self, number):
        # The others first: a message that comes or goes meanwhile is in mess before and after it is in these.
        listed = {name: self._tree.listing("%s/%d" % (name, number)) for name in WITH_MESS}
        listed["mess"] = self._tree.listing("mess/%d" % number)
        for name in sorted(listed):
            for other, kind in sorted(listed[name][1]):
                what = "not a regular file (%s)" % kind if kind else "not a queue id"
                yield self._stray("%s/%d/%s" % (name, number, other), what, kind)
        mess = listed["mess"][0]
        for queue_id in sorted(mess, key=int):
            names = [name for name in WITH_MESS if queue_id in listed[name][0]]
            yield from self._message(number, queue_id, mess[queue_id], names)
        for name in WITH_MESS:
            for queue_id in sorted(listed[name][0], key=int):
                if queue_id not in mess:
                    yield from self._without_message(name, number, queue_id)

    def _message(self, number, queue_id, inode, names):
        path = "mess/%d/%s" % (number, queue_id)
        message = self.gather(path, number, queue_id, inode, names)
        problem = self._damage(message)
        if problem:
            yield Fault("damaged", path, problem, QUARANTINE, _leaving(message))
            return
        if message.state in ("S2", "S3"):
            found = self._tree.status(path)
            if found is None:
                return
            if found.st_atime + _LEFTOVER < self._now and self._is_alone(queue_id):
                yield Fault(
                    "orphan",
                    path,
                    "a message without sender and recipients, left alone for 36 hours",
                    QUARANTINE,
                    _leaving(message),
                )
                return
        yield from self._leftovers(message)
        yield from self._files(message)
        if inode != int(queue_id):
            yield Fault("wrong_id", path, "its inode is %d" % inode, "rename", message)
        elif number != int(queue_id) % self._tree.split:
            yield Fault(
                "wrong_split", path, "it belongs in %s" % self._tree.path("mess", int(queue_id)), "rename", message
            )
        else:
            yield from self._misplaced(message)

    def gather(self, path, number, queue_id, inode, names):
        """Return the Message at ``path``, in mess/``number``; ``names``: which of info, local, remote are there too."""
        found = {"mess": path}
        for name in names:
            found[name] = "%s/%d/%s" % (name, number, queue_id)
        right = int(queue_id) % self._tree.split
        if number != right:
            for name in WITH_MESS:
                other = "%s/%d/%s" % (name, right, queue_id)
                # A message of the same name there has its own.
                if name not in found and self._tree.exists(other) and not self._has_mess(right, queue_id):
                    found[name] = other
        alone = number == right or not self._has_mess(right, queue_id)
        for name in UNSPLIT:
            if alone:
                other = self._tree.find(name, queue_id, number)
                if other is not None:
                    found[name] = other
        if "todo" in found:
            state = "S4"
        elif "info" in found:
            state = "S5"
        else:
            state = "S3" if "intd" in found else "S2"
        return Message(queue_id, inode, path, found, state)

    def _is_alone(self, queue_id):
        return self._tree.find("info", queue_id) is None and self._tree.find("todo", queue_id) is None

    def _has_mess(self, number, queue_id):
        return self._tree.exists("mess/%d/%s" % (number, queue_id))

    def _damage(self, message):
        """Return what is wrong with a message's envelope, or None."""
        if message.state == "S4":
            wanted = {"todo": layout.parse_todo}
        elif message.state == "S5":
            wanted = dict(layout.PARSE_CHANNEL, info=layout.parse_info)
        else:
            return None
        for name in sorted(wanted):
            if name not in message.files:
                continue
            try:
                wanted[name](read_all(*(self._tree.place(message.files[name]) + (_ENVELOPE_LIMIT,))))
            except Vanished:
                continue
            except Damaged as error:
                return "%s: %s" % (message.files[name], error)
        return None

    def _leftovers(self, message):
        """Yield files of an earlier message of the same id."""
        if message.state == "S4" and "bounce" in message.files:
            # Its text would go to the sender of this one.
            path = message.files.pop("bounce")
            yield Fault("orphan", path, "the message of this id was not delivered to anybody yet", QUARANTINE, [path])
        if message.state == "S5" and "intd" in message.files:
            found = self._tree.status(message.files["intd"])
            if found is not None and found.st_atime + _LEFTOVER < self._now:
                path = message.files.pop("intd")
                yield Fault("orphan", path, "the message of this id is preprocessed", QUARANTINE, [path])

    def _files(self, message):
        for name in _ALL:
            path = message.files.get(name)
            found = self._tree.status(path) if path else None
            if found is not None:
                yield from self._attributes(path, found, *self._tree.expected(name))

    def _misplaced(self, message):
        for name in sorted(message.files):
            right = self._tree.path(name, int(message.id))
            if message.files[name] != right:
                yield Fault(
                    "wrong_split",
                    message.files[name],
                    "it belongs in %s" % right,
                    "rename_alone",
                    (message.files[name], right),
                )

    # Files without a message

    def _without_message(self, name, number, queue_id):
        path = "%s/%d/%s" % (name, number, queue_id) if number is not None else "%s/%s" % (name, queue_id)
        mess = self._tree.find("mess", queue_id, number)
        found = self._tree.status(path)
        if found is None:
            return
        if mess is not None:
            yield from self._elsewhere(name, path, found, queue_id, mess)
        elif found.st_nlink > 1 and name != "bounce":
            # todo and intd of one message are one file, and an interrupted repair leaves second names.
            self._linked.setdefault(found.st_ino, {})[path] = queue_id
        else:
            yield Fault("orphan", path, "there is no message of this id", QUARANTINE, [path])

    def _elsewhere(self, name, path, found, queue_id, mess):
        """A file whose message is in a directory of another number."""
        near = int(mess.split("/")[1])
        right = self._tree.path(name, int(queue_id))
        if path == right or (name in UNSPLIT and not self._tree.is_split(name)):
            return
        beside = "%s/%d/%s" % (name, near, queue_id)
        for other in (right, beside):
            there = self._tree.status(other)
            if other == path or there is None:
                continue
            if there.st_ino == found.st_ino:
                detail = "a second name of %s" % other
                yield Fault("second_name", path, detail, "remove", (path, other, found.st_ino))
            else:
                detail = "the message of this id is in %s and has its own" % mess
                yield Fault("orphan", path, detail, QUARANTINE, [path])
            return
        yield Fault("wrong_split", path, "it belongs in %s" % right, "rename_alone", (path, right))

    def _unsplit(self, name):
        path_of = "%s/%s"
        numbers = self._tree.numbers(name) if self._tree.is_split(name) else []
        for number in [None] + numbers:
            folder = name if number is None else "%s/%d" % (name, number)
            ids, others = self._tree.listing(folder)
            for other, kind in sorted(others):
                if not (kind == "directory" and number is None and numbers and is_number(other)):
                    what = "not a regular file (%s)" % kind if kind else "not a queue id"
                    yield self._stray(path_of % (folder, other), what, kind)
            for queue_id in sorted(ids, key=int):
                yield from self._unsplit_file(name, number, queue_id)

    def _unsplit_file(self, name, number, queue_id):
        mess = self._tree.find("mess", queue_id, number)
        if mess is None:
            yield from self._without_message(name, number, queue_id)
            return
        path = "%s/%s" % (name, queue_id) if number is None else "%s/%d/%s" % (name, number, queue_id)
        if self._tree.is_split(name) and self._tree.find(name, queue_id, int(mess.split("/")[1])) != path:
            found = self._tree.status(path)
            if found is not None:
                yield from self._elsewhere(name, path, found, queue_id, mess)

    def _resolve_linked(self):
        """Yield the Faults of files without a message that have several names."""
        if not self._linked:
            return
        names = self._names_of(self._linked)
        for inode in sorted(self._linked):
            for path, queue_id in sorted(self._linked[inode].items()):
                if self._tree.find("mess", queue_id) is not None or not self._tree.exists(path):
                    continue
                owners = [one for one in names.get(inode, ()) if one[0] != path and one[1] is not None]
                if any(mess.st_ino == int(queue_id) for _other, mess in owners):
                    # A repair was interrupted before it gave this id to that message, whose wrong id is the fault.
                    continue
                if owners and path.partition("/")[0] == owners[0][0].partition("/")[0]:
                    detail = "a second name of %s" % owners[0][0]
                    yield Fault("second_name", path, detail, "remove", (path, owners[0][0], inode))
                else:
                    yield Fault("orphan", path, "there is no message of this id", QUARANTINE, [path])

    def _names_of(self, inodes):
        """Return {inode: [(path, os.stat_result of its message or None)]} of files with these inodes."""
        found = {}
        for name in WITH_MESS + ("todo", "intd"):
            folders = [name] + ["%s/%d" % (name, number) for number in self._tree.numbers(name)]
            for folder in folders:
                for queue_id, inode in self._tree.listing(folder)[0].items():
                    if inode in inodes:
                        mess = self._tree.find("mess", queue_id)
                        status = self._tree.status(mess) if mess else None
                        found.setdefault(inode, []).append(("%s/%s" % (folder, queue_id), status))
        return found


def _leaving(message):
    """Return a message's paths in the order in which its files may leave the queue."""
    order = CHANNELS + ("bounce", "info", "todo", "intd", "mess")
    return [message.files[name] for name in order if name in message.files]


def _kind(found):
    return "regular file" if stat.S_ISREG(found.st_mode) else FileKind.of(found.st_mode)
