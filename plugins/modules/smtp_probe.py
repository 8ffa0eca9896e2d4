#!/usr/bin/python
# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: smtp_probe
short_description: Test what a mail server accepts over SMTP, without sending a message
version_added: 0.1.0
description:
  - Runs one short SMTP session, up to C(RCPT) and never to C(DATA), and returns what the server said. No message is
    sent.
  - Shows whether unknown recipients and C(postmaster) are accepted, whether relaying is refused, whether C(AUTH) is
    offered before or after TLS, whether STARTTLS works, how long its certificate is valid, and how long all of this
    took.
  - The probe ends within O(timeout), whatever the server does, and reads at most 256 KiB of each session.
  - A refusal by the server, or a port without a listener, is not a failure unless O(expect) says so.
  - It can run on the host itself, or anywhere else with C(delegate_to). This makes a difference for relaying.
extends_documentation_fragment:
  - mailops.rescue.attributes.read_only
  - mailops.rescue.attributes.posix
options:
  host:
    description:
      - Host name or address to connect to.
      - By default V(127.0.0.1), or V(::1) with O(family=ipv6).
    type: str
  port:
    description: TCP port.
    type: int
    default: 25
  family:
    description: Whether to connect over IPv4 or IPv6. With V(auto), the addresses of O(host) are tried in turn.
    type: str
    choices: [auto, ipv4, ipv6]
    default: auto
  timeout:
    description: Maximum duration of the probe in seconds, from 0.1 to 600.
    type: float
    default: 10
  tls:
    description:
      - V(auto) uses STARTTLS if it is offered. If the handshake fails, a second session without TLS tests the rest, as
        a mail server would do.
      - V(required) stops without STARTTLS, V(none) does not use it.
      - V(implicit) starts with TLS at once. It is the default for port 465; V(auto) is the default for all others.
    type: str
    choices: [auto, none, required, implicit]
  verify_name:
    description:
      - A host name. The certificate is verified for this name, as a strict client would do, with the authorities that
        the probing host trusts.
      - This takes a second session, which ends after the TLS handshake.
    type: str
  helo:
    description:
      - The name in C(EHLO).
      - By default the fully qualified name of the probing host, or its address in brackets if it has none.
    type: str
  sender:
    description: Envelope sender; the null sender by default.
    type: str
    default: ''
  unknown_domain:
    description: A domain in which an unknown recipient is tried, made up for each run.
    type: str
  postmaster:
    description:
      - A domain whose C(postmaster) is tried.
      - With V(true), the domain is O(unknown_domain), or none if that is not given.
    type: raw
    default: false
  relay:
    description:
      - Whether to try a recipient in C(example.net), a domain that does not belong to any server.
      - Servers relay for clients that they trust, which usually include the host itself when it connects to 127.0.0.1.
        To learn what strangers may do, probe from elsewhere.
    type: bool
    default: false
  recipients:
    description: Additional recipients to try, 50 at most. An address without a domain is tried as it is.
    type: list
    elements: str
    default: []
  expect:
    description: Expected results. If one differs, the module fails with one sentence that names it.
    type: dict
    suboptions:
      connected:
        description: Whether the server accepts connections.
        type: bool
      unknown_recipient:
        description: Accepted verdicts for the recipient in O(unknown_domain).
        type: list
        elements: str
        choices: [accepted, refused, deferred, untried]
      postmaster:
        description: Accepted verdicts for O(postmaster).
        type: list
        elements: str
        choices: [accepted, refused, deferred, untried]
      relay:
        description: Accepted verdicts for O(relay). Postfix can be configured to defer instead of refusing.
        type: list
        elements: str
        choices: [accepted, refused, deferred, untried]
      recipients:
        description: Accepted verdicts for each of O(recipients).
        type: list
        elements: str
        choices: [accepted, refused, deferred, untried]
      starttls:
        description: Whether TLS works.
        type: bool
      auth_before_tls:
        description: Whether C(AUTH) is offered before TLS.
        type: bool
      auth_after_tls:
        description: Whether C(AUTH) is offered after TLS has started.
        type: bool
      days_left:
        description: Minimum number of days for which the certificate must still be valid.
        type: int
