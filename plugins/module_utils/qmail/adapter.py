# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What qmail is to the modules: where its queues are, and how they are read (see mta/contract.py)."""

__all__ = ["QUEUES", "QmailAdapter"]

import os
from typing import List, Optional, Sequence

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta.adapter import (
    Adapter,
    Capabilities,
    Installed,
    Queues,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader

# netqmail and notqmail; old Debian; indimail with its several queues.
QUEUES = ("/var/qmail/queue", "/var/lib/qmail/queue", "/var/qmail", "/var/indimail/queue", "/var/indimail")


class QmailAdapter(Adapter):
    name = "qmail"
    title = "qmail"
    capabilities = Capabilities(
        needs_stop=True, purges_online=True, releases=False, has_instances=False, has_configurations=False
    )
    queues = layout.QUEUES
    parts = ("mess", "info", "local", "remote", "bounce")

    def installed(self) -> Optional[Installed]:
        for directory in QUEUES:
            try:
                os.scandir(directory).close()
            except PermissionError:
                raise RescueError("%s cannot be read: run as root (become: true)." % directory) from None
            except OSError:
                continue
            queues = self.queues_in(directory, False)
            if queues is not None:
                return _installed(queues)
        return None

    def queues_in(self, directory: str, is_named: bool) -> Optional[Queues]:
        directories = layout.find_queues(directory)
        return Queues(directories, [None] * len(directories), None, []) if directories else None

    def near(self, directory: str) -> Optional[str]:
        below = os.path.join(directory, "queue")
        return below if os.path.isdir(os.path.join(below, "mess")) else None

    def reader(
        self,
        directories: List[str],
        queues_of: Optional[List[str]] = None,
        configurations: Sequence[str] = (),
    ) -> QmailReader:
        return QmailReader(directories, queues_of)

    def check_batch(self, directory: str) -> None:
        if not layout.find_queues(directory):
            raise RescueError("%s is not laid out like a qmail queue" % directory)


def _installed(queues: Queues) -> Installed:
    return Installed(lambda: queues.directories[0], lambda: queues)
