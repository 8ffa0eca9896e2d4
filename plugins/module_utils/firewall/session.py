# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which address, and to which port, the SSH session comes that this process runs in."""

__all__ = ["check_lockout", "find_session"]

import ipaddress
import os
from typing import Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.networks import IPAddress
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Wanted
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs

_NAME = b"SSH_CONNECTION="


def find_session(root: str = "/proc") -> Optional[Tuple[IPAddress, int]]:
    """Return (address, port of this host) or None.

    sudo and its like take SSH_CONNECTION out of the environment: it is looked for in that of each parent, too.
    """
    found = _session(os.environb.get(_NAME[:-1], b""))
    if found:
        return found
    procfs = Procfs(root)
    processes = procfs.processes()
    own = processes.get(os.getpid())
    for parent in procfs.ancestors(own, processes) if own else ():
        try:
            with open(os.path.join(root, str(parent.pid), "environ"), "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            found = _session(variable[len(_NAME) :]) if variable.startswith(_NAME) else None
            if found:
                return found
    return None


def check_lockout(wanted: Wanted, session: Optional[Tuple[IPAddress, int]], ssh_port: Optional[int]) -> None:
    """Raise RescueError where the run's own address would no longer reach the SSH port.

    ``session``: what find_session returned. ``ssh_port``: by which the run comes, as far as the controller knows.
    """
    if session is None:
        if ssh_port in wanted.ports:
            raise RescueError(
                "ports: port %d is the one that this run comes by, and the host does not tell from which address."
                % ssh_port
            )
        return
    address, port = session
    if port not in wanted.ports or address.is_loopback:
        return
    if not any(address in network for network in wanted.networks if network.version == address.version):
        raise RescueError(
            "allowed_networks: this run comes from %s by port %d, which is one of the ports, and would lock itself out."
            % (address, port)
        )


def _session(value: bytes) -> Optional[Tuple[IPAddress, int]]:
    fields = value.decode("ascii", "replace").split()
    try:
        # An address of the link has its interface after a percent sign.
        address: IPAddress = ipaddress.ip_address(fields[0].partition("%")[0])
        port = int(fields[3])
    except (IndexError, ValueError):
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address, port
