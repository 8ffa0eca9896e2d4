#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: mta_facts
short_description: Read what compliance controls ask of a mail server
version_added: 0.1.0
description:
  - Reads in one go how qmail or Postfix is set up on a host, as far as the controls of the role
    P(mailops.rescue.compliance#role) ask for it, who listens on which port, whether the firewall of the role
    P(mailops.rescue.submission_firewall#role) is in force, and how old the oldest batch in quarantine is.
  - It changes nothing, and opens no message. The queue itself is read by M(mailops.rescue.queue_info).
  - What cannot be read is named in C(error) of its part, and stops no other part.
extends_documentation_fragment:
  - mailops.rescue.queue
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.linux
  - mailops.rescue.qmail_home
options:
  quarantine:
    description: The directory that holds the batches; without it, the one beside the queue.
    type: path
  smtp_port:
    description: The port for mail from strangers.
    type: int
    default: 25
  ports:
    description: The ports for submission.
    type: list
    elements: int
    default: [587, 465]
  allowed_networks:
    description: Which networks may reach O(ports), as option of M(mailops.rescue.submission_firewall_plan).
    type: list
    elements: str
    default: []
  allow_nobody:
    description: Whether nobody may, where O(allowed_networks) is empty. Else nothing is known to be wanted then.
    type: bool
    default: false
  allow_documentation_networks:
    description: Whether networks reserved for documentation may be among O(allowed_networks), as option of
      M(mailops.rescue.submission_firewall_plan).
    type: bool
    default: false
  firewall_action:
    description: What is to happen to packets of all others.
    type: str
    choices: [drop, reject]
    default: drop
  firewall_rate_limit:
    description: How many new connections are let in, such as V(20/minute); empty for any number.
    type: str
    default: ""
  firewall_backend:
    description: The firewall that is used.
    type: str
    choices: [auto, nftables, firewalld, ufw]
    default: auto
  limits:
    description: Limits of Postfix on clients to look at, besides those of connections, messages, recipients and AUTH.
    type: list
    elements: str
    default: []
  known_catchalls:
    description: Domains whose catch-all delivers or forwards by intention; names or globs such as V(*.example.com).
    type: list
    elements: str
    default: []
  double_bounces:
    description: Where qmail's double bounces are to go, V(discard), V(unchanged) (anywhere) or an address.
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
- name: Read how the mail server is set up
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
  description: Its version; for qmail, which one it is, as far as its SMTP server's HELP says; null where unknown.
  type: str
  returned: success
  sample: 3.7.11
domain:
  description: A domain that this host delivers for, to try an unknown recipient in; empty where none is found.
  type: str
  returned: success
  sample: mail.example.com
recipients:
  description: >-
    Made-up addresses in domains, 50 at most, that would bounce mail to nobody if they accepted it, and those of
    RV(qmail.extensions).
  type: list
  elements: str
  returned: success
  sample: []
catchalls:
  description: >-
    Catch-alls that deliver, forward or run a program; null where they could not be read. Of Postfix, C(luser_relay) and
    entries for whole domains in tables of C(virtual_alias_maps) that are files.
  type: dict
  returned: success
  contains:
    count:
      description: How many there are.
      type: int
    unknown:
      description: Those not among O(known_catchalls), 50 at most, each with C(domain), C(does) and C(path).
      type: list
      elements: dict
    unknown_count:
      description: How many these are.
      type: int
  sample:
    count: 0
    unknown: []
    unknown_count: 0
trusted:
  description: Whether Postfix trusts the address at which it is to be asked (C(mynetworks)); null where not known, as
    with qmail.
  type: bool
  returned: success
  sample: false
addresses:
  description: The host's own addresses, without those of the loopback and of links.
  type: list
  elements: str
  returned: success
  sample: [192.0.2.25, "2001:db8:25::25"]
listening:
  description: Where somebody listens on TCP, the first 200.
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
  description: Where M(mailops.rescue.smtp_probe) is to ask on this host; O(smtp_port) first, then those of O(ports) on
    which somebody listens, then up to 20 others at which an C(smtpd) or C(postscreen) of C(master.cf), or what starts
    C(qmail-smtpd), listens. Not at the loopback where that can be avoided, as most servers trust that.
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
      description: Whether the server at this port trusts this address; null where not known, as with qmail.
      type: bool
    tls:
      description: V(implicit) where TLS begins at once, else null.
      type: str
    recipients:
      description: Those of RV(recipients) to ask for in this session; for many there are several.
      type: list
      elements: str
  sample:
    - host: 192.0.2.25
      port: 25
      trusted: false
      tls: null
      recipients: []
postfix:
  description: How Postfix is set up; null for qmail.
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
      description: Values of parameters, expanded, the first 500 characters.
      type: dict
    limits:
      description: For each limit on clients, where it is off; V(main.cf), or services.
      type: dict
    unlimited:
      description: Networks that hold everyone, as in RV(postfix.relay), and that C(smtpd_client_event_limit_exceptions)
        takes out of these limits.
      type: list
      elements: str
    relay:
      description: C(lenient), services whose restrictions let strangers relay; C(everyone), networks in C(mynetworks)
        that hold everyone, or more than one owner has (shorter than /16, for IPv6 /32), with the service where that has
        networks of its own, and the file or table that they stand in; C(doubts), phrases on what may let strangers
        relay and cannot be told, as tables that are not read, and C(check_policy_service). Services at the loopback are
        left out.
      type: dict
    soft_bounce:
      description: Where C(soft_bounce) is on; V(main.cf), or services.
      type: list
      elements: str
    luser:
      description: C(address) of C(luser_relay); C(target) of its alias; whether that leads anywhere (C(resolves));
        which parameters take mail before it (C(takers)); whether mail to unknown recipients gets there (C(effective)),
        and whether it is discarded then (C(discards)).
      type: dict
    unreadable:
      description: Tables of C(virtual_alias_maps) that could not be looked up in, each with the reason; whether there
        are catch-alls in them is unknown.
      type: list
      elements: str
    bouncing:
      description: Domains, 50 at most, that take mail to anybody, so that it is bounced later; each with C(domain),
        C(does) and C(path), the parameter that names it.
      type: list
      elements: dict
    bouncing_count:
      description: How many these are.
      type: int
    domain:
      description: As RV(domain).
      type: str
    domains_looked_up:
      description: Whether domains of C(mydestination) stand in tables or files, where they are not read.
      type: bool
    error:
      description: Why it could not be read, then without the others; null where it could.
      type: str
  sample: null
qmail:
  description: How qmail is set up; null for Postfix.
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
      description: Each queue, with C(queue_directory) and whether C(qmail-send) runs on it (C(running)).
      type: list
      elements: dict
    unreadable:
      description: Catch-alls that cannot be read, and why.
      type: list
      elements: str
    bouncing:
      description: Catch-alls that bounce or put off mail, 50 at most, as in RV(catchalls). Those in
        RV(qmail.null_lines) are left out.
      type: list
      elements: dict
    bouncing_count:
      description: How many these are.
      type: int
    extensions:
      description: >-
        Extensions of users' addresses that the users have no file for (C(joe-anything@)), as C(extensions) of
        M(mailops.rescue.qmail_catchall): C(count), C(open_count), C(open), C(unknown_count), C(unknown), C(incomplete)
        and C(recipients).
      type: dict
    null_lines:
      description: Files that may be a catch-all with a line C(/dev/null), 50 at most; of users' extensions as well.
      type: list
      elements: str
    null_line_count:
      description: How many these are.
      type: int
    rcpthosts:
      description: Whether there is C(control/rcpthosts), without which everyone may relay.
      type: bool
    double_bounces:
      description: The C(address) that they go to, whether that is O(double_bounces) (C(as_wanted)), and why that is not
        known (C(error)).
      type: dict
    domain:
      description: As RV(domain).
      type: str
    error:
      description: Why it could not be read, then without the others; null where it could.
      type: str
  sample: null
firewall:
  description: Who may reach the ports for submission.
  type: dict
  returned: success
  contains:
    listening:
      description: Those of O(ports) on which somebody listens, not only on the loopback.
      type: list
      elements: int
    wanted:
      description: Whether it is known who may reach them.
      type: bool
    backend:
      description: The firewall that is used; null where nothing is to be looked for.
      type: str
    loaded:
      description: Whether the rules are in force.
      type: bool
    kept:
      description: Whether they will be after a reboot.
      type: bool
    error:
      description: Why that is not known.
      type: str
  sample:
    listening: [587]
    wanted: true
    backend: nftables
    loaded: true
    kept: true
    error: null
quarantine:
  description: What was taken out of the queue and is still kept.
  type: dict
  returned: success
  contains:
    batches:
      description: Number of batches.
      type: int
    oldest:
      description: C(batch), C(created) and C(age) in seconds of the oldest one; null where there is none.
      type: dict
    error:
      description: Why it could not be read, then without the others; null where it could.
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
