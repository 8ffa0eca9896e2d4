#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_compliance
short_description: Show which compliance controls fail
version_added: 0.1.0
description:
  - Takes what hosts registered in the role P(mailops.rescue.compliance#role), shows one page about all of them on the
    controller's terminal, and fails if a control of a host fails.
  - The callback P(mailops.rescue.report#callback) reports all details. It ignores the failure of this task, which does
    not belong to any host.
  - It runs on the controller and connects to no host. Text from hosts is escaped for display and never evaluated as a
    template.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  view:
    description:
      - V(verdict) shows what failed and what is unknown, and fails as O(fail_on) says.
      - V(before) shows nothing and returns the queue sizes in an earlier report, to be registered.
      - V(previous) shows nothing and returns, for V(before), the path of the report that
        P(mailops.rescue.report#callback) compares with according to its configuration and extra variables.
    type: str
    choices: [before, previous, verdict]
    required: true
  previous:
    description: With V(view=before), path of the JSON document of an earlier report. It need not exist.
    type: str
  fail_on:
    description:
      - The lowest severity of a failed or unknown control for which this module fails. It always fails if a host could
        not be checked at all.
      - With V(never), it only fails if there is no host.
    type: str
    choices: [low, medium, high, critical, never]
    default: low
  hosts:
    description: Names of the hosts to show; all hosts of the play by default.
    type: list
    elements: str
  width:
    default: 100
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.control
  - plugin: mailops.rescue.report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Check all mail servers
  hosts: mail
  gather_facts: false
  ignore_unreachable: true
  roles:
    - mailops.rescue.compliance
  post_tasks:
    - name: Fail on controls of high severity
      mailops.rescue.show_compliance:
        view: verdict
        fail_on: high
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
counts:
  description: Number of controls of each status.
  type: dict
  returned: O(view=verdict)
  sample: {pass: 27, fail: 2, not_applicable: 1}
hosts_failed:
  description: Hosts with failed or unknown controls.
  type: list
  elements: str
  returned: O(view=verdict)
  sample: [mx1.example.com]
hosts_not_checked:
  description: Hosts that could not be checked, and why.
  type: dict
  returned: O(view=verdict)
  sample: {}
path:
  description: Absolute path of that report, whether or not it exists.
  type: str
  returned: O(view=previous)
  sample: /srv/reports/nightly/report.json
totals:
  description: Number of messages in each host's queues.
  type: dict
  returned: O(view=before)
  sample: {mx1.example.com: 2045}
error:
  description: Why this is unknown; null if it is known, or if the file does not exist.
  type: str
  returned: O(view=before)
  sample: null
"""
