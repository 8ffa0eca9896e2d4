# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail addresses and clients' addresses, masked so that equal ones stay equal within one report."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from typing import Any

__all__ = ["Mask"]

# A quoted local part, or part of one; else what no address can hold without quotes.
_DELIMITERS = re.compile(r'("(?:[^"\\\n]|\\.){0,128}"(?=@)|"|[\s<>(),;:\[\]]+)')
# As an @ stands in a URL, or is made to look like one; and what cannot be part of what is before it there.
_LIKE_AT = re.compile("(%40|\uff20)")
_BEFORE = re.compile(r'([\s<>(),;:\[\]"=&?/@]+)')
_ELLIPSIS = "\u2026"
# What quotes an address in running text far more often than an address begins with it.
_QUOTES = "'`"
# What these lists hold are logins, senders and addresses of clients, with an @ or not.
_WHOLE = ("sasl_username", "sender")
_CLIENTS = ("client_address",)


class Mask:
    """`key`: bytes that nobody else knows, so that nobody can try out addresses."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def text(self, text: str) -> str:
        """`text` with the local part of each address in it masked."""
        text = self._encoded(_without_cut(text))
        if "@" not in text:
            return text
        parts = _DELIMITERS.split(text)
        for index in range(1, len(parts), 2):
            if len(parts[index]) > 1 and parts[index].startswith('"'):
                parts[index] = self._hidden(parts[index - 1] + parts[index])
                parts[index - 1] = ""
        return "".join(self._quoted(part) if "@" in part else part for part in parts)

    def document(self, value: Any, name: str | None = None) -> Any:
        """A copy of `value`, out of a report, with all texts masked; names of hosts stay."""
        if isinstance(value, dict):
            return {
                key: item
                if key in ("name", "host", "id") and isinstance(item, str) and "@" not in item
                else self.document(item, key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            if name in _WHOLE + _CLIENTS:
                whole = self._whole if name in _WHOLE else _network
                return [dict(one, value=whole(one["value"])) for one in value]
            return [self.document(item, name) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _encoded(self, text: str) -> str:
        """`text` with addresses masked whose @ is written in another way."""
        parts = _LIKE_AT.split(text)
        for index in range(0, len(parts) - 1, 2):
            words = _BEFORE.split(parts[index])
            words[-1] = self._hidden(words[-1]) if words[-1] else ""
            parts[index] = "".join(words)
        return "".join(parts)

    def _address(self, part: str) -> str:
        local, _at, domain = part.rpartition("@")
        return "%s@%s" % (self._hidden(local), domain) if local else part

    def _quoted(self, part: str) -> str:
        address = part.lstrip(_QUOTES)
        return part[: len(part) - len(address)] + self._address(address)

    def _whole(self, value: str) -> str:
        return self._address(value) if "@" in value else self._hidden(value) if value else value

    def _hidden(self, text: str) -> str:
        return "x" + hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:8]


def _without_cut(text: str) -> str:
    """`text` without the half word at its end where it was cut: it may be of an address, ahead of the @."""
    if not text.endswith(_ELLIPSIS):
        return text
    last = _DELIMITERS.split(text)[-1]
    return text if "@" in last else text[: len(text) - len(last)] + _ELLIPSIS


def _network(value: str) -> str:
    """The network of a client's address: its first 24 or 48 bits."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "masked" if value else value
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
