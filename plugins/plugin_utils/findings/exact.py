# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a value that a result shows to the regular expression that selects the messages that show it."""

from __future__ import annotations

import re
from typing import TypeGuard

__all__ = ["at_domain", "has_case", "whole"]

_ESCAPE = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U000[0-9a-f]{5}")
# Top lists hold so many bytes of an address.
CUT_BYTES = 200
# "%" and "#" among them: the expression is pasted into `-e`, which Ansible templates, and must begin none.
_SPECIAL = re.compile(r"[.^$*+?{}%#\[\]\\|()]")


def whole(value: object) -> str | None:
    """The expression that matches exactly the texts shown as `value`; None where there is none.

    None is exact for a value that was cut: it ends with an ellipsis, or is as long as values get.
    """
    return "^%s$" % _literal(value) if _usable(value) else None


def has_case(value: str) -> bool:
    """Whether another text differs from `value` by the case of letters alone."""
    return value.lower() != value or value.upper() != value


def at_domain(value: object) -> str | None:
    """The expression that matches the addresses at the domain `value`; None where there is none."""
    return "@%s$" % _literal(value) if _usable(value) and "@" not in value else None


def _usable(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or value == "" or value.endswith("…"):
        return False
    return len(value.encode("utf-8", "surrogatepass")) < CUT_BYTES


def _literal(value: str) -> str:
    parts, end = [], 0
    for match in _ESCAPE.finditer(value):
        parts.append(_quote(value[end : match.start()]))
        # Shown this way are both the control character itself and the same escape written out in the message.
        parts.append(r"(?:%s|\%s)" % (match.group(), match.group()))
        end = match.end()
    parts.append(_quote(value[end:]))
    return "".join(parts)


def _quote(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)
