# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers of compliance controls: who accepts that a control fails where, why, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from fnmatch import fnmatchcase

__all__ = ["Waiver", "WaiverError", "find", "read", "today"]

KEYS = ("control", "reason", "owner", "expires", "hosts")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class WaiverError(Exception):
    """The waivers cannot be read. The message is one sentence that names which and why."""


@dataclass(frozen=True)
class Waiver:
    """One waiver; `fault` is a sentence where it is not valid, `hosts` is None where it is for all."""

    control: str
    reason: str
    owner: str
    expires: str
    hosts: tuple | None
    fault: str | None = None

    def covers(self, control, host):
        return fnmatchcase(control, self.control) and (
            self.hosts is None or any(fnmatchcase(host, pattern) for pattern in self.hosts)
        )

    def expired(self, on):
        """Whether it is over on the date `on`; its last day still counts."""
        return date.fromisoformat(self.expires) < on

    def as_dict(self):
        return {"reason": self.reason, "owner": self.owner, "expires": self.expires}


def today():
    """The date in UTC, so that a waiver ends at one moment for all who run this."""
    return datetime.now(timezone.utc).date()


def read(given):
    """`given`, plain data, as a list of Waiver; raises WaiverError where it is not known which control one is for."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise WaiverError("mailops_waivers: expected a list of waivers, got %s." % _kind(given))
    return [_waiver(number, one) for number, one in enumerate(given, 1)]


def _waiver(number, given):
    where = "waiver %d in mailops_waivers" % number
    if not isinstance(given, dict):
        raise WaiverError("%s: expected a dictionary, got %s." % (where, _kind(given)))
    control = given.get("control")
    if not _text(control):
        raise WaiverError("%s: control: expected a control's id or a pattern, got %s." % (where, _kind(control)))
    fault = _fault("%s (for %s)" % (where, control), given)
    hosts = given.get("hosts")
    hosts = [hosts] if isinstance(hosts, str) else hosts
    return Waiver(
        control=control,
        reason=str(given.get("reason") or ""),
        owner=str(given.get("owner") or ""),
        expires=str(given.get("expires") or ""),
        # Where nobody can tell which hosts are meant, the fault is told on all of them. An empty list is no host: it
        # may have been made from a group that is empty.
        hosts=tuple(hosts) if isinstance(hosts, list) and all(_text(one) for one in hosts) else None,
        fault=fault,
    )


def _fault(where, given):
    for name in given:
        if name not in KEYS:
            return "%s: %s: there is no such key; there are %s." % (where, name, ", ".join(KEYS))
    for name in ("reason", "owner"):
        if not _text(given.get(name)):
            return "%s: %s: expected a text, got %s." % (where, name, _kind(given.get(name)))
    expires = given.get("expires")
    if not _is_date(expires):
        shown = _kind(expires) if not isinstance(expires, str) else expires or "nothing"
        return "%s: expires: expected a date as in 2027-01-31, got %s." % (where, shown)
    hosts = given.get("hosts", [])
    if not (_text(hosts) or (isinstance(hosts, list) and all(_text(one) for one in hosts))):
        return "%s: hosts: expected a list of host names or patterns, got %s." % (where, _kind(hosts))
    return None


def _text(value):
    return isinstance(value, str) and value.strip() != ""


def _is_date(value):
    # fromisoformat alone takes more forms from Python 3.11 on.
    if not (isinstance(value, str) and _DATE.match(value)):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _kind(value):
    names = {dict: "a dictionary", list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    if value is None or value in ([], {}) or (isinstance(value, str) and not value.strip()):
        return "nothing"
    return names.get(type(value), "a " + type(value).__name__)


def find(waivers, control, host, on):
    """The waiver that holds for `control` on `host`: (waiver or None, what is wrong or None).

    One that is not valid comes first, so that it is mended before it is needed. Of the others one that still holds
    is better than one that is over.
    """
    covering = [waiver for waiver in waivers if waiver.covers(control, host)]
    for waiver in covering:
        if waiver.fault:
            return None, waiver.fault
    holding = [waiver for waiver in covering if not waiver.expired(on)]
    if holding:
        return holding[0], None
    return (max(covering, key=lambda waiver: waiver.expires) if covering else None), None
