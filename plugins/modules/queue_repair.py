#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_repair
short_description: Name and repair inconsistencies in the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Names everything in a queue that its MTA would trip over, repairs what can be repaired without loss, and moves the
    rest into the quarantine. In check mode it only names it.
  - A second run finds nothing.
  - "qmail: messages whose id is not the inode number of their file (in a queue that was copied or restored from a
    backup), files in a wrong directory, wrong owners and modes, missing directories, missing or wrong files in C(lock),
    files without their message, messages without an envelope, damaged envelopes, and files that are no part of a
    queue."
  - "qmail: C(qmail-send) is stopped through its supervisor while there is something to repair, and comes back
    as it was found. A queue that nobody runs on (a copy) needs no supervisor. At every instant each message is in the
    queue once, with its envelope, under its old or its new id; a run that was killed is finished by the next one."
  - "Postfix: logs in C(defer), C(bounce) and C(trace) that belong to no message, and what is no queue file, go into the
    quarantine, while Postfix runs. Files of messages are never touched; what C(postsuper -s), C(postsuper -p) or
    C(postfix check) would put right or complain about is named in RV(left)."
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.quarantine
options:
  split:
    description:
      - Into how many numbered directories C(mess), C(info), C(local) and C(remote) are to be split, for qmail. All
        files are moved to where they belong then.
      - It must be the number that qmail was compiled with (C(conf-split), a prime), or qmail finds none of its mail.
        Where C(qmail-showctl) of the installed qmail says another one, the module fails.
      - Without it, what C(qmail-showctl) says; for a copy of a queue, as it is split.
    type: int
  label:
    description: A few words to find the batch by later.
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
  - What a live MTA is working on is no fault. Each one was seen at two looks, and a message of qmail without an
    envelope counts once nobody has read it for 36 hours, which is when qmail itself removes it.
  - Owners and groups of a qmail queue are compared with the users C(qmailq), C(qmails) and C(qmailr) of this host.
    Where it does not have them, they are left out, and RV(notes) says so.
  - A message of qmail for local and remote recipients at the same time is no fault.
  - "What went into the quarantine stays there under its path in the queue, in C(files) of the batch; C(ledger.jsonl)
    says for each group of files why it went."
"""

EXAMPLES = r"""
- name: See what is wrong
  mailops.rescue.queue_repair:
  check_mode: true
  become: true
  register: faults

- name: Repair a queue of qmail that was restored from a backup
  mailops.rescue.queue_repair:
    mta: qmail
    queue_directory: /var/qmail/queue
    stop_timeout: 120
    label: restored from backup
  become: true

- name: Split a copy of a queue as the qmail that will get it needs it
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
  description: The queue; the first one where there are several.
  type: str
  returned: success
  sample: /var/qmail/queue
queues:
  description: All queues that were looked at.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: The queue.
      type: str
    instance:
      description: Name of the Postfix instance; null for others.
      type: str
  sample:
    - queue_directory: /var/qmail/queue
      instance: null
faults:
  description: What is wrong, before the repair; the first 200 at most.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - "For qmail: V(wrong_id) (a message's id is not its inode number), V(wrong_split) (a file is in the directory
          of another number), V(owner), V(mode), V(orphan) (a file without its message, or a message without envelope),
          V(second_name) (left by an interrupted repair), V(damaged) (an envelope that cannot be read), V(stray) (no
          queue file), V(leftover) (an old file in C(pid)), V(missing_directory), V(extra_directory), V(missing_file),
          V(wrong_type), V(wrong_size) (these three in C(lock))."
        - "For Postfix: V(orphan) (a log without its message), V(stray), and, only named, V(wrong_id),
          V(wrong_directory), V(mode), V(owner), V(links) (more than one), V(incomplete) (begun over a week ago),
          V(interrupted_fix) (left by an interrupted C(postsuper -s))."
      type: str
    path:
      description: The file or directory, relative to the queue, made harmless to show.
      type: str
    queue_directory:
      description: The queue that it is in.
      type: str
    detail:
      description: More about it.
      type: str
    repair:
      description: V(rename) or V(rename_alone) (move to where it belongs, a whole message or one file), V(owner),
        V(mode), V(create), V(replace) (move into the quarantine, and make it anew), V(remove) (an empty directory, or a
        name of a file that has another one), V(quarantine), or V(none).
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
  description: Number of faults that were repaired; in check mode, that would be.
  type: int
  returned: success
  sample: 2045
quarantined:
  description: Number of faults whose files were moved into the quarantine; in check mode, that would be.
  type: int
  returned: success
  sample: 0
batch:
  description: Name of the batch with what was moved into the quarantine; null where there is none.
  type: str
  returned: success
  sample: 20261121T192427Z-3fa9
batches:
  description: Where that batch is, for each queue that something was taken out of.
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
  description: Faults that are still there, and why; the first 200 at most. In check mode, those that are not repaired
    here.
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
      description: The queue that it is in.
      type: str
    reason:
      description: Why it is still there, or what to do about it.
      type: str
  sample:
    - kind: stray
      path: mess/backup
      queue_directory: /var/qmail/queue
      reason: a directory; look what is in it, and move it away
left_count:
  description: Number of faults that are still there.
  type: int
  returned: success
  sample: 1
notes:
  description: What was not looked at, and what else is to be known.
  type: list
  elements: str
  returned: success
  sample:
    - "Owners and groups were not checked: this host has no user qmailq."
service:
  description: Each C(qmail-send) that was kept from running, for qmail.
  type: list
  elements: dict
  returned: success
  contains:
    queue_directory:
      description: The queue that it works on.
      type: str
    supervisor:
      description: What keeps it running, as in O(supervisor); null where none was needed.
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
      description: Process id of the new C(qmail-send); null where it is down.
      type: int
    killed:
      description: Deliveries that were killed, as asked for by O(on_timeout=kill).
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
      pid: 4242
      killed: []
      cut_off: false
seconds:
  description: How long it took, in seconds.
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
