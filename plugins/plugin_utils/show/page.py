# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text of lines that fit a terminal."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import fit, harmless, number, wrap

__all__ = ["Page"]


class Page:
    """Lines of at most `width` columns, apart from commands."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._lines: list[str] = []

    def say(self, text: str, indent: str = "") -> None:
        """Add text, broken at spaces, all lines but the first indented."""
        self._lines += wrap(text, self.width, indent)

    def row(self, text: str) -> None:
        """Add one line, cut where it is too long."""
        self._lines.append(fit(text, self.width))

    def pair(self, label: str, text: str) -> None:
        """Add text behind a label; all lines of it begin in the same column."""
        indent = " " * len(label)
        lines = wrap(indent + text, self.width, indent)
        self._lines += [label + lines[0][len(label) :]] + lines[1:]

    def command(self, text: str) -> None:
        """Add a line that is never broken."""
        self._lines.append("  " + harmless(text))

    def heading(self, text: str) -> None:
        """Begin a section, after an empty line if it is not the first."""
        if self._lines:
            self._lines.append("")
        self.row(text)

    def tops(self, tops: list[dict[str, Any]]) -> None:
        """Add top lists, as summary.top_lists gives them."""
        for top in tops:
            self.row("  " + top["title"])
            for value, count in top["entries"]:
                self.row("  %9s  %s" % (number(count), fit(value, self.width - 13)))

    def faults(self, title: str, reasons: dict[str, str]) -> None:
        """Add a section that names hosts, {host: reason}, if there are any."""
        if reasons:
            self.heading(title)
            for host, reason in sorted(reasons.items()):
                self.say("  %s: %s" % (host, reason), "    ")

    def text(self) -> str:
        return "\n".join(self._lines)
