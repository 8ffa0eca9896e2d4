# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one host, as the controls ask for it. What is not there could not be read."""

from __future__ import annotations

import re
from functools import cached_property

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.remedies import Remedies
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import (
    knows_postmaster,
    relayed,
    unique,
    verdict,
)

__all__ = ["HostFacts"]

LOOPBACKS = ("127.0.0.1", "::1")


class HostFacts:
    """`given`: a plain dict with the registered results of mta_facts (`facts`), queue_info (`queue`) and queue_repair
    in check mode (`repair`); those of smtp_probe in loops, on the host (`probes`) and from the vantage point
    (`vantage_probes`); the queues of the run before (`before`: `totals` by host, `error`); and `settings`, the role's
    variables without their prefix. `name`: the host's.
    """

    def __init__(self, name: str, given: dict, remedies: Remedies):
        self.name = name
        self.remedies = remedies
        self.settings = given["settings"]
        self.facts = given.get("facts") or {}
        self.queue = given.get("queue") or {}
        self.repair = given.get("repair") or {}
        self.before = given.get("before") or {}
        self._probes = given.get("probes") or {}
        self._vantage = given.get("vantage_probes") or {}

    # What was read.

    @property
    def is_known(self):
        """Whether it is known which MTA this is."""
        return "mta" in self.facts

    @property
    def postfix(self):
        return self.facts.get("postfix") or {}

    @property
    def qmail(self):
        return self.facts.get("qmail") or {}

    @property
    def parameters(self):
        return self.postfix.get("parameters") or {}

    @property
    def firewall(self):
        return self.facts.get("firewall") or {}

    @property
    def unread(self):
        """Why the host's configuration is not known."""
        reasons = (self.postfix.get("error"), self.qmail.get("error"), self.facts.get("msg"))
        return next(filter(None, reasons), "The host could not be read.")

    @property
    def unreadable(self):
        """Tables and catch-alls that could not be read."""
        return (self.postfix.get("unreadable") or []) + (self.qmail.get("unreadable") or [])

    def counts(self, *names):
        """A number out of the counts of the queue; None where it could not be read."""
        counts = self.queue.get("counts")
        for name in names:
            counts = (counts or {}).get(name)
        return counts

    @property
    def queue_unread(self):
        return self.queue.get("msg") or "The queue could not be read."

    # What the server answered.

    @property
    def smtp_port(self):
        return self.settings["smtp_port"]

    @cached_property
    def sessions(self):
        """Sessions on the host itself that got far enough to say anything."""
        return _greeted(self._probes.get("results") or [])

    @cached_property
    def outside(self):
        """What was tried from the vantage point."""
        return [result for result in self._vantage.get("results") or [] if "connected" in result]

    @cached_property
    def outside_wanted(self):
        """Of these, what says whether submission can be reached; the others are asked for relaying."""
        wanted = [self.smtp_port, *self.settings["ports"]]
        return [result for result in self.outside if result["port"] in wanted]

    @property
    def outside_failure(self):
        """Why nothing could be tried from there; None where it could."""
        return self._vantage.get("msg")

    @cached_property
    def outside_sessions(self):
        return _greeted(self.outside)

    @cached_property
    def on_smtp_port(self):
        return [session for session in self.sessions if session["port"] == self.smtp_port]

    @cached_property
    def smtp(self):
        """The first session on the port for mail from strangers; empty where there was none."""
        return self.on_smtp_port[0] if self.on_smtp_port else {}

    @property
    def asked_ports(self):
        return unique(probe["port"] for probe in self.facts.get("probes") or [])

    @cached_property
    def silent_ports(self):
        """Ports that were asked and did not answer."""
        answered = [session["port"] for session in self.sessions]
        return [port for port in self.asked_ports if port not in answered]

    @property
    def silence(self):
        return "Port %s did not answer." % ", ".join(map(str, self.silent_ports))

    @cached_property
    def smtp_failure(self):
        """Why the SMTP server could not be asked; empty where it could."""
        if self.smtp:
            return ""
        results = self._probes.get("results") or []
        reasons = [result.get("error") for result in results] + [result.get("msg") for result in results]
        return next(filter(None, [*reasons, self._probes.get("msg")]), "The SMTP server could not be asked.")

    def asked_in(self, question):
        """The server's answer to a question on its SMTP port."""
        return self.smtp.get(question) or {}

    @property
    def refusals_count(self):
        return knows_postmaster(self.smtp)

    @property
    def refuses_all(self):
        text = self.asked_in("postmaster").get("text") or ""
        return "Postmaster is refused, too, so that a refusal proves nothing: %s" % text

    # Recipients.

    @property
    def domain(self):
        domain = self.settings.get("domain")
        return self.facts.get("domain", "") if domain is None else domain

    @property
    def unknown_recipient(self):
        return verdict(self.smtp, "unknown_recipient")

    @property
    def refuses_unknown(self):
        soft = self.postfix.get("soft_bounce") or []
        return self.unknown_recipient == "refused" or (self.unknown_recipient == "deferred" and len(soft) > 0)

    @cached_property
    def extensions(self):
        """Extensions of users' addresses (joe-anything@) of qmail. A few stand for all: it is the server that can
        refuse them, or cannot.
        """
        return self.qmail.get("extensions") or {}

    @cached_property
    def made_up(self):
        """What the server said to made-up addresses whose mail would be bounced, were it accepted."""
        return [recipient for session in self.on_smtp_port for recipient in session.get("recipients") or []]

    @cached_property
    def _made_up_in_domains(self):
        extensions = self.extensions.get("recipients") or []
        return [recipient for recipient in self.made_up if recipient["address"] not in extensions]

    @cached_property
    def accepted_domains(self):
        return [
            re.sub("^.*@", "", recipient["address"])
            for recipient in self._made_up_in_domains
            if recipient["verdict"] == "accepted"
        ]

    @cached_property
    def accepted_extensions(self):
        extensions = self.extensions.get("recipients") or []
        return [
            re.sub("mailopsprobe[0-9a-f]+@", "…@", recipient["address"])
            for recipient in self.made_up
            if recipient["address"] in extensions and recipient["verdict"] == "accepted"
        ]

    @cached_property
    def is_partly_asked(self):
        """Whether what the server does with some of these addresses is not known."""
        bouncing = self.postfix.get("bouncing_count", 0) + self.qmail.get("bouncing_count", 0)
        return (
            any(recipient["verdict"] in ("untried", "deferred") for recipient in self.made_up)
            or bouncing > len(self._made_up_in_domains)
            or (self.extensions.get("open_count", 0) > 0 and len(self.made_up) == len(self._made_up_in_domains))
        )

    # Relaying.

    @cached_property
    def _let_in(self):
        """Sessions that could relay, as pairs with whether the server trusts the address; None: nobody knows. The
        loopback is no stranger.
        """
        pairs = []
        for session in relayed(session for session in self.sessions if session["address"] not in LOOPBACKS):
            asked = session.get("item") or {}
            pairs.append((session, asked["trusted"] if "trusted" in asked else self.facts.get("trusted")))
        return pairs

    @cached_property
    def relaying(self):
        """Where strangers could relay, as phrases."""
        here = unique(session["port"] for session, trusted in self._let_in if trusted is False)
        there = [session["port"] for session in relayed(self.outside_sessions)]
        address = self.smtp.get("address", "itself")
        return ["%s to %s" % (port, self.settings["vantage"]) for port in there] + [
            "%s to %s" % (port, address) for port in here
        ]

    @cached_property
    def is_relaying_unsure(self):
        """Whether the host could relay at a port, nobody knows whether the server trusts it, and the vantage point got
        no answer there. One that gets answers on the SMTP port, and no connection to another, is kept out of that.
        """
        unsure = {session["port"] for session, trusted in self._let_in if trusted is None}
        answers = {
            session["port"] for session in self.outside_sessions if verdict(session, "relay") in ("accepted", "refused")
        }
        closed = {result["port"] for result in self.outside if not result["connected"]}
        return bool(unsure - answers - (closed if self.smtp_port in answers else set()))

    @property
    def relay_settings(self):
        return self.postfix.get("relay") or {}

    @property
    def has_rcpthosts(self):
        return self.qmail.get("rcpthosts", True)

    @property
    def is_relay(self):
        """Whether it is known to be open; that needs no other proof."""
        settings = self.relay_settings
        return bool(self.relaying or settings.get("lenient") or settings.get("everyone") or not self.has_rcpthosts)


def _greeted(results):
    return [result for result in results if result.get("helo_code") == 250]
