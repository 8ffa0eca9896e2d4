# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How messages leave a Postfix queue and come back (see Changes in mta/contract.py)."""

__all__ = ["PostfixChanges"]

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout, purge
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer


class PostfixChanges:
    name = "postfix"

    def skeleton(self, queue_directory: str) -> List[str]:
        return layout.skeleton(queue_directory)

    def split(self, queue_directory: str) -> Optional[int]:
        return None

    def service(self, queue_directory: str, params: Dict[str, Any]) -> None:
        """Postfix may run on: what it works on is found by its locks."""

    def remover(
        self, queue_directory: str, batch: Any, is_online: bool = False, unprocessed: bool = False
    ) -> purge.PostfixRemover:
        return purge.PostfixRemover(queue_directory, batch)

    def recover(self, queue_directory: str, batch: Any, is_stopped: bool = True) -> Tuple[int, int]:
        return purge.recover(queue_directory, batch)

    def restorer(self, queue_directory: str, batch: Any, release: bool = False) -> PostfixRestorer:
        return PostfixRestorer(queue_directory, batch, release)
