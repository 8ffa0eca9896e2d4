# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of ufw, known as ours by their comment."""

__all__ = ["COMMENT", "RATE", "Ufw"]

import binascii
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.networks import canonical
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Rate, Wanted

COMMENT = "mailops submission_firewall"
# The one rate that ufw knows: 6 connections within 30 seconds.
RATE = Rate(12, "minute")

# ufw takes rules that differ in their action alone for one: an "allow 587/tcp" of the administrator would turn into
# our "deny". A range of source ports that holds all of them keeps ours apart.
_FROM_PORT = "1:65535"
_ANY = {4: "0.0.0.0/0", 6: "::/0"}
_FILES = {4: "user.rules", 6: "user6.rules"}
_DIRECTORIES = ("/etc/ufw", "/var/lib/ufw", "/lib/ufw")
_TUPLE = re.compile(r"^### tuple ### (.*)$", re.MULTILINE)


class _Rule(NamedTuple):
    """A line of user.rules. ``ports``: as written there; ``source``: canonical, as ufw leaves out a host's prefix."""

    action: str
    protocol: str
    ports: str
    to: str
    from_port: str
    source: str
    applications: Tuple[str, str]
    direction: str
    comment: str


class Ufw:
    """What ufw has now; ``active`` tells whether it filters."""

    def __init__(self, host: Host) -> None:
        self.installed = host.has("ufw")
        self.active = self.installed and "Status: active" in host.run("ufw", "status")[1]
        settings = host.read("/etc/default/ufw") or ""
        self._ipv6 = re.search(r"^IPV6=[\"']?yes\b", settings, re.MULTILINE | re.IGNORECASE) is not None
        self._rules = {version: _read(host, name) for version, name in _FILES.items()}

    def check(self, wanted: Wanted) -> None:
        """Raise RescueError where ufw cannot do what is wanted."""
        for network in wanted.networks:
            if network.version == 6 and not self._ipv6:
                raise RescueError(
                    "allowed_networks: ufw drops all of IPv6 here, since /etc/default/ufw does not say IPV6=yes, and"
                    " cannot let in %s." % network
                )
        if wanted.rate not in (None, RATE):
            raise RescueError(
                "rate_limit: ufw knows one rate, %d/%s (6 connections in 30 seconds), got %d/%s."
                % (RATE.number, RATE.unit, wanted.rate.number, wanted.rate.unit)
            )

    def plan(self, wanted: Optional[Wanted]) -> Dict[str, Any]:
        """Return what is to be added and removed, in this order, to have ``wanted`` (None: nothing).

        Where the order is wrong, all of ours are removed first, in ``reset``.
        """
        planned: Dict[str, Any] = {"active": self.active, "reset": [], "add": [], "remove": []}
        if not self.installed:
            return planned
        above = 0
        for version in (4, 6):
            handled = wanted if version == 4 or self._ipv6 else None
            family = _Family(version, self._rules[version], handled)
            added = family.add(above)
            if not family.ordered():
                family = _Family(version, self._rules[version], handled)
                planned["reset"] += family.remove_all()
                added = family.add(above)
            planned["add"] += added
            # Those to be removed are still there while the other family's are added.
            above = family.count()
            planned["remove"] += family.remove_stale()
        return planned


