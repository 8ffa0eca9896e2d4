# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each MTA's adapter is: which queues it has, how they are read, and what it can do (see mta/contract.py)."""

__all__ = ["Adapter", "Capabilities", "Installed", "Queues"]

from typing import Any, Callable, List, NamedTuple, Optional, Sequence


class Capabilities(NamedTuple):
    # Messages can only leave the queue, come back exactly or be repaired while the MTA's service is stopped:
    # Changes.service is then never None.
    needs_stop: bool
    # queue_purge's mode=online is known: a Remover with ``is_online`` leaves the service running.
    purges_online: bool
    # What comes back is put on hold unless ``release`` is asked for.
    releases: bool
    # Queues are instances with names and settings of their own, not parts of one queue.
    has_instances: bool
    # The option config_directory is known: Adapter.configured.
    has_configurations: bool


class Queues(NamedTuple):
    directories: List[str]
    # Names of the instances, None for those without one; as long as ``directories``.
    instances: Sequence[Optional[str]]
    version: Optional[str]
    # Directories of configurations that the adapter's own programs may not list.
    configurations: List[str]


class Installed(NamedTuple):
    # Returns where, for the sentence when several MTAs are installed.
    where: Callable[[], Optional[str]]
    queues: Callable[[], Queues]


class Adapter:
    """One MTA. Objects of this class keep nothing between calls."""

    # As users write it in the option mta, and as they read it.
    name = ""
    title = ""
    capabilities = Capabilities(False, False, False, False, False)
    # Names of the queues (``queue`` of a message, keys of ``by_queue``).
    queues: Sequence[str] = ()
    # Directories of a queue that messages are moved out of: they must be on the quarantine's filesystem.
    parts: Sequence[str] = ()

    def installed(self) -> Optional[Installed]:
        """Tell whether the MTA is installed on this host. Raises RescueError if that cannot be seen."""
        raise NotImplementedError

    def queues_in(self, directory: str, is_named: bool) -> Optional[Queues]:
        """Return the queues in a directory, None if it is not this MTA's.

        ``is_named``: the operator said that it is, so that RescueError can say what is wrong with it.
        """
        raise NotImplementedError

    def near(self, directory: str) -> Optional[str]:
        """Return the directory that the operator may have meant by one that is not a queue."""
        return None

    def configured(self, config_directory: str) -> Queues:
        """Return the queues of a configuration; asked only with ``has_configurations``."""
        raise NotImplementedError

    def reader(
        self,
        directories: List[str],
        queues_of: Optional[List[str]] = None,
        configurations: Sequence[str] = (),
    ) -> Any:
        """Return a Reader that has read nothing yet.

        ``queues_of``: the queues that these are batches of, if they are batches; ``configurations``: as of Queues.
        """
        raise NotImplementedError

    def check_batch(self, directory: str) -> None:
        """Raise RescueError if the ``files`` of a batch are not laid out like a queue of this MTA."""
