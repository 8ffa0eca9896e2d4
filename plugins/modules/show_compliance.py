#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: show_compliance
short_description: Show which compliance controls do not hold, for people
version_added: 0.1.0
description:
  - Takes what hosts registered in the role P(mailops.rescue.compliance#role), shows one text about all of them on the
    controller's terminal, and fails where one is not as it should be.
  - The whole is in the report of P(mailops.rescue.report#callback), of which this is no part; its failure is no host's.
  - It runs on the controller and connects to no host. Text from hosts is shown harmless and is never evaluated as a
    template.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.controller
  - mailops.rescue.show
options:
  view:
    description:
      - V(verdict) shows what failed and what is unknown, and fails as O(fail_on) says.
      - V(before) shows nothing and returns how large queues were in an earlier report, to be registered.
      - V(previous) shows nothing and returns the path of the report that P(mailops.rescue.report#callback) compares
        with, as its configuration and extra variables say, for V(before).
    type: str
    choices: [before, previous, verdict]
    required: true
  previous:
    description: For V(view=before), path of the JSON document of an earlier report. It need not exist.
    type: str
  fail_on:
    description:
      - The lowest severity of a control that fails, or is unknown, for which this fails. It always fails where a host
        could not be checked at all.
      - With V(never), it only fails where there is no host.
    type: str
    choices: [low, medium, high, critical, never]
    default: low
  hosts:
    description: Names of the hosts that are meant; all hosts of the play by default.
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
    - name: Fail where something grave is wrong
      mailops.rescue.show_compliance:
        view: verdict
        fail_on: high
      run_once: true
      delegate_to: localhost
"""

RETURN = r"""
counts:
  description: How many controls of each status there are.
  type: dict
  returned: O(view=verdict)
  sample: {pass: 27, fail: 2, not_applicable: 1}
hosts_failed:
  description: Hosts for which it fails.
  type: list
  elements: str
  returned: O(view=verdict)
  sample: [mx1.example.com]
hosts_not_checked:
  description: Hosts of which nothing is known, and why.
  type: dict
  returned: O(view=verdict)
  sample: {}
path:
  description: Absolute path of that report, whether or not there is one.
  type: str
  returned: O(view=previous)
  sample: /srv/reports/nightly/report.json
totals:
  description: How many messages each host's queues held.
  type: dict
  returned: O(view=before)
  sample: {mx1.example.com: 2045}
error:
  description: Why that is not known; null where it is, or where there is no such file.
  type: str
  returned: O(view=before)
  sample: null
"""
