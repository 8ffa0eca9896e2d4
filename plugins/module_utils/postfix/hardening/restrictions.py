# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of restrictions on SMTP clients: what becomes of a recipient elsewhere whom a stranger names."""

__all__ = ["CLOSED", "OPEN", "Restrictions", "UNDECIDED"]

import re

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Unreadable, split
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks

OPEN, CLOSED, UNDECIDED = "open", "closed", "undecided"
_REFUSES = {"reject", "defer", "defer_if_permit"}
# Who gets as far as one of these with a recipient elsewhere is refused.
_STOPS = _REFUSES | {"reject_unauth_destination", "defer_unauth_destination", "check_relay_domains"}
# What lets in only those who are known, or only mail for this host's own domains; of lists of good names on the
# Internet, Postfix itself takes no leave to relay.
_HARMLESS = {
    "permit_auth_destination",
    "permit_dnswl_client",
    "permit_inet_interfaces",
    "permit_mx_backup",
    "permit_rhswl_client",
    "permit_sasl_authenticated",
    "permit_tls_clientcerts",
}
_ASKS = re.compile(r"check_([a-z_]+_access|policy_service)\Z")
# Postfix takes no OK of these, or they see only who has logged in.
_NEVER_OK = re.compile(r"check_([a-z_]+_(a|mx|ns)|etrn|reverse_client_hostname|sasl)_access\Z")
_LOOKS_UP = re.compile(r"[a-z0-9_]+:", re.IGNORECASE)
_LEAVE = {"ok", "relay"}
_NO_LEAVE = {
    "reject",
    "defer",
    "defer_if_reject",
    "defer_if_permit",
    "dunno",
    "hold",
    "discard",
    "filter",
    "redirect",
    "bcc",
    "info",
    "warn",
    "prepend",
}
_CODE = re.compile(r"[45]\d\d(?!\d)")
_DEEPEST = 10
_MOST_NAMED = 3


class Restrictions:
    """``classes``: {name: list} of smtpd_restriction_classes; ``tables``: a Tables, or None to read none; ``trusted``:
    what becomes of clients in mynetworks, and not of strangers.
    """

    def __init__(self, classes=None, tables=None, trusted=False):
        self._classes = {name.lower(): value for name, value in (classes or {}).items()}
        self._tables = tables
        self._trusted = trusted

    def of_recipient(self, value):
        """Return (OPEN, CLOSED or UNDECIDED; phrases on what may let them pass) of a list that is for recipients."""
        return self._result(value, _STOPS)

    def of_client(self, value):
        """As ``of_recipient``, of a list for which there need not be a recipient yet."""
        return self._result(value, _REFUSES)

    def _result(self, value, stops):
        doubts = []
        verdict = self._go(split(value), stops, doubts, 0)
        if verdict == CLOSED and doubts:
            return UNDECIDED, doubts
        return verdict or OPEN, doubts

    def _go(self, words, stops, doubts, depth):
        """Return OPEN, CLOSED, or None at the end of the list."""
        former, words = "", iter(words)
        for word in words:
            name, is_warning = word.lower(), former == "warn_if_reject"
            former = name
            if _ASKS.match(name):
                verdict = self._ask(name, next(words, ""), stops, doubts, depth)
            elif _LOOKS_UP.match(name):
                verdict = self._ask("check_recipient_access", word, stops, doubts, depth)
            elif name in self._classes and depth < _DEEPEST:
                verdict = self._go(split(self._classes[name]), stops, doubts, depth + 1)
            else:
                verdict = self._simple(name, stops, doubts)
            if verdict is not None and not (verdict == CLOSED and is_warning):
                return verdict
        return None

    def _simple(self, name, stops, doubts):
        if name in stops:
            return CLOSED
        if name == "permit" or (name == "permit_mynetworks" and self._trusted):
            return OPEN
        if name.startswith("permit_") and name != "permit_mynetworks" and name not in _HARMLESS:
            doubts.append("%s may let strangers pass" % name)
        return None

    def _ask(self, name, table, stops, doubts, depth):
        if _NEVER_OK.match(name):
            return None
        said = "%s %s" % (name, table)
        if name == "check_policy_service":
            doubts.append("%s may say OK" % said)
            return None
        try:
            if self._tables is None and not table.lower().startswith("static:"):
                raise Unreadable("it is not read")
            kind, entries = (
                ("static", [("", table.partition(":")[2])]) if self._tables is None else (self._tables.entries(table))
            )
        except Unreadable as error:
            doubts.append("%s may say OK (%s)" % (said, error))
            return None
        found, leave = [], []
        for key, action in entries:
            more = []
            verdict = self._action(action, stops, more, depth)
            found.append(verdict)
            if verdict == OPEN or more:
                leave.append(key)
        if kind == "static" and len(set(found)) == 1 and (found[0] == OPEN or not leave):
            return found[0]
        if not leave:
            return None
        if name == "check_client_access" and kind == "cidr" and self._are_everyone(entries, found):
            return OPEN
        named = ", ".join(key for key in leave[:_MOST_NAMED] if key)
        doubts.append(
            "%s says OK%s"
            % (said, " to " + named + (", ..." if len(leave) > _MOST_NAMED else "") if named else " to some")
        )
        return None

    def _action(self, action, stops, doubts, depth):
        """Return what the right side of an entry of an access table comes to, as ``_go`` does."""
        first = (action.split() or [""])[0].lower()
        if first in _LEAVE or action.strip().isdigit():
            return OPEN
        if first in ("reject", "defer") or _CODE.match(first):
            return CLOSED
        if first in _NO_LEAVE:
            return None
        if "$" in first or depth >= _DEEPEST:
            doubts.append(first)
            return None
        return self._go(split(action), stops, doubts, depth + 1)

    @staticmethod
    def _are_everyone(entries, found):
        marked = ((key if verdict == OPEN else "!" + key) for (key, _action), verdict in zip(entries, found))
        return bool(Networks(" ".join(marked)).everyone)
