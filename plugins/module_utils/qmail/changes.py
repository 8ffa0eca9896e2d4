# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How messages leave a qmail queue and come back (see Changes in mta/contract.py)."""

__all__ = ["QmailChanges"]

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout, message_files, online, purge
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.restore import QmailRestorer
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.held_service import QmailService


class QmailChanges:
    name = "qmail"

    def skeleton(self, queue_directory: str) -> List[str]:
        return message_files.skeleton(queue_directory)

    def split(self, queue_directory: str) -> Optional[int]:
        return len(layout.splits(queue_directory, "mess"))

    def service(self, queue_directory: str, params: Dict[str, Any]) -> QmailService:
        return QmailService(queue_directory, params)

    def remover(
        self, queue_directory: str, batch: Any, is_online: bool = False, unprocessed: bool = False
    ) -> purge.QmailRemover:
        if is_online:
            return online.OnlineRemover(queue_directory, batch)
        return purge.QmailRemover(queue_directory, batch, unprocessed)

    def recover(self, queue_directory: str, batch: Any, is_stopped: bool = True) -> Tuple[int, int]:
        if batch.manifest.get("mode") == "online":
            return online.recover(queue_directory, batch, not is_stopped)
        return purge.recover(queue_directory, batch)

    def dropped(self, queue_directory: str, batch: Any, flush: Callable[[], Any], seconds: float) -> Iterable[int]:
        return online.watch(queue_directory, batch, flush, seconds)

    def restorer(self, queue_directory: str, batch: Any, release: bool = False) -> QmailRestorer:
        return QmailRestorer(queue_directory, batch)
