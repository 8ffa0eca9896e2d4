#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: postfix_config
short_description: Change Postfix's configuration as a whole, and put it back
version_added: 0.1.0
description:
  - Sets and removes parameters in C(main.cf) and C(master.cf), services in C(master.cf) and entries of the alias file,
    of one Postfix instance.
  - The configuration as it would be is first made in a directory of its own and given to Postfix to read. Where Postfix
    refuses it, or does not know a parameter, nothing is changed. Each file is replaced in one step.
  - With O(remember), the host keeps what was there before, so that O(state=absent) puts it back, with comments and
    places in the files.
  - A run that was cut off, by a power cut or kill, is finished by the next one with the same options, and undone by one
    with O(state=absent); that holds for the index of aliases and for the reload too.
extends_documentation_fragment:
  - mailops.rescue.attributes
  - mailops.rescue.attributes.linux
options:
  config_directory:
    description:
      - Configuration directory of the instance, as in C(postconf -c).
      - Without it, and without O(instance), the one that C(postconf) uses by itself, most often C(/etc/postfix).
    type: path
  instance:
    description: Name of the instance, as C(postmulti -l) lists it, in place of O(config_directory).
    type: str
  parameters:
    description:
      - Parameters of C(main.cf), by name. A boolean becomes C(yes) or C(no).
      - With null the parameter is removed from the file, so that Postfix's default holds.
      - Values are taken as they are, with each C($name) in them; blanks around a value are dropped, as Postfix does.
    type: dict
  service_parameters:
    description:
      - Parameters that a service of C(master.cf) sets for itself (C(-o)), by C(service/type/parameter), as in
        C(postconf -P). With null the service's own setting is removed, so that C(main.cf) holds.
    type: dict
  services:
    description:
      - Services of C(master.cf), by C(service/type). Each is a dict of C(private), C(unprivileged), C(chroot) (C(y),
        C(n) or C(-)), C(wakeup), C(process_limit) and C(command) (the program and its arguments).
      - What the dict leaves out stays as it is, and is C(-) in a new service, which needs C(command).
      - With null the service is removed.
    type: dict
  aliases:
    description:
      - Entries of the alias file, by name. With null the entry is removed.
      - The file is that of the first map in C(alias_maps) that has an index (C(hash), C(lmdb), C(btree), C(cdb) or
        C(dbm)). The index is made anew by C(postalias) where it does not have the entry as the file has it.
    type: dict
  reload:
    description:
      - Reload Postfix where something changed in C(main.cf) or C(master.cf), and Postfix runs.
      - Without it, a later run does not make up for the reload.
    type: bool
    default: true
  remember:
    description:
      - A label, such as the name of a role. What the options name is then a whole. What was there before the first
        change under the label is kept in C(/var/lib/mailops-rescue/postfix_config). What an earlier run has set under
        it and this one does not name is put back.
    type: str
    aliases: [owner_name]
  read:
    description:
      - Names of parameters whose values, with each C($name) in them expanded, are returned in RV(read), with all
        services and what they set for themselves, as they are after the run.
      - In check mode with O(state=absent), that is how the configuration would be without the label.
    type: list
    elements: str
  state:
    description:
      - With V(absent), all that was changed under O(remember) is put back as it was, and the label is forgotten. What
        somebody changed since is left as it is and returned in RV(left).
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
  - Several instances need one run each.
  - Where C(main.cf), C(master.cf) or the alias file is a symbolic link, the file that it points to is replaced.
  - Where a parameter stands several times in C(main.cf), the last one is changed, as it is the one that holds.
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

- name: Take that back, by what was remembered on the host
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

- name: Undo exactly this run, by what it returned
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
  description: Its name; V(-) where it has none.
  type: str
  returned: success
  sample: "-"
version:
  description: Version of Postfix.
  type: str
  returned: success
  sample: 3.7.11
changes:
  description: What changed, in check mode what would.
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
      description: Its value until then; null where it was not set.
      type: raw
    after:
      description: Its value afterwards; null where it is not set.
      type: raw
  sample:
    - kind: parameter
      name: smtpd_client_message_rate_limit
      before: null
      after: "30"
previous:
  description: The values before, of what changed. Given back as options of these names, they undo the run.
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
  description: What holds afterwards, set or by default, for each parameter in O(parameters) or remembered.
  type: dict
  returned: success
  sample: {smtpd_client_message_rate_limit: "30"}
read:
  description: What O(read) asked for; null without it.
  type: dict
  returned: success
  contains:
    parameters:
      description: Values of the parameters named, expanded. Those that Postfix does not know are missing.
      type: dict
    services:
      description: Command of each service, by C(service/type).
      type: dict
    service_parameters:
      description: What services set for themselves, by C(service/type/parameter).
      type: dict
  sample: null
left:
  description: What was changed under the label and by somebody else since, and was not put back.
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
      description: The value that it has; null where it is not set.
      type: raw
  sample: []
reloaded:
  description: Whether Postfix was reloaded.
  type: bool
  returned: success
  sample: true
restart_needed:
  description: Parameters that changed and take effect when Postfix is restarted only, where it runs.
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
