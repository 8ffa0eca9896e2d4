# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What postfix_hardening is to change in a configuration, and what is to be known about it.

It is worked out from the configuration as it would be without the role: what the role has set itself must not look,
in the next run, like what the host's owner wants.
"""

__all__ = ["Hardening", "READ", "obstacles"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config import tls
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import OPEN, Relaying

READ = (
    "alias_maps",
    "allow_mail_to_files",
    "default_transport",
    "defer_transports",
    "fallback_transport",
    "fallback_transport_maps",
    "local_recipient_maps",
    "local_transport",
    "luser_relay",
    "mailbox_transport",
    "mailbox_transport_maps",
    "master_service_disable",
    "mydestination",
    "myhostname",
    "mynetworks",
    "relay_domains",
    "relay_transport",
    "smtpd_recipient_restrictions",
    "smtpd_reject_unlisted_recipient",
    "smtpd_relay_restrictions",
    "smtpd_sasl_auth_enable",
    "smtpd_tls_auth_only",
    "soft_bounce",
    "unknown_local_recipient_reject_code",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
) + tls.PARAMETERS
_SAFE = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
_RATE = re.compile(r"(smtpd_client_[a-z0-9_]+|anvil_[a-z_]+)\Z")
_AMOUNT = re.compile(r"\d{1,9}[smhdw]?\Z")
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}\Z")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z", re.I)
_SWALLOWS = ("discard", "hold", "retry")


class Hardening:
    """``parameters``, ``service_parameters`` and ``aliases``: options for postfix_config; ``notes`` and ``leftovers``:
    sentences; ``domain``: that of the address where unknown recipients' mail goes, or None.

    ``found``: what postfix_config reads; ``serves(domain)`` and ``knows(table, name)`` look things up on the host;
    ``expanded``: what services set for themselves, with each $name in it expanded; ``effective`` and ``tables``: as
    Relaying takes them; ``exists(path)`` tells whether there is a file.
    """

    def __init__(self, params, found, serves, knows, expanded, effective=None, tables=None, exists=os.path.exists):
        self.parameters = {}
        self.service_parameters = {}
        self.aliases = {}
        self.notes = []
        self.leftovers = []
        self.domain = None
        self._params = params
        self._now = found["parameters"]
        self._services = found["services"]
        self._overrides = found["service_parameters"]
        self._serves = serves
        self._knows = knows
        self._expanded = expanded
        self._exists = exists
        self._effective = effective or self._as_read
        self._tables = tables
        check(params)
        {"discard": self._discard, "reject": self._reject, "unchanged": lambda: None}[params["unknown_recipients"]]()
        self.parameters.update(
            {name: value for name, value in (params["rate_limits"] or {}).items() if value is not None}
        )
        if params["tls_auth_only"]:
            self._hide_auth()
        if not params["auth_on_port_25"]:
            self._keep_auth_off_25()
        if params["relay_restrictions"]:
            self._restrict_relaying()
        self._name_bypasses()
        self._name_leftovers()

    def _discard(self):
        self._require_local_delivery()
        self.domain = self._find_domain()
        alias = self._params["discard_alias"]
        self.aliases[alias] = "/dev/null"
        self.parameters["luser_relay"] = "%s@%s" % (alias, self.domain)
        self.parameters["local_recipient_maps"] = ""
        self.notes.append(
            "Mail to local addresses that do not exist is accepted and discarded: who mistypes an address is not told."
        )
        others = [
            name
            for name in ("virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
            if self._literals(name)
        ]
        if others:
            self.notes.append(
                "Unknown recipients in domains of %s are not discarded: luser_relay is for mydestination alone."
                % ", ".join(others)
            )

    def _require_local_delivery(self):
        """Refuse what hands unknown recipients to something else before luser_relay has its turn."""
        for _name, wrong in obstacles(self._now, self._services, self._knows):
            raise RescueError("unknown_recipients: " + wrong)

    def _find_domain(self):
        domains = self._literals("mydestination")
        wanted = self._params["domain"]
        if wanted:
            if not self._serves(wanted):
                elsewhere = [
                    name
                    for name in ("virtual_mailbox_domains", "virtual_alias_domains", "relay_domains")
                    if wanted.lower() in self._literals(name)
                ]
                raise RescueError(
                    "domain: expected one in mydestination (%s), got %s%s."
                    % (
                        ", ".join(domains) or "it is empty",
                        wanted,
                        ", which is in %s" % elsewhere[0] if elsewhere else "",
                    )
                )
            return wanted.lower()
        host = self._now.get("myhostname", "").lower()
        if host in domains:
            return host
        if domains:
            return domains[0]
        raise RescueError(
            "domain: expected one to be in mydestination, got none: this host delivers nothing locally, and "
            "luser_relay is for local mail; choose reject."
        )

    def _reject(self):
        if self._now.get("luser_relay"):
            self.parameters["luser_relay"] = None
        if not self._now.get("local_recipient_maps"):
            for name in ("mailbox_transport", "fallback_transport", "fallback_transport_maps"):
                if self._now.get(name):
                    raise RescueError(
                        "unknown_recipients: expected local_recipient_maps to name the users that %s = %s has, got "
                        "nothing, so that they would be rejected too." % (name, _shown(self._now[name]))
                    )
            self.parameters["local_recipient_maps"] = None
        if self._now.get("unknown_local_recipient_reject_code") != "550":
            self.parameters["unknown_local_recipient_reject_code"] = "550"
        if _is(self._now.get("smtpd_reject_unlisted_recipient"), "no"):
            self.parameters["smtpd_reject_unlisted_recipient"] = "yes"

    def _hide_auth(self):
        """Have AUTH offered under TLS alone, but where there is no TLS: it would be offered nowhere."""
        wrong = self._tls_obstacle(None)
        if wrong is None:
            self.parameters["smtpd_tls_auth_only"] = "yes"
        left = []
        for service in self._smtpd_services():
            name = service + "/smtpd_tls_auth_only"
            own = self._overrides.get(name)
            missing = self._tls_obstacle(service)
            if missing is None:
                if (own is not None and not _is(own, "yes")) or (own is None and wrong is not None):
                    self.service_parameters[name] = "yes"
                continue
            if not self._offers_auth(service) or _is(own, "yes"):
                continue
            left.append("%s (%s)" % (service, missing))
            if own is None and wrong is None and not _is(self._now.get("smtpd_tls_auth_only"), "yes"):
                # What main.cf says from now on would take AUTH away here.
                self.service_parameters[name] = "no"
        if left:
            self.notes.append(
                "AUTH is left as it is where TLS does not work, and passwords go in clear there: %s. Set up a "
                "certificate, and run this again." % "; ".join(left)
            )

    def _offers_auth(self, service):
        own = self._overrides.get(service + "/smtpd_sasl_auth_enable")
        return _is(self._now.get("smtpd_sasl_auth_enable") if own is None else own, "yes")

    def _tls_obstacle(self, service):
        """Return why a service (None: main.cf alone) offers no TLS, or None."""

        def value(name):
            full = "%s/%s" % (service, name)
            if service is not None and full in self._overrides:
                return self._expanded.get(full, self._overrides[full])
            certificate = tls.KEYS.get(name)
            if certificate and self._now.get(name) in ("$" + certificate, self._now.get(certificate)):
                return value(certificate)
            return self._now.get(name, "")

        return tls.obstacle(value, self._exists)

    def _keep_auth_off_25(self):
        by_main = _is(self._now.get("smtpd_sasl_auth_enable"), "yes")
        if by_main:
            self.parameters["smtpd_sasl_auth_enable"] = "no"
        kept = []
        for service in self._smtpd_services():
            name = service + "/smtpd_sasl_auth_enable"
            own = self._overrides.get(name)
            if _is_port_25(service):
                if own is not None and not _is(own, "no"):
                    self.service_parameters[name] = "no"
            elif _is(own, "yes") or (own is None and by_main):
                kept.append(service)
                if own is None:
                    self.service_parameters[name] = "yes"
        if by_main and not kept:
            self.notes.append(
                "AUTH is now offered nowhere: master.cf has no service other than port 25 (see submission in it)."
            )

    def _restrict_relaying(self):
        if self._relaying().of_main() == OPEN:
            self.parameters["smtpd_relay_restrictions"] = _SAFE
        found = self._relaying()
        for service in found.lenient:
            names = (service + "/" + name for name in ("smtpd_relay_restrictions", "smtpd_recipient_restrictions"))
            own = [self._expanded.get(name, self._overrides[name]) for name in names if name in self._overrides]
            self.notes.append(
                "%s bypasses the relay restrictions of main.cf: its own are %s."
                % (service, _shown(own[0] if own else "") or "empty")
            )
        for where, networks in found.trusting.items():
            self.notes.append("mynetworks%s has %s: everyone may relay here." % (where, _shown(", ".join(networks))))
        for doubt in found.doubts:
            self.notes.append("It is not known whether strangers may relay: %s." % visible(shorten(doubt, 300)))

    def _relaying(self):
        """Return what is known of relaying once the parameters that are planned hold."""
        name = "smtpd_relay_restrictions"
        planned = {name: self.parameters.get(name, self._now.get(name, ""))}
        own = {full: self._expanded.get(full, value) for full, value in self._overrides.items()}
        return Relaying(
            self._services, own, lambda names, settings: self._effective(names, dict(planned, **settings)), self._tables
        )

    def _as_read(self, names, settings):
        return {name: settings.get(name, self._now.get(name, "")) for name in names}

    def _name_bypasses(self):
        for name, value in self._overrides.items():
            service, unused, parameter = name.rpartition("/")
            handled = name in self.service_parameters or parameter in ("smtpd_sasl_auth_enable", "smtpd_tls_auth_only")
            if parameter in self.parameters and not handled and parameter != "smtpd_relay_restrictions":
                self.notes.append(
                    "%s sets %s = %s for itself, so that what main.cf says does not hold there."
                    % (service, parameter, _shown(value))
                )

    def _name_leftovers(self):
        if _is(self._now.get("soft_bounce"), "yes"):
            self.leftovers.append("soft_bounce = yes: what should be refused is put off, and tried again for days.")
        for name in ("defer_transports", "master_service_disable"):
            if self._now.get(name):
                self.leftovers.append("%s = %s: mail or connections are held off." % (name, _shown(self._now[name])))
        for name in ("default_transport", "relay_transport"):
            value = self._now.get(name, "")
            if value.partition(":")[0] in _SWALLOWS:
                self.leftovers.append("%s = %s: outgoing mail does not go out." % (name, _shown(value)))

    def _smtpd_services(self):
        return [
            name
            for name, command in self._services.items()
            if command.split(" ")[0] == "smtpd" and name.rpartition("/")[2] in ("inet", "pass")
        ]

    def _literals(self, name):
        """Return the domains that a list names itself, not by a table, file or pattern."""
        words = re.split(r"[,\s]+", self._now.get(name, "").lower())
        return [word for word in words if _DOMAIN.match(word)]


def check(params):
    """Raise RescueError where an option makes no sense by itself."""
    if not _ALIAS.match(params["discard_alias"]):
        raise RescueError(
            "discard_alias: expected a name of letters, digits and . _ + -, got %s." % _shown(params["discard_alias"])
        )
    if params["domain"] and not _DOMAIN.match(params["domain"]):
        raise RescueError("domain: expected the name of a domain, got %s." % _shown(params["domain"]))
    for name, value in (params["rate_limits"] or {}).items():
        if not _RATE.match(str(name)):
            raise RescueError("rate_limits: expected parameters smtpd_client_... or anvil_..., got %s." % _shown(name))
        if value is None or name == "smtpd_client_event_limit_exceptions":
            continue
        if isinstance(value, bool) or not _AMOUNT.match(str(value)):
            raise RescueError("rate_limits.%s: expected a number, or null, got %s." % (name, _shown(value)))


def obstacles(values, services, knows):
    """Yield (parameter, sentence) for each that keeps luser_relay with an alias of /dev/null from having its turn.

    ``services``: {name: command}; ``knows(maps, name)`` looks a name up.
    """
    transport = values.get("local_transport", "")
    if services.get("%s/unix" % transport.partition(":")[0], "").split(" ")[0] != "local":
        yield (
            "local_transport",
            ("expected local_transport to be local(8), which alone knows luser_relay, got %s." % _shown(transport)),
        )
    for name in ("mailbox_transport", "fallback_transport"):
        if values.get(name):
            yield (
                name,
                (
                    "expected no %s, which takes mail to unknown recipients before luser_relay does, got %s; its users "
                    "may be real, so remove it yourself, or choose reject." % (name, _shown(values[name]))
                ),
            )
    for name in ("alias_maps", "mailbox_transport_maps", "fallback_transport_maps"):
        maps = values.get(name, "")
        if maps and knows(maps, "no-such-user-here"):
            yield name, "expected %s to name single users, but %s has an entry for everyone." % (name, _shown(maps))
    files = values.get("allow_mail_to_files", "alias")
    if "alias" not in re.split(r"[,\s]+", files.lower()):
        yield (
            "allow_mail_to_files",
            (
                "expected allow_mail_to_files to have alias, as mail to an alias of /dev/null bounces otherwise, got "
                "%s." % (_shown(files) or "nothing")
            ),
        )


def _is_port_25(service):
    """Tell whether a service takes mail on port 25; smtpd/pass gets it there from postscreen(8)."""
    name, unused, kind = service.rpartition("/")
    return kind == "pass" or name.rpartition(":")[2] in ("smtp", "25")


def _is(value, wanted):
    """Tell whether a value is ``wanted`` (yes or no), as Postfix reads it."""
    return value is not None and value.lower() == wanted


def _shown(value):
    return visible(shorten(str(value), 120))
