#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: judge
short_description: Record the controls of this collection on a mail server
version_added: 0.1.0
description:
  - Takes what the tasks of the role compliance registered, and records for each control of this collection whether it
    holds on the host, for the callback P(mailops.rescue.report#callback). Your own controls are recorded by
    M(mailops.rescue.control).
  - It fails only for wrong options, and never changes anything. A control for which something could not be read or
    asked is recorded as V(error), which means unknown, and never as passed.
  - Waivers are those of the variable C(mailops_waivers), as in M(mailops.rescue.control).
  - It runs on the controller and connects to no host.
options:
  facts:
    description: What M(mailops.rescue.mta_facts) returned, or why it failed.
    type: dict
    required: true
  queue:
    description: What M(mailops.rescue.queue_info) returned, or why it failed.
    type: dict
    default: {}
  repair:
    description: What M(mailops.rescue.queue_repair) returned in check mode, or why it failed.
    type: dict
    default: {}
  probes:
    description: What M(mailops.rescue.smtp_probe) returned on the host, in a loop over C(probes) of O(facts).
    type: dict
    default: {}
  vantage_probes:
    description: What it returned on O(vantage), in a loop over the ports.
    type: dict
    default: {}
  before:
    description: Messages of each host's queues in the report of the run before (C(totals)), or why they are not known
      (C(error)).
    type: dict
    default: {}
  mta:
    description: Which MTA it should be, where O(facts) do not tell; V(auto) for any.
    type: str
    default: auto
  instance:
    description: Configuration directory of one of several Postfix instances, for the commands that fix what fails.
    type: str
    default: ""
  queue_options:
    description: Options by which modules find this queue, for the same.
    type: dict
    default: {}
  queue_messages:
    description: How many messages the queue may hold.
    type: int
    default: 300
  queue_hours:
    description: How many hours old the oldest message may be.
    type: int
    default: 24
  queue_growth:
    description: How many messages more than in O(before) the queue may hold.
    type: int
    default: 100
  previous:
    description: Path of the report that O(before) is from; without it the queue is not compared.
    type: str
    default: ""
  quarantine_days:
    description: How long what was taken out of the queue may stay in quarantine.
    type: int
    default: 30
  rate_limits:
    description: Limits of Postfix on clients that must not be off.
    type: list
    elements: str
    default: []
  postfix_version:
    description: The oldest Postfix that is good enough.
    type: str
    default: 3.5.0
  qmail_versions:
    description: Which qmail it must be; empty for any.
    type: list
    elements: str
    default: []
  auth_on_port_25:
    description: Whether O(smtp_port) may offer AUTH.
    type: bool
    default: false
  double_bounces:
    description: Where qmail's double bounces are to go; V(unchanged) for anywhere.
    type: str
    default: discard
  ports:
    description: The ports for submission.
    type: list
    elements: int
    default: [587, 465]
  vantage:
    description: The host from which they were tried; empty for none.
    type: str
    default: ""
  smtp_port:
    description: The port for mail from strangers.
    type: int
    default: 25
  domain:
    description: The domain that unknown recipients were made up in; that of O(facts) by default.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and returns the same result.
    support: full
  diff_mode:
    description: Returns what changed, where something can change.
    support: none
  action:
    description: Runs on the controller.
    support: full
  platform:
    description: Systems that it can be used for.
    platforms: posix
    support: full
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.control
  - module: mailops.rescue.mta_facts
  - plugin: mailops.rescue.report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Read how the mail server is set up
  mailops.rescue.mta_facts:
  register: facts
  become: true

- name: Ask the server
  mailops.rescue.smtp_probe:
    host: "{{ item.host }}"
    port: "{{ item.port }}"
    relay: true
  loop: "{{ facts.probes }}"
  register: probes

- name: Record which controls hold
  mailops.rescue.judge:
    facts: "{{ facts }}"
    probes: "{{ probes }}"
"""

RETURN = r"""
mailops_controls:
  description: What is recorded for each control, as M(mailops.rescue.control) returns it.
  returned: success
  type: list
  elements: dict
  sample:
    - id: COMMON-100
      title: The queue is short
      severity: high
      status: fail
      expected: 300 messages at most
      observed: 2045 messages
      rationale: A queue that grows is the first sign of a stolen account, or of backscatter.
      remedy: ansible-playbook -l mx1.example.com mailops.rescue.inspect
      references: []
      reason: null
      waiver: null
msg:
  description: How many of each status there are.
  type: str
  returned: success
  sample: 20 pass, 2 fail, 1 not applicable
"""
