#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: postfix_hardening_plan
short_description: Plan what the role postfix_hardening changes
version_added: 0.1.0
description:
  - Reads the configuration of one Postfix instance, as it would be without the role, and returns options for
    M(mailops.rescue.postfix_config) and notes for the operator.
  - It changes nothing. It fails if the requested settings cannot work on this host.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.linux
options:
  config_directory:
    description: Configuration directory of the instance; by default the one that C(postconf) uses.
    type: path
  remember:
    description: The label under which M(mailops.rescue.postfix_config) keeps the former settings.
    type: str
    default: postfix_hardening
  unknown_recipients:
    description: What to do with mail to local addresses that do not exist.
    type: str
    choices: [discard, reject, unchanged]
    default: discard
  discard_alias:
    description: The alias that points to C(/dev/null).
    type: str
    default: mailops-discard
  domain:
    description:
      - The domain of that alias's address, which must be in C(mydestination). If empty, the host's name if it is in
        C(mydestination), else the first domain there.
    type: str
    default: ""
  rate_limits:
    description: Parameters C(smtpd_client_...) and C(anvil_...), by name; null leaves a parameter unchanged.
    type: dict
  tls_auth_only:
    description: Whether AUTH is only offered with TLS.
    type: bool
    default: true
  auth_on_port_25:
    description: Whether port 25 may keep AUTH. Other ports keep it.
    type: bool
    default: false
  relay_restrictions:
    description: Whether to set C(smtpd_relay_restrictions) if the present ones let strangers relay.
    type: bool
    default: true
attributes:
  platform:
    details: Needs only Linux, Postfix 3.0 or later and Python 3.6 or later on the host.
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root if the role has run before; use C(become).
seealso:
  - module: mailops.rescue.postfix_config
"""

EXAMPLES = r"""
- name: See what the role would do, and its notes
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
  description: Value for the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {luser_relay: mailops-discard@mail.example.com, local_recipient_maps: ""}
service_parameters:
  description: Value for the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {submission/inet/smtpd_sasl_auth_enable: "yes"}
aliases:
  description: Value for the option of this name of M(mailops.rescue.postfix_config).
  type: dict
  returned: success
  sample: {mailops-discard: /dev/null}
domain:
  description: Domain of the address that mail to unknown recipients goes to; null if it is not discarded.
  type: str
  returned: success
  sample: mail.example.com
notes:
  description: Notes on the limits and side effects of the change.
  type: list
  elements: str
  returned: success
  sample: []
leftovers:
  description: Notes on settings that an incident may have left behind; they are not changed.
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
