# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in lookup tables and lists of Postfix, as far as it can be read without a question to each key."""

__all__ = ["Tables", "Unreadable", "logical_lines", "split"]

import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs

# What Postfix looks up in these is what it finds in the table that they are in front of.
_AROUND = ("proxy", "debug")
_INDEXED = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")
_PATTERNS = ("regexp", "pcre")
_MOST = 100000
_PATTERN = re.compile(r"!?([^A-Za-z0-9\s])(?:\\.|(?!\1).)*\1[A-Za-z]*\s+(?P<value>.*)", re.DOTALL)
_CONDITION = re.compile(r"(if|endif)\b", re.IGNORECASE)
_FAILURE = re.compile(r"\b(?:fatal|error): ")


class Unreadable(Exception):
    """Says why, as a phrase."""


class Tables:
    """Those that a configuration in ``directory`` uses. ``run``: as commands.run; ``read(path)``: text, or None."""

    def __init__(self, directory, run=programs.run, read=None):
        self._directory = directory
        self._run = run
        self._read = read or _read

    def lines(self, path):
        """Return the logical lines of a file. Raises Unreadable."""
        try:
            text = self._read(path)
        except (OSError, RescueError) as error:
            raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
        if text is None:
            raise Unreadable("there is no such file")
        found = logical_lines(text)
        if len(found) > _MOST:
            raise Unreadable("it has more than %d lines" % _MOST)
        return found

    def entries(self, table):
        """Return (kind, [(key, value)]) of a word such as hash:/etc/postfix/access; the kind is ``cidr``, ``exact``,
        ``static`` (with the key "") or ``pattern``. Raises Unreadable.
        """
        kind, unused, name = table.partition(":")
        while kind.lower() in _AROUND:
            kind, unused, name = name.partition(":")
        kind = kind.lower()
        if kind == "static":
            return "static", [("", _bare(name))]
        if kind == "randmap":
            return "static", [("", one) for one in split(_bare(name))]
        if kind == "inline":
            return "exact", [_assigned(one) for one in split(_bare(name))]
        if kind == "cidr":
            return "cidr", [_pair(line) for line in self.lines(name)]
        if kind == "texthash":
            return "exact", [_pair(line) for line in self.lines(name)]
        if kind in _PATTERNS:
            return "pattern", self._patterns(name)
        if kind in _INDEXED:
            return "exact", self._dump("%s:%s" % (kind, name))
        raise Unreadable("tables of the type %s are not read" % (kind or "that it has"))

    def _patterns(self, path):
        found = []
        for line in self.lines(path):
            if _CONDITION.match(line):
                continue
            match = _PATTERN.match(line)
            if match is None:
                raise Unreadable("a line in it is not understood")
            found.append(("", match.group("value").strip()))
        return found

    def _dump(self, table):
        try:
            status, output, errors = self._run("postmap", "-c", self._directory, "-s", table)
        except RescueError as error:
            raise Unreadable(str(error).rstrip(".")) from None
        failures = [line for line in errors.splitlines() if _FAILURE.search(line)]
        if status or failures:
            lines = failures or errors.splitlines() or ["postmap fails"]
            raise Unreadable(_FAILURE.split(lines[-1], 1)[-1].strip())
        return [_pair(line) for line in output.splitlines()]


def logical_lines(text):
    """Return the lines of a file as Postfix reads them: without comments, and joined with those that go on."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and found:
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


def split(value):
    """Return the words of a list; blanks and commas inside braces part none."""
    found, word, depth = [], "", 0
    for char in value:
        if depth == 0 and char in ", \t\r\n":
            if word:
                found.append(word)
            word = ""
            continue
        depth = max(0, depth + (char == "{") - (char == "}"))
        word += char
    return found + [word] if word else found


def _bare(text):
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


def _assigned(text):
    key, unused, value = _bare(text).partition("=")
    return key.strip(), value.strip()


def _pair(line):
    key, unused, value = line.strip().replace("\t", " ").partition(" ")
    return key, value.strip()


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
