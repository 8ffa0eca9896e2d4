# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix is to the modules: where its queues are, and how they are read (see mta/contract.py)."""

__all__ = ["PostfixAdapter"]

import os
from typing import List, Optional, Sequence, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.mta.adapter import (
    Adapter,
    Capabilities,
    Installed,
    Queues,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader

# As postmulti writes the name and, as far as we know, the directory of an instance.
_Instance = Tuple[str, Optional[str]]


class PostfixAdapter(Adapter):
    name = "postfix"
    title = "Postfix"
    capabilities = Capabilities(
        needs_stop=False, purges_online=False, releases=True, has_instances=True, has_configurations=True
    )
    queues = layout.QUEUES
    parts = ("incoming", "active", "deferred", "hold")

    def installed(self) -> Optional[Installed]:
        if not programs.which("postconf"):
            return None
        return Installed(lambda: _instances()[0][1], lambda: _queues_of(_instances()))

    def queues_in(self, directory: str, is_named: bool) -> Optional[Queues]:
        if not is_named and not os.path.isdir(os.path.join(directory, "deferred")):
            return None
        layout.check(directory)
        return Queues([directory], [None], None, [])

    def configured(self, config_directory: str) -> Queues:
        return _queues_of([("-", config_directory)])

    def reader(
        self,
        directories: List[str],
        queues_of: Optional[List[str]] = None,
        configurations: Sequence[str] = (),
    ) -> PostfixReader:
        return PostfixReader(directories, queues_of, configurations)


def _parameters(config_directory: Optional[str]) -> Tuple[str, Optional[str]]:
    """Return ``(queue_directory, mail_version)`` of a Postfix instance."""
    option = ["-c", config_directory] if config_directory else []
    values = {}
    for line in programs.output("postconf", *(option + ["queue_directory", "mail_version"])).splitlines():
        name, unused, value = line.partition(" = ")
        values[name.strip()] = value.strip()
    if not values.get("queue_directory"):
        raise RescueError("postconf does not say where the queue of %s is." % (config_directory or "Postfix"))
    return values["queue_directory"], values.get("mail_version")


def _instances() -> List[_Instance]:
    """Return all Postfix instances, the first one first."""
    instances: List[_Instance] = []
    if programs.which("postmulti"):
        for line in programs.output("postmulti", "-l").splitlines():
            fields = line.split(None, 3)
            if len(fields) == 4:
                instances.append((fields[0], fields[3]))
    return instances or [("-", None)]


def _queues_of(instances: List[_Instance]) -> Queues:
    if not programs.which("postconf"):
        raise RescueError("config_directory: Postfix's postconf is not installed here; give queue_directory instead.")
    directories: List[str] = []
    names: List[Optional[str]] = []
    version = None
    for name, config_directory in instances:
        directory, mail_version = _parameters(config_directory)
        layout.check(directory)
        directories.append(directory)
        names.append(name)
        version = version or mail_version
    return Queues(directories, names, version, [path for unused, path in instances if path])
