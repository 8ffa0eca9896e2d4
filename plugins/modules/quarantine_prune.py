#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: quarantine_prune
short_description: Delete batches from quarantine
version_added: 0.1.0
description:
  - Deletes batches that M(mailops.rescue.queue_purge) put into quarantine, with all messages in them. This cannot be
    undone.
  - At least one of O(batch), O(label) and O(older_than) is required. A batch is removed if it matches all that are
    given.
  - Batches of runs that were interrupted or are in progress are never removed, but listed in RV(left).
  - An interrupted removal leaves nothing that looks like an intact batch, and the next run finishes it.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.attributes
  - mailops.rescue.attributes.posix
  - mailops.rescue.batches
options:
  batch:
    description: Names of batches. A name that does not exist is listed in RV(missing) and is not an error.
    type: list
    elements: str
  label:
    description: Labels, exactly as given to M(mailops.rescue.queue_purge). A batch needs to have one of them.
    type: list
    elements: str
  older_than:
    description: Minimum age of a batch, such as V(12h), V(30d) or V(8w); a bare number is seconds.
    type: str
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs permission to change the quarantine; use C(become).
  - Only one run at a time can use a quarantine. A second prune, or one during a purge or a restore, is refused.
"""

EXAMPLES = r"""
- name: Keep quarantined messages for thirty days
  mailops.rescue.quarantine_prune:
    older_than: 30d
  become: true

- name: Remove last week's spam, of which nothing was missed
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
  description: The quarantine directories that were searched. They need not exist.
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
      description: Messages that were in it; null if it could not be read.
      type: int
    bytes:
      description: Total size of these messages in bytes; null if it could not be read.
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
  description: Total number of messages in them.
  type: int
  returned: success
  sample: 1996
bytes:
  description: Total size of these messages in bytes.
  type: int
  returned: success
  sample: 2133206
remains:
  description: Incomplete directories that interrupted runs left and that were removed as well (the first 50).
  type: list
  elements: str
  returned: success
  sample: []
missing:
  description: Names in O(batch) that do not exist in any of these quarantines (the first 50).
  type: list
  elements: str
  returned: success
  sample: []
left:
  description: Matching batches that were not removed, and directories that cannot be read as batches.
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
      description: Why it was not removed.
      type: str
  sample:
    - batch: 20261120T010203Z-11aa
      path: /var/qmail/queue.quarantine/20261120T010203Z-11aa
      reason: has no manifest.json
left_count:
  description: Their number.
  type: int
  returned: success
  sample: 1
seconds:
  description: Duration in seconds.
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
