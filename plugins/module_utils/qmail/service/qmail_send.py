# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qmail_send's engine: bring qmail-send into a state, and tell what that took."""

__all__ = ["control"]

import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.signals import interruptible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.restart_note import RestartNote
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, as_dict, stopped

_SHOWN_DELIVERIES = 100
_LONGEST = 86400


def control(params, check_mode, find_queues):
    """Bring qmail-send into ``params["state"]``; return qmail_send's result. Raises RescueError.

    ``find_queues(queue_directory)`` returns the directories of the queues that the option means.
    """
    begin = time.monotonic()
    for name in ("stop_timeout", "start_timeout"):
        if not 0 <= params[name] <= _LONGEST:
            raise RescueError("%s: expected 0 to %d seconds, got %d." % (name, _LONGEST, params[name]))
    queue = _only(find_queues(params["queue_directory"]))
    service = Service(queue, params["supervisor"], params["service"])
    before, process = service.state()
    deliveries = service.deliveries()
    changed, after = _expect(params["state"], before)
    if changed:
        if params["state"] not in ("flushed", "reloaded"):
            service.require(process)
        if not check_mode:
            with interruptible():
                process = _noted(service, params, before)
        elif before != after or params["state"] == "restarted":
            process = None
    supervisor = service.find(process)[0]
    return {
        "changed": changed,
        "queue_directory": queue,
        "state_before": before,
        "state_after": after,
        "pid": process.pid if process else None,
        "supervisor": supervisor.kind if supervisor else None,
        "service": supervisor.service if supervisor else None,
        "deliveries": [as_dict(one) for one in deliveries[:_SHOWN_DELIVERIES]],
        "delivery_count": len(deliveries),
        "killed": [as_dict(one) for one in service.killed],
        "seconds": round(time.monotonic() - begin, 3),
    }


def _only(queues):
    if len(queues) > 1:
        raise RescueError(
            "queue_directory: there are %d queues, each with a qmail-send; name one, as %s." % (len(queues), queues[0])
        )
    return queues[0]


def _expect(state, before):
    """Return ``(changed, state after)``. RescueError where the state cannot be reached from ``before``."""
    if state in ("flushed", "reloaded"):
        if before == "stopping":
            raise RescueError("state: qmail-send is about to stop, so it cannot be %s; see state=restarted." % state)
        if before != "running":
            raise Service.nothing_to_signal(state)
        return True, "running"
    if state == "stopped":
        return before != "down", "down"
    return before != "running" or state == "restarted", "running"


def _noted(service, params, before):
    """As ``_act``; a run that is killed between stop and start leaves a note of it."""
    note = RestartNote(service.queue)
    if params["state"] == "restarted" and before == "running":
        note.write()
    try:
        process = _act(service, params, before)
        if params["state"] in ("started", "stopped", "restarted"):
            # What is asked for here is newer than what a run that was killed had found.
            service.note.forget()
        return process
    finally:
        note.forget()


def _act(service, params, before):
    """Do it; return the Process of qmail-send afterwards, None when it is down."""
    state, stop_timeout, start_timeout = params["state"], params["stop_timeout"], params["start_timeout"]
    if state in ("flushed", "reloaded"):
        return service.send(state)
    if state == "restarted" and before == "running":
        with stopped(service, stop_timeout, start_timeout, params["on_timeout"]) as held:
            pass
        return held.process
    if state == "stopped" or (state == "restarted" and before == "stopping"):
        service.stop(stop_timeout, params["on_timeout"]).release()
        if state == "stopped":
            return None
    try:
        return service.start(start_timeout)
    except RescueError:
        if before != "starting":
            service.give_up_starting()
        raise
