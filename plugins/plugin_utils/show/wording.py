# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, ages, sizes and strangers' text, in words that are safe and short on a terminal."""

from __future__ import annotations

import unicodedata

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible

__all__ = ["age", "cells", "fit", "harmless", "number", "pad", "percent", "plural", "quoted", "size", "wrap"]

MAX_TEXT = 4096
ELLIPSIS = "…"


def harmless(value: object) -> str:
    """`value` as text without anything that a terminal would act on; None is the empty text.

    At most 4,096 characters, the rest cut with an ellipsis.
    """
    if value is None:
        return ""
    text = str.__str__(value) if isinstance(value, str) else str(value)
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + ELLIPSIS
    return visible(text)


def cells(text: str) -> int:
    """How many terminal columns `text` takes."""
    return sum(_cell(char) for char in text)


def _cell(char: str) -> int:
    if char < "\x7f":
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(value: object, width: int) -> str:
    """`value` made harmless and cut with an ellipsis to at most `width` columns."""
    text = harmless(value)
    # Combining marks take no column: without a bound on characters a stack of thousands of them would fit.
    if cells(text) <= width and len(text) <= 2 * width:
        return text
    used, kept = 0, []
    for char in text[: 2 * width]:
        used += _cell(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + ELLIPSIS


def pad(value: object, width: int) -> str:
    """`value` fitted into exactly `width` columns, left-aligned."""
    text = fit(value, width)
    return text + " " * (width - cells(text))


def quoted(value: object, width: int = 40) -> str:
    """`value` in double quotes, cut to `width` columns."""
    return '"%s"' % fit(value, width)


def wrap(value: object, width: int, indent: str = "") -> list[str]:
    """The lines of `value`, broken at spaces to at most `width` columns, all but the first indented."""
    text = harmless(value)
    lines, line = [], text[: len(text) - len(text.lstrip(" "))]
    # An indent need not be blank.
    begun = False
    for word in text.split():
        while True:
            joined = line + " " + word if begun else line + word
            if cells(joined) <= width:
                line, begun = joined, True
                break
            if begun:
                lines.append(line)
                line, begun = indent, False
                continue
            room = max(width - cells(line), 2)
            head = _head(word, room)
            lines.append(line + head)
            line, word = indent, word[len(head) :]
    if begun or not lines:
        lines.append(line)
    return lines


def _head(word: str, width: int) -> str:
    used = 0
    for index, char in enumerate(word):
        used += _cell(char)
        if used > width:
            return word[: max(index, 1)]
    return word


def number(value: float) -> str:
    """An integer with thousands separators."""
    return format(int(value), ",")


def plural(count: int, one: str, many: str | None = None) -> str:
    """`count` and the word in the number that goes with it, as in "1 host", "2,045 messages"."""
    return "%s %s" % (number(count), one if count == 1 else many or one + "s")


def percent(part: float, whole: float) -> str:
    """The share in whole per cent; 100 % and 0 % are said only when they are exact."""
    if not whole or not part:
        return "0 %"
    if part >= whole:
        return "100 %"
    share = round(100.0 * part / whole)
    return "%d %%" % min(max(share, 1), 99)


def age(seconds: float | None) -> str:
    """Seconds in the two largest units that matter, as in "45 s", "2 h 5 min", "3 d"."""
    if seconds is None:
        return "unknown age"
    seconds = int(seconds)
    if seconds < 0:
        return "in the future"
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min" % (seconds // 60)
    if seconds < 86400:
        return _two(seconds // 3600, "h", seconds % 3600 // 60, "min")
    return _two(seconds // 86400, "d", seconds % 86400 // 3600, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    text = "%s %s" % (number(large), large_unit)
    return "%s %d %s" % (text, small, small_unit) if small else text


def size(count: int | None) -> str:
    """Bytes in units of 1,024."""
    if count is None:
        return "unknown size"
    count = int(count)
    if count < 1024:
        return "%d B" % count
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95 or unit == "TiB":
            break
    return "%s %s" % (format(value, ",.1f"), unit)
