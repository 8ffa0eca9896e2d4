#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: postfix_config
short_description: Change the configuration of Postfix in one step, and restore it
version_added: 0.1.0
description:
  - Sets and removes parameters in C(main.cf) and C(master.cf), services in C(master.cf) and entries in the alias file
    of one Postfix instance.
  - The new configuration is first written to a separate directory and read by Postfix. If Postfix rejects it or does
    not know a parameter, nothing is changed. Each file is replaced atomically.
  - With O(remember), the host keeps the former settings, and O(state=absent) restores them, including comments and
    positions in the files.
  - A run that was interrupted by a power cut or kill is finished by the next run with the same options, and undone by
    one with O(state=absent). This includes the alias index and the reload.
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
options:
  config_directory:
    description:
      - Configuration directory of the instance, as in C(postconf -c).
      - Without this option and O(instance), the default of C(postconf), usually C(/etc/postfix).
    type: path
  instance:
    description: Name of the instance, as C(postmulti -l) lists it, instead of O(config_directory).
    type: str
  parameters:
    description:
      - Parameters of C(main.cf), by name. A boolean becomes C(yes) or C(no).
      - Null removes the parameter from the file, so Postfix's default applies.
      - Values are used as they are, including C($name); whitespace around a value is dropped, as Postfix does.
    type: dict
  service_parameters:
    description:
      - Parameters that a service in C(master.cf) sets for itself (C(-o)), by C(service/type/parameter), as in
        C(postconf -P). Null removes the service's own setting, so C(main.cf) applies.
    type: dict
  services:
    description:
      - Services of C(master.cf), by C(service/type). Each is a dict of C(private), C(unprivileged), C(chroot) (C(y),
        C(n) or C(-)), C(wakeup), C(process_limit) and C(command) (the program and its arguments).
      - Missing keys are left unchanged, and are C(-) in a new service, which needs C(command).
      - Null removes the service.
    type: dict
  aliases:
    description:
      - Entries in the alias file, by name. Null removes the entry.
      - The file is that of the first map in C(alias_maps) that has an index (C(hash), C(lmdb), C(btree), C(cdb) or
        C(dbm)). C(postalias) rebuilds the index if its entry differs from the file.
    type: dict
  reload:
    description:
      - Whether to reload Postfix if C(main.cf) or C(master.cf) changed and Postfix runs.
      - With V(false), a later run does not make up for the reload.
    type: bool
    default: true
  remember:
    description:
      - A label, such as the name of a role, under which the former settings are kept in
        C(/var/lib/mailops-rescue/postfix_config) before the first change. The options then describe all settings of
        this label. What an earlier run set under the label and this run does not name is restored.
    type: str
    aliases: [owner_name]
  read:
    description:
      - Names of parameters whose values, with each C($name) expanded, are returned in RV(read), together with all
        services and their own settings, as they are after the run.
      - In check mode with O(state=absent), this is the configuration as it would be without the label.
    type: list
    elements: str
  state:
    description:
      - V(absent) restores everything that was changed under O(remember), and deletes the label. Settings that someone
        else has changed since are left unchanged and returned in RV(left).
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    details: Check mode does not run C(postfix check), which creates missing directories. It tries everything else that
      a real run tries.
  diff_mode:
    support: full
  platform:
    details: Needs only Linux, Postfix 3.0 or later and Python 3.6 or later on the host.
author:
  - mailops.rescue maintainers (@mailops)
notes:
  - Needs root; use C(become).
  - Each instance needs its own run.
  - If C(main.cf), C(master.cf) or the alias file is a symbolic link, the file that it points to is replaced.
  - If a parameter occurs more than once in C(main.cf), the last occurrence is changed, since it is the one that
    applies.
seealso:
  - module: mailops.rescue.smtp_probe
"""

EXAMPLES = r"""
- name: Accept at most 30 messages a minute from each client
  mailops.rescue.postfix_config:
    parameters:
      smtpd_client_message_rate_limit: 30
      smtpd_client_connection_count_limit: 10
    remember: rate_limits
  become: true
  register: limits

