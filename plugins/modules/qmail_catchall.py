#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: qmail_catchall
short_description: Discard mail to addresses that nobody has, instead of bouncing it, with qmail
version_added: 0.1.0
description:
  - qmail accepts mail to any address of its domains, and sends a failure notice to the sender, who is forged in spam.
    This module has such mail discarded.
  - It finds out for each domain in C(control/locals) and C(control/virtualdomains) which user gets its mail
    (C(users/cdb), else the rule of C(qmail-getpw)), and which of that user's C(.qmail) files is the catch-all. Virtual
    domains of vpopmail and Plesk are found this way, too.
  - "The catch-all becomes a file of comments, which is what discards: an empty file would mean the default delivery,
    and a line C(/dev/null) puts off every message on Linux. Where vpopmail's C(vdelivermail) delivers, its last word
    C(bounce-no-mailbox) becomes C(delete), and all else stays."
  - What was there before is kept beside it under a name that no address leads to, and is put back as it was, the same
    file, by O(state=absent).
  - At every instant the old or the new catch-all is in force. A run that was killed is finished, or undone, by the
    next.
  - Nothing has to be restarted.
  - "Extensions of users' own addresses (C(joe-anything@example.com), where C(joe) is a user) are a matter of their own,
    as each user handles his: mail to those that he has no C(.qmail) file for is bounced, unless he has a
    C(.qmail-default). With O(scope) they get one that discards."
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  domains:
    description:
      - Which domains are meant. A domain, a glob such as V(*.example.com), or a regular expression between slashes such
        as V(/^shop[0-9]/), which may match anywhere in the name. Case does not matter.
      - Domains are called as in C(control/locals) and C(control/virtualdomains), the entry for all other domains V(*).
        A domain that is served by an entry such as C(.example.com) means that entry.
      - A domain that qmail does not deliver for is refused with O(state=present) and O(state=suspended).
      - All domains in C(control/locals) have one catch-all together; so may others. RV(notes) says so.
    type: list
    elements: str
    default: ['*']
  exclude:
    description: Which of these are not meant, in the same way.
    type: list
    elements: str
    default: []
  scope:
    description:
      - What is changed. V(domains) means the catch-alls of domains, V(users) those of extensions of users' addresses in
        these domains, V(all) both.
      - "Users are those of wildcard assignments in C(users/cdb), such as C(+joe-), and, where it has none for
        everything, those of the passwd file that C(qmail-getpw) takes for users: not root, with a home of their own."
      - Only a user who has no file for the rest of the extensions gets one. What somebody has is left whatever it does,
        also with O(existing=replace).
      - O(state=absent), too, puts back only these.
    type: str
    choices: [domains, users, all]
    default: domains
  existing:
    description:
      - What to do with a catch-all that delivers, forwards or runs a program that is not known to bounce or discard.
      - V(spare) leaves it alone, and says so. It does not bounce by itself, and may be what known users get their mail
        by, as with C(fastforward), vmailmgr or C(dovecot-lda).
      - V(replace) replaces it as well. With vpopmail, its last word becomes C(delete), so mailboxes go on getting mail.
      - One that bounces, or puts off all mail, is replaced with both.
    type: str
    choices: [spare, replace]
    default: spare
  state:
    description:
      - V(present) discards.
      - V(absent) puts back what was there before. A catch-all that is not one of these, or was changed since, is left.
      - V(suspended) does the same as V(absent) for a while, to see what the SMTP server says without a catch-all;
        V(resumed) undoes V(suspended), V(present) and V(absent) end it.
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
    session, refuse none any more. Where C(qmail-smtpd) can do that, it is better than to discard.
  - Of a domain that C(control/virtualdomains) does not name any more, nothing is found, nor put back.
  - Entries of single addresses (C(user@example.com:prefix)) are not touched.
  - A directory service may answer for single users and not list them. These are not found; RV(extensions.incomplete)
    says so.
  - Home directories belong to users, so links in them are not followed, and files with another name elsewhere are left.
"""

EXAMPLES = r"""
- name: See which catch-alls there are, and what they do
  mailops.rescue.qmail_catchall:
  check_mode: true
  become: true
  register: catchalls

- name: Discard mail to unknown addresses of all domains but one
  mailops.rescue.qmail_catchall:
    exclude: [shop.example.com]
  become: true

- name: Discard mail to extensions that users have no file for
  mailops.rescue.qmail_catchall:
    scope: users
  become: true

- name: Put back what was there before
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
  description: The catch-alls of the domains that were asked for, those that changed first, as many as fit.
  type: list
  elements: dict
  returned: success
  contains:
    domain:
      description: The first domain that was asked for.
      type: str
    domains:
      description: All domains that it serves (the first 20).
      type: list
      elements: str
    domain_count:
      description: Number of these.
      type: int
    kind:
      description: V(local), V(virtual), V(vpopmail) or V(plesk).
      type: str
    user:
      description: Who gets the domain's mail; null where nobody does.
      type: str
    path:
      description: The file that is, or would be, the domain's own catch-all.
      type: str
    exists:
      description: Whether it was there before.
      type: bool
    ours:
      description: Whether it was one that this module made, before.
      type: bool
    in_force:
      description: The file that got the mail before, which can be that of a shorter address; null where there was none.
      type: str
    in_force_after:
      description: The file that gets it afterwards; null where there is none.
      type: str
    does:
      description: >-
        What happened to the mail before: V(discards), V(bounces), V(defers) (every message is put off, as by a line
        C(/dev/null)), V(delivers), V(forwards), V(runs a program), V(default delivery), V(vdelivermail delete),
        V(vdelivermail bounce-no-mailbox), V(vdelivermail to a mailbox).
      type: str
    wanted:
      description: The same, afterwards.
      type: str
    changed:
      description: Whether it was changed.
      type: bool
    kept:
      description: Under which name what was there before is kept beside it, afterwards; null where nothing is.
      type: str
    reason:
      description: Why it was left as it is, where it could have been expected to change.
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
    Extensions of users' addresses that the users have no file for; null with O(scope=domains). Lists hold the first 50,
    as many as fit.
  type: dict
  returned: success
  contains:
    count:
      description: Number of users, or of wildcard assignments, that were looked at.
      type: int
    open_count:
      description: Number of those whose mail to nobody is bounced, or put off and bounced in the end.
      type: int
    open:
      description: The first of these.
      type: list
      elements: dict
      contains:
        extension:
          description: What the local parts begin with, such as V(joe-).
          type: str
        user:
          description: Who gets that mail.
          type: str
        domain:
          description: The first domain that was asked for.
          type: str
        does:
          description: As RV(catchalls[].does).
          type: str
        path:
          description: The file that does it, or that is missing.
          type: str
        reason:
          description: Why nothing can be done about it; null where it can.
          type: str
    unknown_count:
      description: Number of those that could not be looked at.
      type: int
    unknown:
      description: The first of these, with the reason.
      type: list
      elements: str
    incomplete:
      description: Why there may be users that were not looked at; null where there are none.
      type: str
    recipients:
      description: >-
        Addresses that were made up now, 6 at most, of some of the RV(extensions.open); with O(state=suspended), of some
        that bounce meanwhile.
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
          description: What it does afterwards.
          type: str
    left_count:
      description: Number of those that were left as they are although they could have been expected to change;
        RV(notes) has the first.
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
