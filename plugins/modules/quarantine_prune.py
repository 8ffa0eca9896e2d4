#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: quarantine_prune
short_description: Remove batches from quarantine for good
version_added: 0.1.0
description:
  - Removes batches that M(mailops.rescue.queue_purge) put into quarantine, with all messages in them. That cannot be
    undone.
  - At least one of O(batch), O(label) and O(older_than) must say which are meant. A batch is removed when all that are
    given hold.
  - Batches of runs that were cut off, or are at work, are never removed, but named in RV(left).
  - A removal that was cut off leaves no batch that looks whole, and the next run finishes it.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.attributes
  - mailops.rescue.attributes.posix
  - mailops.rescue.batches
options:
  batch:
    description: Names of batches. One that is not there is named in RV(missing), and is no failure.
    type: list
    elements: str
  label:
    description: Labels, exactly as they were given to M(mailops.rescue.queue_purge). One of them is enough.
    type: list
    elements: str
  older_than:
    description: How long ago a batch was made at least, such as V(12h), V(30d) or V(8w); a bare number is seconds.
    type: str
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs the right to change the quarantine; use C(become).
  - Two runs at a time, or one beside a purge or a restore, are refused.
"""

EXAMPLES = r"""
- name: Keep what was taken for thirty days
  mailops.rescue.quarantine_prune:
    older_than: 30d
  become: true

- name: Remove last week's spam, of which nobody missed anything
  mailops.rescue.quarantine_prune:
    label: stolen account
    older_than: 7d
  become: true

- name: See what removing one batch would free
  mailops.rescue.quarantine_prune:
    batch: 20261121T202427Z-3fa9
  become: true
  check_mode: true
  register: freed
"""

RETURN = r"""
quarantines:
  description: The directories that were looked into. They need not exist.
  type: list
  elements: str
  returned: success
  sample: [/var/qmail/queue.quarantine]
pruned:
  description: The batches that were removed; as many as fit into 64 KiB.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: Its name.
      type: str
    path:
      description: Its directory.
      type: str
    messages:
      description: Messages that were in it; null where it could not be read.
      type: int
    bytes:
      description: Size of these messages together, in bytes; null where it could not be read.
      type: int
  sample:
    - batch: 20261121T202427Z-3fa9
      path: /var/qmail/queue.quarantine/20261121T202427Z-3fa9
      messages: 1996
      bytes: 2133206
pruned_count:
  description: Number of batches that were removed.
  type: int
  returned: success
  sample: 1
messages:
  description: Messages in all of them together.
  type: int
  returned: success
  sample: 1996
bytes:
  description: Size of these messages together, in bytes.
  type: int
  returned: success
  sample: 2133206
remains:
  description: Directories without any whole batch that earlier runs which were cut off have left, and that were removed
    too (the first 50).
  type: list
  elements: str
  returned: success
  sample: []
missing:
  description: Names in O(batch) that are in none of these quarantines (the first 50).
  type: list
  elements: str
  returned: success
  sample: []
left:
  description: Batches that are meant and stay, and directories that cannot be read as batches.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: Its name.
      type: str
    path:
      description: Its directory.
      type: str
    reason:
      description: Why it stays.
      type: str
  sample:
    - batch: 20261120T010203Z-11aa
      path: /var/qmail/queue.quarantine/20261120T010203Z-11aa
      reason: has no manifest.json
left_count:
  description: Number of these.
  type: int
  returned: success
  sample: 1
seconds:
  description: How long it took, in seconds.
  type: float
  returned: success
  sample: 0.22
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_prune import prune
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QUEUE, run_module


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            quarantine={"type": "path"},
            batch={"type": "list", "elements": "str"},
            label={"type": "list", "elements": "str"},
            older_than={"type": "str"},
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: prune(params, module.check_mode))


if __name__ == "__main__":
    main()
