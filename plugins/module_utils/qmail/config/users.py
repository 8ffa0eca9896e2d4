# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which user gets mail for a local part: by users/cdb, as qmail-lspawn looks, else by name, as qmail-getpw does."""

__all__ = ["Controller", "Users", "parse_assign", "parse_cdb"]

import copy
import errno
import os
import pwd
import struct
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import read_all
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.domains import NOBODY

# What qmail-local is called with: its .qmail files are called ``.qmail`` + dash + extension.
Controller = namedtuple("Controller", "user uid gid home dash extension")

_LARGEST = 256 << 20
_NAME = 32
_HEADER = 2048
# Where qmail-getpw finds no home, it takes the user for none; upon any other error it puts off the mail.
_NO_HOME = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
_STALE = "users/cdb is not what users/assign says: qmail goes by users/cdb until qmail-newu is run."


class Users:
    """The users of the qmail in ``home``. ``notes``: a list of sentences; ``unreachable``: reasons by path of a home.

    ``delimiter``: between a user's name and an extension (qmail's conf-break); ``passwd(name)``: as pwd.getpwnam;
    ``everybody()``: as pwd.getpwall.
    Raises RescueError where users/assign or users/cdb cannot be read.
    """

    def __init__(self, home, delimiter=b"-", passwd=None, everybody=None):
        self.notes = []
        self.unreachable = {}
        self._delimiter = delimiter
        self._passwd = passwd or pwd.getpwnam
        self._everybody = everybody or pwd.getpwall
        self._by_listed_name = {}
        assign = self._read(home, "assign", parse_assign)
        self._records = self._read(home, "cdb", parse_cdb)
        if assign is not None and assign != self._records and (assign[0] or self._records is not None):
            self.notes.append(_STALE)

    @staticmethod
    def _read(home, name, parse):
        path = os.path.join(home, "users", name)
        try:
            return parse(read_all(os.path.realpath(path), None, _LARGEST))
        except Vanished:
            return None
        except Damaged as error:
            raise RescueError("%s: %s." % (path, error)) from None

    def controller(self, local):
        """Return the Controller of mail to bytes ``local``, or None where there is not even a user ``alias``."""
        return self._assigned(local) or self._by_name(local)

    @property
    def names(self):
        """The set of all names of Users that are ``listed``."""
        return set(self._by_listed_name)

    @property
    def are_all_assigned(self):
        """Whether nobody is looked up by name, as there is an assignment for everything."""
        return self._records is not None and b"!" in self._records[0]

    def beginnings(self):
        """Yield what local parts begin with by which they have a user of their own, such as ``joe-``: of Users that are
        ``listed``. Of one home, those with longer names of .qmail files come first."""
        records = self._records[0] if self._records is not None else {}
        wild = [key for key in records if len(key) > 1 and not key.endswith(b"\0")]
        for key in sorted(wild, key=lambda one: (-len(records[one][4] + records[one][5]), one)):
            yield key[1:]
        if self.are_all_assigned:
            return
        for name in sorted(self._by_listed_name):
            encoded = os.fsencode(name)
            # qmail-getpw asks for names in lower case.
            if not 0 < len(encoded) < _NAME or encoded != encoded.lower():
                continue
            found = self.controller(encoded + self._delimiter + NOBODY)
            if found is not None and found.user == name and found.extension == NOBODY:
                yield encoded + self._delimiter

    def listed(self):
        """Return the same Users, listed once: to look up each takes long in a large passwd file."""
        found = copy.copy(self)
        found._by_listed_name = {}
        if not self.are_all_assigned:
            for one in self._everybody():
                found._by_listed_name.setdefault(one.pw_name, one)
        found._passwd = found._by_listed_name.__getitem__
        return found

    def _assigned(self, local):
        if self._records is None:
            return None
        records, wildcards = self._records
        key = b"!" + local.lower() + b"\0"
        for length in range(len(key), 0, -1):
            is_wild = length < len(key)
            if is_wild and length > 1 and key[length - 1 : length] not in wildcards:
                continue
            fields = records.get(key[:length])
            if fields is not None:
                user, uid, gid, home, dash, extension = fields[:6]
                if is_wild:
                    extension += local[length - 1 :]
                return Controller(os.fsdecode(user), _number(uid), _number(gid), os.fsdecode(home), dash, extension)
        return None

    def _by_name(self, local):
        for length in range(len(local), -1, -1):
            if length < _NAME and local[length : length + 1] in (b"", self._delimiter):
                found = self._user(local[:length].lower())
                if found is not None:
                    return self._of(found, b"-" if length < len(local) else b"", local[length + 1 :])
        try:
            return self._of(self._passwd("alias"), b"-", local)
        except KeyError:
            return None

    @staticmethod
    def _of(entry, dash, extension):
        return Controller(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, dash, extension)

    def _user(self, name):
        """Return the passwd entry of a user that gets mail: not root, and it owns its home."""
        try:
            found = self._passwd(os.fsdecode(name))
            return found if found.pw_uid and os.stat(found.pw_dir).st_uid == found.pw_uid else None
        except OSError as error:
            if error.errno not in _NO_HOME:
                self.unreachable[found.pw_dir] = error.strerror
            return None
        except (KeyError, ValueError):
            return None


def _number(field):
    return int(field) if field.isdigit() else 0


def parse_assign(data):
    """Return ``(records, wildcards)`` of the bytes of users/assign, as qmail-newu makes users/cdb of them.

    Raises Damaged where qmail-newu would refuse it.
    """
    records, wildcards = {}, set()
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith(b"."):
            return records, wildcards
        fields = line.split(b":")
        if b"\0" in line or not fields[0] or len(fields) < 8:
            if number == data.count(b"\n") + 1:
                break
            raise Damaged("line %d is no assignment, so qmail-newu refuses the file" % number)
        key = b"!" + fields[0][1:].lower()
        if fields[0].startswith(b"+"):
            if len(fields[0]) > 1:
                wildcards.add(fields[0][-1:])
        else:
            key += b"\0"
        # Of several, a reader of the cdb finds the first.
        records.setdefault(key, tuple(fields[1:7]))
    raise Damaged("it does not end by a line with a dot, so qmail-newu refuses it")


def parse_cdb(data):
    """Return the same, of the bytes of users/cdb."""
    records, wildcards = {}, None
    try:
        end = min(struct.unpack_from("<II", data, 8 * slot)[0] for slot in range(256))
        position = _HEADER
        while position < end:
            key_length, length = struct.unpack_from("<II", data, position)
            position += 8
            key = data[position : position + key_length]
            value = data[position + key_length : position + key_length + length]
            position += key_length + length
            if key:
                records.setdefault(key, tuple((value.split(b"\0") + [b""] * 6)[:6]))
            elif wildcards is None:
                wildcards = {bytes((one,)) for one in value}
    except struct.error:
        raise Damaged("it is damaged; qmail-newu makes it anew") from None
    if wildcards is None or position > len(data):
        raise Damaged("it is damaged; qmail-newu makes it anew")
    return records, wildcards
