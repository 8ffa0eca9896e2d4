#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: qmail_double_bounces
short_description: Set where qmail's double bounces go
version_added: 0.1.0
description:
  - A double bounce is a bounce that could not be delivered, for example because the sender of spam was forged. qmail
    sends them to C(postmaster) at its own name.
  - Sets C(control/doublebounceto) and C(control/doublebouncehost), so that double bounces are discarded or go to one
    mailbox.
  - To discard them it creates an address, C(mailops_double_bounces) in a local domain (or else a virtual one), whose
    C(.qmail) file contains only a comment. An empty C(doublebounceto) only discards with some versions of qmail.
  - The former files are kept beside them, and O(state=absent) restores them. The next run finishes, or undoes, what a
    killed run left.
  - C(qmail-send) reads these files when it starts, and not upon SIGHUP. Restart it if RV(restart_needed) is V(true).
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  to:
    description:
      - V(discard), or the address of the mailbox.
      - V(discard) needs a domain that qmail delivers for.
      - Required with O(state=present).
    type: str
  state:
    description: V(absent) restores the former files. Files that were changed since are left unchanged.
    type: str
    choices: [present, absent]
    default: present
attributes:
  diff_mode:
    support: full
  platform:
    details: Needs only Linux with /proc and Python 3.6 or later on the host.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.qmail_catchall
  - module: mailops.rescue.qmail_send
notes:
  - Needs root; use C(become).
"""

EXAMPLES = r"""
- name: Discard double bounces
  mailops.rescue.qmail_double_bounces:
    to: discard
  become: true
  register: double_bounces

- name: Restart qmail-send, which reads the setting at start
  mailops.rescue.qmail_send:
    state: restarted
  become: true
  when: double_bounces.restart_needed

- name: Send them to the postmasters' mailbox
  mailops.rescue.qmail_double_bounces:
    to: bounces@example.com
  become: true

- name: Restore the former settings
  mailops.rescue.qmail_double_bounces:
    state: absent
  become: true
"""

RETURN = r"""
home:
  description: qmail's home directory.
  type: str
  returned: success
  sample: /var/qmail
address:
  description: Where double bounces go once C(qmail-send) has read the files.
  type: str
  returned: success
  sample: mailops_double_bounces@mail.example.com
files:
  description: The files that were checked.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The file.
      type: str
    before:
      description: Its former content; null if it was missing.
      type: str
    after:
      description: Its new content; null if it is missing.
      type: str
    changed:
      description: Whether it was changed.
      type: bool
    reason:
      description: Why it was left unchanged, if a change could have been expected.
      type: str
  sample:
    - path: /var/qmail/control/doublebounceto
      before: null
      after: |
        mailops_double_bounces
        # Set to mailops_double_bounces by mailops.rescue; before, there was none.
      changed: true
      reason: null
restart_needed:
  description: Whether a C(qmail-send) is running that has not read the changes of this run or an earlier one.
  type: bool
  returned: success
  sample: true
notes:
  description: Notes for the operator.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_double_bounces import manage


def main():
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path"},
            "to": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("to",))],
        supports_check_mode=True,
    )
    run_module(module, lambda params: manage(params, module.check_mode, module._diff))


if __name__ == "__main__":
    main()
