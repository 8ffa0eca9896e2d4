#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_purge
short_description: Take selected messages out of the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Moves exactly the selected messages out of the queue of a live server into a quarantine beside it.
    M(mailops.rescue.queue_restore) puts them back byte for byte.
  - A batch in quarantine consists of the messages' own files (the same inodes, which keeps their ids from being
    reused), a manifest that records who took what and when, and a ledger with the SHA-256, owner, mode and times of
    every file. The ledger is on disk before a message leaves the queue.
  - At every instant the queue is in a state that its MTA accepts. The next run puts in order what a killed run left.
  - "qmail: the supervisor stops C(qmail-send), its lock is held while messages are taken, and it is then started again
    if it was running before. A queue without a running C(qmail-send), such as a copy, needs no supervisor.
    O(mode=online) works without a stop."
  - "Postfix keeps running. Each message is locked as a delivery agent would lock it, compared with what was selected,
    and moved atomically."
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.selection
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.workers
options:
  all:
    description: Required if O(select) is omitted, which would select every message.
    type: bool
    default: false
  max_messages:
    description:
      - If more messages than this are selected, the module fails and changes nothing.
      - Messages that enter the queue after the count are then left there.
    type: int
  mode:
    description:
      - How messages are taken out of a qmail queue; ignored for Postfix.
      - V(offline) stops C(qmail-send).
      - V(online) does not. Messages are saved in quarantine, their recipients are marked as done in the queue, and
        C(qmail-send) is told to retry everything, and then drops them. This makes it retry all other deferred
        mail, too. Messages that are being delivered are taken once the delivery has ended.
    type: str
    choices: [offline, online]
    default: offline
  watch_timeout:
    description: With O(mode=online), seconds to wait for C(qmail-send) to drop the marked messages.
    type: int
    default: 300
  unprocessed:
    description: Whether to also take messages that C(qmail-send) has not preprocessed yet (in V(todo)); qmail only.
    type: bool
    default: false
  quarantine:
    description:
      - Directory for the batch. It must be on the queue's own filesystem, since messages are moved and never copied. It
        is created with mode 0700 if it is missing.
      - By default a directory beside the queue with C(.quarantine) appended to its name, or C(quarantine) inside the
        queue if the queue is a filesystem of its own.
      - V(discard) deletes the messages instead. They cannot be restored.
    type: path
  label:
    description: A few words by which to find the batch later.
    type: str
attributes:
  check_mode:
    details: It cannot predict whether C(qmail-send) stops in time, or what enters a live queue in the meantime.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_info
  - module: mailops.rescue.queue_restore
  - module: mailops.rescue.quarantine_info
  - module: mailops.rescue.quarantine_prune
notes:
  - Needs root; use C(become).
  - If O(select) names V(ids), a new message that got one of these ids after the count is left.
  - "Postfix: messages in V(maildrop) are left while Postfix runs, because C(pickup) may be reading them. So are
    messages that are still being written or that are being delivered."
"""

EXAMPLES = r"""
- name: See what would be removed
  mailops.rescue.queue_purge:
    select:
      bounce: true
  check_mode: true
  become: true

- name: Remove bounces, except our partner's
  mailops.rescue.queue_purge:
    select:
      bounce: true
    exclude:
      recipient: '@partner\.example\.org$'
    label: backscatter
  become: true
  register: purge

- name: Remove what a stolen account sent, unless it is more than expected
  mailops.rescue.queue_purge:
    select:
      sasl_username: info@example.com
    max_messages: 50000
  become: true

- name: Remove spam while qmail-send keeps delivering
  mailops.rescue.queue_purge:
    select:
      subject: cheap watches
    mode: online
  become: true

- name: Delete everything in the queue of a test server
  mailops.rescue.queue_purge:
    all: true
    quarantine: discard
  become: true
"""

RETURN = r"""
mta:
  description: The MTA that the queue belongs to.
  type: str
  returned: success
  sample: qmail
