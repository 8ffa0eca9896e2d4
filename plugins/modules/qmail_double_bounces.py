#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: qmail_double_bounces
short_description: Say where qmail's double bounces go
version_added: 0.1.0
description:
  - A double bounce is a failure notice that could not be delivered, as when the sender of spam was forged. qmail sends
    them to C(postmaster) of its own name.
  - Sets C(control/doublebounceto) and C(control/doublebouncehost), so that they are discarded or go to one mailbox.
  - To discard them it makes an address, C(mailops_double_bounces) in a local domain (or else a virtual one), whose
    C(.qmail) file holds only a comment. An empty C(doublebounceto) discards with some versions of qmail only.
  - What was there before is kept beside it, and is put back as it was by O(state=absent). A run that was killed is
    finished, or undone, by the next.
  - C(qmail-send) reads these files when it starts, and not upon SIGHUP; restart it where RV(restart_needed) says so.
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  to:
    description:
      - V(discard), or the address of the mailbox.
      - V(discard) needs a domain that qmail delivers for.
      - Needed with O(state=present).
    type: str
  state:
    description: V(absent) puts back what was there before. What was changed since is left.
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

- name: Have qmail-send read that
  mailops.rescue.qmail_send:
    state: restarted
  become: true
  when: double_bounces.restart_needed

- name: Send them to the postmasters' mailbox
  mailops.rescue.qmail_double_bounces:
    to: bounces@example.com
  become: true

- name: Put back what was there before
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
  description: Where double bounces go afterwards, once C(qmail-send) has read it.
  type: str
  returned: success
  sample: mailops_double_bounces@mail.example.com
files:
  description: The files that were looked at.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The file.
      type: str
    before:
      description: What was in it; null where it was missing.
      type: str
    after:
      description: What is in it; null where it is missing.
      type: str
    changed:
      description: Whether it was changed.
      type: bool
    reason:
      description: Why it was left as it is, where it could have been expected to change.
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
  description: Whether a C(qmail-send) runs that has not read what was changed, now or by an earlier run.
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
