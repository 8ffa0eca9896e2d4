#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: submission_firewall_plan
short_description: Plan the firewall rules for the submission ports
version_added: 0.1.0
description:
  - Checks the options of the role P(mailops.rescue.submission_firewall#role), detects the host's firewall, and returns
    what the role has to add, change and remove. It never changes anything.
  - Refuses to lock out the address that the run itself comes from.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.linux
options:
  state:
    description: Whether to restrict access; V(absent) plans to remove every trace of it.
    type: str
    choices: [present, absent]
    default: present
  ports:
    description: TCP ports, 15 at most.
    type: list
    elements: int
    default: [587, 465]
  allowed_networks:
    description:
      - IPv4 and IPv6 networks and addresses that may reach the ports. A network must not have bits set beyond its
        prefix, and IPv4 must not be written as IPv6.
    type: list
    elements: str
    default: []
  allow_nobody:
    description: Whether O(allowed_networks) may be empty.
    type: bool
    default: false
  allow_documentation_networks:
    description:
      - Whether O(allowed_networks) may contain networks that are reserved for documentation (such as 192.0.2.0/24 or
        2001:db8::/32). By default they are refused, since they are probably copied from an example.
    type: bool
    default: false
  action:
    description: What happens to packets from all others.
    type: str
    choices: [drop, reject]
    default: drop
  rate_limit:
    description:
      - Allowed rate of new connections, such as V(20/minute); empty for no limit.
      - With nftables it applies to each address (for IPv6, each /64), with firewalld to each network and port as a
        whole. With ufw it must be V(12/minute), the only rate that ufw supports, and applies to each address.
    type: str
    default: ""
  backend:
    description: The firewall to use; V(auto) uses firewalld if it runs, ufw if it is active, else nftables.
    type: str
    choices: [auto, nftables, firewalld, ufw]
    default: auto
  ssh_port:
    description:
      - SSH port of the run, as far as the controller knows it. If the host cannot tell where the run comes from and
        this port is among O(ports), the module fails.
    type: int
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root; use C(become).
"""

EXAMPLES = r"""
- name: See what would be done
  mailops.rescue.submission_firewall_plan:
    allowed_networks:
      - 10.20.0.0/16
      - fd12:3456:789a::/48
  become: true
  register: plan
"""

RETURN = r"""
backend:
  description: The firewall that is used; null for O(state=absent).
  type: str
  returned: success
  sample: nftables
in_force:
  description:
    - Whether the host now admits exactly these networks. V(false) before a change, and for O(state=absent).
  type: bool
  returned: success
  sample: true
ports:
  description: The ports, sorted.
  type: list
  elements: int
  returned: success
  sample: [465, 587]
allowed_networks:
  description: The networks, sorted.
  type: list
  elements: str
  returned: success
  sample: [192.0.2.0/24, "2001:db8:25::/48"]
session:
  description: The SSH session of the run; null if there is none.
  type: dict
  returned: success
  contains:
    address:
      description: Where it comes from.
      type: str
    port:
      description: The port on the host.
      type: int
  sample:
    address: 192.0.2.7
    port: 22
checking:
  description: Whether this is check mode, in which nothing of the plan is carried out.
  type: bool
  returned: success
  sample: false
notes:
  description: Notes for the operator.
  type: list
  elements: str
  returned: success
  sample: []
nftables:
  description: What to do with nftables.
  type: dict
  returned: success
  contains:
    installed:
      description: Whether C(nft) is installed.
      type: bool
    found:
      description: Whether a file or a table of the role exists.
      type: bool
    live:
      description: Whether the role's table is loaded.
      type: bool
    load:
      description: Whether the table has to be loaded.
      type: bool
    table:
      description: Text of RV(nftables.file); null if the file should be removed.
      type: str
    file:
      description: The file with the table.
      type: str
    unit:
      description: Name of the unit that loads it.
      type: str
    unit_file:
      description: File of the unit.
      type: str
    unit_text:
      description: Text of that file; null if the file should be removed.
      type: str
    unit_present:
      description: Whether that file exists.
      type: bool
firewalld:
  description: What to do with firewalld.
  type: dict
  returned: success
  contains:
    running:
      description: Whether it runs.
      type: bool
    add:
      description: Rich rules to add, in this order.
      type: list
      elements: dict
      contains:
        zone:
          description: The zone.
          type: str
        rule:
          description: The rule.
          type: str
    remove:
      description: Rich rules to remove after that, as RV(firewalld.add).
      type: list
      elements: dict
    leftovers:
      description: Files that firewalld created for the role's rules and that contain nothing else.
      type: list
      elements: str
ufw:
  description: What to do with ufw.
  type: dict
  returned: success
  contains:
    active:
      description: Whether it is active.
      type: bool
    reset:
      description: Rules to remove first, because their order is wrong, as options of M(community.general.ufw).
      type: list
      elements: dict
    add:
      description: Rules to add, as options of M(community.general.ufw), in this order.
      type: list
      elements: dict
    remove:
      description: Rules to remove after that.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.submission_firewall_plan import make_plan
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "ports": {"type": "list", "elements": "int", "default": [587, 465]},
            "allowed_networks": {"type": "list", "elements": "str", "default": []},
            "allow_nobody": {"type": "bool", "default": False},
            "allow_documentation_networks": {"type": "bool", "default": False},
            "action": {"type": "str", "choices": ["drop", "reject"], "default": "drop"},
            "rate_limit": {"type": "str", "default": ""},
            "backend": {"type": "str", "choices": ["auto", "nftables", "firewalld", "ufw"], "default": "auto"},
            "ssh_port": {"type": "int"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda params: dict(make_plan(params), checking=module.check_mode))


if __name__ == "__main__":
    main()
