# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that are meant to be pasted into a terminal, whichever shell waits there.

What stands in them may come out of a stranger's message, and shells differ: to an interactive zsh or tcsh `#` begins no
comment, tcsh expands `!` inside single quotes, and fish takes a backslash there for an escape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

__all__ = ["command_line", "inert", "json_text"]

# Nothing of these means anything to a shell; "=" does to zsh and "%" to fish where a word begins with it.
_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./-][A-Za-z0-9_@%+=:,./-]*\Z")
_NOT_INERT = re.compile(r"[^\w .,:@+/%-]")
_SAFE = re.compile(r"[A-Za-z0-9 _@+=:,./-]")
# Inside single quotes each of the shells leaves all but these alone; outside, a backslash makes each of them plain.
_SPECIAL = re.compile(r"(['!]|\\(?=['!\\]|\Z))")


def command_line(words: Iterable[str]) -> str:
    """Return one line that bash, zsh, dash, tcsh and fish all split into `words`."""
    return " ".join(_quoted(word) for word in words)


def json_text(value: object) -> str:
    """Return JSON in which every character of a text that is not surely harmless is written as `\\uXXXX`."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (json_text(str(key)), json_text(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(json_text(item) for item in value)
    if isinstance(value, str):
        text = str.__str__(value)
        # The anchors of an expression may stay as they are read.
        last = len(text) - 1
        return '"%s"' % "".join(
            char if _SAFE.match(char) or (char == "^" and not at) or (char == "$" and at == last) else _escaped(char)
            for at, char in enumerate(text)
        )
    return json.dumps(value)


def inert(text: str) -> str:
    """Return a text for a line that stands among commands: were it pasted with them, no part of it would be run.

    It must not be broken into lines, as the second would begin with whatever a stranger wrote.
    """
    return _NOT_INERT.sub("_", text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join("\\u%02x%02x" % (units[at], units[at + 1]) for at in range(0, len(units), 2))


def _quoted(word: str) -> str:
    if _PLAIN.match(word):
        return word
    parts = _SPECIAL.split(word)
    return "".join("\\" + part if at % 2 else "'%s'" % part for at, part in enumerate(parts) if part) or "''"
