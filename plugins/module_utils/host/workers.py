# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work shared among forked processes, each of which hands home one picklable result."""

__all__ = ["in_processes"]

import os
import pickle
import signal
from typing import Callable, Dict, Iterable, Iterator, List, NoReturn, Optional, Tuple, TypeVar

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_Share = TypeVar("_Share")
_Result = TypeVar("_Result")


def in_processes(work: Callable[[_Share, int], _Result], shares: Iterable[_Share]) -> Iterator[_Result]:
    """Call ``work(share, number)`` for each of ``shares`` in a process of its own, numbered from 1; yield the results.

    Raises RescueError where a process fails or dies, and ends the others.
    """
    # None where what it sent is being read.
    children: Dict[int, Optional[int]] = {}
    readers: List[Tuple[int, int]] = []
    try:
        for number, share in enumerate(shares, 1):
            reading, writing = os.pipe()
            # Being asked to end between the fork and the note of it would leave a process that nobody ends.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGHUP))
            try:
                pid = os.fork()
                if pid:
                    children[pid] = reading
            except OSError as error:
                os.close(reading)
                os.close(writing)
                raise RescueError("The host cannot start another process: %s." % error.strerror) from None
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if pid == 0:
                os.close(reading)
                _child(work, share, number, writing)
            os.close(writing)
            readers.append((pid, reading))
        for pid, reading in readers:
            with os.fdopen(reading, "rb", 1 << 20) as pipe:
                children[pid] = None
                try:
                    failure, result = pickle.load(pipe)
                except (EOFError, pickle.UnpicklingError):
                    failure, result = "ended unexpectedly (is the host out of memory?)", None
            if failure:
                raise RescueError("A process that read the queue failed: %s." % failure)
            os.waitpid(pid, 0)
            del children[pid]
            yield result
    finally:
        for pid, unread in children.items():
            if unread is not None:
                os.close(unread)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _child(work: Callable[[_Share, int], object], share: _Share, number: int, writing: int) -> NoReturn:
    status = 1
    failure: Optional[str] = None
    result: object = None
    try:
        try:
            result = work(share, number)
            status = 0
        except RescueError as error:
            failure = str(error).rstrip(".")
        except Exception as error:
            failure = "%s: %s" % (type(error).__name__, error)
        with os.fdopen(writing, "wb", 1 << 20) as pipe:
            pickle.dump((failure, result), pipe, pickle.HIGHEST_PROTOCOL)
    finally:
        # Not sys.exit: what the parent left in its buffers and exit handlers is the parent's.
        os._exit(status)
