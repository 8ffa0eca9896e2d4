#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: control
short_description: Record whether a compliance control holds, without stopping the play
version_added: 0.1.0
description:
  - A structured assertion. It records whether a host meets a requirement, with the expected and observed values, why it
    matters and how to fix it, for the callback P(mailops.rescue.report#callback).
  - It never fails and never changes anything. A control that cannot be evaluated is recorded as V(error), which means
    unknown, and never as passed.
  - Its options define one control, files define many, and both can be combined. Controls in files are evaluated one by
    one, so an error in one does not affect the others.
  - To accept that a control fails, add a waiver with a reason, an owner and a date.
  - It runs on the controller, on the variables of the host, and connects to no host.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
options:
  id:
    description: Stable name of the control, by which runs are compared and waivers refer to it.
    type: str
  title:
    description: What is required, in a few words; the O(id) by default.
    type: str
  severity:
    description: How serious a failure is. One of V(low), V(medium), V(high), V(critical); V(medium) by default.
    type: str
  that:
    description: Condition, or list of conditions, that must all be true, as for C(when).
    type: raw
  applicable:
    description: Condition or conditions; if one is false, the control is V(not_applicable).
    type: raw
  not_applicable_reason:
    description: Why it does not apply in that case.
    type: str
  unknown:
    description: Condition or conditions; if one is true, the control could not be checked and is V(error).
    type: raw
  unknown_reason:
    description: Why it could not be checked in that case.
    type: str
  expected:
    description: The expected value.
    type: raw
  observed:
    description: The observed value.
    type: raw
  rationale:
    description: Why it matters.
    type: str
  remedy:
    description: The command that fixes it.
    type: str
  references:
    description: Where to read more, at most 10.
    type: raw
  directory:
    description:
      - Directory with YAML files C(*.yml), each a list of controls with the options from O(id) to O(references).
      - A relative path is searched for in C(controls) of the role, in the role, and beside the playbook.
    type: raw
  files:
    description: Such files, by path.
    type: raw
  waivers:
    description:
      - List of waivers. The variable C(mailops_waivers) by default.
      - Each has C(control) (an id, or a pattern such as C(postfix-*)), C(reason), C(owner), C(expires) (C(YYYY-MM-DD),
        the last day on which it is valid, UTC), and optionally C(hosts) (names or patterns; all hosts by default, none
        if the list is empty).
      - A waived control that fails is V(waived). After the last day it is V(fail) again, and the record says why.
      - If a waiver lacks its reason, owner or date, its controls are V(error) until it is fixed.
    type: raw
notes:
  - Before ansible-core 2.19, an undefined variable in an option of a task fails the task before this action sees it. In
    files and in conditions it never does. Use files, or C(default()).
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - plugin: mailops.rescue.report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Read the queue
  mailops.rescue.queue_info:
    top: 0
    limit: 0
  become: true
  register: queue
  ignore_errors: true

- name: The queue is short
  mailops.rescue.control:
    id: queue-count
    title: The queue holds fewer than 300 messages
    severity: high
    unknown: queue is failed
    unknown_reason: The queue could not be read.
    that: queue.counts.total < 300
    expected: fewer than 300
    observed: "{{ queue.counts.total | default('?') }}"
    rationale: A queue that grows is the first sign of a stolen account.
    remedy: ansible-playbook mailops.rescue.inspect -l {{ inventory_hostname }}

- name: All controls of this role, in controls/*.yml
  mailops.rescue.control:
    directory: controls

- name: A control that is known to fail for now
  mailops.rescue.control:
    id: tls-only
    that: false
    waivers:
      - control: tls-*
        reason: The fax gateway cannot do TLS; replaced in spring.
        owner: alice@example.com
        expires: "2099-03-31"
        hosts: ["fax*", localhost]
"""

RETURN = r"""
mailops_controls:
  description: A record for each control, in order.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: As in O(id).
      type: str
    title:
      description: As in O(title).
      type: str
    severity:
      description: As in O(severity).
      type: str
    status:
      description: V(pass), V(fail), V(waived), V(error) (unknown) or V(not_applicable).
      type: str
    expected:
      description: As in O(expected). Texts have at most 1,000 characters, and control characters are escaped.
      type: str
    observed:
      description: As in O(observed).
      type: str
    rationale:
      description: As in O(rationale).
      type: str
    remedy:
      description: As in O(remedy).
      type: str
    references:
      description: As in O(references).
      type: list
      elements: str
    reason:
      description: Why it is an error, does not apply, or fails in spite of a waiver, or which of several conditions is
        false; else null.
      type: str
    waiver:
      description: C(reason), C(owner), C(expires) and C(expired) of the waiver for a control that fails, or null.
      type: dict
  sample:
    - id: queue-count
      title: The queue holds fewer than 300 messages
      severity: high
      status: fail
      expected: fewer than 300
      observed: "2045"
      rationale: A queue that grows is the first sign of a stolen account.
      remedy: ansible-playbook mailops.rescue.inspect -l mx1.example.com
      references: []
      reason: null
      waiver: null
msg:
  description: Number of controls of each status.
  type: str
  returned: always
  sample: 27 pass, 2 fail, 1 not applicable
"""
