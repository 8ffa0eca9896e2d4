#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: mta_facts
short_description: Read the settings of a mail server that compliance controls need
version_added: 0.1.0
description:
  - Reads the configuration of qmail or Postfix as far as the controls of the role P(mailops.rescue.compliance#role)
    need it, the listening TCP ports, whether the firewall of the role P(mailops.rescue.submission_firewall#role) is in
    force, and the age of the oldest batch in quarantine.
  - It changes nothing and opens no message. M(mailops.rescue.queue_info) reads the queue itself.
  - Each part has an C(error) that says what could not be read. It does not affect the other parts.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  quarantine:
    description: The directory that holds the batches; by default the one beside the queue.
    type: path
  smtp_port:
    description: The port for mail from strangers.
    type: int
    default: 25
  ports:
    description: The submission ports.
    type: list
    elements: int
    default: [587, 465]
  allowed_networks:
    description: Networks that may reach O(ports), as for M(mailops.rescue.submission_firewall_plan).
    type: list
    elements: str
    default: []
  allow_nobody:
    description: Whether an empty O(allowed_networks) means that no one may reach them. Otherwise an empty list means
      that the wanted networks are unknown.
    type: bool
    default: false
  allow_documentation_networks:
    description: Whether O(allowed_networks) may contain networks reserved for documentation, as for
      M(mailops.rescue.submission_firewall_plan).
    type: bool
    default: false
  firewall_action:
    description: What should happen to packets from all others.
    type: str
    choices: [drop, reject]
    default: drop
  firewall_rate_limit:
    description: Allowed rate of new connections, such as V(20/minute); empty for no limit.
    type: str
    default: ""
  firewall_backend:
    description: The firewall in use.
    type: str
    choices: [auto, nftables, firewalld, ufw]
    default: auto
  limits:
    description: Further client limits of Postfix to read, besides those on connections, messages, recipients and AUTH.
    type: list
    elements: str
    default: []
  known_catchalls:
    description: Domains with an intentional catch-all; names or globs such as V(*.example.com).
    type: list
    elements: str
    default: []
  double_bounces:
    description: Where qmail's double bounces should go, V(discard), V(unchanged) (anywhere) or an address.
    type: str
    default: discard
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.control
  - module: mailops.rescue.queue_info
  - module: mailops.rescue.smtp_probe
notes:
  - Needs root; use C(become).
"""

EXAMPLES = r"""
- name: Read the settings of the mail server
  mailops.rescue.mta_facts:
    allowed_networks: [10.20.0.0/16]
    known_catchalls: [shop.example.com]
  become: true
  register: facts
"""

RETURN = r"""
mta:
  description: V(qmail) or V(postfix).
  type: str
  returned: success
  sample: postfix
version:
  description: Its version; for qmail, the variant, if HELP of its SMTP server reveals it; null if unknown.
  type: str
  returned: success
  sample: 3.7.11
domain:
  description: A domain that this host delivers for, in which an unknown recipient can be tried; empty if there is none.
  type: str
  returned: success
  sample: mail.example.com
recipients:
  description: >-
    Made-up addresses, 50 at most, in domains that would bounce mail to unknown recipients if they accepted it, and
    those of RV(qmail.extensions).
  type: list
  elements: str
  returned: success
  sample: []
catchalls:
  description: >-
    Catch-alls that deliver, forward or run a program; null if they could not be read. For Postfix, C(luser_relay) and
    entries for whole domains in tables of C(virtual_alias_maps) that are files.
  type: dict
  returned: success
  contains:
    count:
      description: Their number.
      type: int
    unknown:
      description: Those that are not in O(known_catchalls), 50 at most, each with C(domain), C(does) and C(path).
      type: list
      elements: dict
    unknown_count:
      description: Their number.
      type: int
  sample:
    count: 0
    unknown: []
    unknown_count: 0
trusted:
  description: Whether Postfix trusts the address that will be probed (C(mynetworks)); null if unknown, as for qmail.
  type: bool
  returned: success
  sample: false
addresses:
  description: The host's own addresses, without loopback and link-local addresses.
  type: list
  elements: str
  returned: success
  sample: [192.0.2.25, "2001:db8:25::25"]
listening:
  description: Listening TCP sockets, the first 200.
  type: list
  elements: dict
  returned: success
  contains:
    address:
      description: The address; V(0.0.0.0) and V(::) mean all.
      type: str
    port:
      description: The port.
      type: int
  sample:
    - address: 0.0.0.0
      port: 25
probes:
  description: What M(mailops.rescue.smtp_probe) should probe on this host. O(smtp_port) comes first, then those of
    O(ports) that something listens on, then up to 20 others on which an C(smtpd) or C(postscreen) of C(master.cf), or a
    program that starts C(qmail-smtpd), listens. The loopback is avoided if possible, since most servers trust it.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: The address.
      type: str
    port:
      description: The port.
      type: int
    trusted:
      description: Whether the server on this port trusts this address; null if unknown, as for qmail.
      type: bool
    tls:
      description: V(implicit) if TLS starts at once, else null.
      type: str
    recipients:
      description: Those of RV(recipients) to try in this session; many recipients are spread over several sessions.
      type: list
      elements: str
  sample:
    - host: 192.0.2.25
      port: 25
      trusted: false
      tls: null
      recipients: []
postfix:
  description: The configuration of Postfix; null for qmail.
  type: dict
  returned: success
  contains:
    config_directory:
      description: Configuration directory of the instance.
      type: str
    version:
      description: As RV(version).
      type: str
    running:
      description: Whether C(master) runs.
      type: bool
    parameters:
      description: Expanded values of parameters, the first 500 characters.
      type: dict
    limits:
      description: For each client limit, where it is turned off; V(main.cf), or services.
      type: dict
    unlimited:
      description: Networks that contain everyone, as in RV(postfix.relay), and that
        C(smtpd_client_event_limit_exceptions) exempts from these limits.
      type: list
      elements: str
    relay:
      description: C(lenient), services whose restrictions let strangers relay; C(everyone), networks in C(mynetworks)
        that contain everyone, or more than one owner has (shorter than /16, for IPv6 /32), with the service if it has
        its own networks, and the file or table that contains them; C(doubts), phrases on what might let strangers
        relay, such as tables that are not read, and C(check_policy_service). Services on the loopback are left out.
      type: dict
    soft_bounce:
      description: Where C(soft_bounce) is turned on; V(main.cf), or services.
      type: list
      elements: str
    luser:
      description: C(address) of C(luser_relay); C(target) of its alias; whether it leads anywhere (C(resolves));
        parameters that take mail before it (C(takers)); whether mail to unknown recipients gets there (C(effective)),
        and whether it is then discarded (C(discards)).
      type: dict
    unreadable:
      description: Tables of C(virtual_alias_maps) in which lookups failed, each with the reason. Whether they contain
        catch-alls is unknown.
      type: list
      elements: str
    bouncing:
      description: Domains, 50 at most, that accept mail to any recipient and bounce it later; each with C(domain),
        C(does) and C(path), the parameter that names it.
      type: list
      elements: dict
    bouncing_count:
      description: Their number.
      type: int
    domain:
      description: As RV(domain).
      type: str
    domains_looked_up:
      description: Whether domains of C(mydestination) are in tables or files, which are not read.
      type: bool
    error:
      description: Why it could not be read; the other keys are then missing. Null if it could be read.
      type: str
  sample: null
qmail:
  description: The configuration of qmail; null for Postfix.
  type: dict
  returned: success
  contains:
    home:
      description: Its home directory.
      type: str
    version:
      description: As RV(version).
      type: str
    queues:
      description: Each queue, with C(queue_directory) and whether C(qmail-send) is running on it (C(running)).
      type: list
      elements: dict
    unreadable:
      description: Catch-alls that cannot be read, and why.
      type: list
      elements: str
    bouncing:
      description: Catch-alls that bounce or defer mail, 50 at most, as in RV(catchalls), without those in
        RV(qmail.null_lines).
      type: list
      elements: dict
    bouncing_count:
      description: Their number.
      type: int
    extensions:
      description: >-
        Extensions of users' addresses without a file (C(joe-anything@)), as C(extensions) of
        M(mailops.rescue.qmail_catchall): C(count), C(open_count), C(open), C(unknown_count), C(unknown), C(incomplete)
        and C(recipients).
      type: dict
    null_lines:
      description: Possible catch-alls with a line C(/dev/null), 50 at most, including those for users' extensions.
      type: list
      elements: str
    null_line_count:
      description: Their number.
      type: int
    rcpthosts:
      description: Whether C(control/rcpthosts) exists; without it everyone may relay.
      type: bool
    double_bounces:
      description: The C(address) that they go to, whether it is O(double_bounces) (C(as_wanted)), and why that is
        unknown (C(error)).
      type: dict
    domain:
      description: As RV(domain).
      type: str
    error:
      description: Why it could not be read; the other keys are then missing. Null if it could be read.
      type: str
  sample: null
firewall:
  description: Who may reach the submission ports.
  type: dict
  returned: success
  contains:
    listening:
      description: Those of O(ports) that something listens on, not only on the loopback.
      type: list
      elements: int
    wanted:
      description: Whether the wanted networks are known.
      type: bool
    backend:
      description: The firewall in use; null if nothing was checked.
      type: str
    loaded:
      description: Whether the rules are in force.
      type: bool
    kept:
      description: Whether they will be in force after a reboot.
      type: bool
    error:
      description: Why this is unknown.
      type: str
  sample:
    listening: [587]
    wanted: true
    backend: nftables
    loaded: true
    kept: true
    error: null
quarantine:
  description: What was taken out of the queue and is still in quarantine.
  type: dict
  returned: success
  contains:
    batches:
      description: Number of batches.
      type: int
    oldest:
      description: C(batch), C(created) and C(age) in seconds of the oldest one; null if there is none.
      type: dict
    error:
      description: Why it could not be read; the other keys are then missing. Null if it could be read.
      type: str
  sample:
    batches: 0
    oldest: null
    error: null
seconds:
  description: Duration in seconds.
  type: float
  returned: success
  sample: 0.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.mta_facts import find
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import QUEUE, run_module


def main():
    module = AnsibleModule(
        argument_spec=dict(
            QUEUE,
            home={"type": "path"},
            quarantine={"type": "path"},
            smtp_port={"type": "int", "default": 25},
            ports={"type": "list", "elements": "int", "default": [587, 465]},
            allowed_networks={"type": "list", "elements": "str", "default": []},
            allow_nobody={"type": "bool", "default": False},
            allow_documentation_networks={"type": "bool", "default": False},
            firewall_action={"type": "str", "choices": ["drop", "reject"], "default": "drop"},
            firewall_rate_limit={"type": "str", "default": ""},
            firewall_backend={"type": "str", "choices": ["auto", "nftables", "firewalld", "ufw"], "default": "auto"},
            limits={"type": "list", "elements": "str", "default": []},
            known_catchalls={"type": "list", "elements": "str", "default": []},
            double_bounces={"type": "str", "default": "discard"},
        ),
        supports_check_mode=True,
    )
    run_module(module, find)


if __name__ == "__main__":
    main()
