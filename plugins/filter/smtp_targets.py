# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host is to ask its own SMTP servers."""

from __future__ import annotations

import ipaddress
import typing

from ansible.errors import AnsibleFilterError

from ansible_collections.mailops.rescue.plugins.module_utils.host.listeners import listening_sockets

DOCUMENTATION = r"""
name: smtp_targets
short_description: Where a host is to ask its own SMTP servers
version_added: 0.1.0
description:
  - Pairs of an address and a port, for M(mailops.rescue.smtp_probe) in a loop.
  - The port for mail from strangers is asked at the loopback, which most servers trust, and at the first address of the
    host of each version of IP. The ports for submission are asked at these addresses only, or at the loopback if the
    host has no other, and only if something listens on them, as each that does not answer takes a while.
options:
  _input:
    description: The kernel's tables of TCP sockets, C(/proc/net/tcp) and C(/proc/net/tcp6), one after the other.
    type: str
    required: true
  network:
    description: The facts of C(ansible.builtin.setup) on the network.
    type: dict
    required: true
  smtp_port:
    description: The port for mail from strangers.
    type: int
    required: true
  ports:
    description: The ports for submission.
    type: list
    elements: int
    required: true
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.smtp_probe
"""

EXAMPLES = r"""
- name: Ask the server
  mailops.rescue.smtp_probe:
    host: "{{ item.0 }}"
    port: "{{ item.1 }}"
  loop: "{{ sockets.stdout | mailops.rescue.smtp_targets(ansible_facts, 25, [587, 465]) }}"
"""

RETURN = r"""
_value:
  description: Pairs of an address and a port.
  type: list
  elements: list
  sample: [["127.0.0.1", 25], ["::1", 25], ["192.0.2.25", 25], ["192.0.2.25", 587]]
"""

LOOPBACKS = ("127.0.0.1", "::1")


def smtp_targets(
    sockets: str, network: dict, smtp_port: typing.Union[int, str], ports: typing.List[int]
) -> typing.List[list]:
    """Return [[address, port], ...]."""
    if not isinstance(sockets, str) or not hasattr(network, "get"):
        raise AnsibleFilterError("smtp_targets: expected a table of sockets and the facts of a host")
    listening = {port for _address, port in listening_sockets(sockets)}
    own = _own_addresses(network)
    strangers = [[address, int(smtp_port)] for address in [*LOOPBACKS, *own]]
    users = [[address, port] for address in own or LOOPBACKS for port in ports if port in listening]
    return strangers + users


def _own_addresses(network):
    """The first address of each version; one of a link says nothing without its interface."""
    ipv4 = list(network.get("ansible_all_ipv4_addresses") or ())
    ipv6 = [
        address
        for address in network.get("ansible_all_ipv6_addresses") or ()
        if not ipaddress.ip_address(str(address)).is_link_local
    ]
    return [str(address) for address in ipv4[:1] + ipv6[:1]]


class FilterModule:
    def filters(self):
        return {"smtp_targets": smtp_targets}
