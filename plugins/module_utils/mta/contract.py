# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an MTA must offer so that its queues can be read, purged, restored, repaired and watched.

An MTA is known by five parts, each named in a file of ``mta/registry``. They are separate because Ansible and the watch
pack whole files: a module that only reads must not carry what purges.

===========  =============================  ==================================================
part         registry                       used by
===========  =============================  ==================================================
Adapter      ``registry/adapters.py``       everything: finds queues and reads them
Changes      ``registry/changes.py``        queue_purge, queue_restore
Repairs      ``registry/repairs.py``        queue_repair
Facts        ``registry/facts.py``          mta_facts
Counts       ``registry/counts.py``         the watch
===========  =============================  ==================================================

Adapter is a base class (``mta/adapter.py``). The others are shapes: a part has these methods and need not inherit
anything, so nothing of this file is packed. ``tests/conformance`` runs against every MTA and holds what is said here.

Errors, of all methods:

- RescueError: the run cannot go on; a sentence for the operator that begins with the option or names the path.
- Vanished: the message left the queue meanwhile. Damaged: a file is not what its place says.
- OSError: the disk failed.

A *reason* is a phrase such as "it is being delivered", shown to the operator after the id of a message that stays.
Paths of messages and files are relative to their queue.
"""

__all__ = [
    "Adapter",
    "Capabilities",
    "Changes",
    "Counts",
    "Facts",
    "Installed",
    "Queues",
    "Reader",
    "Remover",
    "Repairer",
    "Repairs",
    "Restorer",
    "Service",
]

from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.mta.adapter import (
    Adapter,
    Capabilities,
    Installed,
    Queues,
)


class Reader:
    """Reads queues once, live or copied.

    Order: ``early_parts``, ``parts`` and ``late_parts`` are each asked for when the parts before them were read, and
    each part is given to ``read`` once. Those of ``parts`` can be read in any order and in several processes; a process
    hands ``state`` home, and ``merge`` takes it before ``late_parts`` is called. ``read`` is a generator: ``load``,
    ``body`` and ``path`` are valid only for the message that it yielded last, and until it is asked for the next one.
    """

    mta = ""
    queues: Sequence[str] = ()
    directories: List[str] = []
    # How many messages were told ``gone`` and found again in a late part.
    returned = 0

    def early_parts(self) -> List[Any]:
        """Return the parts from which messages move on: to be read before all others."""
        raise NotImplementedError

    def parts(self) -> List[Any]:
        """Return the parts; picklable."""
        raise NotImplementedError

    def late_parts(self) -> List[Any]:
        """Return the parts to read once more, as messages may have moved back; known messages are not yielded again."""
        raise NotImplementedError

    def holds_more_than(self, count: int) -> bool:
        """Tell whether ``parts`` hold more messages than ``count``: whether several processes are worth it."""
        raise NotImplementedError

    def read(self, part: Any, problem: Callable[..., None]) -> Iterator[Any]:
        """Yield the Message of each message in a part, with id, queue and queues.

        ``problem(index, path, reason, is_message, queues=())`` is told of what should not be there.
        """
        raise NotImplementedError

    def load(self, message: Any, fields: int) -> None:
        """Fill in fields (a mask, see mail/message.py). Raises Vanished, Damaged."""
        raise NotImplementedError

    def body(self, message: Any) -> Iterator[bytes]:
        """Yield what follows the message's headers, in pieces. Raises Vanished, Damaged."""
        raise NotImplementedError

    def path(self, message: Any) -> str:
        """Return the path of the message's main file."""
        raise NotImplementedError

    def gone(self, message: Any) -> None:
        """Take note that ``load`` found a message gone."""

    def state(self) -> Any:
        """Return what ``merge`` of the first process's reader must know; picklable."""

    def merge(self, state: Any) -> None:
        """Take over what the reader of another process knows."""


