# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where smtp_probe is to ask a host's own servers, and whether they trust the address that it comes from."""

__all__ = ["places"]

import ipaddress
import socket
from typing import TYPE_CHECKING, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.host.listeners import Address, Network

if TYPE_CHECKING:
    from typing import Protocol

    class _Networks(Protocol):
        def holds(self, address: Address) -> Optional[bool]: ...

    class _Listener(Protocol):
        @property
        def address(self) -> str: ...
        @property
        def port(self) -> str: ...
        @property
        def networks(self) -> _Networks: ...
        @property
        def begins_tls(self) -> bool: ...

    class _Relaying(Protocol):
        networks: _Networks
        listeners: Sequence[_Listener]


class Place(NamedTuple):
    """Where to ask. ``trusted``: whether the server trusts this host, None where nobody knows; ``begins_tls``: whether
    TLS begins at once, other than on port 465.
    """

    host: Address
    port: int
    trusted: Optional[bool]
    begins_tls: bool


_NAMED = {"smtp": 25, "smtps": 465, "submissions": 465, "submission": 587}
_MOST = 20


def places(
    ports: Sequence[int],
    network: Network,
    relaying: Optional["_Relaying"] = None,
    others: Iterable[int] = (),
) -> List[Place]:
    """Return the list of Place: each port of ``ports``, and then where else, but for the loopback, an SMTP server
    listens.

    ``relaying``: a Relaying, of Postfix; ``others``: ports at which somebody was seen who talks SMTP.
    """
    listeners = [] if relaying is None else relaying.listeners
    found: List[Place] = []

    def add(port: int, address: Optional[Address] = None) -> None:
        networks = [one for one in listeners if _number(one.port) == port]
        host = address or network.where_to_ask(port, lambda own: _trusts(relaying, networks, own))
        if (host, port) not in [(one.host, one.port) for one in found]:
            begins_tls = any(one.begins_tls for one in networks if one.address in ("", str(host)))
            found.append(Place(host, port, _trusts(relaying, networks, host), begins_tls))

    for port in ports:
        add(port)
    more: List[Tuple[int, Optional[Address]]] = [(_number(one.port), _address(one.address)) for one in listeners]
    more += [(port, None) for port in others]
    for port, address in more:
        is_there = network.is_open(port) if address is None else (address, port) in network.listening
        is_loopback = address is not None and address.is_loopback
        if is_there and not is_loopback and len(found) < len(ports) + _MOST:
            add(port, None if address is None or address.is_unspecified else address)
    return found


def _trusts(relaying: Optional["_Relaying"], listeners: "Sequence[_Listener]", address: Address) -> Optional[bool]:
    if relaying is None:
        return None
    exact = [one for one in listeners if one.address == str(address)] or [one for one in listeners if not one.address]
    lists = [one.networks for one in exact or listeners] or [relaying.networks]
    said = {one.holds(address) for one in lists}
    return said.pop() if len(said) == 1 else None


def _number(port: str) -> int:
    if port.isdigit():
        return int(port)
    try:
        return socket.getservbyname(port, "tcp")
    except OSError:
        return _NAMED.get(port, 0)


def _address(text: str) -> Optional[Address]:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
