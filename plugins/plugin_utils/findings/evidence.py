# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what stands out in a queue is more than large: only then is taking it out offered.

Newsletters, monitoring, an office behind one address and a queue whose next hop is down are all large. What is known
are counts over the whole queue, so each conclusion here is a bound that holds however these overlap.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["WEB_SERVER_UIDS", "against", "is_next_hop"]

# What other servers say of mail that they take for spam; not what they say of an unknown user or a full mailbox.
_SPAM = re.compile(
    r"spam|unsolicited|junk|abus|blacklist|blocklist|blocked|\blisted\b|reputation|suspicious|policy reasons|bulk mail"
    r"|unusual rate|phish|malware",
    re.IGNORECASE,
)
_NO_CONNECTION = re.compile(
    r"connection (?:refused|timed out|reset)|no route to host|network is unreachable|host is down|lost connection"
    r"|conversation with .* timed out|wasn't able to establish an smtp connection|couldn't find any host"
    r"|name service error|host not found|host or domain name not found|server certificate|tls is required"
    r"|cannot start tls"
    r"|relay access denied|authentication (?:failed|required)|sasl authentication",
    re.IGNORECASE,
)
# Users under which distributions run their web server: Debian, RHEL, SUSE, FreeBSD.
WEB_SERVER_UIDS = {33: "www-data", 48: "apache", 30: "wwwrun", 80: "www"}
_FIRST_USER = 1000
# One account is used from some places, by a family of devices; stolen ones are handed to a botnet.
_CLIENTS = 5
# One account has some addresses to send from.
_SENDERS = 10
# Notices to one's own users go to one domain, those to forged senders to many.
_DOMAINS = 5
_MOST = 0.5
_FLOOD = 0.8


def is_next_hop(reason: str, share: float) -> bool:
    """Whether a reason for delay, which `share` of the messages have, is a next hop that takes nothing."""
    return share >= _FLOOD and _NO_CONNECTION.search(reason) is not None


def against(kind: str, value: Any, count: int, result: dict[str, Any], total: int) -> str | None:
    """What speaks for abuse in `count` of `total` messages that share a `value` of `kind`; a phrase, or None."""
    if kind == "bounce":
        return _backscatter(count, result)
    if kind not in ("sasl_username", "origin_uid", "client_address", "sender", "subject"):
        return None
    if kind == "client_address" and len(_entries(result, "sasl_username")) > 1:
        # Several people send through it.
        return None
    reasons = [one["count"] for one in _entries(result, "delay_reason") if _SPAM.search(str(one["value"]))]
    if max(reasons, default=0) + count - total >= _MOST * count:
        return "other servers call it spam"
    if kind == "sasl_username":
        clients = _at_least(count, result, "client_address")
        if clients >= _CLIENTS:
            return "it came from %d or more addresses" % clients
    if kind == "sasl_username" or (kind == "origin_uid" and _is_ones_own(value)):
        senders = _at_least(count, result, "sender")
        if senders >= _SENDERS:
            return "it has %d or more senders" % senders
    return None


def _is_ones_own(uid: int) -> bool:
    """Whether a uid is one person's or a web server's; root and services pass the mail of others on."""
    return uid in WEB_SERVER_UIDS or uid >= _FIRST_USER


def _backscatter(count: int, result: dict[str, Any]) -> str | None:
    reported = _entries(result, "bounced_recipient_domain")
    domains = _at_least(count, result, "recipient_domain")
    if reported and reported[0]["count"] >= _MOST * count and domains >= _DOMAINS:
        return "they go to %d or more domains" % domains
    return None


def _at_least(count: int, result: dict[str, Any], name: str) -> int:
    """How many different values of a top list `count` messages have at least: none has more than the most frequent."""
    entries = _entries(result, name)
    if not entries or (result.get("top_errors") or {}).get(name):
        return 0
    return -(-count // max(entries[0]["count"], 1))


def _entries(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in (result.get("top") or {}).get(name) or [] if one["value"] is not None]
