#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: qmail_catchall
short_description: Discard mail to unknown recipients, instead of bouncing it, with qmail
version_added: 0.1.0
description:
  - qmail accepts mail to any address in its domains, and bounces mail to unknown recipients to the sender, who is
    forged in spam. This module has such mail discarded.
  - For each domain in C(control/locals) and C(control/virtualdomains) it determines which user gets the domain's mail
    (C(users/cdb), else the rule of C(qmail-getpw)), and which of that user's C(.qmail) files is the catch-all. This
    includes virtual domains of vpopmail and Plesk.
  - "The catch-all becomes a file of comments, which discards mail. An empty file would mean the default delivery, and a
    line C(/dev/null) defers every message on Linux. If vpopmail's C(vdelivermail) delivers, its last word
    C(bounce-no-mailbox) becomes C(delete), and the rest stays."
  - The former file is kept beside it under a name that no address leads to. O(state=absent) puts the same file back.
  - At every instant either the old or the new catch-all is in force. The next run finishes, or undoes, what a killed
    run left.
  - Nothing needs to be restarted.
  - "Extensions of users' own addresses (C(joe-anything@example.com), if C(joe) is a user) are separate, since each user
    controls their own: mail to an extension without a C(.qmail) file is bounced, unless the user has a
    C(.qmail-default). With O(scope), such users get one that discards."
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  domains:
    description:
      - Domains to change. A name, a glob such as V(*.example.com), or a regular expression between slashes such as
        V(/^shop[0-9]/), which may match anywhere in the name. Case is ignored.
      - Domains are named as in C(control/locals) and C(control/virtualdomains); V(*) is the entry for all other
        domains. A domain that is served by an entry such as C(.example.com) selects that entry.
      - With O(state=present) and O(state=suspended), a domain that qmail does not deliver for is refused.
      - All domains in C(control/locals) share one catch-all, and others may as well. RV(notes) says so.
    type: list
    elements: str
    default: ['*']
  exclude:
    description: Which of these domains to exclude, in the same form.
    type: list
    elements: str
    default: []
  scope:
    description:
      - What to change. V(domains) means the catch-alls of domains, V(users) those for extensions of users' addresses in
        these domains, V(all) both.
      - "Users are those of wildcard assignments in C(users/cdb), such as C(+joe-). If it has no assignment for
        everything, they are also those in the passwd file that C(qmail-getpw) accepts: not root, with their own home
        directory."
      - Only a user without a file for all other extensions gets one. An existing file is never changed, even with
        O(existing=replace).
      - O(state=absent) also restores only these.
    type: str
    choices: [domains, users, all]
    default: domains
  existing:
    description:
      - What to do with a catch-all that delivers, forwards or runs a program that is not known to bounce or discard.
      - V(spare) leaves it unchanged, with a note. It does not bounce by itself, and known users may depend on it for
        their mail, as with C(fastforward), vmailmgr or C(dovecot-lda).
      - V(replace) replaces it, too. With vpopmail, its last word becomes C(delete), so mailboxes still get their mail.
      - One that bounces or defers all mail is replaced in either case.
    type: str
    choices: [spare, replace]
    default: spare
  state:
    description:
      - V(present) discards.
      - V(absent) restores the former files. Other catch-alls, and those that were changed since, are left unchanged.
      - V(suspended) does the same as V(absent) temporarily, to see what the SMTP server says without a catch-all.
        V(resumed) undoes V(suspended); V(present) and V(absent) end it.
    type: str
    choices: [present, absent, suspended, resumed]
    default: present
attributes:
  diff_mode:
    support: full
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.qmail_double_bounces
notes:
  - Needs root; use C(become).
  - Mail to a mistyped address vanishes as well, and its sender is not told.
  - A catch-all makes every address exist, so patches such as realrcptto, which refuse unknown recipients in the SMTP
    session, no longer refuse any. If C(qmail-smtpd) can do that, it is better than discarding.
  - Domains that were removed from C(control/virtualdomains) are neither found nor restored.
  - Entries of single addresses (C(user@example.com:prefix)) are not touched.
  - A directory service may look up users without listing them. Such users are not found; RV(extensions.incomplete) says
    so.
  - Home directories belong to users, so symbolic links in them are not followed, and files with a second hard link are
    left unchanged.
"""

EXAMPLES = r"""
- name: List the catch-alls, and what they do
  mailops.rescue.qmail_catchall:
  check_mode: true
  become: true
  register: catchalls

- name: Discard mail to unknown recipients in all domains but one
  mailops.rescue.qmail_catchall:
    exclude: [shop.example.com]
  become: true

- name: Discard mail to unknown extensions of users' addresses
  mailops.rescue.qmail_catchall:
    scope: users
  become: true

- name: Restore the former settings
  mailops.rescue.qmail_catchall:
    scope: all
    state: absent
  become: true
