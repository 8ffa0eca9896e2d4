#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: qmail_send
short_description: Start, stop, restart, flush or reload qmail-send
version_added: 0.1.0
description:
  - Starts and stops C(qmail-send), the part of qmail that delivers mail, through its supervisor, and waits until the
    lock that C(qmail-send) holds for its whole life confirms the result.
  - qmail keeps accepting mail while C(qmail-send) is stopped.
extends_documentation_fragment:
  - mailops.rescue.qmail_service
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
options:
  state:
    description:
      - V(started) and V(stopped) do nothing if it is already in that state.
      - V(restarted) stops it if it runs, and starts it.
      - V(flushed) makes it retry all deferred mail at once (SIGALRM).
      - V(reloaded) makes it reread C(control/locals) and C(control/virtualdomains) (SIGHUP); it only reads the other
        files in C(control) when it starts.
      - V(flushed) and V(reloaded) fail if it does not run, or is about to stop.
    type: str
    choices: [started, stopped, restarted, flushed, reloaded]
    required: true
  queue_directory:
    description:
      - The queue of the C(qmail-send), if there are several or it is in an unusual place.
      - By default the queue of the installed qmail.
    type: path
attributes:
  check_mode:
    details: It cannot predict whether C(qmail-send) stops in time; RV(deliveries) shows what might delay it.
  platform:
    details: Needs only Linux with /proc and Python 3.6 or later on the host.
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root; use C(become).
  - A file C(down) in a service directory is not changed, so the state after the next boot stays the same.
  - With daemontools, runit and s6, a service that runs once (C(svc -o)) is restarted to run once.
  - After a failed stop, C(qmail-send) counts as V(running) while it finishes, since the host shows no difference. The
    same applies to an s6 service that someone else asked to stop.
  - "systemd has its own limits: after its C(TimeoutStopSec) it kills C(qmail-send) and its deliveries, and unless
    C(KillMode) says otherwise it also asks deliveries to end."
"""

EXAMPLES = r"""
- name: Deliver nothing until further notice; mail is still accepted
  mailops.rescue.qmail_send:
    state: stopped
  become: true

- name: Stop within ten seconds, whatever is being delivered
  mailops.rescue.qmail_send:
    state: stopped
    stop_timeout: 10
    on_timeout: kill
  become: true
  register: qmail

- name: Start again
  mailops.rescue.qmail_send:
    state: started
  become: true

- name: Apply changes in control/concurrencyremote
  mailops.rescue.qmail_send:
    state: restarted
    stop_timeout: 1500
  become: true

- name: Retry everything in the queue now
  mailops.rescue.qmail_send:
    state: flushed
  become: true

- name: Restart the second of two qmails, supervised by runit
  mailops.rescue.qmail_send:
    state: restarted
    queue_directory: /var/qmail2/queue
    supervisor: runit
    service: /etc/service/qmail2-send
  become: true
"""

RETURN = r"""
queue_directory:
  description: The queue of this C(qmail-send).
  type: str
  returned: success
  sample: /var/qmail/queue
state_before:
  description: V(running), V(stopping) (asked to stop, with deliveries in flight), V(starting) (not running, but its
    supervisor keeps trying) or V(down).
  type: str
  returned: success
  sample: running
state_after:
  description: As RV(state_before), after the run; in check mode, as predicted.
  type: str
  returned: success
  sample: down
pid:
  description: Process id of C(qmail-send) after the run; null if it is down, and in check mode if it would be a new
    process.
  type: int
  returned: success
  sample: 4242
supervisor:
  description: The supervisor, as in O(supervisor); null if it is unknown and was not needed.
  type: str
  returned: success
  sample: daemontools
service:
  description: The service's directory, unit or script; null if there is none or it is unknown.
  type: str
  returned: success
  sample: /var/qmail/supervise/qmail-send
deliveries:
  description: Deliveries that were in flight when the module started, oldest first (the first 100).
  type: list
  elements: dict
  returned: success
  contains:
    pid:
      description: Process id of C(qmail-remote) or C(qmail-local).
      type: int
    channel:
      description: V(remote) or V(local).
      type: str
    age:
      description: Seconds since it started.
      type: int
    host:
      description: The destination domain; null for local deliveries.
      type: str
    sender:
      description: Envelope sender, escaped for display; null if unknown.
      type: str
    recipients:
      description: The first 20 recipients, escaped for display.
      type: list
      elements: str
    recipient_count:
      description: Number of recipients.
      type: int
  sample:
    - pid: 4250
      channel: remote
      age: 71
      host: example.org
      sender: a@example.net
      recipients: [r@example.org]
      recipient_count: 1
delivery_count:
  description: Number of deliveries that were in flight.
  type: int
  returned: success
  sample: 1
killed:
  description: Deliveries that were killed because of O(on_timeout=kill), as in RV(deliveries).
  type: list
  elements: dict
  returned: success
  sample: []
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 0.42
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QMAIL_SERVICE, run_module
from ansible_collections.mailops.rescue.plugins.module_utils.mta.detect import find
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.qmail_send import control


def _queues(queue_directory):
    return find("qmail", queue_directory).directories


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QMAIL_SERVICE,
            state={
                "type": "str",
                "choices": ["started", "stopped", "restarted", "flushed", "reloaded"],
                "required": True,
            },
            queue_directory={"type": "path"},
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: control(params, module.check_mode, _queues))


if __name__ == "__main__":
    main()
