# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How faults of qmail queues are found and repaired (see Repairs in mta/contract.py)."""

__all__ = ["QmailRepairs"]

from typing import Any, Dict, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.qmail import adapter
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair import QmailRepairer
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_tree import find_broken_queues
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.held_service import QmailService


class QmailRepairs:
    name = "qmail"

    def check_options(self, params: Dict[str, Any]) -> None:
        """All are for qmail."""

    def broken_queues(self, directory: Optional[str]) -> List[str]:
        for path in [directory] if directory else adapter.QUEUES:
            queues = find_broken_queues(path)
            if queues:
                return queues
        return []

    def repairer(self, queue_directory: str, params: Dict[str, Any]) -> QmailRepairer:
        return QmailRepairer(queue_directory, params["split"])

    def service(self, queue_directory: str, params: Dict[str, Any]) -> QmailService:
        return QmailService(queue_directory, params)