"""

RETURN = r"""
home:
  description: qmail's home directory.
  type: str
  returned: success
  sample: /var/qmail
catchalls:
  description: The catch-alls of the selected domains, changed ones first, as many as fit.
  type: list
  elements: dict
  returned: success
  contains:
    domain:
      description: The first of the selected domains.
      type: str
    domains:
      description: All domains that it serves (the first 20).
      type: list
      elements: str
    domain_count:
      description: Their number.
      type: int
    kind:
      description: V(local), V(virtual), V(vpopmail) or V(plesk).
      type: str
    user:
      description: The user who gets the domain's mail; null if there is none.
      type: str
    path:
      description: The file that is, or would be, the catch-all of the domain itself.
      type: str
    exists:
      description: Whether it existed before the run.
      type: bool
    ours:
      description: Whether this module had created it before the run.
      type: bool
    in_force:
      description: The file that handled the mail before the run, which may belong to a shorter address; null if there
        was none.
      type: str
    in_force_after:
      description: The file that handles it after the run; null if there is none.
      type: str
    does:
      description: >-
        What it did with the mail before the run. V(discards), V(bounces), V(defers) (every message, as a line
        C(/dev/null) does), V(delivers), V(forwards), V(runs a program), V(default delivery), V(vdelivermail delete),
        V(vdelivermail bounce-no-mailbox), V(vdelivermail to a mailbox).
      type: str
    wanted:
      description: The same, after the run.
      type: str
    changed:
      description: Whether it was changed.
      type: bool
    kept:
      description: The name under which the former file is kept beside it; null if there is none.
      type: str
    reason:
      description: Why it was left unchanged, if a change could have been expected.
      type: str
  sample:
    - domain: example.com
      domains: [example.com]
      domain_count: 1
      kind: virtual
      user: joe
      path: /home/joe/.qmail-default
      exists: true
      ours: false
      in_force: /home/joe/.qmail-default
      in_force_after: /home/joe/.qmail-default
      does: bounces
      wanted: discards
      changed: true
      kept: .mailops-rescue.before.qmail-default
      reason: null
catchall_count:
  description: Number of catch-alls.
  type: int
  returned: success
  sample: 1
changed_count:
  description: Number of those that changed.
  type: int
  returned: success
  sample: 1
left_count:
  description: Number of those that have a RV(catchalls[].reason).
  type: int
  returned: success
  sample: 0
extensions:
  description: >-
    Extensions of users' addresses without a file; null with O(scope=domains). Lists contain the first 50, as many as
    fit.
  type: dict
  returned: success
  contains:
    count:
      description: Number of users, or of wildcard assignments, that were checked.
      type: int
    open_count:
      description: Number of those whose unknown extensions are bounced, or deferred and eventually bounced.
      type: int
    open:
      description: The first of these.
      type: list
      elements: dict
      contains:
        extension:
          description: What the local parts start with, such as V(joe-).
          type: str
        user:
          description: The user who gets that mail.
          type: str
        domain:
          description: The first of the selected domains.
          type: str
        does:
          description: As RV(catchalls[].does).
          type: str
        path:
          description: The file that does it, or that is missing.
          type: str
        reason:
          description: Why it cannot be fixed; null if it can.
          type: str
    unknown_count:
      description: Number of those that could not be checked.
      type: int
    unknown:
      description: The first of these, with the reason.
      type: list
      elements: str
    incomplete:
      description: Why some users may not have been checked; null if all were.
      type: str
    recipients:
      description: >-
        Newly made-up addresses, 6 at most, of some of RV(extensions.open); with O(state=suspended), of some that bounce
        during the suspension.
      type: list
      elements: str
    changed_count:
      description: Number of those that changed.
      type: int
    changed:
      description: The first of these.
      type: list
      elements: dict
      contains:
        extension:
          description: As above.
          type: str
        user:
          description: As above.
          type: str
        path:
          description: The file.
          type: str
        wanted:
          description: What it does after the run.
          type: str
    left_count:
      description: Number of those that were left unchanged although a change could have been expected; RV(notes) names
        the first.
      type: int
  sample: null
notes:
  description: Notes for the operator.
  type: list
  elements: str
  returned: success
  sample: ["postmaster@example.com is nobody, so mail to it is discarded, too."]
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 0.02
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_catchall import manage


def main():
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path"},
            "domains": {"type": "list", "elements": "str", "default": ["*"]},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "scope": {"type": "str", "choices": ["domains", "users", "all"], "default": "domains"},
            "existing": {"type": "str", "choices": ["spare", "replace"], "default": "spare"},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "suspended", "resumed"],
                "default": "present",
            },
        },
        supports_check_mode=True,
    )
    run_module(module, lambda params: manage(params, module.check_mode, module._diff))


if __name__ == "__main__":
    main()
