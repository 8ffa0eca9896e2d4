# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bound on the time that regular expressions may take on one message."""

__all__ = ["OVERLAP", "PatternTimeout", "TimeLimit"]

import signal
from types import FrameType
from typing import Callable, Optional, Pattern, Union

# The re engine looks for signals between steps, but not inside the inner loop of such as "x*": on a window of this
# size that loop ends soon enough even where it is entered anew at every character.
_WINDOW = 32768
# What stands closer than this to the end of a window may look different with the text that follows it.
_MARGIN = 4096
OVERLAP = 8192 + _MARGIN
_TICKS = 4


class PatternTimeout(Exception):
    """Matching could not be finished; the message says with which option, and why."""


class TimeLimit:
    """Searches that stop when those for one message took more than ``seconds`` of processor time together.

    A context manager, for the main thread: it uses SIGVTALRM. Processor time, so that a busy host or a slow disk
    makes no difference to what is found.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = seconds / _TICKS
        self._left = 0
        self._searching = False
        self._old: Union[Callable[[int, Optional[FrameType]], object], int, None] = None

    def __enter__(self) -> "TimeLimit":
        self._old = signal.signal(signal.SIGVTALRM, self._tick)
        signal.setitimer(signal.ITIMER_VIRTUAL, self._interval, self._interval)
        return self

    def __exit__(self, *unused: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self._old)

    def begin(self) -> None:
        """Start to count for the next message."""
        self._left = _TICKS + 1

    def _tick(self, *unused: object) -> None:
        self._left -= 1
        if self._searching and self._left <= 0:
            raise PatternTimeout

    def search(self, pattern: Pattern[str], text: str, option: str, whole: bool = True, start: int = 0) -> bool:
        """Tell whether ``pattern`` is found in str ``text`` from ``start`` on; every match that spans up to 8 KiB is.

        ``whole``: the text is complete; else more follows, and the caller passes it with the last OVERLAP characters
        of this one before it. ``option`` is named in PatternTimeout.
        """
        try:
            self._searching = True
            if whole and len(text) <= _WINDOW:
                return pattern.search(text, start) is not None
            return _search_windows(pattern, text, whole, start)
        except PatternTimeout as error:
            raise PatternTimeout("%s: %.100r %s" % (option, pattern.pattern, str(error) or "took too long")) from None
        finally:
            self._searching = False


def _search_windows(pattern: Pattern[str], text: str, whole: bool, start: int) -> bool:
    size = len(text)
    # An expression may also say what must not follow, at any distance.
    margin = size if "(?!" in pattern.pattern else _MARGIN
    while True:
        end = min(start + _WINDOW, size)
        found = pattern.search(text, start, end)
        while found:
            if found.end() <= end - margin or (whole and end == size):
                return True
            # The end of the window passed for the end of the text: ask again, from there, with the text itself.
            real = pattern.match(text, found.start())
            if real and (whole or real.end() <= size - _MARGIN):
                return True
            if real and real.start() < size - OVERLAP:
                raise PatternTimeout("matches more text than is held in memory at once")
            found = pattern.search(text, found.start() + 1, end)
        if end == size:
            return False
        start = end - OVERLAP