class _Family:
    """The rules of one address family, as they become step by step."""

    def __init__(self, version: int, rules: Iterable[_Rule], wanted: Optional[Wanted]) -> None:
        self._version = version
        self._any = _ANY[version]
        self._rules = list(rules)
        self._ports = ",".join(str(port) for port in wanted.ports) if wanted else ""
        self._wanted = self._actions(wanted) if wanted else {}

    def count(self) -> int:
        """Return how many rules ufw counts."""
        return _count(self._rules)

    def _actions(self, wanted: Wanted) -> Dict[str, str]:
        """Return {source: action}; what is for all others is last."""
        let_in = "limit" if wanted.rate else "allow"
        networks = [network for network in wanted.networks if network.version == self._version]
        # Newest at the top: the first one is added last.
        actions = {str(network): let_in for network in reversed(networks)}
        others = "deny" if wanted.action == "drop" else "reject"
        # Where all are let in there are no others.
        actions.setdefault(self._any, others)
        actions[self._any] = actions.pop(self._any)
        return actions

    def ordered(self) -> bool:
        """Tell whether what is for all others stands below all that lets in, and above what is not ours and does."""
        for at, rule in enumerate(self._rules):
            if self._is_wanted(rule) and rule.source == self._any and rule.action in ("deny", "reject"):
                above, below = self._rules[:at], self._rules[at + 1 :]
                return not any(_lets_in(one, self._ports) for one in above if not _ours(one)) and not any(
                    self._is_wanted(one) for one in below
                )
        return True

    def remove_all(self) -> List[Dict[str, Any]]:
        """Return how to remove all of ours; what keeps others out goes first."""
        return self._removed([rule for rule in self._rules if _ours(rule)])

    def remove_stale(self) -> List[Dict[str, Any]]:
        """Return how to remove those of ours that are not wanted."""
        return self._removed([rule for rule in self._rules if _ours(rule) and not self._is_wanted(rule)])

    def _removed(self, rules: Iterable[_Rule]) -> List[Dict[str, Any]]:
        removed = []
        for rule in sorted(rules, key=lambda rule: rule.action in ("allow", "limit")):
            self._rules.remove(rule)
            removed.append(self._step(rule.action, rule.source, rule.ports, delete=True))
        return removed

    def add(self, above: int) -> List[Dict[str, Any]]:
        """Return how to add what is missing; ``above`` rules of the other family are listed before these."""
        added = []
        for source, action in self._wanted.items():
            now = [at for at, rule in enumerate(self._rules) if self._is_wanted(rule) and rule.source == source]
            rule = _Rule(action, "tcp", self._ports, self._any, _FROM_PORT, source, ("", ""), "in", COMMENT)
            if now:
                if self._rules[now[0]].action != action:
                    # ufw puts it in place of the one that differs in its action alone.
                    self._rules[now[0]] = rule
                    added.append(self._step(action, source, self._ports))
                continue
            at = 0
            if source == self._any and action in ("deny", "reject"):
                at = 1 + max([at for at, one in enumerate(self._rules) if self._is_wanted(one)] or [-1])
            # ufw counts from 1, and does not take the number after the last.
            last = at >= len(self._rules)
            insert = None if last else above + _count(self._rules[:at]) + 1
            self._rules.insert(at, rule)
            added.append(self._step(action, source, self._ports, insert=insert))
        return added

    def _is_wanted(self, rule: _Rule) -> bool:
        return _ours(rule) and rule.ports == self._ports and rule.source in self._wanted

    def _step(
        self, action: str, source: str, ports: str, insert: Optional[int] = None, delete: bool = False
    ) -> Dict[str, Any]:
        return {
            "rule": action,
            "from_ip": source,
            "from_port": _FROM_PORT,
            "to_port": ports,
            "proto": "tcp",
            "comment": COMMENT,
            "insert": insert,
            "delete": delete,
        }


def _read(host: Host, name: str) -> List[_Rule]:
    for directory in _DIRECTORIES:
        text = host.read("%s/%s" % (directory, name))
        if text is not None:
            return [_parse(line) for line in _TUPLE.findall(text)]
    return []


def _parse(line: str) -> _Rule:
    rest, unused, comment = line.partition(" comment=")
    fields = rest.split()
    if len(fields) not in (6, 7, 8, 9):
        raise RescueError("ufw has a rule that cannot be understood: %s." % ascii(line[:200]))
    try:
        comment = binascii.unhexlify(comment.strip()).decode("utf-8", "replace")
    except ValueError:
        comment = ""
    action, protocol, ports, to, from_port, source = fields[:6]
    applications = (fields[6], fields[7]) if len(fields) > 7 else ("", "")
    direction = fields[-1] if len(fields) in (7, 9) else "in"
    return _Rule(action, protocol, ports, to, from_port, canonical(source), applications, direction, comment)


def _ours(rule: _Rule) -> bool:
    return rule.comment == COMMENT and rule.from_port == _FROM_PORT


def _lets_in(rule: _Rule, ports: str) -> bool:
    """Tell whether a rule may let somebody in to one of ``ports``."""
    if rule.action.partition("_")[0] not in ("allow", "limit") or rule.direction.startswith("out"):
        return False
    if rule.protocol not in ("tcp", "any"):
        return False
    if rule.applications != ("", "") or rule.ports == "any":
        return True
    for part in rule.ports.split(","):
        first, unused, last = part.partition(":")
        if any(int(first) <= int(port) <= int(last or first) for port in ports.split(",")):
            return True
    return False


def _count(rules: Iterable[_Rule]) -> int:
    """Return how many rules ufw counts: those of one application are one."""
    counted: Set[Union[int, Tuple[Tuple[str, str], str, str, str]]] = set()
    for at, rule in enumerate(rules):
        applied = (rule.applications, rule.to, rule.source, rule.direction)
        counted.add(at if rule.applications == ("", "") else applied)
    return len(counted)
