"""Lose the power at each call that changes the disk, and put the disk into the states that this may leave.

The model, which is stricter than the usual file systems: names change in order, so that a loss keeps all changes of
names up to one of them, and none after it; a sync of a directory keeps all up to the last one in it; a sync of a file
keeps its contents, mode and times, and no name; sync() keeps all. What was not synced of a file may be lost, of all
files at once or of one alone, whatever became of names: a file may be renamed, and be empty.

The states are made in place, out of the same inodes, whose numbers are the ids of messages.
"""

import os
import pickle
import shutil
import signal
import stat
import sys
import traceback
from collections import namedtuple

from tests.support.faults import hooked, tried

__all__ = ["Ended", "Loss", "losses"]

_MOST = 100000
_KEPT = ".power-loss"
Loss = namedtuple("Loss", "number call names lost")
Loss.__doc__ = """`number` of the call before which power was lost; `call`: that call; `names`: how many changes
of names were kept, of how many; `lost`: the files whose unsynced contents were lost."""


class Ended(BaseException):
    """Raised by what is tried where the part of it ends that is to be looked at."""


File = namedtuple("File", "data mode owner times")


def losses(prepare, run, verify, step=1, first=0):
    """Run once for each call and lose the power before it; return the number of states that `verify(state, loss)` saw.

    `prepare()` makes a fresh state, which has everything below `state.directory`, and all of it on the disk. For each
    number of names kept, and each choice of lost contents, it is made anew.
    """
    count, seen = 0, set()
    for number in range(first, _MOST, step):
        while True:
            state = prepare()
            journal, ended = _recorded(run, state, number)
            new = next((one for one in journal.variants() if journal.key(*one) not in seen), None)
            if new is None:
                shutil.rmtree(journal.keep)
                break
            # Most of the states that a call may leave, the call before it might have left as well.
            seen.add(journal.key(*new))
            kept, lost = new
            names = journal.build(kept, lost)
            count += 1
            tried["loss"] += 1
            verify(state, Loss(number, journal.call, "%d of %d" % (kept, len(journal.namings)), names))
        if ended:
            return count
    raise AssertionError("no end after %d calls" % _MOST)