- name: Undo that, from what was remembered on the host
  mailops.rescue.postfix_config:
    remember: rate_limits
    state: absent
  become: true

- name: Refuse AUTH on port 25, and leave it to submission
  mailops.rescue.postfix_config:
    parameters:
      smtpd_sasl_auth_enable: false
    services:
      submission/inet:
        private: n
        chroot: "y"
        command: smtpd
    service_parameters:
      submission/inet/syslog_name: postfix/submission
      submission/inet/smtpd_tls_security_level: encrypt
      submission/inet/smtpd_sasl_auth_enable: true
      submission/inet/smtpd_relay_restrictions: permit_sasl_authenticated, reject
  become: true
  register: result

- name: Undo exactly this run, from what it returned
  mailops.rescue.postfix_config:
    parameters: "{{ result.previous.parameters }}"
    service_parameters: "{{ result.previous.service_parameters }}"
    services: "{{ result.previous.services }}"
  become: true

- name: Set an alias
  mailops.rescue.postfix_config:
    aliases:
      abuse: postmaster
  become: true
"""

RETURN = r"""
config_directory:
  description: Configuration directory of the instance.
  type: str
  returned: success
  sample: /etc/postfix
instance:
  description: Its name; V(-) if it has none.
  type: str
  returned: success
  sample: "-"
version:
  description: Version of Postfix.
  type: str
  returned: success
  sample: 3.7.11
changes:
  description: Changes, or in check mode those that would be made.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: V(parameter), V(service_parameter), V(service) or V(alias).
      type: str
    name:
      description: Its name, as in the options.
      type: str
    before:
      description: Its former value; null if it was not set.
      type: raw
    after:
      description: Its new value; null if it is not set.
      type: raw
  sample:
    - kind: parameter
      name: smtpd_client_message_rate_limit
      before: null
      after: "30"
previous:
  description: Former values of what changed. Passed as the options of the same names, they undo the run.
  type: dict
  returned: success
  contains:
    parameters:
      description: As O(parameters).
      type: dict
    service_parameters:
      description: As O(service_parameters).
      type: dict
    services:
      description: As O(services).
      type: dict
    aliases:
      description: As O(aliases).
      type: dict
  sample:
    parameters: {smtpd_client_message_rate_limit: null}
    service_parameters: {}
    services: {}
    aliases: {}
values:
  description: Values after the run, set or default, of each parameter in O(parameters) or remembered.
  type: dict
  returned: success
  sample: {smtpd_client_message_rate_limit: "30"}
read:
  description: What O(read) requested; null without it.
  type: dict
  returned: success
  contains:
    parameters:
      description: Expanded values of the parameters. Those that Postfix does not know are missing.
      type: dict
    services:
      description: Command of each service, by C(service/type).
      type: dict
    service_parameters:
      description: Own settings of services, by C(service/type/parameter).
      type: dict
  sample: null
left:
  description: Settings that someone else has changed since they were set under the label, and that were not restored.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: As in RV(changes).
      type: str
    name:
      description: Its name.
      type: str
    value:
      description: Its present value; null if it is not set.
      type: raw
  sample: []
reloaded:
  description: Whether Postfix was reloaded.
  type: bool
  returned: success
  sample: true
restart_needed:
  description: Changed parameters that only take effect when a running Postfix is restarted.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postfix_config import configure


def main():
    module = AnsibleModule(
        argument_spec={
            "config_directory": {"type": "path"},
            "instance": {"type": "str"},
            "parameters": {"type": "dict"},
            "service_parameters": {"type": "dict"},
            "services": {"type": "dict"},
            "aliases": {"type": "dict"},
            "reload": {"type": "bool", "default": True},
            "remember": {"type": "str", "aliases": ["owner_name"]},
            "read": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda params: configure(params, module.check_mode))


if __name__ == "__main__":
    main()