class Remover:
    """Takes messages out of one queue, in one process, into one batch; without a batch, removes them for good.

    Order, for each message while it is the Reader's last: ``refusal`` (after ``fields`` were loaded), then ``examine``;
    then ``take`` with the Entries of many; ``finish`` after the last ``take``; ``close`` always. A forecast asks for
    ``refusal`` only.
    """

    # What ``refusal`` needs to be loaded.
    fields = 0

    def refusal(self, message: Any) -> Optional[str]:
        """Return the reason why a message must stay, or None.

        ``IGNORED`` (quarantine/removal.py) if an earlier pass took it, ``BUSY`` if another pass may be able to take it.
        """
        raise NotImplementedError

    def examine(self, message: Any, path: str) -> Any:
        """Return the message's Entry, with the files as they are now. Raises Vanished, Damaged."""
        raise NotImplementedError

    def take(self, entries: List[Any], chunk: str) -> Iterator[Tuple[Any, Optional[str]]]:
        """Move messages into the batch; yield ``(entry, reason)``, with None for each that was taken.

        The ledger has the entries, synced, before the first file leaves the queue. At every instant a message is either
        the queue's or the batch's, or ``Changes.recover`` makes it so. Raises OSError after telling of those before.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Bring what was done to the disk."""

    def close(self) -> None:
        """Release what is open."""


class Restorer:
    """Puts messages of one batch back into its queue.

    Order: ``recover`` alone, after a run that was cut off; else ``problem`` for each message, then ``give_back`` or
    ``reinject`` with those that have none, ``finish`` after the last, ``close`` always.
    """

    def problem(self, entry: Any, method: str = "exact") -> Optional[str]:
        """Return the reason why a message cannot come back, or None. Compares all its files with the ledger."""
        raise NotImplementedError

    def queues(self, entry: Any) -> Iterable[str]:
        """Return the queues in which a message would count once it is back exactly."""
        raise NotImplementedError

    def give_back(self, entries: List[Any]) -> Iterator[Tuple[Any, Optional[str]]]:
        """Put messages back as they were; yield ``(entry, reason)``, with None for each that came back.

        The batch has noted their ids (``begin_return``) before anything moves. After an OSError, ``recover`` puts in
        order those of which it did not tell. Nothing in the queue is overwritten.
        """
        raise NotImplementedError

    def reinject(self, entries: List[Any]) -> Iterator[Tuple[Any, Optional[str]]]:
        """Submit messages as new mail for their pending recipients; yield as ``give_back``."""
        raise NotImplementedError

    def recover(self) -> None:
        """Put in order what a run that was cut off while it gave back has left. May be called at any time."""
        raise NotImplementedError

    def finish(self) -> None:
        """Bring what was done to the disk."""

    def close(self) -> None:
        """Release what is open."""


class Service:
    """What must not run while a queue is changed."""

    # What runs, and how an operator starts it, for sentences.
    name = ""
    how_to_start = ""

    def is_running(self) -> bool:
        """Tell whether it runs on this queue. Raises RescueError if something else holds its lock."""
        raise NotImplementedError

    def is_interrupted(self) -> bool:
        """Tell whether a run that was cut off left it stopped."""
        raise NotImplementedError

    def foreseen(self) -> Optional[Dict[str, Any]]:
        """Return what ``held`` would report, None if nothing had to be stopped. RescueError if it cannot be stopped."""
        raise NotImplementedError

    def check_lock(self) -> None:
        """Raise RescueError if it runs and cannot be kept out of the queue."""

    def held(self) -> ContextManager[Any]:
        """Keep it from running, inside; afterwards it is as it was found.

        Yields an object with ``found`` (its state before), ``is_cut_off`` (whether a run that was cut off had stopped
        it) and ``result()`` (a dict for a module's result, final after the end).
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Tell it to try all messages now; asked only with ``purges_online``."""
        raise NotImplementedError


