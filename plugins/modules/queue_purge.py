#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_purge
short_description: Take selected messages out of the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Takes exactly what is selected out of the queue, on a server under load, into a quarantine beside it, from where
    M(mailops.rescue.queue_restore) puts it back byte by byte.
  - A batch of the quarantine holds the messages' own files (the same inodes, so that their ids are not used again
    meanwhile), a manifest that says who took what and when, and a ledger with every file's SHA-256, owner, mode and
    times. All of it is on disk before anything leaves the queue.
  - The queue is in a state that its MTA accepts at every instant. What a run that was killed has left is put in order
    by the next one.
  - "qmail: C(qmail-send) is stopped through its supervisor, its lock is held while messages are taken, and it comes
    back as it was found. A queue that nobody runs on (a copy) needs no supervisor. See O(mode) for doing it without a
    stop."
  - "Postfix: it goes on running. Each message is locked as a delivery agent would lock it, compared with what was
    selected, and moved in one step."
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.selection
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.workers
options:
  all:
    description: Must be V(true) to take every message, which is what no O(select) means.
    type: bool
    default: false
  max_messages:
    description:
      - With more messages than this selected, nothing is touched and the module fails.
      - Messages that come into the queue after they were counted are left there then.
    type: int
  mode:
    description:
      - How messages are taken out of a qmail queue. For Postfix it has no meaning.
      - V(offline) stops C(qmail-send).
      - V(online) does not. Messages go into quarantine, their recipients are marked as done in place, and C(qmail-send)
        is told to try everything now, upon which it drops them. That makes it try all other deferred mail too. Messages
        that are being delivered are left until that has ended.
    type: str
    choices: [offline, online]
    default: offline
  watch_timeout:
    description: How many seconds to wait, with O(mode=online), for C(qmail-send) to drop what was marked.
    type: int
    default: 300
  unprocessed:
    description: Whether to take messages too that C(qmail-send) has not preprocessed yet (in V(todo)), for qmail.
    type: bool
    default: false
  quarantine:
    description:
      - Directory that receives the batch. It must be on the queue's own filesystem, as messages are moved and never
        copied. It is made with mode 0700 where it is missing.
      - Without it, a directory beside the queue with C(.quarantine) after its name; where the queue is a filesystem of
        its own, C(quarantine) inside it.
      - V(discard) removes messages for good instead. Nothing can bring them back.
    type: path
  label:
    description: A few words to find the batch by later.
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
  - With O(select) on V(ids), a message that got an id after the messages were counted is left.
  - "Postfix: messages in V(maildrop) are left while Postfix runs, as C(pickup) may be reading them; so are those that
    are still being written, and those that are being delivered."
"""

EXAMPLES = r"""
- name: See what would be removed
  mailops.rescue.queue_purge:
    select:
      bounce: true
  check_mode: true
  become: true

- name: Remove failure notices, apart from our partner's
  mailops.rescue.queue_purge:
    select:
      bounce: true
    exclude:
      recipient: '@partner\.example\.org$'
    label: backscatter
  become: true
  register: purge

- name: Remove what a stolen account sent, if it is not more than expected
  mailops.rescue.queue_purge:
    select:
      sasl_username: info@example.com
    max_messages: 50000
  become: true

- name: Remove spam while qmail-send goes on delivering
  mailops.rescue.queue_purge:
    select:
      subject: cheap watches
    mode: online
  become: true

- name: Empty the queue of a test server for good
  mailops.rescue.queue_purge:
    all: true
    quarantine: discard
  become: true
"""

RETURN = r"""
mta:
  description: Whose queue it is.
  type: str
  returned: success
  sample: qmail
version:
  description: Version of the installed MTA; null where it cannot be told, as for qmail and for copies of a queue.
  type: str
  returned: success
  sample: 3.7.11
queue_directory:
  description: The queue; the first one where there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
queues:
  description: All queues that were worked on.
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
  description: How many messages were selected when they were counted.
  type: int
  returned: success
  sample: 1996
purged:
  description: How many messages were taken out of the queue; null where a failure makes that unknown.
  type: int
  returned: success
  sample: 1996
bytes:
  description: Their size together, in bytes; null where RV(purged) is.
  type: int
  returned: success
  sample: 2140351
batch:
  description: Name of the batch that holds them; null in check mode, where nothing was taken and with
    O(quarantine=discard).
  type: str
  returned: success
  sample: 20261121T232552Z-01e2
batches:
  description: Where the batch is, for each queue that messages were taken from.
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
      description: Their size together, in bytes.
      type: int
  sample:
    - queue_directory: /var/qmail/queue
      path: /var/qmail/queue.quarantine/20261121T232552Z-01e2
      messages: 1996
      bytes: 2140351
discarded:
  description: Whether messages were removed for good.
  type: bool
  returned: success
  sample: false
counts_before:
  description: As RV(ignore:counts) of M(mailops.rescue.queue_info), before.
  type: dict
  returned: success
  contains: &counts
    total:
      description: All messages, in whatever state, each counted once.
      type: int
    matched:
      description: Messages that are selected.
      type: int
    bytes:
      description: Size of the selected messages together, in bytes.
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
  description: As RV(counts_before), afterwards; in check mode, as it would be. Null where the run failed.
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
  description: Messages that were selected and are still in the queue (the first 50).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    queue_directory:
      description: The queue that it is in.
      type: str
    reason:
      description: Why it was left.
      type: str
  sample:
    - {id: "1562099", queue_directory: /var/qmail/queue, reason: it is still being injected}
left_count:
  description: Number of such messages.
  type: int
  returned: success
  sample: 1
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
restore_hint:
  description: The command that puts the batch back, or null.
  type: str
  returned: success
  sample: ansible-playbook mailops.rescue.restore -e batch=20261121T232552Z-01e2
damaged_count:
  description: Files in the queue that could not be read as what they should be, as in M(mailops.rescue.queue_info).
    They were left alone.
  type: int
  returned: success
  sample: 0
vanished:
  description: Messages that left the queue while they were counted.
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
seconds:
  description: How long it took, in seconds.
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
