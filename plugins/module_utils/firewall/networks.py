# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as firewalls write them: one network has many texts."""

__all__ = ["IPAddress", "IPNetwork", "canonical", "is_documentation"]

import ipaddress
from typing import Tuple, Union

IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
IPNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
# RFC 5737, RFC 3849, RFC 9637: nobody's mail client has such an address.
_DOCUMENTATION: Tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",
        "3fff::/20",
    )
)


def canonical(text: str) -> str:
    """Return the one text of a network, always with its prefix; what is not a network stays as it is."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def is_documentation(network: IPNetwork) -> bool:
    """Tell whether all of an ip_network is set aside for examples."""
    return any(
        example.version == network.version
        and example.prefixlen <= network.prefixlen
        and network.network_address in example
        for example in _DOCUMENTATION
    )