version:
  description: Version of the installed MTA; null if it cannot be determined, as for qmail and for copies of a queue.
  type: str
  returned: success
  sample: 3.7.11
queue_directory:
  description: The queue; the first one if there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
queues:
  description: All queues that were processed.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: Its directory.
      type: str
    instance:
      description: Name of the Postfix instance, V(-) for the first one; null for qmail and for copies.
      type: str
  sample: [{queue_directory: /var/qmail/queue, instance: null}]
matched:
  description: Number of messages that were selected at the count.
  type: int
  returned: success
  sample: 1996
purged:
  description: Number of messages that were taken out of the queue; null if a failure makes it unknown.
  type: int
  returned: success
  sample: 1996
bytes:
  description: Their total size in bytes; null if RV(purged) is null.
  type: int
  returned: success
  sample: 2140351
batch:
  description: Name of the batch that contains them; null in check mode, if nothing was taken, and with
    O(quarantine=discard).
  type: str
  returned: success
  sample: 20261121T232552Z-01e2
batches:
  description: Location of the batch, for each queue that messages were taken from.
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
    messages:
      description: Messages in it.
      type: int
    bytes:
      description: Their total size in bytes.
      type: int
  sample:
    - queue_directory: /var/qmail/queue
      path: /var/qmail/queue.quarantine/20261121T232552Z-01e2
      messages: 1996
      bytes: 2140351
discarded:
  description: Whether messages were deleted.
  type: bool
  returned: success
  sample: false
counts_before:
  description: Counts before the run, as RV(ignore:counts) of M(mailops.rescue.queue_info).
  type: dict
  returned: success
  contains: &counts
    total:
      description: All messages in any state, each counted once.
      type: int
    matched:
      description: Messages that are selected.
      type: int
    bytes:
      description: Total size of the selected messages in bytes.
      type: int
    by_queue:
      description: All messages by queue.
      type: dict
    matched_by_queue:
      description: The selected messages by queue.
      type: dict
  sample:
    total: 2045
    matched: 1996
    bytes: 2140351
    by_queue: {local: 10, remote: 2035, todo: 0, incomplete: 0, bounce: 0}
    matched_by_queue: {local: 0, remote: 1996, todo: 0, incomplete: 0, bounce: 0}
counts_after:
  description: As RV(counts_before), after the run; in check mode, as predicted. Null if the run failed.
  type: dict
  returned: success
  contains: *counts
  sample:
    total: 49
    matched: 0
    bytes: 0
    by_queue: {local: 10, remote: 39, todo: 0, incomplete: 0, bounce: 0}
    matched_by_queue: {local: 0, remote: 0, todo: 0, incomplete: 0, bounce: 0}
left:
  description: Selected messages that are still in the queue (the first 50).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    queue_directory:
      description: The queue that contains it.
      type: str
    reason:
      description: Why it was not taken.
      type: str
  sample:
    - {id: "1562099", queue_directory: /var/qmail/queue, reason: it is still being injected}
left_count:
  description: Number of such messages.
  type: int
  returned: success
  sample: 1
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
restore_hint:
  description: The command that puts the batch back, or null.
  type: str
  returned: success
  sample: ansible-playbook mailops.rescue.restore -e batch=20261121T232552Z-01e2
damaged_count:
  description: Files in the queue that could not be parsed, as in M(mailops.rescue.queue_info). They were not touched.
  type: int
  returned: success
  sample: 0
vanished:
  description: Messages that left the queue during the count.
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
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 0.88
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_purge import purge
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
            all={"type": "bool", "default": False},
            max_messages={"type": "int"},
            mode={"type": "str", "choices": ["offline", "online"], "default": "offline"},
            watch_timeout={"type": "int", "default": 300},
            unprocessed={"type": "bool", "default": False},
            quarantine={"type": "path"},
            label={"type": "str"},
            workers={"type": "int", "default": 0},
            **dict(SELECTION, **QMAIL_SERVICE),
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: purge(params, module.check_mode))


if __name__ == "__main__":
    main()
