# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where passwords can be tried, or read on the way."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import auth_before_tls, auth_on_port

__all__ = ["CONTROLS"]


@control(
    "COMMON-030",
    title="AUTH is not offered on port 25",
    severity="high",
    rationale="Port 25 is open to the world, where passwords are tried all day; users submit mail on other ports.",
)
def no_auth_on_port_25(host):
    offers = auth_on_port(host.sessions + host.outside_sessions, host.smtp_port)
    starttls = host.asked_in("starttls")
    unknown = None
    if not host.is_known:
        unknown = host.unread
    elif host.smtp_failure:
        unknown = host.smtp_failure
    elif not offers and starttls.get("offered") and not starttls.get("ok"):
        unknown = "STARTTLS failed: %s" % (starttls.get("error") or "")
    return Verdict(
        holds=not offers,
        expected="none",
        observed=" ".join(offers) or "none",
        remedy=host.remedies.harden("postfix_hardening")
        if host.postfix
        else "Start qmail-smtpd on port 25 without AUTH, and offer that on 587 (the run scripts of both).",
        inapplicable="compliance_auth_on_port_25 says that it may be." if host.settings["auth_on_port_25"] else None,
        unknown=unknown,
    )


@control(
    "COMMON-040",
    title="AUTH is offered under TLS only",
    severity="high",
    rationale="A password that is sent without TLS can be read by everybody on the way.",
)
def auth_under_tls_only(host):
    asks_smtp_port = host.settings["auth_on_port_25"]
    in_clear = auth_before_tls(host.sessions + host.outside_sessions)
    if not asks_smtp_port:
        in_clear = [port for port in in_clear if port != host.smtp_port]
    unknown = None
    if not host.is_known:
        unknown = host.unread
    elif (not in_clear and set(host.silent_ports) - {host.smtp_port}) or (not host.smtp and asks_smtp_port):
        unknown = host.silence
    has_ports = not host.is_known or len(host.asked_ports) > 1 or asks_smtp_port
    return Verdict(
        holds=not in_clear,
        expected="no AUTH before TLS",
        observed="before TLS on %s; asked: %s" % (_ports(in_clear) or "no port", _ports(host.asked_ports)),
        remedy=host.remedies.harden("postfix_hardening")
        if host.postfix
        else "Have what starts qmail-smtpd offer AUTH after STARTTLS only.",
        inapplicable=None if has_ports else "Nobody listens on a port for submission.",
        unknown=unknown,
    )


def _ports(ports):
    return ", ".join(map(str, ports))


CONTROLS = (no_auth_on_port_25, auth_under_tls_only)
