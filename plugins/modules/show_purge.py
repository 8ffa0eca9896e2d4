#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_purge
short_description: Show what purges and restores on many hosts would do and did
version_added: 0.1.0
description:
  - Takes the results of M(mailops.rescue.queue_purge), M(mailops.rescue.queue_restore) and
    M(mailops.rescue.quarantine_info) that hosts registered, and shows one page about all of them on the controller's
    terminal.
  - The page lists the hosts that failed and why, what is left in place and why, and the command that undoes a purge.
  - It runs on the controller and connects to no host. Text from messages is escaped for display and never evaluated as
    a template.
  - The playbooks purge, restore and quarantine of this collection use it.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  view:
    description:
      - V(plan) shows what would happen according to the results of check mode, and returns the hosts on which something
        would change.
      - V(done) shows what was done on these hosts.
      - V(verdict) shows nothing, and fails if a host failed in either.
      - V(quarantine) shows results of M(mailops.rescue.quarantine_info), and fails if a host could not be read or its
        quarantine is not intact.
    type: str
    choices: [plan, done, verdict, quarantine]
    required: true
  kind:
    description: Which module the results are from, queue_purge or queue_restore.
    type: str
    choices: [purge, restore]
    default: purge
  hosts:
    description:
      - Names of the hosts whose results to show.
      - By default the hosts of the wave (see C(serial)) for V(plan) and V(done), and all hosts of the play otherwise.
    type: list
    elements: str
  read:
    description: Variable in which each host registered the result of M(mailops.rescue.queue_info) or
      M(mailops.rescue.quarantine_info) for the same selection.
    type: str
    default: mailops_queue
  plan:
    description: Variable in which each host registered the result of check mode.
    type: str
    default: mailops_plan
  done:
    description: Variable in which each host registered the result of the real run.
    type: str
    default: mailops_done
  selected:
    description: With V(quarantine), whether only part of the quarantine was selected.
    type: bool
    default: false
  detail:
    description: How many hosts to show in detail, those with most changes first. The others get one line each.
    type: int
    default: 10
  top:
    description: How many entries of each top list to show; V(0) shows no top lists.
    type: int
    default: 3
attributes:
  check_mode:
    details: In check mode, V(view=plan) says that nothing follows, and V(view=verdict) does not expect results of a
      real run.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_purge
  - module: mailops.rescue.queue_restore
  - module: mailops.rescue.quarantine_info
"""

EXAMPLES = r"""
- name: Purge bounces
  hosts: mail
  gather_facts: false
  tasks:
    - name: See what would be removed
      mailops.rescue.queue_purge:
        select:
          bounce: true
      check_mode: true
      become: true
      register: mailops_plan

    - name: Show it
      mailops.rescue.show_purge:
        view: plan
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
hosts:
  description: Hosts on which something would change (O(view=plan)), was done (O(view=done)) or was read
    (O(view=quarantine)).
  type: list
  elements: str
  returned: unless O(view=verdict)
  sample: [mx1.example.com]
hosts_failed:
  description: The hosts that failed, and the reason in one line.
  type: dict
  returned: always
  sample:
    mx9.example.com: "unreachable: ssh: connect to host mx9.example.com port 22: Connection refused"
messages:
  description: Total number of messages on all hosts.
  type: int
  returned: O(view=plan) and O(view=done)
  sample: 1996
bytes:
  description: Their total size in bytes.
  type: int
  returned: O(view=plan) and O(view=done)
  sample: 2133206
prompt:
  description: RV(question), preceded by a note that a run in progress continues if the connection is lost.
  type: str
  returned: O(view=plan)
  sample: "What has begun on a host goes on there: neither Ctrl-C nor a lost connection ends it. The next purge, restore
    or quarantine shows its batch.\n
    Take 1,996 messages out of the queues of 1 host, into quarantine? Type yes to go on"
question:
  description: The question to ask the operator before anything is done.
  type: str
  returned: O(view=plan)
  sample: Take 1,996 messages out of the queues of 1 host, into quarantine? Type yes to go on
"""
