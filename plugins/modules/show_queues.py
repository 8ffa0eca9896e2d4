#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_queues
short_description: Show what the queues of many hosts contain
version_added: 0.1.0
description:
  - Takes the results of M(mailops.rescue.queue_info) that hosts registered, and shows one page about all of them on the
    controller's terminal.
  - The page shows what stands out and why, the hosts that could not be read and why, and the next commands to type. It
    never contains a control character from a message.
  - It connects to no host. Run it once, after the hosts were read, as in C(playbooks/inspect.yml).
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  hosts:
    description:
      - Names of the hosts whose results to show.
      - By default all hosts of the play, including those that failed or were unreachable.
    type: list
    elements: str
  variable:
    description:
      - Variable in which each host registered its result.
    type: str
    default: mailops_queue
  view:
    description:
      - V(summary) shows what the queues contain.
      - V(messages) shows the messages in the results, one after another.
    type: str
    choices: [summary, messages]
    default: summary
  detail:
    description:
      - How many hosts to show in detail in the summary, worst first. The others get one line each.
    type: int
    default: 10
  top:
    description:
      - How many entries of each top list to show in the summary; V(0) shows no top lists.
    type: int
    default: 3
  select:
    description:
      - The selection with which the hosts were read; the next commands repeat it.
    type: dict
  exclude:
    description:
      - The exclusion with which the hosts were read.
    type: dict
  fail_on_unreadable:
    description:
      - Whether to fail, after showing everything, if a host could not be read.
    type: bool
    default: true
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_info
"""

EXAMPLES = r"""
- name: Read the queues of all mail hosts
  hosts: mail
  gather_facts: false
  tasks:
    - name: Read them, tolerating hosts that cannot be read
      block:
        - name: Read the queue
          mailops.rescue.queue_info:
            limit: 0
          become: true
          register: mailops_queue
          ignore_unreachable: true
      rescue:
        - name: Let the summary report this host
          ansible.builtin.meta: noop

    - name: Show what stands out, and fail if a host could not be read
      mailops.rescue.show_queues:
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
hosts_read:
  description: Names of the hosts whose results are complete.
  type: list
  elements: str
  returned: always
  sample: [mx1.example.com, mx2.example.com]
hosts_failed:
  description: The hosts that could not be read, and the reason in one line.
  type: dict
  returned: always
  sample:
    mx9.example.com: "unreachable: ssh: connect to host mx9.example.com port 22: Connection refused"
findings:
  description: What stands out, the worst host and its most severe finding first.
  type: list
  elements: dict
  returned: unless O(fail_on_unreadable) makes it fail
  contains:
    host:
      description: Name of the host.
      type: str
    kind:
      description: "Which property stands out: V(sasl_username), V(origin_uid), V(client_address), V(bounce), V(sender),
        V(subject), V(sender_domain), V(recipient_domain), V(delay_reason), V(arrival), V(todo), V(maildrop),
        V(incoming), V(active), V(corrupt), V(damaged), V(undecided), V(vanished), V(origin_header) or V(origin_hidden)
        (read from a header, or hidden by a content filter)."
      type: str
    severity:
      description: V(alarm), V(warning) or V(note).
      type: str
    text:
      description: What stands out, in one sentence.
      type: str
    what:
      description: The predicate of that sentence.
      type: str
    count:
      description: Number of messages.
      type: int
    share:
      description: Share of the selected messages, from 0 to 1.
      type: float
    select:
      description: The selection of these messages for O(mailops.rescue.queue_info#module:select); null if no exact one
        exists.
      type: dict
    evidence:
      description: Other properties of roughly the same messages.
      type: list
      elements: str
  sample:
    - host: mx1.example.com
      kind: bounce
      severity: alarm
      text: 1,996 of 2,045 messages (98 %) are failure notices about addresses at mail.example.com
      what: are failure notices about addresses at mail.example.com
      count: 1996
      share: 0.976
      select: {bounce: true}
      evidence: ["98 % have the subject \"failure notice\""]
"""
