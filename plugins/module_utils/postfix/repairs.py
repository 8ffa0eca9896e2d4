# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How faults of Postfix queues are found and repaired (see Repairs in mta/contract.py)."""

__all__ = ["PostfixRepairs"]

from typing import Any, Dict, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.repair import PostfixRepairer


class PostfixRepairs:
    name = "postfix"

    def check_options(self, params: Dict[str, Any]) -> None:
        if params["split"] is not None:
            raise RescueError("split: it is for qmail; Postfix's queues are hashed by hash_queue_depth.")

    def broken_queues(self, directory: Optional[str]) -> List[str]:
        return []

    def repairer(self, queue_directory: str, params: Dict[str, Any]) -> PostfixRepairer:
        return PostfixRepairer(queue_directory)

    def service(self, queue_directory: str, params: Dict[str, Any]) -> None:
        """Postfix may run on."""
