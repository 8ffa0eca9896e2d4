#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: quarantine_info
short_description: Show what was taken out of the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Lists the batches that M(mailops.rescue.queue_purge) put into quarantine, and shows what is in them, with the same
    selections as M(mailops.rescue.queue_info).
  - It can compare every file in quarantine with what was noted of it when it was taken.
  - It changes nothing, and needs neither the MTA nor its queue where O(quarantine) is given.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.selection
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.posix
  - mailops.rescue.batches
  - mailops.rescue.content
  - mailops.rescue.workers
options:
  batch:
    description:
      - The batch to show, by its name as in RV(batches[].batch), or V(latest).
      - Without it, all batches.
    type: str
  limit:
    description:
      - How many of the selected messages to return, those that arrived first coming first. Only with O(batch),
        O(select) or O(exclude).
      - Fewer are returned where the result would become larger than 256 KiB; see RV(truncated).
    type: int
    default: 100
  top:
    description: Length of each top list in RV(top). Only with O(batch), O(select) or O(exclude).
    type: int
    default: 10
  verify:
    description:
      - Whether to compare size, SHA-256, owner, mode, time of change and inode number of every file in these batches
        with the batch's ledger. All of them are read, whatever O(select) says.
    type: bool
    default: false
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs the right to read the quarantine; use C(become).
"""

EXAMPLES = r"""
- name: List what was taken out of the queue, and when
  mailops.rescue.quarantine_info:
  become: true
  register: quarantine

- name: Look for a customer's mail in everything that was taken
  mailops.rescue.quarantine_info:
    select:
      sender: '@customer\.example$'
    content: headers
  become: true

- name: Check that the newest batch is as it was taken
  mailops.rescue.quarantine_info:
    batch: latest
    verify: true
  become: true
  register: newest
  failed_when: newest.corrupt_count > 0

- name: Look into another server's quarantine
  mailops.rescue.quarantine_info:
    quarantine: /srv/evidence/queue.quarantine
"""

RETURN = r"""
mta:
  description: Whose batches were read; null where there are none, or of both MTAs.
  type: str
  returned: success
  sample: qmail
quarantines:
  description: The directories that were looked into; several where several queues have one each. They need not exist.
  type: list
  elements: str
  returned: success
  sample: [/var/qmail/queue.quarantine]
batches:
  description: The batches, newest first. Where a run took from several queues, there is one for each.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: Its name, to be given to M(mailops.rescue.queue_restore). Batches that one run made share it.
      type: str
    path:
      description: Its directory.
      type: str
    queue_directory:
      description: The queue that the messages were taken out of.
      type: str
    instance:
      description: Name of the Postfix instance; null for qmail and for copies.
      type: str
    created:
      description: When it was made, ISO 8601, UTC.
      type: str
    age:
      description: Its age in seconds.
      type: int
    label:
      description: The label that it was given, or null.
      type: str
    host:
      description: Name of the host that it was made on.
      type: str
    user:
      description: Who made it.
      type: str
    mta:
      description: V(qmail) or V(postfix).
      type: str
    version:
      description: Version of the MTA, or null.
      type: str
    mode:
      description: How messages were taken from qmail, V(offline) or V(online); else null.
      type: str
    kind:
      description: Which module made it, V(purge) or V(repair).
      type: str
    select:
      description: The selection by which the messages were taken; longer ones than 2 KiB are left out.
      type: dict
    exclude:
      description: The exclusion by which they were taken.
      type: dict
    all:
      description: Whether all messages were to be taken.
      type: bool
    state:
      description: V(complete); V(unfinished) where the run that made it was cut off, or is still at work; V(returning)
        where a restore was cut off, or is at work. The next purge or restore puts the latter two in order.
      type: str
    messages:
      description: Messages in it. What was put back is not in it any more.
      type: int
    matched:
      description: Those of them that O(select) and O(exclude) select.
      type: int
    bytes:
      description: Size of the selected messages together, in bytes.
      type: int
    damaged:
      description: Files in it that could not be read as what they should be.
      type: int
  sample:
    - batch: 20261121T202427Z-3fa9
      path: /var/qmail/queue.quarantine/20261121T202427Z-3fa9
      queue_directory: /var/qmail/queue
      instance: null
      created: "2026-11-21T20:24:27Z"
      age: 3605
      label: bounces
      host: mail.example.com
      user: root
      mta: qmail
      version: null
      mode: offline
      kind: purge
      select: {bounce: true}
      exclude: null
      all: false
      state: complete
      messages: 1996
      matched: 1996
      bytes: 2133206
      damaged: 0
