#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: queue_watch
short_description: Install the watch of the mail queue on a host
version_added: 0.1.0
description:
  - Checks all options, then writes the files that the role P(mailops.rescue.queue_watch#role) needs on a host. These
    are the program, built from the parts of this collection that it uses, its settings, and a systemd timer or a cron
    file that starts it. The role itself creates the user and starts the timer.
  - Each file is replaced atomically, and only if it differs. The timer or cron file comes last.
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
options:
  state:
    description: Whether the files should exist; V(absent) also removes what the watch itself wrote.
    type: str
    choices: [present, absent]
    default: present
  mta:
    description: What to watch; V(auto) means everything that is installed, each Postfix instance separately.
    type: str
    choices: [auto, qmail, postfix]
    default: auto
  queue_directory:
    description: A queue in an unusual place to watch instead.
    type: path
  config_directory:
    description: Configuration directory of the only Postfix instance to watch.
    type: path
  host:
    description: Inventory name of the host, for alerts and the command in them.
    type: str
    default: localhost
  threshold:
    description: Number of messages in a queue above which an alert is sent.
    type: int
    default: 300
  age:
    description: Age of the oldest message above which an alert is sent, such as V(4h) or V(2d); empty for none.
    type: str
    default: ""
  growth:
    description: Growth in messages per minute above which an alert is sent; 0 for none.
    type: int
    default: 0
  growth_window:
    description: The period over which growth is measured. With O(growth), it must be 1 to 100 times O(interval).
    type: str
    default: 5min
  bounce_share:
    description: Percentage of bounces above which an alert is sent; 0 for none.
    type: int
    default: 0
  bounce_minimum:
    description: Number of messages above which O(bounce_share) is measured. Messages are only opened above it.
    type: int
    default: 100
  interval:
    description: How often the queue is counted, from V(10s) to V(1h); in whole minutes with cron.
    type: str
    default: 1min
  cooldown:
    description: Minimum time between two alerts about a queue.
    type: str
    default: 1h
  webhook_url:
    description:
      - URL to POST alerts to, as JSON. Certificates are verified, redirects are not followed.
      - It is treated as a secret, since the URL of a chat server is one.
    type: str
    default: ""
  webhook_token_file:
    description: File on the host with a token that is sent as a Bearer token; requires https.
    type: path
  webhook_ca_file:
    description: File on the host with the certificates (PEM) to trust instead of the system's.
    type: path
  smtp_host:
    description: Another mail server to send alerts to directly. An address of the host itself is refused.
    type: str
    default: ""
  smtp_port:
    description: Its port.
    type: int
    default: 25
  smtp_tls:
    description:
      - V(auto) uses STARTTLS if it is offered, with any certificate, as mail servers do. V(verified) requires it, with
        a certificate that the system trusts.
    type: str
    choices: [auto, verified]
    default: auto
  smtp_from:
    description: Envelope sender of alerts; mailops-queue-watch at O(host) by default.
    type: str
    default: ""
  smtp_to:
    description: Recipients of alerts, 20 at most.
    type: list
    elements: str
    default: []
  syslog:
    description: Whether alerts go to syslog (facility mail).
    type: bool
    default: true
  textfile_directory:
    description: Textfile directory of Prometheus' node exporter, in which a link to the metrics is created; empty for
      none.
    type: str
    default: ""
  scheduler:
    description: What starts the watch; V(auto) uses systemd if it runs, else cron.
    type: str
    choices: [auto, systemd, cron]
    default: auto
attributes:
  diff_mode:
    support: full
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root; use C(become).
"""

EXAMPLES = r"""
- name: See what the role would install on the host
  mailops.rescue.queue_watch:
    host: "{{ inventory_hostname }}"
    threshold: 500
    webhook_url: https://alerts.example.com/hook
  check_mode: true
  become: true
  register: watch
"""

RETURN = r"""
scheduler:
  description: What starts the watch, V(systemd) or V(cron); null for O(state=absent).
  type: str
  returned: success
  sample: systemd
queues:
  description: The queues that are watched.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Its name in alerts.
      type: str
    mta:
      description: V(qmail) or V(postfix).
      type: str
    directories:
      description: Its directories; more than one for a qmail with several queues, which are counted together.
      type: list
      elements: str
  sample:
    - name: postfix
      mta: postfix
      directories: [/var/spool/postfix]
channels:
  description: How alerts are sent, besides the exit status.
  type: list
  elements: str
  returned: success
  sample: [webhook, syslog]
user:
  description: The user that the watch runs as.
  type: dict
  returned: success
  contains:
    name:
      description: Its name.
      type: str
    comment:
      description: The comment by which the role recognizes a user that it created.
      type: str
    found:
      description: Whether the user exists.
      type: bool
    ours:
      description: Whether it has that comment.
      type: bool
state_directory:
  description: Where the watch keeps its history.
  type: str
  returned: success
  sample: /var/lib/mailops-queue-watch
test_command:
  description: The command that sends a test alert, with the privileges of the watch.
  type: list
  elements: str
  returned: success
  sample: [systemctl, start, mailops-queue-watch-test.service]
test_result:
  description: The file that it writes its result to.
  type: str
  returned: success
  sample: /var/lib/mailops-queue-watch/test.json
unit_present:
  description: Whether the timer's unit existed before.
  type: bool
  returned: success
  sample: false
reload:
  description: Whether systemd has to reload its units.
  type: bool
  returned: success
  sample: true
checking:
  description: Whether this is check mode, in which nothing is written.
  type: bool
  returned: success
  sample: false
notes:
  description: Notes for the operator.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_watch import manage
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QUEUE, run_module

TEXT = {"type": "str", "default": ""}


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            host={"type": "str", "default": "localhost"},
            threshold={"type": "int", "default": 300},
            age=TEXT,
            growth={"type": "int", "default": 0},
            growth_window={"type": "str", "default": "5min"},
            bounce_share={"type": "int", "default": 0},
            bounce_minimum={"type": "int", "default": 100},
            interval={"type": "str", "default": "1min"},
            cooldown={"type": "str", "default": "1h"},
            webhook_url=dict(TEXT, no_log=True),
            webhook_token_file={"type": "path", "no_log": False},
            webhook_ca_file={"type": "path"},
            smtp_host=TEXT,
            smtp_port={"type": "int", "default": 25},
            smtp_tls={"type": "str", "choices": ["auto", "verified"], "default": "auto"},
            smtp_from=TEXT,
            smtp_to={"type": "list", "elements": "str", "default": []},
            syslog={"type": "bool", "default": True},
            textfile_directory=TEXT,
            scheduler={"type": "str", "choices": ["auto", "systemd", "cron"], "default": "auto"},
        ),
        supports_check_mode=True,
    )
    run_module(module, lambda params: manage(params, module.check_mode))


if __name__ == "__main__":
    main()