attributes:
  platform:
    details: Needs only Python 3.6 or later on the probing host.
author:
  - mailops.rescue maintainers (@mailops)
seealso:
  - module: mailops.rescue.queue_info
notes:
  - An accepted recipient does not mean that its mail is delivered. It may also be discarded, or bounced later.
  - A server may refuse the null sender, or slow down clients that try many recipients. What was not tried is
    V(untried), with the reason.
  - Text from the server is untrusted. It is truncated and escaped for display.
"""

EXAMPLES = r"""
- name: Probe the server on this host
  mailops.rescue.smtp_probe:
    unknown_domain: mail.example.com
    postmaster: true
  register: probe

- name: Check from outside that strangers cannot relay, and that AUTH is not offered without TLS
  mailops.rescue.smtp_probe:
    host: "{{ ansible_host | default(inventory_hostname) }}"
    relay: true
    expect:
      relay: [refused, deferred]
      auth_before_tls: false
  delegate_to: localhost
  become: false

- name: Check that the certificate for submission is valid for two more weeks
  mailops.rescue.smtp_probe:
    port: 587
    family: ipv6
    tls: required
    expect:
      days_left: 14
"""

RETURN = r"""
connected:
  description: Whether a connection was accepted.
  type: bool
  returned: success
  sample: true
address:
  description: The address that accepted it; null if none did.
  type: str
  returned: success
  sample: 127.0.0.1
family:
  description: V(ipv4) or V(ipv6); null if no connection was accepted.
  type: str
  returned: success
  sample: ipv4
port:
  description: As in O(port).
  type: int
  returned: success
  sample: 25
banner:
  description: Text of the greeting, at most 300 characters.
  type: str
  returned: success
  sample: mail.example.com ESMTP Postfix (Debian)
banner_code:
  description: Code of the greeting; V(220) from a server that is ready.
  type: int
  returned: success
  sample: 220
helo_code:
  description: Code of the answer to the last C(EHLO) or C(HELO).
  type: int
  returned: success
  sample: 250
extensions:
  description: Extensions in the answer to the last C(EHLO), which is the one after the start of TLS, if there was one.
  type: list
  elements: str
  returned: success
  sample: [PIPELINING, SIZE 10240000, ENHANCEDSTATUSCODES, 8BITMIME, DSN, SMTPUTF8, CHUNKING]
pipelining:
  description: Whether pipelining is among them. It is not used.
  type: bool
  returned: success
  sample: true
starttls:
  description: Results for TLS.
  type: dict
  returned: success
  contains:
    offered:
      description: Whether STARTTLS was offered; null if the session did not get that far, or started with TLS.
      type: bool
    ok:
      description: Whether the handshake succeeded.
      type: bool
    version:
      description: Version of TLS.
      type: str
    cipher:
      description: Name of the cipher suite.
      type: str
    certificate:
      description: The server's certificate; null if there was no handshake. Fields that cannot be read are null.
      type: dict
      contains:
        subject:
          description: Its subject.
          type: str
        issuer:
          description: Its issuer.
          type: str
        names:
          description: Host names that it is valid for, the first 20.
          type: list
          elements: str
        not_before:
          description: Valid from.
          type: str
        not_after:
          description: Valid until.
          type: str
        days_left:
          description: Whole days until then; negative after it has expired.
          type: int
        verified:
          description: Whether it is valid for O(verify_name); null without that option.
          type: bool
        error:
          description: Why it is not valid, or why it cannot be read.
          type: str
    error:
      description: Why an attempted handshake failed.
      type: str
  sample:
    offered: true
    ok: true
    version: TLSv1.3
    cipher: TLS_AES_256_GCM_SHA384
    certificate:
      subject: CN=mail.example.com
      issuer: CN=mail.example.com
      names: [mail.example.com]
      not_before: "2026-11-21T20:19:02Z"
      not_after: "2036-11-18T20:19:02Z"
      days_left: 3649
      verified: null
      error: null
    error: null
