#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_repair
short_description: List and repair inconsistencies in the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Lists everything in a queue that its MTA would trip over, repairs what can be repaired without loss, and moves the
    rest into quarantine. In check mode it only lists it.
  - A second run finds nothing left to repair.
  - "qmail: messages whose id is not the inode number of their file (in a queue that was copied or restored from a
    backup), files in the wrong directory, wrong owners and modes, missing directories, missing or wrong files in
    C(lock), files whose message is gone, messages without an envelope, damaged envelopes, and files that do not belong
    in a queue."
  - "qmail: if there is something to repair, the supervisor stops C(qmail-send) for the duration, and it is then started
    again if it was running before. A queue without a running C(qmail-send), such as a copy, needs no supervisor. At
    every instant each message is in the queue once, with its envelope, under its old or its new id; the next run
    finishes what a killed run left."
  - "Postfix: logs in C(defer), C(bounce) and C(trace) that belong to no message, and files that are not queue files,
    are moved into quarantine while Postfix runs. Files of messages are never touched; RV(left) lists what C(postsuper
    -s), C(postsuper -p) or C(postfix check) would fix or report."
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.quarantine
options:
  split:
    description:
      - Number of numbered directories in C(mess), C(info), C(local) and C(remote); qmail only. All files are moved to
        the directory where they belong.
      - It must be the number that qmail was compiled with (C(conf-split), a prime), or qmail does not find its mail.
        The module fails if C(qmail-showctl) of the installed qmail reports a different number.
      - By default the number that C(qmail-showctl) reports, or the present number for a copy of a queue.
    type: int
  label:
    description: A few words by which to find the batch later.
    type: str
attributes:
  check_mode:
    details: It cannot predict whether C(qmail-send) stops in time, or what happens in a live queue in the meantime.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_info
  - module: mailops.rescue.quarantine_info
notes:
  - Needs root; use C(become).
  - What a live MTA is working on is not a fault. Each fault was seen twice, and a qmail message without an envelope
    only counts after 36 hours without a reader, when qmail itself would remove it.
  - Owners and groups of a qmail queue are compared with the users C(qmailq), C(qmails) and C(qmailr) of this host. If
    these users do not exist, owners are not checked, and RV(notes) says so.
  - A qmail message for both local and remote recipients is not a fault.
  - "Quarantined files keep their path in the queue, below C(files) in the batch; C(ledger.jsonl) gives the reason for
    each group of files."
"""

EXAMPLES = r"""
- name: See what is wrong
  mailops.rescue.queue_repair:
  check_mode: true
  become: true
  register: faults

- name: Repair a qmail queue that was restored from a backup
  mailops.rescue.queue_repair:
    mta: qmail
    queue_directory: /var/qmail/queue
    stop_timeout: 120
    label: restored from backup
  become: true

- name: Split a copy of a queue for the qmail that will get it
  mailops.rescue.queue_repair:
    queue_directory: /srv/rescue/queue
    split: 211

- name: Remove orphaned logs from all Postfix instances
  mailops.rescue.queue_repair:
    mta: postfix
  become: true
"""

RETURN = r"""
mta:
  description: V(qmail) or V(postfix).
  type: str
  returned: success
  sample: qmail
queue_directory:
  description: The queue; the first one if there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
queues:
  description: All queues that were checked.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: The queue.
      type: str
    instance:
      description: Name of the Postfix instance; null for qmail and for copies.
      type: str
  sample:
    - queue_directory: /var/qmail/queue
      instance: null
faults:
  description: Faults before the repair; the first 200 at most.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - "For qmail: V(wrong_id) (a message's id is not its inode number), V(wrong_split) (a file is in the directory
          of another number), V(owner), V(mode), V(orphan) (a file whose message is gone, or a message without an
          envelope), V(second_name) (left by an interrupted repair), V(damaged) (an envelope that cannot be read),
          V(stray) (not a queue file), V(leftover) (an old file in C(pid)), V(missing_directory), V(extra_directory),
          V(missing_file), V(wrong_type), V(wrong_size) (the last three in C(lock))."
        - "For Postfix: V(orphan) (a log whose message is gone), V(stray), and, reported only, V(wrong_id),
          V(wrong_directory), V(mode), V(owner), V(links) (more than one), V(incomplete) (begun over a week ago),
          V(interrupted_fix) (left by an interrupted C(postsuper -s))."
      type: str
    path:
      description: The file or directory, relative to the queue, escaped for display.
      type: str
    queue_directory:
      description: The queue that contains it.
      type: str
    detail:
      description: Details.
      type: str
    repair:
      description: V(rename) or V(rename_alone) (move a whole message, or one file, to where it belongs), V(owner),
        V(mode), V(create), V(replace) (move into quarantine and create a new one), V(remove) (an empty directory, or a
        second name of a file), V(quarantine), or V(none).
      type: str
  sample:
    - kind: wrong_id
      path: mess/13/1563162
      queue_directory: /var/qmail/queue
      detail: its inode is 2220289
      repair: rename
fault_counts:
  description: Number of all faults by RV(faults[].kind).
  type: dict
  returned: success
  sample:
    wrong_id: 2045
fault_count:
  description: Number of all faults.
  type: int
  returned: success
  sample: 2045
repaired:
  description: Number of faults that were repaired, or would be in check mode.
  type: int
  returned: success
  sample: 2045
quarantined:
  description: Number of faults whose files were moved into quarantine, or would be in check mode.
  type: int
  returned: success
  sample: 0
batch:
  description: Name of the batch with the files that were moved into quarantine; null if there is none.
  type: str
  returned: success
  sample: 20261121T192427Z-3fa9
batches:
  description: Location of that batch, for each queue that something was taken out of.
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
    files:
      description: Number of files in it.
      type: int
  sample:
    - queue_directory: /var/qmail/queue
      path: /var/qmail/queue.quarantine/20261121T192427Z-3fa9
      files: 3
left:
  description: Remaining faults, and why they remain; the first 200 at most. In check mode, those that would not be
    repaired.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: As in RV(faults[].kind).
      type: str
    path:
      description: As in RV(faults[].path).
      type: str
    queue_directory:
      description: The queue that contains it.
      type: str
    reason:
      description: Why it remains, or what to do about it.
      type: str
  sample:
    - kind: stray
      path: mess/backup
      queue_directory: /var/qmail/queue
      reason: a directory; look what is in it, and move it away
left_count:
  description: Number of remaining faults.
  type: int
  returned: success
  sample: 1
notes:
  description: Notes for the operator, such as what was not checked.
  type: list
  elements: str
  returned: success
  sample:
    - "Owners and groups were not checked: this host has no user qmailq."
service:
  description: Each C(qmail-send) that was kept from running; qmail only.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: Its queue.
      type: str
    supervisor:
      description: Its supervisor, as in O(supervisor); null if none was needed.
      type: str
    service:
      description: The service's directory, unit or script.
      type: str
    state_before:
      description: V(running), V(stopping), V(starting) or V(down).
      type: str
    state_after:
      description: V(running), V(starting) or V(down).
      type: str
    pid:
      description: Process id of the new C(qmail-send); null if it is down.
      type: int
    killed:
      description: Deliveries that were killed because of O(on_timeout=kill).
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
      pid: 4242
      killed: []
      cut_off: false
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 2.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_repair import repair
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QMAIL_SERVICE, QUEUE, run_module


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            split={"type": "int"},
            quarantine={"type": "path"},
            label={"type": "str"},
            **QMAIL_SERVICE,
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: repair(params, module.check_mode))


if __name__ == "__main__":
    main()
