# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of logical lines, as Postfix reads them; and those of names with values, edited in place.

A logical line goes on in lines that begin with a blank. Empty lines and comments may stand anywhere, between these too.
"""

__all__ = ["LogicalLines", "NamedValues"]


class LogicalLines:
    """``blocks``: the text in pieces, each a logical line with all that is inside it, or a line that is none."""

    def __init__(self, text):
        self.blocks = []
        loose, current = [], None
        for line in text.split("\n"):
            line += "\n"
            if is_loose(line):
                loose.append(line)
            elif line[0] in " \t" and current is not None:
                self.blocks[current] += "".join(loose) + line
                loose = []
            else:
                self.blocks += loose + [line]
                current, loose = len(self.blocks) - 1, []
        self.blocks += loose
        # What split() adds after the last newline, or the newline that the last line does not have.
        self.blocks[-1] = self.blocks[-1][:-1]
        if not self.blocks[-1]:
            self.blocks.pop()

    def text(self):
        return "".join(self.blocks)

    def add(self, block):
        """Put a logical line at the end."""
        if self.blocks and not self.blocks[-1].endswith("\n"):
            self.blocks[-1] += "\n"
        self.blocks.append(block)

    def place(self, index):
        """Return what tells later where block ``index`` was: the one before it; None for the first."""
        return self.blocks[index - 1] if index else None

    def put(self, block, place):
        """Put a logical line back at its ``place``, or at the end where that is gone."""
        if place is None:
            self.blocks.insert(0, block)
        elif place in self.blocks:
            last = len(self.blocks) - self.blocks[::-1].index(place)
            if not place.endswith("\n"):
                self.blocks[last - 1] += "\n"
            self.blocks.insert(last, block)
        else:
            self.add(block)


class NamedValues:
    """main.cf (``separator`` "=") or an alias file (":"); where a name stands several times, ``counts`` tells which
    one Postfix takes: the last (-1) in main.cf, the first (0) in what postalias(1) makes of aliases.
    """

    def __init__(self, text, separator="=", counts=-1):
        self.lines = LogicalLines(text)
        self._separator = separator
        self._counts = counts

    def text(self):
        return self.lines.text()

    def get(self, name):
        """Return a value, its lines joined by one blank each; None where the name is not set."""
        found = self._find(name)
        return _split(self.lines.blocks[found[self._counts]], self._separator)[1] if found else None

    def matches(self, name, wanted):
        return self.get(name) == wanted

    def before(self, name):
        """Return what ``restore`` needs: a list of [text, place], one for each time the name is set."""
        return [[self.lines.blocks[index], self.lines.place(index)] for index in self._find(name)]

    def value_before(self, before):
        return _split(before[self._counts][0], self._separator)[1] if before else None

    def set(self, name, value, before=()):
        """Set a name; None: remove it. ``before`` tells where it once stood."""
        if value is None:
            for index in reversed(self._find(name)):
                del self.lines.blocks[index]
            return
        gap = " = " if self._separator == "=" else self._separator + " "
        self._write(name, (name + gap + value).rstrip(" ") + "\n", before)

    def restore(self, name, before):
        """Make it as it was when ``before`` was taken."""
        if not before:
            found = self._find(name)
            if found:
                del self.lines.blocks[found[self._counts]]
        elif self._find(name):
            self._write(name, before[self._counts][0], before)
        else:
            for text, place in before:
                self.lines.put(text, place)

    def _write(self, name, text, before):
        found = self._find(name)
        if found:
            self.lines.blocks[found[self._counts]] = text
        elif before:
            self.lines.put(text, before[self._counts][1])
        else:
            self.lines.add(text)

    def _find(self, name):
        blocks = self.lines.blocks
        return [
            index
            for index, block in enumerate(blocks)
            if not is_loose(block) and self._same(_split(block, self._separator)[0], name)
        ]

    def _same(self, one, other):
        return one == other if self._separator == "=" else one.strip('"').lower() == other.lower()


def is_loose(line):
    """Tell whether a line is empty or a comment."""
    return line.strip(" \t\r\n")[:1] in ("", "#")


def _split(block, separator):
    parts = [line.strip(" \t\r\n") for line in block.split("\n") if not is_loose(line)]
    name, unused, value = " ".join(parts).partition(separator)
    return name.strip(), value.strip()
