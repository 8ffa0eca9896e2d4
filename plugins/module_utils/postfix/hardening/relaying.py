# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through which services of a Postfix strangers may relay, as far as its configuration tells."""

__all__ = ["OPEN", "READ", "Relaying"]

import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import split
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.restrictions import (
    CLOSED,
    OPEN,
    UNDECIDED,
    Restrictions,
)

_OF_RECIPIENT = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_OF_CLIENT = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions")
# Clients of a proxy come from elsewhere, wherever the proxy itself is.
_PROXIES = ("smtpd_authorized_xclient_hosts", "smtpd_upstream_proxy_protocol")
READ = ("mynetworks", "smtpd_restriction_classes", "smtpd_tls_wrappermode") + _OF_RECIPIENT + _OF_CLIENT + _PROXIES
# ``address`` and ``port`` as master.cf has them, the address "" where it has none; ``networks``: whom it trusts.
Listener = namedtuple("Listener", "address port networks begins_tls")
_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|\[?::1\]?|localhost)\Z", re.IGNORECASE)


class Relaying:
    """``lenient``: services whose restrictions let strangers relay; ``everyone``: words of mynetworks that hold
    whoever comes, with the service where that has networks of its own, as ``trusting`` has them by " on SERVICE" or "";
    ``doubts``: phrases on what may let strangers
    relay, as far as can be told; ``networks``: the Networks of main.cf; ``listeners``: a Listener for each service that
    the network reaches.

    ``services``: {name: command}; ``own``: what they set for themselves, by name/parameter;
    ``effective(names, settings)`` returns the values that hold where ``settings`` are made besides main.cf's;
    ``tables``: a Tables, or None to read none.
    """

    def __init__(self, services, own, effective, tables=None):
        self.lenient, self.everyone, self.doubts, self.listeners = [], [], [], []
        self.trusting = {}
        self._own, self._effective, self._tables = own, effective, tables
        self._known = {}
        self._main = effective(READ, {})
        self.networks = self._read(self._main.get("mynetworks", ""))
        found = [name for name, command in services.items() if _is_smtpd(name, command)]
        for name in found:
            self._look(name)
        if not found:
            self._trust(self._main.get("mynetworks", ""), "")
        for name, command in services.items():
            if name.endswith("/inet") and _program(command) == "postscreen":
                # It trusts whom main.cf says, and hands connections to smtpd/pass.
                self._listen(name, self.networks, False)

    def of_main(self):
        """Return OPEN, CLOSED or UNDECIDED, by the restrictions of main.cf alone."""
        return self._judge(self._main, self._restrictions(self._main, {}))[0]

    def _restrictions(self, values, own, **options):
        classes = split(values.get("smtpd_restriction_classes", ""))
        return Restrictions(self._effective(classes, own) if classes else {}, self._tables, **options)

    def _look(self, name):
        own = {full.rpartition("/")[2]: value for full, value in self._own.items() if full.rpartition("/")[0] == name}
        values = self._effective(READ, own) if own else self._main
        networks = values.get("mynetworks", "")
        if name.endswith("/inet"):
            self._listen(name, self._read(networks), values.get("smtpd_tls_wrappermode", "").lower() == "yes")
        if _is_local(name) and not any(values.get(one) for one in _PROXIES):
            return
        verdict, doubts = self._judge(values, self._restrictions(values, own))
        if verdict == OPEN:
            self.lenient.append(name)
        elif verdict == UNDECIDED:
            self.doubts += ["%s: %s" % (name, one) for one in doubts]
        if self._judge(values, self._restrictions(values, own, trusted=True))[0] != CLOSED:
            self._trust(networks, "" if networks == self._main.get("mynetworks", "") else name)

    def _listen(self, name, networks, begins_tls):
        address, port = _place(name)
        self.listeners.append(Listener(address, port, networks, begins_tls))

    @staticmethod
    def _judge(values, restrictions):
        """Return what all of the lists together come to: whom one of them refuses is refused."""
        found = [restrictions.of_recipient(values.get(name, "")) for name in _OF_RECIPIENT]
        found += [
            one for one in (restrictions.of_client(values.get(name, "")) for name in _OF_CLIENT) if one[0] != OPEN
        ]
        for verdict in (CLOSED, UNDECIDED):
            for one in found:
                if one[0] == verdict:
                    return one
        return OPEN, []

    def _trust(self, networks, service):
        found = self._read(networks)
        where = " on %s" % service if service else ""
        if found.everyone and where not in self.trusting:
            self.trusting[where] = found.everyone
            self.everyone += [one + where for one in found.everyone]
        said = ["mynetworks%s: %s" % (where, one) for one in found.doubts]
        self.doubts += [one for one in said if one not in self.doubts]

    def _read(self, networks):
        if networks not in self._known:
            self._known[networks] = Networks(networks, self._tables)
        return self._known[networks]


def _is_smtpd(name, command):
    """Tell whether a service talks SMTP with clients of the network."""
    return _program(command) == "smtpd" and name.rpartition("/")[2] in ("inet", "pass")


def _program(command):
    return (command.split() or [""])[0].rpartition("/")[2]


def _place(name):
    """Return (address or "", port) of a service's name such as 127.0.0.1:10025/inet, as they are written."""
    address, unused, port = name.rpartition("/")[0].rpartition(":")
    return address.strip("[]"), port


def _is_local(name):
    return bool(_LOOPBACK.match(_place(name)[0]))
