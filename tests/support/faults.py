"""End a process, or let the disk fail, at each single call that changes the disk.

Everything that changes a disk goes through `disk._perform`; both helpers count its calls. `prepare()` makes a fresh
state, `run(state)` is what is tried, `verify(state, point)` has the assertions; `point` is a `Point`, for messages.
"""

import errno
import gc
import os
import signal
import sys
import traceback
from collections import namedtuple
from contextlib import contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk

__all__ = ["ERRORS", "Point", "fail_points", "hooked", "kill_points", "killed", "tried"]

ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS", "EXDEV", "SHORT")
_MOST = 100000

Point = namedtuple("Point", "number fault call")
Point.__doc__ = """`number` of the call, from 0; `fault`: before, after, or the name of an error; `call`: what was
called (`rename('a', 'b')`, shortened), or None where it was another process that called it."""

# How many points were tried so far in this process; tests/conftest.py prints them at the end.
tried = {"kill": 0, "fail": 0, "loss": 0}


@contextmanager
def hooked(hook):
    """Have `hook(function, *arguments, **keywords)` called in place of each call that changes the disk."""
    original = disk._perform
    disk._perform = hook
    try:
        yield
    finally:
        disk._perform = original


def _said(function, arguments):
    return "%s(%s)" % (function.__name__, ", ".join(repr(one)[:60] for one in arguments))


def kill_points(prepare, run, verify, step=1, first=0):
    """Run once for each call and end that process (SIGKILL) before, and then after it; return the number of points.

    `step`: take only every so many calls, beginning with number `first`, for a sample. AssertionError where a run
    fails by itself.
    """
    count = 0
    for number in range(first, _MOST, step):
        for fault in ("before", "after"):
            state = prepare()
            if not killed(run, state, number, fault):
                return count
            count += 1
            verify(state, Point(number, fault, None))
    raise AssertionError("no end after %d calls" % _MOST)


def killed(run, state, number, fault):
    """Run in a child; return True where it was killed before, or after (`fault`), call `number`, False where it ended.

    AssertionError where it failed by itself.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with hooked(_Killer(number, fault)):
                run(state)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    unused, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        tried["kill"] += 1
        return True
    assert status == 0, "the run failed by itself (status %d) on the way to call %d" % (status, number)
    return False


class _Killer:
    def __init__(self, number, fault):
        self._left = number
        self._fault = fault

    def __call__(self, function, *arguments, **keywords):
        now = self._left == 0
        self._left -= 1
        if now and self._fault == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return function(*arguments, **keywords)
        finally:
            # Calls that fail by themselves are points too.
            if now:
                os.kill(os.getpid(), signal.SIGKILL)


def fail_points(prepare, run, verify, errors=ERRORS, lasting=(False, True), step=1, first=0):
    """Run once for each call, which fails with each of `errors` in turn; return the number of points.

    `lasting`: whether it fails once, or, as full and broken disks do, with all the calls after it. SHORT: a write
    that writes half of what it was given; where it lasts, the next one fails with ENOSPC. `run` must expect OSError
    where it is to come through.
    """
    count = 0
    for error in errors:
        for lasts in lasting:
            for number in range(first, _MOST, step):
                state = prepare()
                failing = _Failing(number, error, lasts)
                before = _open_files()
                with hooked(failing):
                    run(state)
                # What a failure still refers to is closed with it.
                gc.collect()
                left = [os.readlink("/proc/self/fd/%d" % fd) for fd in _open_files() - before]
                assert not left, (Point(number, error, failing.failed), left)
                if failing.seen <= number:
                    break
                if failing.failed is None:
                    continue
                count += 1
                tried["fail"] += 1
                verify(state, Point(number, error, failing.failed))
            else:
                raise AssertionError("no end after %d calls" % _MOST)
    return count


def _open_files():
    return {int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)}


class _Failing:
    """`seen`: the number of calls; `failed`: the first one that failed, or None."""

    def __init__(self, number, error, lasts):
        self.seen = 0
        self.failed = None
        self._number = number
        self._error = error
        self._lasts = lasts

    def __call__(self, function, *arguments, **keywords):
        at, self.seen = self.seen, self.seen + 1
        if at < self._number or (at > self._number and not (self._lasts and self.failed)):
            return function(*arguments, **keywords)
        if self._error == "SHORT" and self.failed is None:
            if function not in (os.write, os.pwrite):
                return function(*arguments, **keywords)
            self.failed = _said(function, arguments)
            half = max(1, len(arguments[1]) // 2)
            return function(arguments[0], bytes(arguments[1])[:half], *arguments[2:], **keywords)
        self.failed = self.failed or _said(function, arguments)
        number = getattr(errno, "ENOSPC" if self._error == "SHORT" else self._error)
        named = arguments and isinstance(arguments[0], str)
        raise OSError(number, os.strerror(number), arguments[0] if named else None)
