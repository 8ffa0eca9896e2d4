#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: postfix_hardening_plan
short_description: Work out what the role postfix_hardening changes
version_added: 0.1.0
description:
  - Looks at the configuration of one Postfix instance, as it would be without the role, and returns what is to be given
    to M(mailops.rescue.postfix_config), and what is to be known.
  - It changes nothing. It fails where what is asked for cannot work on this host.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.linux
options:
  config_directory:
    description: Configuration directory of the instance; without it, the one that C(postconf) uses by itself.
    type: path
  remember:
    description: The label under which M(mailops.rescue.postfix_config) keeps what was there before.
    type: str
    default: postfix_hardening
  unknown_recipients:
    description: What becomes of mail to local addresses that do not exist.
    type: str
    choices: [discard, reject, unchanged]
    default: discard
  discard_alias:
    description: The alias that leads to C(/dev/null).
    type: str
    default: mailops-discard
  domain:
    description:
      - The domain of that alias's address, which must be in C(mydestination). Empty for the host's name where that is
        in there, else the first name in there.
    type: str
    default: ""
  rate_limits:
    description: Parameters C(smtpd_client_...) and C(anvil_...), by name; null leaves one as it is.
    type: dict
  tls_auth_only:
    description: Whether AUTH is offered under TLS only.
    type: bool
    default: true
  auth_on_port_25:
    description: Whether AUTH may stay on port 25. Other ports keep it.
    type: bool
    default: false
  relay_restrictions:
    description: Whether C(smtpd_relay_restrictions) are set where those there are let strangers relay.
    type: bool
    default: true
attributes:
  platform:
    details: Needs only Linux, Postfix 3.0 or later and Python 3.6 or later on the host.
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root where the role has run before; use C(become).
seealso:
  - module: mailops.rescue.postfix_config
"""

EXAMPLES = r"""
- name: See what the role would do, and what it would say
  mailops.rescue.postfix_hardening_plan:
    unknown_recipients: reject
  become: true
  register: plan
"""

RETURN = r"""
config_directory:
  description: Configuration directory of the instance.
  type: str
  returned: success
  sample: /etc/postfix
version:
  description: Version of Postfix.
  type: str
  returned: success
  sample: 3.7.11
parameters:
  description: For the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {luser_relay: mailops-discard@mail.example.com, local_recipient_maps: ""}
service_parameters:
  description: For the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {submission/inet/smtpd_sasl_auth_enable: "yes"}
aliases:
  description: For the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {mailops-discard: /dev/null}
domain:
  description: Domain of the address that unknown recipients' mail goes to; null where it is not discarded.
  type: str
  returned: success
  sample: mail.example.com
notes:
  description: Sentences on what does not hold everywhere, and on what the change costs.
  type: list
  elements: str
  returned: success
  sample: []
leftovers:
  description: Sentences on settings that an incident may have left; they are not changed.
  type: list
  elements: str
  returned: success
  sample: ["soft_bounce = yes: what should be refused is put off, and tried again for days."]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.postfix_hardening_plan import plan


def main():
    module = AnsibleModule(
        argument_spec={
            "config_directory": {"type": "path"},
            "remember": {"type": "str", "default": "postfix_hardening"},
            "unknown_recipients": {"type": "str", "choices": ["discard", "reject", "unchanged"], "default": "discard"},
            "discard_alias": {"type": "str", "default": "mailops-discard"},
            "domain": {"type": "str", "default": ""},
            "rate_limits": {"type": "dict"},
            "tls_auth_only": {"type": "bool", "default": True},
            "auth_on_port_25": {"type": "bool", "default": False},
            "relay_restrictions": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_module(module, plan)


if __name__ == "__main__":
    main()
