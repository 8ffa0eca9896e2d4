# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping and starting the qmail-send of one queue through its supervisor, and bringing it back as it was found."""

__all__ = ["LONGEST_WAIT", "Service", "Stopped", "as_dict", "start_command", "stopped"]

import os
import signal
import time
from contextlib import contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.host.signals import interruptible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.deliveries import find_deliveries, sentence
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import (
    SendLock,
    holder,
    other_holder,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.stop_note import StopNote, since
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.supervision import find_supervisor

# "wait" ends some time, or a play would hang on one dead peer for ever.
LONGEST_WAIT = 6 * 3600
_POLL = 0.05
_SLOW_POLL = 0.5
# A qmail-send that cannot open its queue takes the lock first and dies a moment later.
_SETTLED = 0.5
_KILLING = 30
_COMMANDS = {
    "daemontools": "svc -u %s",
    "runit": "sv up %s",
    "s6": "s6-svc -u %s",
    "systemd": "systemctl start %s",
    "sysv": "%s start",
    "none": "%s &",
}
_SIGNALS = {"flushed": signal.SIGALRM, "reloaded": signal.SIGHUP}


class Service:
    """qmail-send of ``queue`` (a directory). ``supervisor`` and ``service`` are the options of these names.

    ``killed``: the list of Delivery that ``stop`` killed. ``note``: the StopNote of the queue.
    """

    def __init__(self, queue, supervisor="auto", service=None, proc=None, places=None):
        self.queue = queue
        self.killed = []
        self._kind = supervisor
        self._name = service
        self._proc = proc or Procfs()
        self._places = places
        self._found = None
        self.note = StopNote(queue, proc=self._proc)

    def process(self):
        """Return the Process that is proven to be this queue's qmail-send, or None when it is down.

        Raises RescueError where something else holds qmail-send's lock.
        """
        end = time.monotonic() + 1
        while True:
            process = holder(self.queue, self._proc)
            if process is not None:
                return process
            lock = SendLock.acquire(self.queue)
            if lock is not None:
                lock.release()
                return None
            if time.monotonic() > end:
                raise self._locked_by_other()
            time.sleep(_POLL)

    def state(self):
        """Return ``(state, process)``.

        The state is ``running``, ``stopping`` (asked to, with deliveries in flight), ``starting`` (not running, but its
        supervisor goes on trying) or ``down``.
        """
        process = self.process()
        supervisor = self.find(process)[0]
        wanted = supervisor.wanted() if supervisor is not None else None
        if process is None:
            return ("starting" if wanted == "up" else "down"), None
        return ("stopping" if wanted == "down" else "running"), process

    def find(self, process):
        """Return ``(supervisor, reason)``; one of them is None, as of find_supervisor."""
        if self._found is None or self._found[0] is None:
            self._found = find_supervisor(self.queue, process, self._kind, self._name, self._proc, self._places)
        return self._found

    def require(self, process):
        """Return the supervisor, and make sure that it can be told something. Raises RescueError."""
        supervisor, reason = self.find(process)
        if supervisor is None:
            raise RescueError(reason)
        supervisor.check()
        return supervisor

    def cut_off(self, state):
        """Return what is Noted by a run that was killed and has left the service in ``state``; None elsewhere."""
        return self.note.left() if state in ("down", "stopping") else None

    def require_noted(self, noted):
        """Return the supervisor that can bring back what is Noted: the given one, the noted one, or what is there now.

        Raises RescueError, with the command.
        """
        if (self._kind, self._name) == ("auto", None):
            then = Service(self.queue, noted.supervisor, noted.service, self._proc, self._places)
            try:
                found = then.require(None)
                self._found = found, None
                return found
            except RescueError:
                # It may be kept by another one since.
                self._found = None
        try:
            return self.require(None)
        except RescueError as error:
            raise RescueError(
                "service: qmail-send of %s was stopped by a run that was cut off (since %s), and cannot be started: %s "
                "Start it by: %s" % (self.queue, since(noted.since), error, start_command(noted))
            ) from None

    def deliveries(self):
        """Return the list of Delivery in flight, oldest first."""
        process = holder(self.queue, self._proc)
        return find_deliveries(process, self._proc) if process is not None else []

    def send(self, state):
        """Send the signal for ``flushed`` or ``reloaded``; return the Process. Raises RescueError when it is down."""
        process = self.process()
        if process is None or not self._proc.send(process, _SIGNALS[state], lambda: self._is_holder(process)):
            raise self.nothing_to_signal(state)
        return process

    @staticmethod
    def nothing_to_signal(state):
        """Return the RescueError for a signal that nobody is there to receive."""
        return RescueError("state: qmail-send is not running, so it cannot be %s; start it by state=started." % state)

    def stop(self, timeout, on_timeout="fail"):
        """Stop qmail-send through its supervisor; return the SendLock, held, which is the proof.

        ``timeout`` in seconds; ``on_timeout``: ``fail``, ``wait`` or ``kill``. When it does not stop, it is told to
        run again, and RescueError names the deliveries in flight.
        """
        process = self.process()
        supervisor = self.require(process)
        wanted = supervisor.wanted()
        try:
            supervisor.stop(process)
            lock = self._wait_for_lock(timeout, supervisor)
            if lock is None and on_timeout == "wait":
                lock = self._wait_for_lock(max(0, LONGEST_WAIT - timeout), supervisor)
                timeout = LONGEST_WAIT
            if lock is None and on_timeout == "kill":
                lock = self._kill(supervisor)
            if lock is None:
                raise RescueError(self._does_not_stop(timeout, supervisor, wanted, on_timeout))
            return lock
        except BaseException:
            if supervisor.keeps and wanted != "down":
                # What is to run once is not started again where it is told so before it has ended.
                supervisor.start("up")
            raise

    def start(self, timeout, wanted="up"):
        """Start qmail-send; return its Process once it holds its lock and goes on to. RescueError after ``timeout`` s.

        ``wanted``: ``up``, or ``once`` where the supervisor is not to start it again when it ends.
        """
        supervisor = self.require(None)
        before = holder(self.queue, self._proc)
        supervisor.start(wanted or "up")
        end = time.monotonic() + timeout
        while True:
            process = holder(self.queue, self._proc)
            if process is not None and process != before and self._goes_on(process):
                return process
            # A unit that failed before looks failed until systemd has got round to it.
            problem = supervisor.problem() if process is None and time.monotonic() > end - timeout + 1 else None
            if problem or time.monotonic() > end:
                raise RescueError(self._does_not_start(timeout, supervisor, problem))
            time.sleep(_POLL)

    def give_up_starting(self):
        """Tell the supervisor not to go on with what ``start`` asked for."""
        supervisor = self.require(None)
        if supervisor.keeps:
            supervisor.stop(None)

    def _goes_on(self, process):
        end = time.monotonic() + _SETTLED
        while time.monotonic() < end:
            time.sleep(_POLL)
            if not self._proc.same(process):
                return False
        return self._is_holder(process)

    def _is_holder(self, process):
        found = holder(self.queue, self._proc)
        return found is not None and (found.pid, found.start) == (process.pid, process.start)

    def _wait_for_lock(self, seconds, supervisor):
        """Return the SendLock, held, once qmail-send has gone; None after ``seconds``."""
        begin = time.monotonic()
        while True:
            lock = SendLock.acquire(self.queue)
            if lock is not None:
                return lock
            problem = supervisor.problem()
            if problem:
                raise RescueError("service: qmail-send was not stopped: %s." % problem)
            passed = time.monotonic() - begin
            if passed > seconds:
                return None
            time.sleep(_POLL if passed < 10 else _SLOW_POLL)

    def _kill(self, supervisor):
        end = time.monotonic() + _KILLING
        while time.monotonic() < end:
            for one in self.deliveries():
                if self._proc.send(one.process, signal.SIGKILL, lambda one=one: self._is_child(one.process)):
                    self.killed.append(one)
            lock = self._wait_for_lock(1, supervisor)
            if lock is not None:
                return lock
        return None

    def _is_child(self, process):
        now = self._proc.process(process.pid)
        return now is not None and now.parent == process.parent

    def _does_not_stop(self, timeout, supervisor, wanted, on_timeout):
        what = "qmail-send did not stop within %d s (%s)" % (timeout, sentence(self.deliveries()))
        if supervisor.keeps and wanted != "down":
            then = "it begins no new delivery, and is started again when these end"
        else:
            then = "it begins no new delivery, ends when these end, and has to be started by state=started then"
        how = "" if on_timeout != "fail" else "; wait longer, or say by on_timeout to wait or to kill them"
        killed = "; killed: pid " + ", ".join(str(one.process.pid) for one in self.killed) if self.killed else ""
        return "stop_timeout: %s; %s%s%s." % (what, then, killed, how)

    def _does_not_start(self, timeout, supervisor, problem):
        left = self.deliveries()
        if left:
            what = "the old one has not ended (%s)" % sentence(left)
            return "start_timeout: qmail-send was not started within %d s: %s." % (timeout, what)
        why = problem or "see its log"
        return "start_timeout: %s did not bring up qmail-send within %d s: %s. It is down; start it by: %s" % (
            supervisor.service or supervisor.kind,
            timeout,
            why,
            start_command(supervisor),
        )

    def _locked_by_other(self):
        noted = self.note.at_work()
        if noted is not None:
            return RescueError(
                "queue_directory: another run (process %d, since %s) has stopped qmail-send of %s and is at work; try "
                "again after it." % (noted.pid, since(noted.since), self.queue)
            )
        path = os.path.join(self.queue, "lock", "sendmutex")
        other = other_holder(self.queue, self._proc)
        return RescueError("queue_directory: %s is held by %s, not by qmail-send." % (path, other))


class Stopped:
    """What ``stopped`` holds: the ``service`` of ``queue_directory``, its ``lock``, and the state it was ``found`` in.

    ``supervisor``: None where none was needed. ``process``: the new qmail-send, once it was started again.
    ``is_cut_off``: whether a run that was killed had stopped it, and ``found`` is what that one found.
    """

    def __init__(self, service, lock, found, wanted, supervisor, is_cut_off=False):
        self.service = service
        self.queue_directory = service.queue
        self.lock = lock
        self.found = found
        self.supervisor = supervisor
        self.process = None
        self.is_cut_off = is_cut_off
        self._wanted = wanted

    def result(self):
        """Return a dict for a module's result."""
        supervisor = self.supervisor
        return {
            "supervisor": supervisor.kind if supervisor else None,
            "service": supervisor.service if supervisor else None,
            "state_before": self.found,
            "state_after": "running" if self.process else "starting" if self.found == "starting" else "down",
            "pid": self.process.pid if self.process else None,
            "killed": [as_dict(one) for one in self.service.killed],
            "cut_off": self.is_cut_off,
        }

    def bring_back(self, timeout):
        """Release the lock, and leave the service as it was found. RescueError where it does not start again."""
        self.lock.release()
        if self.found == "running":
            self.process = self.service.start(timeout, self._wanted)
        elif self.found == "starting":
            self.supervisor.start(self._wanted)
        self.service.note.forget()


@contextmanager
def stopped(service, stop_timeout, start_timeout, on_timeout="fail"):
    """Keep the qmail-send of ``service`` (a Service) from running, inside; yield a Stopped.

    One that was down stays down and needs no supervisor; one that was asked to stop is down afterwards. However the
    inside ends, by SIGTERM or SIGHUP too, the service comes back as it was found.
    """
    with interruptible():
        held = _hold(service, stop_timeout, on_timeout)
        try:
            yield held
        except BaseException as first:
            try:
                held.bring_back(start_timeout)
            except RescueError as second:
                raise RescueError("%s And then, %s" % (first, second)) from first
            raise
        held.bring_back(start_timeout)


def _hold(service, stop_timeout, on_timeout):
    """Stop what runs, and return it as Stopped."""
    found, process = service.state()
    noted = service.cut_off(found)
    if noted is not None:
        supervisor, wanted = service.require_noted(noted), noted.wanted
    elif found == "down":
        supervisor, wanted = None, "down"
    else:
        supervisor = service.require(process)
        wanted = supervisor.wanted()
    if found == "down":
        lock = SendLock.acquire(service.queue)
        if lock is None:
            raise RescueError("queue_directory: qmail-send of %s was started just now; try again." % service.queue)
    else:
        if noted is None and found != "stopping":
            service.note.write(found, wanted, supervisor)
        try:
            lock = service.stop(stop_timeout, on_timeout)
        except BaseException:
            # Elsewhere nothing starts it when its deliveries have ended.
            if supervisor.keeps and found != "stopping":
                service.note.forget()
            elif supervisor.keeps and noted is not None:
                supervisor.start("up")
                service.note.forget()
            raise
    return Stopped(service, lock, noted.found if noted else found, wanted, supervisor, noted is not None)


def start_command(told):
    """Return what to type to start qmail-send; ``told`` has ``service``, and ``kind`` or ``supervisor``."""
    kind = getattr(told, "kind", None) or told.supervisor
    return _COMMANDS[kind] % told.service


def as_dict(delivery):
    """Return a Delivery as a dict for a module's result."""
    shown = delivery._asdict()
    process = shown.pop("process")
    return dict(shown, pid=process.pid)
