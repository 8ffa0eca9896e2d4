# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What charts show, as numbers for inline SVG; the template draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Chart", "Trend", "bars", "columns", "trend"]


@dataclass(frozen=True)
class Chart:
    """Rows of a label, a share of the longest one in per cent, and the value as text; `more` rows are left out."""

    title: str
    rows: list[tuple[str, float, str]]
    more: int = 0


@dataclass(frozen=True)
class Trend:
    """A line through a box of 100 x 30; `first`, `last` and `most` are its numbers."""

    points: str
    first: int
    last: int
    most: int
    count: int


def bars(title: str, pairs: Iterable[tuple[str, float]], most: int, shown: Callable[[float], str]) -> Chart:
    """The largest `most` of `pairs`, a label and a number; `shown` makes text of a number."""
    pairs = sorted((pair for pair in pairs if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))
    return Chart(title, _rows(pairs[:most], shown), max(len(pairs) - most, 0))


def columns(title: str, pairs: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> Chart:
    """All of `pairs` in their order, from the first to the last that is not zero."""
    filled = [index for index, pair in enumerate(pairs) if pair[1]]
    return Chart(title, _rows(pairs[filled[0] : filled[-1] + 1], shown) if filled else [])


def _rows(pairs: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> list[tuple[str, float, str]]:
    longest = max((value for _label, value in pairs), default=0)
    return [(label, _share(value, longest), shown(value)) for label, value in pairs]


def _share(value: float, longest: float) -> float:
    # What is not nothing can be seen.
    return round(max(100.0 * value / longest, 0.5), 1) if value else 0


def trend(values: Iterable[int | None]) -> Trend | None:
    """The Trend of `values`, of which None is unknown; None where there are fewer than two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    most = max(known)
    step = 100.0 / (len(known) - 1)
    points = ["%.1f,%.1f" % (index * step, 29 - 28.0 * value / (most or 1)) for index, value in enumerate(known)]
    return Trend(" ".join(points), known[0], known[-1], most, len(known))
