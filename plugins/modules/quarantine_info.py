#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: quarantine_info
short_description: Show what was taken out of the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Lists the batches that M(mailops.rescue.queue_purge) put into quarantine and shows their contents, with the same
    selections as M(mailops.rescue.queue_info).
  - It can compare every file in quarantine with what was recorded when it was taken.
  - It changes nothing. If O(quarantine) is given, it needs neither the MTA nor its queue.
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
      - Name of the batch to show, as in RV(batches[].batch), or V(latest).
      - All batches by default.
    type: str
  limit:
    description:
      - Maximum number of selected messages to return, oldest first. Only with O(batch), O(select) or O(exclude).
      - Fewer are returned if the result would exceed 256 KiB; see RV(truncated).
    type: int
    default: 100
  top:
    description: Length of each top list in RV(top). Only with O(batch), O(select) or O(exclude).
    type: int
    default: 10
  verify:
    description:
      - Whether to compare the size, SHA-256, owner, mode, modification time and inode number of every file in these
        batches with the batch's ledger. All files are read, whatever O(select) says.
    type: bool
    default: false
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs permission to read the quarantine; use C(become).
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

- name: Check that the newest batch is intact
  mailops.rescue.quarantine_info:
    batch: latest
    verify: true
  become: true
  register: newest
  failed_when: newest.corrupt_count > 0

- name: Read another server's quarantine
  mailops.rescue.quarantine_info:
    quarantine: /srv/evidence/queue.quarantine
"""

RETURN = r"""
mta:
  description: The MTA whose batches were read; null if there are none, or if they are of both MTAs.
  type: str
  returned: success
  sample: qmail
quarantines:
  description: The quarantine directories that were searched; more than one if several queues have one each. They need
    not exist.
  type: list
  elements: str
  returned: success
  sample: [/var/qmail/queue.quarantine]
batches:
  description: The batches, newest first. A run on several queues makes one for each.
  type: list
  elements: dict
  returned: success
  contains:
    batch:
      description: Its name, for M(mailops.rescue.queue_restore). Batches of the same run share it.
      type: str
    path:
      description: Its directory.
      type: str
    queue_directory:
      description: The queue that the messages were taken from.
      type: str
    instance:
      description: Name of the Postfix instance; null for qmail and for copies.
      type: str
    created:
      description: When it was created, ISO 8601, UTC.
      type: str
    age:
      description: Its age in seconds.
      type: int
    label:
      description: Its label, or null.
      type: str
    host:
      description: Name of the host that it was created on.
      type: str
    user:
      description: The user who created it.
      type: str
    mta:
      description: V(qmail) or V(postfix).
      type: str
    version:
      description: Version of the MTA, or null.
      type: str
    mode:
      description: For qmail, how messages were taken, V(offline) or V(online); else null.
      type: str
    kind:
      description: The kind of run that created it, V(purge) or V(repair).
      type: str
    select:
      description: The selection by which the messages were taken; omitted if it is longer than 2 KiB.
      type: dict
    exclude:
      description: The exclusion by which they were taken.
      type: dict
    all:
      description: Whether all messages were selected.
      type: bool
    state:
      description: V(complete); V(unfinished) if the run that created it was interrupted or is in progress; V(returning)
        if a restore was interrupted or is in progress. The next purge or restore puts the latter two in order.
      type: str
    messages:
      description: Messages in it, without those that were put back.
      type: int
    matched:
      description: Those that match O(select) and O(exclude).
      type: int
    bytes:
      description: Total size of the selected messages in bytes.
      type: int
    damaged:
      description: Files in it that could not be parsed.
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
  description: Another run that is using the quarantine.
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
batch_count:
  description: Number of batches; RV(batches) contains only as many as fit into 64 KiB.
  type: int
  returned: success
  sample: 1
