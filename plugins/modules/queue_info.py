#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_info
short_description: Show what is in the queue of qmail or Postfix
version_added: 0.1.0
description:
  - Reads the queue of qmail or Postfix in one pass and returns how many messages it contains, their age, senders and
    destinations, and some of the messages.
  - It reads the queue's own files. It never changes the queue, and runs no programs but C(postconf) and C(postmulti).
  - It works while the MTA runs, and on a copy of a queue on a machine without an MTA.
  - Text from messages is decoded, and control characters in it are escaped, as in V(\\x1b).
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.selection
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.posix
  - mailops.rescue.content
  - mailops.rescue.workers
options:
  limit:
    description:
      - Maximum number of selected messages to return, oldest first.
      - Fewer are returned if the result would exceed 256 KiB; see RV(truncated).
    type: int
    default: 100
  top:
    description:
      - Length of each top list in RV(top).
      - With V(0) there are none, and messages are only opened if O(select), O(limit) or O(listing) need it.
    type: int
    default: 10
  listing:
    description:
      - File on the host to write every selected message to, as JSON Lines, one record per line as in RV(messages).
      - It has mode 0600, and replaces an existing file atomically once it is complete.
      - Its directory must exist and be outside the queue.
      - It is not written in check mode.
    type: path
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs permission to read the queue; use C(become).
  - qmail records the reasons for deferrals only in its log, so RV(messages[].recipients[].delay_reason) is null for
    qmail.
"""

EXAMPLES = r"""
- name: See what is in the queue
  mailops.rescue.queue_info:
  become: true
  register: queue

- name: See what one stolen account has in the queue, in full
  mailops.rescue.queue_info:
    select:
      sasl_username: info@example.com
    limit: 3
    content: message
  become: true

- name: List bounces older than two hours, except our partner's
  mailops.rescue.queue_info:
    select:
      bounce: true
      older_than: 2h
    exclude:
      recipient: '@partner\.example\.org$'
    listing: /root/old-bounces.jsonl
  become: true

- name: Only count, without opening messages
  mailops.rescue.queue_info:
    top: 0
    limit: 0
  become: true

- name: Read a copy of another server's queue
  mailops.rescue.queue_info:
    mta: qmail
    queue_directory: /srv/evidence/queue
"""

RETURN = r"""
mta:
  description: The MTA whose queue was read.
  type: str
  returned: success
  sample: postfix
version:
  description: Version of the installed MTA; null if it cannot be determined, as for qmail and for copies of a queue.
  type: str
  returned: success
  sample: 3.7.11
queue_directory:
  description: The queue that was read; the first one if there are several.
  type: str
  returned: success
  sample: /var/spool/postfix
queues:
  description: All queues that were read; more than one for qmail with several queues or Postfix with several instances.
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
    total:
      description: Messages in it.
      type: int
  sample:
    - queue_directory: /var/spool/postfix
      instance: "-"
      total: 2085
counts:
  description: Numbers of messages.
  type: dict
  returned: success
  contains:
    total:
      description: All messages in any state, each counted once.
      type: int
    matched:
      description: Messages that match O(select) and O(exclude).
      type: int
    bytes:
      description: Total size of the selected messages in bytes.
      type: int
    by_queue:
      description:
        - All messages by queue.
        - "qmail: V(local) and V(remote) (messages with a file in that channel; a message may be in both), V(todo) (not
          yet preprocessed), V(incomplete) (partly injected), V(bounce) (with failures not yet reported)."
        - "Postfix: V(maildrop), V(incoming), V(active), V(deferred), V(hold), V(corrupt)."
      type: dict
    matched_by_queue:
      description: The selected messages by queue.
      type: dict
  sample:
    total: 2045
    matched: 2045
    bytes: 2694410
    by_queue: {local: 10, remote: 2035, todo: 0, incomplete: 0, bounce: 0}
    matched_by_queue: {local: 10, remote: 2035, todo: 0, incomplete: 0, bounce: 0}
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
  description: Selected messages by age, youngest first.
  type: list
  elements: dict
  returned: success
  contains:
    from:
      description: Lowest age in this class, in seconds.
      type: int
    to:
      description: Age in seconds at which this class ends, exclusive; null for the last one.
      type: int
    count:
      description: Messages in it.
      type: int
  sample:
    - {from: 0, to: 300, count: 12}
    - {from: 300, to: 600, count: 2033}
top:
  description:
    - The most frequent values among the selected messages, most frequent first. A message counts once for each value.
    - The lists are V(sender), V(sender_domain), V(recipient_domain), V(subject), V(client_address), V(sasl_username),
      V(origin_uid), V(delay_reason) and V(bounced_recipient_domain).
    - A list is exact unless a queue contains more distinct values than are kept. A count may then be too low by up to
      the number in RV(top_errors), and a missing value exceeds the last entry by no more than that number.
    - Empty when O(top=0).
  type: dict
  returned: success
  sample:
    sender: [{value: "", count: 1996}, {value: "customer1@partner.example.org", count: 1}]
    origin_uid: [{value: 0, count: 49}]
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
  description:
    - Number of selected messages that are bounces.
    - Null if O(top=0) and no other option needed it.
  type: int
  returned: success
  sample: 1996
messages:
  description: The first O(limit) selected messages, oldest first.
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
    queue:
      description: "Where it is. qmail: V(remote), V(local), V(local+remote), V(todo), V(incomplete), V(bounce) (only
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
      description: The part of the message that O(content) asked for, escaped for display; null if it vanished.
      type: str
  sample:
    - id: "1562048"
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
listing:
  description: The file that was written for O(listing), or null.
  type: str
  returned: success
  sample: /root/old-bounces.jsonl
damaged:
  description: Files in the queue that could not be parsed (the first 50). Messages among them count in RV(counts.total)
    and are never selected.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Path relative to the queue.
      type: str
    queue_directory:
      description: The queue.
      type: str
    reason:
      description: What is wrong with it.
      type: str
  sample:
    - {path: deferred/A/A1B2C3D4E5, queue_directory: /var/spool/postfix, reason: "not a regular file (symbolic link)"}
damaged_count:
  description: Number of such files.
  type: int
  returned: success
  sample: 1
vanished:
  description: Messages that left the queue while it was being read. No other count includes them.
  type: int
  returned: success
  sample: 0
undecided:
  description:
    - Messages for which matching took longer than O(timeout_per_message) (the first 50). They count in RV(counts.total)
      but are not selected.
    - Not named "skipped", because Ansible treats a task with that key in its result as skipped.
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
  sample: 1.84
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_info import inspect
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QUEUE, SELECTION, run_module


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            limit={"type": "int", "default": 100},
            content={"type": "str", "choices": ["none", "headers", "message"], "default": "none"},
            content_bytes={"type": "int", "default": 2048},
            top={"type": "int", "default": 10},
            listing={"type": "path"},
            workers={"type": "int", "default": 0},
            **SELECTION,
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: inspect(params, module.check_mode))


if __name__ == "__main__":
    main()
