#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_repair
short_description: Show which queue repairs failed
version_added: 0.1.0
description:
  - Takes the results of M(mailops.rescue.queue_repair) that hosts registered, and shows on the controller's terminal
    which hosts were not repaired, and why.
  - If the module was killed on a host, or the connection was lost, it explains the possible states and what to do.
  - It runs on the controller and connects to no host.
  - The playbook repair of this collection uses it.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  view:
    description: V(verdict) fails if a host could not be read, or a planned repair was not done.
    type: str
    choices: [verdict]
    default: verdict
  hosts:
    description: Names of the hosts whose results to check; all hosts of the play by default.
    type: list
    elements: str
  plan:
    description: Variable in which each host registered the result of check mode.
    type: str
    default: mailops_faults
  done:
    description: Variable in which each host registered the result of the real run.
    type: str
    default: mailops_repair
attributes:
  check_mode:
    details: In check mode, it does not expect results of a real run.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_repair
"""

EXAMPLES = r"""
- name: Repair queues
  hosts: mail
  gather_facts: false
  tasks:
    - name: See what would be repaired
      mailops.rescue.queue_repair:
      check_mode: true
      become: true
      register: mailops_faults

    - name: Repair
      mailops.rescue.queue_repair:
      become: true
      register: mailops_repair
      ignore_errors: true

    - name: Check that all hosts are repaired
      mailops.rescue.show_repair:
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
hosts_failed:
  description: The hosts that failed, and the reason in one line.
  type: dict
  returned: always
  sample:
    mx9.example.com: "unreachable: ssh: connect to host mx9.example.com port 22: Connection refused"
"""
