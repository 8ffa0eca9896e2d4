# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach which ports: the options, checked before anything else is done."""

__all__ = ["Rate", "Wanted", "read_wanted"]

import ipaddress
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.networks import IPNetwork, is_documentation


class Rate(NamedTuple):
    """``number`` new connections in a ``unit`` (second, minute or hour)."""

    number: int
    unit: str


class Wanted(NamedTuple):
    """``ports`` are sorted; so are ``networks``, those of IPv4 first; ``action``: drop or reject."""

    ports: List[int]
    networks: List[IPNetwork]
    action: str
    rate: Optional[Rate]


# ufw passes a list of ports to one multiport match, which takes no more.
_MOST_PORTS = 15
_RATE = re.compile(r"([0-9]{1,5})/(second|minute|hour)\Z")
_PREFIX = re.compile(r"[0-9]{1,3}\Z")


def read_wanted(params: Dict[str, Any]) -> Wanted:
    """Return the Wanted of a module's options. Raises RescueError."""
    networks = _networks(params["allowed_networks"])
    if not networks and not params["allow_nobody"]:
        raise RescueError("allowed_networks: expected at least one network; to let in nobody, say allow_nobody.")
    examples = [str(network) for network in networks if is_documentation(network)]
    if examples and not params["allow_documentation_networks"]:
        raise RescueError(
            "allowed_networks: expected the networks of your users, got %s, which stands in examples only and would"
            " cut everyone off; if you really mean it, set allow_documentation_networks." % ", ".join(examples[:5])
        )
    return Wanted(_ports(params["ports"]), networks, params["action"], _rate(params["rate_limit"]))


def _ports(given: List[int]) -> List[int]:
    if not 1 <= len(given) <= _MOST_PORTS:
        raise RescueError("ports: expected 1 to %d ports, got %d." % (_MOST_PORTS, len(given)))
    for port in given:
        if not 1 <= port <= 65535:
            raise RescueError("ports: expected numbers from 1 to 65535, got %d." % port)
        if given.count(port) > 1:
            raise RescueError("ports: expected each port once, got %d twice." % port)
    return sorted(given)


def _networks(given: Iterable[str]) -> List[IPNetwork]:
    texts: Dict[IPNetwork, str] = {}
    for text in given:
        network = _network(text)
        if network in texts:
            raise RescueError("allowed_networks: expected each network once, got %s and %s." % (texts[network], text))
        texts[network] = text
    return sorted(texts, key=lambda network: (network.version, network))


def _network(text: str) -> IPNetwork:
    address, slash, prefix = text.partition("/")
    try:
        # ipaddress takes netmasks, too, and some versions leading zeros, which other programs take for octal numbers.
        if slash and not _PREFIX.match(prefix):
            raise ValueError("no prefix length")
        base = ipaddress.ip_address(address)
        if "%" in address or (base.version == 4 and str(base) != address):
            raise ValueError("no plain address")
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise RescueError(
            "allowed_networks: expected an IPv4 or IPv6 network such as 192.0.2.0/24 or 2001:db8::/64, got %s."
            % (text if text.isprintable() and 0 < len(text) < 100 else repr(text[:100]))
        ) from None
    if base != network.network_address:
        raise RescueError(
            "allowed_networks: expected a network or an address, got %s; write %s or %s." % (text, network, base)
        )
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise RescueError(
            "allowed_networks: expected IPv4 written as such, got %s, which no packet comes from; write %s."
            % (text, _unmapped(network))
        )
    return network


def _unmapped(network: ipaddress.IPv6Network) -> str:
    if network.prefixlen < 96:
        return "an IPv4 network"
    return "%s/%d" % (network.network_address.ipv4_mapped, network.prefixlen - 96)


def _rate(text: str) -> Optional[Rate]:
    if text == "":
        return None
    match = _RATE.match(text)
    if match is None or not 1 <= int(match.group(1)) <= 10000:
        raise RescueError(
            "rate_limit: expected 1 to 10000 new connections per second, minute or hour, such as 20/minute, got %s."
            % (text if text.isprintable() and len(text) < 100 else repr(text[:100]))
        )
    return Rate(int(match.group(1)), match.group(2))
