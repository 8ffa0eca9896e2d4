#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_hardening
short_description: Show the state of mail servers after hardening
version_added: 0.1.0
description:
  - Takes what hosts registered in the playbook harden of this collection, and shows one page about all of them on the
    controller's terminal.
  - The page says for each statement whether it was measured, by M(mailops.rescue.smtp_probe), or read from the host's
    settings.
  - It runs on the controller and connects to no host. Text from hosts and from their peers is escaped for display and
    never evaluated as a template.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  view:
    description:
      - V(holding) shows the state of the hosts of the wave (see C(serial)).
      - V(failure), in the C(rescue) section of a block, shows nothing and returns which task failed and why, to be
        registered.
      - V(verdict) names the hosts of the play that failed, with the reason, and fails if there are any.
    type: str
    choices: [failure, holding, verdict]
    required: true
  hosts:
    description:
      - Names of the hosts to show.
      - By default the hosts of the wave for V(holding), and all hosts of the play for V(verdict).
    type: list
    elements: str
attributes:
  check_mode:
    details: In check mode, V(view=holding) says that nothing was changed.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.smtp_probe
  - module: mailops.rescue.qmail_catchall
"""

EXAMPLES = r"""
- name: Probe what all mail servers accept
  hosts: mail
  gather_facts: false
  tasks:
    - name: Probe the server
      mailops.rescue.smtp_probe:
        host: 127.0.0.1
        port: "{{ item }}"
        relay: true
      loop: [25, 587]
      register: mailops_probes

    - name: Show the state
      mailops.rescue.show_hardening:
        view: holding
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
hosts:
  description: The hosts that are shown.
  type: list
  elements: str
  returned: O(view=holding)
  sample: [mx1.example.com]
hosts_failed:
  description: The hosts that failed, and the reason in one line.
  type: dict
  returned: O(view=verdict)
  sample:
    mx9.example.com: "unreachable: ssh: connect to host mx9.example.com port 22: Connection refused"
task:
  description: Name of the task that failed.
  type: str
  returned: O(view=failure)
  sample: Change main.cf and master.cf
reason:
  description: Why it failed, in one line.
  type: str
  returned: O(view=failure)
  sample: "postfix_hardening_domain: example.org is not in mydestination."
"""
