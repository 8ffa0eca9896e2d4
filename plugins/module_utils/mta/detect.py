# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which MTA is here, and where its queue is."""

__all__ = ["NotInstalled", "Target", "find"]

import os
from typing import List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta.adapter import Adapter, Queues
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS


class NotInstalled(RescueError):
    """None of the MTAs meant is installed on this host."""


class Target:
    """The queues of one MTA: ``adapter``, its name ``mta``, its ``capabilities``; ``directories``, ``instances`` and
    ``version`` as of Queues. ``reader``: a Reader of all queues, made when it is first asked for.
    """

    def __init__(self, adapter: Adapter, queues: Queues):
        self.adapter = adapter
        self.mta = adapter.name
        self.capabilities = adapter.capabilities
        self.directories = queues.directories
        self.instances = queues.instances
        self.version = queues.version
        self._configurations = queues.configurations
        self._reader = None

    @property
    def reader(self):
        if self._reader is None:
            self._reader = self.new_reader()
        return self._reader

    def new_reader(self):
        """Return a Reader of all queues that has read nothing yet."""
        return self.adapter.reader(self.directories, None, self._configurations)

    def batch_reader(self, directory: str, queue_directory: str):
        """Return a Reader of the ``files`` of a batch of one queue."""
        return self.adapter.reader([directory], [queue_directory], self._configurations)


def find(mta: str = "auto", queue_directory: Optional[str] = None, config_directory: Optional[str] = None) -> Target:
    """Return the Target that these options mean. Raises RescueError with a sentence for the operator."""
    adapters = [adapter for adapter in ADAPTERS if mta in ("auto", adapter.name)]
    configured = [adapter for adapter in adapters if adapter.capabilities.has_configurations]
    if config_directory and not configured:
        titles = _listed("and", [adapter.title for adapter in ADAPTERS if adapter.capabilities.has_configurations])
        raise RescueError(
            "config_directory: it is for %s; with mta=%s, name the queue by queue_directory." % (titles, mta)
        )
    if config_directory and queue_directory:
        raise RescueError("config_directory: expected either it or queue_directory, got both.")
    if queue_directory:
        return _in_directory(adapters, mta != "auto", os.path.abspath(queue_directory))
    if config_directory:
        return Target(configured[0], configured[0].configured(config_directory))
    return _installed(adapters)


def _installed(adapters: List[Adapter]) -> Target:
    answers = [(adapter, adapter.installed()) for adapter in adapters]
    pairs = [(adapter, installed) for adapter, installed in answers if installed is not None]
    if not pairs:
        raise NotInstalled(
            "mta: no %s is installed here; for a queue in another place or a copy of one, give queue_directory."
            % _listed("or", [adapter.title for adapter in adapters])
        )
    if len(pairs) > 1:
        raise RescueError(
            "mta: %s%s are here; say which is meant by %s."
            % (
                "both " if len(pairs) == 2 else "",
                _listed("and", ["%s (%s)" % (adapter.title, installed.where()) for adapter, installed in pairs]),
                _listed("or", ["mta=%s" % adapter.name for adapter, unused in pairs]),
            )
        )
    adapter, installed = pairs[0]
    return Target(adapter, installed.queues())


def _listed(word: str, names: List[str]) -> str:
    return (" %s " % word).join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])


def _in_directory(adapters: List[Adapter], is_named: bool, directory: str) -> Target:
    _check_directory(directory)
    for adapter in adapters:
        queues = adapter.queues_in(directory, is_named)
        if queues is not None:
            return Target(adapter, queues)
    near = next((path for path in (adapter.near(directory) for adapter in adapters) if path), None)
    raise RescueError(
        "queue_directory: %s is not a %squeue%s."
        % (directory, adapters[0].title + " " if is_named else "", "; did you mean %s" % near if near else "")
    )


def _check_directory(directory: str) -> None:
    try:
        os.scandir(directory).close()
    except PermissionError:
        raise RescueError("queue_directory: %s cannot be read: run as root (become: true)." % directory) from None
    except OSError as error:
        raise RescueError("queue_directory: %s: %s." % (directory, error.strerror)) from None