unreadable:
  description: Directories in quarantine that should be batches but cannot be read.
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
  description: Numbers of messages in these batches.
  type: dict
  returned: success
  contains:
    total:
      description: All messages.
      type: int
    matched:
      description: Messages that match O(select) and O(exclude).
      type: int
    bytes:
      description: Total size of the selected messages in bytes.
      type: int
    by_queue:
      description: All messages by their former queue; see M(mailops.rescue.queue_info).
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
  description: The selected message that arrived first; null if none is selected.
  type: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    arrival_time:
      description: Arrival time, ISO 8601, UTC.
      type: str
    age:
      description: Age in seconds.
      type: int
  sample: {id: "1562050", arrival_time: "2026-11-21T19:24:27Z", age: 3605}
newest:
  description: The selected message that arrived last, as in RV(oldest).
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
  description: For each list in RV(top), how much too low a count may be; V(0) means exact.
  type: dict
  returned: success
  sample: {sender: 0, subject: 0}
origins:
  description:
    - Number of selected messages by the value of RV(messages[].origin_from).
    - Not counted with O(top=0).
  type: dict
  returned: success
  sample: {header: 0, hidden: 0}
bounces:
  description: Number of selected messages that are bounces; null if RV(top) is empty.
  type: int
  returned: success
  sample: 1996
messages:
  description:
    - The first O(limit) selected messages, oldest first.
    - Empty without O(batch), O(select) and O(exclude).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Queue id.
      type: str
    batch:
      description: The batch that contains it.
      type: str
    queue_directory:
      description: The queue that it was taken from.
      type: str
    queue:
      description: "Where it was. qmail: V(remote), V(local), V(local+remote), V(todo), V(incomplete), V(bounce) (only
        failures to report are left) or V(done) (nothing is left). Postfix: name of the queue."
      type: str
    state:
      description: "qmail: V(S2), V(S3) (partly injected), V(S4) (not yet preprocessed) or V(S5) (preprocessed).
        Postfix: V(ready), V(expired) (forced to expire), V(incomplete) (still being written) or V(corrupt)."
      type: str
    sender:
      description: Envelope sender; empty for the null sender, null if there is none yet.
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
          description: Reason of the last deferral, if the queue records it; else null.
          type: str
    recipient_count:
      description: Number of envelope recipients, including those that are done.
      type: int
    arrival_time:
      description: Arrival time, ISO 8601, UTC.
      type: str
    age:
      description: Age in seconds.
      type: int
    size:
      description: Size of the message in bytes.
      type: int
    subject:
      description: Decoded Subject; null if there is none.
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
      description: Address of the SMTP client that sent it, if known.
      type: str
    client_name:
      description: Name of that client, if known.
      type: str
    sasl_username:
      description: SASL username of that client, if known.
      type: str
    origin_uid:
      description: User id of the local process that submitted it, if known.
      type: int
    origin_from:
      description:
        - Source of the SASL username, the client or the user id. Null if the MTA itself recorded it, or if nothing is
          known.
        - V(header) if it comes from a Received field below those of a content filter, a scanner or a requeueing. A
          program on the host itself could have forged that field.
        - V(hidden) if a content filter returned the message and its headers do not show who sent it, or if it is
          unknown whether there is a filter, as in a copy of a queue.
      type: str
    is_bounce:
      description: Whether it is a bounce.
      type: bool
    bounced_recipients:
      description: The first 20 addresses that the bounce reports.
      type: list
      elements: str
    content:
      description: The part of the message that O(content) asked for, escaped for display; null if it could not be read.
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
  description: Whether more messages are selected than RV(messages) contains.
  type: bool
  returned: success
  sample: true
damaged:
  description: Files in the batches that could not be parsed (the first 50).
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
  description: Messages for which matching took longer than O(timeout_per_message) (the first 50).
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
  description: Messages whose files are all intact; null without O(verify).
  type: int
  returned: success
  sample: 1996
corrupt:
  description: Files that are not intact (the first 50). Empty without O(verify).
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
  description: Duration in seconds.
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
