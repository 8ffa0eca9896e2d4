#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_restore
short_description: Put messages from quarantine back into the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Puts a batch of M(mailops.rescue.queue_purge), or part of it, back into its queue. Each message is first compared
    with the batch's ledger (SHA-256, owner, mode, times, inode), and nothing in the queue is overwritten.
  - "qmail: the supervisor stops C(qmail-send) for the duration, and it is then started again if it was running before."
  - "Postfix: messages are put into the C(hold) queue unless O(release=true)."
  - The batch remains, with the messages that were not restored, until M(mailops.rescue.quarantine_prune) removes it.
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
      - Name of the batch, as M(mailops.rescue.queue_purge) returns and M(mailops.rescue.quarantine_info) lists it.
      - V(latest) is the newest one.
    type: str
    required: true
  method:
    description:
      - V(exact) puts the original files back where they were.
      - V(reinject) submits messages to C(qmail-queue) or C(sendmail) as new mail, for the recipients that were still
        pending. It is for copied batches, for which V(exact) is impossible. Messages get new ids and a new arrival
        time. A message that was being injected when a run was killed is not retried.
    type: str
    choices: [exact, reinject]
    default: exact
  unsure:
    description:
      - Whether to also put back messages that may have been delivered already. A delivery was in flight when
        M(mailops.rescue.queue_purge) marked them, or a run that took, restored or injected them was killed.
    type: bool
    default: false
  release:
    description:
      - "Postfix: put each message back into the queue that it was in instead of C(hold), so it is delivered."
      - While Postfix runs, messages from C(incoming) or C(active) go to C(deferred) and are retried at once.
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

- name: Put back messages that were taken by mistake
  mailops.rescue.queue_restore:
    batch: 20261121T232552Z-01e2
    select:
      recipient: '@partner\.example\.org$'
  become: true
"""

RETURN = r"""
mta:
  description: The MTA that the queue belongs to.
  type: str
  returned: success
  sample: qmail
queue_directory:
  description: The queue; the first one if there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
batch:
  description: The batch.
  type: str
  returned: success
  sample: 20261121T232552Z-01e2
batches:
  description: Location of the batch, for each queue that it came from.
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
  description: Selected messages in the batch.
  type: int
  returned: success
  sample: 414
restored:
  description: Messages that were put back.
  type: int
  returned: success
  sample: 414
bytes:
  description: Their total size in bytes.
  type: int
  returned: success
  sample: 443402
remaining:
  description: Messages that remain in the batch.
  type: int
  returned: success
  sample: 1582
left:
  description: Selected messages that are still in the batch (the first 50).
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
      description: Why it was not taken.
      type: str
  sample: []
left_count:
  description: Number of such messages.
  type: int
  returned: success
  sample: 0
undecided:
  description: Messages for which matching took longer than O(timeout_per_message) (the first 50). They were not taken.
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
  description: In check mode, another run that is using the quarantine; empty otherwise.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The quarantine.
      type: str
    pid:
      description: Its process id.
      type: int
    since:
      description: When it started.
      type: str
  sample: []
finished_runs:
  description: In check mode, batches that purges finished within the last hour; empty otherwise.
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
      description: Number of messages that were taken.
      type: int
    age:
      description: Seconds since it was finished.
      type: int
  sample: []
recovered:
  description: Batches of killed runs that were put in order, or would be in check mode.
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
      description: Messages in it; null in check mode. An empty batch is removed.
      type: int
    cut_off:
      description: What was interrupted, V(purge) or V(restore).
      type: str
  sample: []
released:
  description: Whether messages were put back into their former queues instead of hold; Postfix only.
  type: bool
  returned: success
  sample: false
counts_before:
  description: Numbers of messages in the queue before the run.
  type: dict
  returned: success
  contains: &counts
    total:
      description: All messages in any state, each counted once.
      type: int
    by_queue:
      description: All messages by queue.
      type: dict
  sample:
    total: 49
    by_queue: {local: 10, remote: 39, todo: 0, incomplete: 0, bounce: 0}
counts_after:
  description: As RV(counts_before), after the run; in check mode, as predicted.
  type: dict
  returned: success
  contains: *counts
  sample:
    total: 463
    by_queue: {local: 10, remote: 453, todo: 0, incomplete: 0, bounce: 0}
service:
  description: Each C(qmail-send) that was stopped for the run and started again; empty if none was.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: Its queue.
      type: str
    supervisor:
      description: The supervisor of C(qmail-send).
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
      description: Deliveries that were killed because of O(on_timeout=kill), as in M(mailops.rescue.qmail_send).
      type: list
      elements: dict
    cut_off:
      description: Whether an earlier run that was killed had stopped it; RV(service[].state_before) is the state before
        that run.
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
  description: Duration in seconds.
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