auth:
  description: The C(AUTH) mechanisms that were offered.
  type: dict
  returned: success
  contains:
    before_tls:
      description: Those before TLS; null if the session started with TLS or did not get that far.
      type: list
      elements: str
    after_tls:
      description: Those after the start of TLS; null if it was not started.
      type: list
      elements: str
  sample:
    before_tls: []
    after_tls: [LOGIN, PLAIN]
unknown_recipient:
  description: The answer to the recipient in O(unknown_domain); null without that option.
  type: dict
  returned: success
  contains: &verdict
    address:
      description: The recipient.
      type: str
    verdict:
      description: V(accepted), V(refused), V(deferred) or V(untried).
      type: str
    code:
      description: Code of the answer, or of the one that refused the sender; null if there was none.
      type: int
    text:
      description: Text of the answer, at most 300 characters; or why it was not tried.
      type: str
  sample:
    address: mailops-probe-0f3a56a1c9b2@mail.example.com
    verdict: refused
    code: 550
    text: "5.1.1 <mailops-probe-0f3a56a1c9b2@mail.example.com>: Recipient address rejected: User unknown in local
      recipient table"
postmaster:
  description: The answer to O(postmaster); null without that option.
  type: dict
  returned: success
  contains: *verdict
  sample: {address: postmaster@mail.example.com, verdict: accepted, code: 250, text: 2.1.5 Ok}
relay:
  description: The answer to a recipient elsewhere; null without O(relay).
  type: dict
  returned: success
  contains: *verdict
  sample:
    address: mailops-probe@example.net
    verdict: refused
    code: 554
    text: "5.7.1 <mailops-probe@example.net>: Relay access denied"
recipients:
  description: The answer to each of O(recipients).
  type: list
  elements: dict
  returned: success
  contains: *verdict
  sample:
    - {address: info@mail.example.com, verdict: accepted, code: 250, text: 2.1.5 Ok}
seconds:
  description: Times in seconds since the start of the probe.
  type: dict
  returned: success
  contains:
    connect:
      description: When the connection was established.
      type: float
    banner:
      description: When the greeting was received.
      type: float
    total:
      description: When the probe ended.
      type: float
  sample: {connect: 0.001, banner: 0.02, total: 0.061}
error:
  description: Why the probe ended early; null if it was completed.
  type: str
  returned: success
  sample: "connecting: 127.0.0.1: connection refused"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailops.rescue.plugins.module_utils.engines.smtp_probe import probe
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module


def main():
    verdicts = {"type": "list", "elements": "str", "choices": ["accepted", "refused", "deferred", "untried"]}
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str"},
            "port": {"type": "int", "default": 25},
            "family": {"type": "str", "choices": ["auto", "ipv4", "ipv6"], "default": "auto"},
            "timeout": {"type": "float", "default": 10},
            "tls": {"type": "str", "choices": ["auto", "none", "required", "implicit"]},
            "verify_name": {"type": "str"},
            "helo": {"type": "str"},
            "sender": {"type": "str", "default": ""},
            "unknown_domain": {"type": "str"},
            "postmaster": {"type": "raw", "default": False},
            "relay": {"type": "bool", "default": False},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "expect": {
                "type": "dict",
                "options": {
                    "connected": {"type": "bool"},
                    "unknown_recipient": verdicts,
                    "postmaster": verdicts,
                    "relay": verdicts,
                    "recipients": verdicts,
                    "starttls": {"type": "bool"},
                    "auth_before_tls": {"type": "bool"},
                    "auth_after_tls": {"type": "bool"},
                    "days_left": {"type": "int"},
                },
            },
        },
        supports_check_mode=True,
    )
    run_module(module, probe)


if __name__ == "__main__":
    main()