def _recorded(run, state, number):
    """Run in a child until call `number`; return its journal, and whether it came to its end before."""
    root = os.path.realpath(str(state.directory))
    keep = root + _KEPT
    os.mkdir(keep)
    journal = Journal(root, keep)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)

        def leave(status):
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump((journal, status == 0), pipe)
            os.kill(os.getpid(), signal.SIGKILL)

        try:
            with hooked(_Recorder(journal, number, lambda: leave(1))):
                try:
                    run(state)
                except Ended:
                    pass
            leave(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    assert said, "the run failed by itself on the way to call %d" % number
    return pickle.loads(said)


class _Recorder:
    def __init__(self, journal, number, leave):
        self._journal = journal
        self._left = number
        self._leave = leave

    def __call__(self, function, *arguments, **keywords):
        if self._left == 0:
            said = ", ".join(repr(one)[:60] for one in arguments)
            self._journal.call = "%s(%s)" % (function.__name__, said)
            self._leave()
        self._left -= 1
        return self._journal.perform(function, arguments, keywords)


class Journal:
    """What was done below `root`; `keep` is beside it, and has a name of each file that loses one.

    `durable`, `now`: {inode: File}; `namings`: [(directories, {path: inode or None})], a change each; `settled`: how
    many of them are on the disk.
    """

    def __init__(self, root, keep):
        self.root, self.keep, self.call = root, keep, None
        self.namings, self.settled = [], 0
        self.durable, self.now = {}, {}
        # {inode: number of the change that it is as of}, counted over all files.
        self._versions, self._synced, self._serial = {}, {}, 0
        self.start = self._scan()
        for path, inode in self.start.items():
            self.durable[inode] = self.now[inode] = _file(os.path.join(root, path))

    def _scan(self):
        found = {}
        for parent, directories, names in os.walk(self.root):
            for name in directories + names:
                path = os.path.join(parent, name)
                found[os.path.relpath(path, self.root)] = os.lstat(path).st_ino
        return found

    def perform(self, function, arguments, keywords):
        if function is os.sync:
            self.settled = len(self.namings)
            self.durable.update(self.now)
            self._synced.update(self._versions)
            return function(*arguments, **keywords)
        paths = self._named(function, arguments, keywords)
        for path in paths[1:] if function is os.rename else paths if function is os.unlink else []:
            # The engine looks at the number of names: only of what would be gone, there is one more.
            if self._is_ours(path) and os.path.lexists(path) and os.lstat(path).st_nlink == 1:
                self._hold(path)
        result = function(*arguments, **keywords)
        if function is os.open:
            paths = [_path(result)]
        if function is os.fsync:
            self._sync(arguments[0])
        elif function in _NAMING:
            ours = [path for path in paths if self._is_ours(path)]
            changed = {os.path.relpath(path, self.root): _inode(path) for path in ours}
            if changed:
                self.namings.append(({os.path.dirname(path) for path in changed}, changed))
            for path in ours:
                self._note(path)
        else:
            self._note(_path(arguments[0]) if isinstance(arguments[0], int) else paths[0])
        return result

    def _named(self, function, arguments, keywords):
        """Return the paths that a call names."""
        if function in (os.rename, os.link):
            return [_join(arguments[0], keywords["src_dir_fd"]), _join(arguments[1], keywords["dst_dir_fd"])]
        if isinstance(arguments[0], int):
            return []
        return [_join(arguments[1 if function is os.symlink else 0], keywords.get("dir_fd"))]

    def _is_ours(self, path):
        return path.startswith(self.root + "/")

    def _hold(self, path):
        place = os.path.join(self.keep, str(os.lstat(path).st_ino))
        if not os.path.lexists(place):
            os.link(path, place, follow_symlinks=False)

    def _note(self, path):
        if self._is_ours(path) and os.path.lexists(path):
            file = _file(path)
            inode = os.lstat(path).st_ino
            if self.now.get(inode) != file:
                self._serial += 1
                self._versions[inode] = self._serial
                self._synced.setdefault(inode, -self._serial)
            self.now[inode] = file
            # What it is was not synced; it is there, and empty.
            self.durable.setdefault(inode, file if file.data is None else File(b"", 0o600, file.owner, file.times))

    def _sync(self, fd):
        path = _path(fd)
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            inode = os.fstat(fd).st_ino
            if inode in self.now:
                self.durable[inode] = self.now[inode]
                if inode in self._versions:
                    self._synced[inode] = self._versions[inode]
            return
        name = os.path.relpath(path, self.root) if path != self.root else ""
        for number, (directories, _changed) in enumerate(self.namings, 1):
            if name in directories:
                self.settled = max(self.settled, number)

    def variants(self):
        """Return [(how many changes of names are kept, the inodes whose unsynced contents are lost)]."""
        found = []
        for kept in range(self.settled, len(self.namings) + 1):
            there = set(self._names(kept).values())
            unsynced = sorted(one for one in there if self.now[one] != self.durable[one])
            choices = [()] + [(one,) for one in unsynced] + ([tuple(unsynced)] if len(unsynced) > 1 else [])
            found += [(kept, one) for one in choices]
        return found

    def key(self, kept, lost):
        """Return what tells a state from others, in this run and in others of the same."""
        versions = self._synced, self._versions
        there = set(self._names(kept).values())
        return kept, tuple(sorted(versions[one not in lost][one] for one in there.intersection(self._versions)))

    def _names(self, kept):
        names = dict(self.start)
        for _directories, changed in self.namings[:kept]:
            names.update(changed)
        return {path: inode for path, inode in names.items() if inode is not None}

    def build(self, kept, lost):
        """Put the disk into that state; return the paths of what was lost."""
        for path, inode in self._scan().items():
            if not os.path.isdir(os.path.join(self.root, path)):
                self._hold(os.path.join(self.root, path))
            assert inode in self.now, path
        for name in os.listdir(self.root):
            path = os.path.join(self.root, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        names = self._names(kept)
        for path, inode in sorted(names.items()):
            place, file = os.path.join(self.root, path), (self.durable if inode in lost else self.now)[inode]
            if file.data is None and stat.S_ISDIR(file.mode):
                os.mkdir(place)
            else:
                os.link(os.path.join(self.keep, str(inode)), place, follow_symlinks=False)
        for path, inode in sorted(names.items(), reverse=True):
            _put(os.path.join(self.root, path), (self.durable if inode in lost else self.now)[inode])
        shutil.rmtree(self.keep)
        return sorted(path for path, inode in names.items() if inode in lost)


_NAMING = (os.open, os.mkdir, os.rmdir, os.rename, os.link, os.unlink, os.symlink, os.mkfifo)


def _join(name, dir_fd):
    return os.path.join(_path(dir_fd), name) if dir_fd is not None else os.path.realpath(name)


def _path(fd):
    return os.readlink("/proc/self/fd/%d" % fd)


def _inode(path):
    return os.lstat(path).st_ino if os.path.lexists(path) else None


def _file(path):
    found = os.lstat(path)
    data = None
    if stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            data = file.read()
    # Read or not, nobody promises when a file was read last.
    return File(data, found.st_mode, (found.st_uid, found.st_gid), (found.st_atime_ns, found.st_mtime_ns))


def _put(path, file):
    if stat.S_ISLNK(file.mode):
        return
    if file.data is not None:
        with open(path, "r+b") as there:
            there.truncate()
            there.write(file.data)
    os.chown(path, *file.owner)
    os.chmod(path, stat.S_IMODE(file.mode))
    os.utime(path, ns=file.times)
