#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_restore
short_description: Put messages from quarantine back into the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Puts a batch that M(mailops.rescue.queue_purge) took, or a part of it, back into its queue. Each message is compared
    with the batch's ledger first (SHA-256, owner, mode, times, inode), and nothing in the queue is overwritten.
  - "qmail: C(qmail-send) is stopped through its supervisor meanwhile, and comes back as it was found."
  - "Postfix: messages come back into the C(hold) queue unless O(release=true)."
  - The batch stays, with the messages that were not restored, until M(mailops.rescue.quarantine_prune) removes it.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.selection
  - mailops.rescue.quarantine
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
options:
  batch:
    description:
      - Name of the batch, as queue_purge returned it and M(mailops.rescue.quarantine_info) lists it.
      - V(latest) is the newest one.
    type: str
    required: true
  method:
    description:
      - V(exact) puts the very files back where they were.
      - V(reinject) hands messages to C(qmail-queue) or C(sendmail) as new mail, for the recipients that were still
        pending. It is for batches that were copied, where V(exact) is impossible. Messages get new ids and a new time
        of arrival. A message that was being injected when a run was killed is not tried again.
    type: str
    choices: [exact, reinject]
    default: exact
  unsure:
    description:
      - Whether to put back, too, messages that may have been delivered already. A delivery of them was in flight when
        M(mailops.rescue.queue_purge) marked them, or a run that took, restored or injected them was
        killed in between.
    type: bool
    default: false
  release:
    description:
      - "Postfix: put each message back into the queue that it was in, and not into C(hold), so that it is delivered."
      - While Postfix runs, what was in C(incoming) or C(active) goes to C(deferred), whence it is tried at once.
    type: bool
    default: false
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_purge
  - module: mailops.rescue.quarantine_info
notes:
  - Needs root; use C(become).
"""

EXAMPLES = r"""
- name: Undo the last purge
  mailops.rescue.queue_restore:
    batch: latest
    release: true
  become: true

- name: Put back what was taken by mistake
  mailops.rescue.queue_restore:
    batch: 20261121T232552Z-01e2
    select:
      recipient: '@partner\.example\.org$'
  become: true
"""

RETURN = r"""
mta:
  description: Whose queue it is.
  type: str
  returned: success
  sample: qmail
queue_directory:
  description: The queue; the first one where there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
batch:
  description: The batch.
  type: str
  returned: success
  sample: 20261121T232552Z-01e2
batches:
  description: Where the batch is, for each queue that it came from.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: The queue.
      type: str
    path:
      description: The batch's directory.
      type: str
  sample:
    - {queue_directory: /var/qmail/queue, path: /var/qmail/queue.quarantine/20261121T232552Z-01e2}
matched:
  description: Messages in the batch that are selected.
  type: int
  returned: success
  sample: 414
restored:
  description: Messages that were put back.
  type: int
  returned: success
  sample: 414
bytes:
  description: Their size together, in bytes.
  type: int
  returned: success
  sample: 443402
remaining:
  description: Messages that are in the batch afterwards.
  type: int
  returned: success
  sample: 1582
left:
  description: Messages that were selected and are still in the batch (the first 50).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    queue_directory:
      description: The queue that it came from.
      type: str
    reason:
      description: Why it was left.
      type: str
  sample: []
left_count:
  description: Number of such messages.
  type: int
  returned: success
  sample: 0
undecided:
  description: Messages on which matching took longer than O(timeout_per_message) (the first 50). They were left.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    queue_directory:
      description: The queue.
      type: str
    reason:
      description: Which expression took too long.
      type: str
  sample: []
undecided_count:
  description: Number of such messages.
  type: int
  returned: success
  sample: 0
at_work:
  description: In check mode, another run that is at work on the quarantine; empty otherwise.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The quarantine.
      type: str
    pid:
      description: Its process.
      type: int
    since:
      description: When that began.
      type: str
  sample: []
finished_runs:
  description: In check mode, batches that purges have finished within an hour; empty otherwise.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: The batch.
      type: str
    queue_directory:
      description: Its queue.
      type: str
    messages:
      description: How many messages were taken.
      type: int
    age:
      description: For how many seconds it has been finished.
      type: int
  sample: []
recovered:
  description: Batches of earlier runs that were killed, and were put in order; in check mode, those that would be.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: The batch.
      type: str
    queue_directory:
      description: Its queue.
      type: str
    messages:
      description: Messages in it; null in check mode. A batch without any is removed.
      type: int
    cut_off:
      description: What was cut off, V(purge) or V(restore).
      type: str
  sample: []
released:
  description: Whether messages were put back into the queues that they were in, and not into hold, for Postfix.
  type: bool
  returned: success
  sample: false
counts_before:
  description: How many messages were in the queue before.
  type: dict
  returned: success
  contains: &counts
    total:
      description: All messages, in whatever state, each counted once.
      type: int
    by_queue:
      description: All messages by queue.
      type: dict
  sample:
    total: 49
    by_queue: {local: 10, remote: 39, todo: 0, incomplete: 0, bounce: 0}
counts_after:
  description: As RV(counts_before), afterwards; in check mode, as it would be.
  type: dict
  returned: success
  contains: *counts
  sample:
    total: 463
    by_queue: {local: 10, remote: 453, todo: 0, incomplete: 0, bounce: 0}
service:
  description: What was stopped for it and started again; empty where nothing was.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: Its queue.
      type: str
    supervisor:
      description: What keeps C(qmail-send) running.
      type: str
    service:
      description: The service's directory, unit or script.
      type: str
    state_before:
      description: V(running), V(stopping) or V(starting), as in M(mailops.rescue.qmail_send).
      type: str
    state_after:
      description: V(running), V(starting) or V(down).
      type: str
    pid:
      description: Process id of the new C(qmail-send), or null.
      type: int
    killed:
      description: Deliveries that were killed, with O(on_timeout=kill), as in M(mailops.rescue.qmail_send).
      type: list
      elements: dict
    cut_off:
      description: Whether an earlier run that was killed had stopped it; RV(service[].state_before) is what that found.
      type: bool
  sample:
    - queue_directory: /var/qmail/queue
      supervisor: daemontools
      service: /service/qmail-send
      state_before: running
      state_after: running
      pid: 4711
      killed: []
      cut_off: false
seconds:
  description: How long it took, in seconds.
  type: float
  returned: success
  sample: 0.27
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_restore import restore
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import (
    QMAIL_SERVICE,
    QUEUE,
    SELECTION,
    run_module,
)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            quarantine={"type": "path"},
            batch={"type": "str", "required": True},
            method={"type": "str", "choices": ["exact", "reinject"], "default": "exact"},
            release={"type": "bool", "default": False},
            unsure={"type": "bool", "default": False},
            **dict(SELECTION, **QMAIL_SERVICE),
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: restore(params, module.check_mode))


if __name__ == "__main__":
    main()