at_work:
  description: Another run that is at work on the quarantine.
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
batch_count:
  description: Number of batches; RV(batches) holds no more than fit into 64 KiB.
  type: int
  returned: success
  sample: 1
unreadable:
  description: Directories in quarantine that should be batches and cannot be read as such.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The directory.
      type: str
    reason:
      description: What is wrong with it.
      type: str
  sample: [{path: /var/qmail/queue.quarantine/20261120T010203Z-11aa, reason: has no manifest.json}]
unreadable_count:
  description: Number of such directories.
  type: int
  returned: success
  sample: 1
counts:
  description: How many messages there are in these batches.
  type: dict
  returned: success
  contains:
    total:
      description: All messages.
      type: int
    matched:
      description: Messages that O(select) and O(exclude) select.
      type: int
    bytes:
      description: Size of the selected messages together, in bytes.
      type: int
    by_queue:
      description: All messages by the queue that they were in; see M(mailops.rescue.queue_info).
      type: dict
    matched_by_queue:
      description: The selected messages by queue.
      type: dict
  sample:
    total: 1996
    matched: 1996
    bytes: 2133206
    by_queue: {local: 0, remote: 1996, todo: 0, incomplete: 0, bounce: 0}
    matched_by_queue: {local: 0, remote: 1996, todo: 0, incomplete: 0, bounce: 0}
oldest:
  description: The selected message that arrived first; null where none is selected.
  type: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    arrival_time:
      description: Time of arrival, ISO 8601, UTC.
      type: str
    age:
      description: Age in seconds.
      type: int
  sample: {id: "1562050", arrival_time: "2026-11-21T19:24:27Z", age: 3605}
newest:
  description: The selected message that arrived last; as RV(oldest).
  type: dict
  returned: success
  sample: {id: "1562048", arrival_time: "2026-11-21T19:24:30Z", age: 3602}
age_histogram:
  description: Selected messages by age, youngest first, with the keys C(from), C(to) and C(count).
  type: list
  elements: dict
  returned: success
  sample:
    - {from: 0, to: 300, count: 12}
top:
  description: The most frequent values among the selected messages, as in M(mailops.rescue.queue_info). Empty without
    O(batch), O(select) and O(exclude).
  type: dict
  returned: success
  sample:
    sender: [{value: "", count: 1996}]
top_errors:
  description: For each list in RV(top), by how much a count may be too low; V(0) means that it is exact.
  type: dict
  returned: success
  sample: {sender: 0, subject: 0}
origins:
  description:
    - How many of the selected messages have what RV(messages[].origin_from) describes, by its values.
    - Only counted unless O(top=0).
  type: dict
  returned: success
  sample: {header: 0, hidden: 0}
bounces:
  description: How many of the selected messages are failure notices; null where RV(top) is empty.
  type: int
  returned: success
  sample: 1996