class Changes:
    """Takes messages out of queues and puts them back."""

    name = ""

    def skeleton(self, queue_directory: str) -> List[str]:
        """Return the directories that ``files`` of a new batch needs, so that the MTA's Reader can read it."""
        raise NotImplementedError

    def split(self, queue_directory: str) -> Optional[int]:
        """Return the number that the manifest notes of a queue's layout, None if there is none to note."""
        raise NotImplementedError

    def service(self, queue_directory: str, params: Dict[str, Any]) -> Optional[Any]:
        """Return the Service of a queue; None without ``needs_stop``. ``params``: the options for the service."""
        raise NotImplementedError

    def remover(self, queue_directory: str, batch: Any, is_online: bool = False, unprocessed: bool = False) -> Any:
        """Return a Remover. ``batch``: a Batch, or None; ``is_online``: while the service runs (``purges_online``);
        ``unprocessed``: also what the MTA has not yet preprocessed.
        """
        raise NotImplementedError

    def recover(self, queue_directory: str, batch: Any, is_stopped: bool = True) -> Tuple[int, int]:
        """Put a batch in order whose run was cut off while it took messages; return ``(messages, bytes)`` in it.

        May be cut off itself and called again. ``is_stopped``: whether the service is held.
        """
        raise NotImplementedError

    def dropped(self, queue_directory: str, batch: Any, flush: Callable[[], None], seconds: float) -> Iterable[Any]:
        """Wait until the service has dropped what an online Remover took; return the ids that are still there."""
        raise NotImplementedError

    def restorer(self, queue_directory: str, batch: Any, release: bool = False) -> Any:
        """Return a Restorer."""
        raise NotImplementedError


class Repairer:
    """Finds what is wrong with one queue, and repairs it. ``find`` at any time; ``repair`` once, with the service held.

    ``directory``: the queue. ``split``: as of Changes.split, as it is to be. ``notes``: sentences for the operator.
    ``changed``: whether something was changed.
    """

    directory = ""
    split: Optional[int] = None
    notes: List[str] = []
    changed = False

    def is_running(self) -> bool:
        """Tell whether the MTA runs on the queue; asked only if it has no Service."""
        raise NotImplementedError

    def find(self, wait: float = 0) -> Iterator[Any]:
        """Yield every Fault (mta/faults.py); what may be mail on its way was seen twice, ``wait`` seconds apart."""
        raise NotImplementedError

    def repair(self, aside: Any) -> Iterator[Tuple[Any, str]]:
        """Repair what can be; yield ``(fault, reason)`` of what is left. ``aside``: an Aside (quarantine/set_aside.py).

        What cannot be repaired without loss goes aside.
        """
        raise NotImplementedError

    def opened(self) -> ContextManager[Any]:
        """Keep the queue open, inside: ``place`` is valid only there."""
        raise NotImplementedError

    def place(self, path: str) -> Tuple[str, int]:
        """Return ``(name, dir_fd)`` of a path in the queue. Raises OSError."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what is open."""


class Repairs:
    """Finds and repairs what is wrong with queues."""

    name = ""

    def check_options(self, params: Dict[str, Any]) -> None:
        """Raise RescueError for an option of queue_repair that this MTA does not know."""

    def broken_queues(self, directory: Optional[str]) -> List[str]:
        """Return queues in a directory (None: in the usual ones) that Adapter.queues_in may refuse, as parts lack."""
        return []

    def repairer(self, queue_directory: str, params: Dict[str, Any]) -> Any:
        """Return a Repairer."""
        raise NotImplementedError

    def service(self, queue_directory: str, params: Dict[str, Any]) -> Optional[Any]:
        """As Changes.service."""
        raise NotImplementedError


class Facts:
    """What a compliance run asks of an MTA besides its queues. Changes nothing."""

    name = ""
    # Name of the program that serves SMTP, if the MTA does not say itself on which ports it does.
    smtp_server: Optional[str] = None

    def find(self, params: Dict[str, Any], directories: List[str], host: Any) -> Dict[str, Any]:
        """Return what mta_facts documents for this MTA. ``params``: its options."""
        raise NotImplementedError


class Counts:
    """Counts a queue without opening a message; at most a sample is opened."""

    name = ""
    # How many of ``parts`` of a Reader are opened for a sample.
    sampled_parts = 0

    def count(self, directory: str) -> int:
        """Return the number of messages in a queue. Raises RescueError, OSError."""
        raise NotImplementedError

    def paths(self, directory: str) -> Iterator[str]:
        """Yield the path of one file of each message, for ``arrival``."""
        raise NotImplementedError

    def arrival(self, path: str) -> Optional[float]:
        """Return when a message arrived (epoch seconds) by one of ``paths``, made absolute; None if not known."""
        raise NotImplementedError

    def reader(self, directories: List[str]) -> Any:
        """Return a Reader."""
        raise NotImplementedError

    def holds_any(self, directory: str, part: Any) -> bool:
        """Tell whether a part of the Reader may hold a message."""
        raise NotImplementedError
