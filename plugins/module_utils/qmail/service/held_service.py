# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The qmail-send of a queue, as a run that changes the queue sees it (see Service in mta/contract.py)."""

__all__ = ["QmailService"]

import os
from typing import Any, ContextManager, Dict, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import is_qmail_send
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, Stopped, stopped


class QmailService:
    """``params``: the options supervisor, service, stop_timeout, start_timeout and on_timeout."""

    name = "qmail-send"
    how_to_start = "qmail_send (state=started)"

    def __init__(self, queue_directory: str, params: Dict[str, Any]):
        self.queue = queue_directory
        self._params = params

    def _service(self) -> Service:
        return Service(self.queue, self._params["supervisor"], self._params["service"])

    def is_running(self) -> bool:
        return self._service().process() is not None

    def is_interrupted(self) -> bool:
        service = self._service()
        return service.note.left() is not None and service.cut_off(service.state()[0]) is not None

    def foreseen(self) -> Optional[Dict[str, Any]]:
        service = self._service()
        state, process = service.state()
        noted = service.cut_off(state)
        if noted is not None:
            supervisor, state = service.require_noted(noted), noted.found
        elif state == "down":
            return None
        else:
            supervisor = service.require(process)
        return {
            "queue_directory": self.queue,
            "supervisor": supervisor.kind,
            "service": supervisor.service,
            "state_before": state,
            "state_after": "down" if state == "stopping" else state,
            "pid": None,
            "killed": [],
            "cut_off": noted is not None,
        }

    def check_lock(self) -> None:
        if os.path.lexists(os.path.join(self.queue, "lock", "sendmutex")):
            return
        proc = Procfs()
        for process in proc.processes().values():
            if is_qmail_send(process, proc) and proc.directory(process.pid) == os.path.realpath(self.queue):
                raise RescueError(
                    "queue_directory: qmail-send (process %d) runs on %s, and its lock/sendmutex is missing; stop it "
                    "first." % (process.pid, self.queue)
                )

    def held(self) -> ContextManager[Stopped]:
        params = self._params
        return stopped(self._service(), params["stop_timeout"], params["start_timeout"], params["on_timeout"])

    def flush(self) -> None:
        self._service().send("flushed")
