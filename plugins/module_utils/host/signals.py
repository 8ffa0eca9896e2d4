# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Being asked to end while something is half done."""

__all__ = ["interruptible"]

import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Dict, Iterator, NoReturn, Optional, Union

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_Handler = Union[Callable[[int, Optional[FrameType]], object], int, None]


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGTERM or SIGHUP into RescueError, so that what was begun is brought to its end."""

    def interrupt(number: int, frame: Optional[FrameType]) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise RescueError("Ended by %s." % signal.Signals(number).name)

    before: Dict[int, _Handler] = {}
    # Elsewhere Python allows no handlers.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