messages:
  description:
    - The first O(limit) selected messages, those that arrived first coming first.
    - Empty without O(batch), O(select) and O(exclude).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    batch:
      description: The batch that it is in.
      type: str
    queue_directory:
      description: The queue that it was taken out of.
      type: str
    queue:
      description: "Where it was. qmail: V(remote), V(local), V(local+remote), V(todo), V(incomplete), V(bounce) (only
        failures to report are left) or V(done) (nothing is left). Postfix: name of the queue."
      type: str
    state:
      description: "qmail: V(S2), V(S3) (half injected), V(S4) (not yet preprocessed) or V(S5) (preprocessed). Postfix:
        V(ready), V(expired) (forced to expire), V(incomplete) (still being written) or V(corrupt)."
      type: str
    sender:
      description: Envelope sender; empty for the null sender, null where there is none yet.
      type: str
    recipients:
      description: The first 20 envelope recipients.
      type: list
      elements: dict
      contains:
        address:
          description: Address.
          type: str
        status:
          description: V(pending) or V(done).
          type: str
        channel:
          description: V(local) or V(remote) for qmail; null for Postfix and for messages not yet preprocessed.
          type: str
        delay_reason:
          description: Why it was deferred last, where the queue says so; else null.
          type: str
    recipient_count:
      description: Number of envelope recipients, done ones included.
      type: int
    arrival_time:
      description: Time of arrival, ISO 8601, UTC.
      type: str
    age:
      description: Age in seconds.
      type: int
    size:
      description: Size of the message in bytes.
      type: int
    subject:
      description: Decoded Subject; null where there is none.
      type: str
    header_from:
      description: Decoded From header.
      type: str
    header_to:
      description: Decoded To header.
      type: str
    message_id:
      description: Message-ID header.
      type: str
    date:
      description: Date header.
      type: str
    client_address:
      description: Address of the SMTP client that it came from, where known.
      type: str
    client_name:
      description: Name of that client, where known.
      type: str
    sasl_username:
      description: Name as which that client authenticated, where known.
      type: str
    origin_uid:
      description: User id of the local process that submitted it, where known.
      type: int
    origin_from:
      description:
        - How what is said of the login, the client or the user id is known. Null where the MTA itself noted it, and
          where nothing is known.
        - V(header) where it was read in a Received field below those of a content filter, a scanner or a requeueing. A
          program on the host itself could have forged that field.
        - V(hidden) where a content filter gave the message back and its headers do not tell who sent it, or where it is
          not known whether there is a filter, as in a copy of a queue.
      type: str
    is_bounce:
      description: Whether it is a failure notice.
      type: bool
    bounced_recipients:
      description: The first 20 addresses that the failure notice reports.
      type: list
      elements: str
    content:
      description: The piece of the message that O(content) asked for, harmless to show; null if it could not be read.
      type: str
  sample:
    - id: "1562048"
      batch: 20261121T202427Z-3fa9
      queue_directory: /var/qmail/queue
      queue: remote
      state: S5
      sender: ""
      recipients:
        - {address: info1622@spammer2.example.net, status: pending, channel: remote, delay_reason: null}
      recipient_count: 1
      arrival_time: "2026-11-21T19:24:30Z"
      age: 3602
      size: 1393
      subject: failure notice
      header_from: MAILER-DAEMON@mail.example.com
      header_to: info1622@spammer2.example.net
      message_id: null
      date: 21 Nov 2026 19:24:30 -0000
      client_address: null
      client_name: null
      sasl_username: null
      origin_uid: null
      origin_from: null
      is_bounce: true
      bounced_recipients: [imnuuoug@mail.example.com]
truncated:
  description: Whether more messages are selected than RV(messages) holds.
  type: bool
  returned: success
  sample: true
damaged:
  description: Files in the batches that could not be read as what they should be (the first 50).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The file, relative to the directory C(files) of the batch.
      type: str
    batch_path:
      description: The batch's directory.
      type: str
    reason:
      description: What is wrong with it.
      type: str
  sample: []
damaged_count:
  description: Number of such files.
  type: int
  returned: success
  sample: 0
undecided:
  description: Messages on which matching took longer than O(timeout_per_message) (the first 50).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    batch_path:
      description: The batch's directory.
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
verified:
  description: Messages whose files are all as they were taken; null without O(verify).
  type: int
  returned: success
  sample: 1996
corrupt:
  description: Files that are not as they were taken (the first 50). Empty without O(verify).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The file, relative to the directory C(files) of the batch, or C(ledger.jsonl).
      type: str
    batch_path:
      description: The batch's directory.
      type: str
    reason:
      description: What is wrong with it.
      type: str
  sample:
    - path: mess/17/1562048
      batch_path: /var/qmail/queue.quarantine/20261121T202427Z-3fa9
      reason: differs from the ledger in sha256, mtime
corrupt_count:
  description: Number of such files.
  type: int
  returned: success
  sample: 0
seconds:
  description: How long it took, in seconds.
  type: float
  returned: success
  sample: 0.31
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import list_batches
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QUEUE, SELECTION, run_module


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            quarantine={"type": "path"},
            batch={"type": "str"},
            limit={"type": "int", "default": 100},
            content={"type": "str", "choices": ["none", "headers", "message"], "default": "none"},
            content_bytes={"type": "int", "default": 2048},
            top={"type": "int", "default": 10},
            verify={"type": "bool", "default": False},
            workers={"type": "int", "default": 0},
            **SELECTION,
        ),
        supports_check_mode=True,
    )
    run_module(module, list_batches)


if __name__ == "__main__":
    main()
