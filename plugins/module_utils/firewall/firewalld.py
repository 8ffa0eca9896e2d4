# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rich rules of firewalld, known as ours by their priorities."""

__all__ = ["ALLOWED", "OTHERS", "Firewalld"]

import re
import shlex
import xml.etree.ElementTree
from typing import Any, Dict, FrozenSet, List, Optional, Set, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Wanted

# Rules of negative priority come before all others of a zone, whatever its target and services.
ALLOWED = "-25465"
OTHERS = "-25464"
_ZONES = "/etc/firewalld/zones"
_SHIPPED = "/usr/lib/firewalld/zones"
_ACTIVE = re.compile(r"(\S+)(?: \((.*)\))?\Z")
_FAMILIES = {4: "ipv4", 6: "ipv6"}

# What is the same for two texts of one rule.
_Key = FrozenSet[str]


class Firewalld:
    """What firewalld has now; ``running`` tells whether it runs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.installed = host.has("firewall-cmd")
        status, listing, unused = host.run("firewall-cmd", "--list-all-zones") if self.installed else (1, "", "")
        self.running = status == 0
        self._runtime, used = _listed(listing) if self.running else ({}, set())
        self._files = self._read_files()
        self._permanent = {zone: _file_rules(tree) for zone, tree in self._files.items()}
        self._used = used | {zone for zone, tree in self._files.items() if _bound(tree)} | {self._default_zone()}

    def plan(self, wanted: Optional[Wanted]) -> Dict[str, Any]:
        """Return what is to be added and removed, in this order, to have ``wanted`` (None: nothing)."""
        rules = [] if wanted is None else _rules(wanted)
        keys = {_key(rule) for rule in rules}
        planned: Dict[str, Any] = {"running": self.running, "add": [], "remove": [], "leftovers": []}
        if not self.installed:
            return planned
        for zone in sorted(self._used) if rules else ():
            for rule in rules:
                if _key(rule) not in self._permanent.get(zone, {}) or _key(rule) not in self._runtime.get(zone, {}):
                    planned["add"].append({"zone": zone, "rule": rule})
        stale = []
        for zone in set(self._permanent) | set(self._runtime):
            found = dict(self._runtime.get(zone, {}))
            found.update(self._permanent.get(zone, {}))
            for key, rule in found.items():
                if key not in keys or zone not in self._used:
                    stale.append({"zone": zone, "rule": rule})
        # Who is to be let in no longer may be the one who runs this: whatever keeps others out goes first.
        planned["remove"] = sorted(stale, key=lambda step: (OTHERS not in step["rule"], step["zone"], step["rule"]))
        if not rules:
            planned["leftovers"] = self._leftovers()
        return planned

    def _default_zone(self) -> str:
        text = self._host.read("/etc/firewalld/firewalld.conf") or ""
        match = re.search(r"^DefaultZone=(\S+)", text, re.MULTILINE)
        return match.group(1) if match else "public"

    def _read_files(self) -> Dict[str, Optional[Element]]:
        return {
            name[: -len(".xml")]: _tree(self._host.read("%s/%s" % (_ZONES, name)))
            for name in self._host.names(_ZONES)
            if name.endswith(".xml")
        }

    def _leftovers(self) -> List[str]:
        """Return the files that firewalld made for our rules: copies of zones as shipped, and its backups of them."""
        found = []
        for name in self._host.names(_ZONES):
            zone = name.partition(".xml")[0]
            path = "%s/%s" % (_ZONES, name)
            tree = _tree(self._host.read(path))
            shipped = _tree(self._host.read("%s/%s.xml" % (_SHIPPED, zone)))
            touched = bool(_file_rules(tree))
            if name.endswith(".xml.old"):
                # Without ours it may be what an administrator wants back.
                own = touched or (_same(tree, shipped) and zone not in self._files)
            else:
                own = name.endswith(".xml") and self._touched(zone) and _same(tree, shipped)
            if own:
                found.append(path)
        return found

    def _touched(self, zone: str) -> bool:
        old = _tree(self._host.read("%s/%s.xml.old" % (_ZONES, zone)))
        return bool(self._permanent.get(zone) or _file_rules(old))


def _rules(wanted: Wanted) -> List[str]:
    """Return the rules as text, as firewalld writes them."""
    limit = ' limit value="%d/%s"' % (wanted.rate.number, wanted.rate.unit[0]) if wanted.rate else ""
    rules = []
    for network in wanted.networks:
        family = _FAMILIES[network.version]
        # Not every version takes a network of everything.
        source = ' source address="%s"' % network if network.prefixlen else ""
        for port in wanted.ports:
            rules.append(
                'rule priority="%s" family="%s"%s port port="%d" protocol="tcp" accept%s'
                % (ALLOWED, family, source, port, limit)
            )
    for port in wanted.ports:
        rules.append('rule priority="%s" port port="%d" protocol="tcp" %s' % (OTHERS, port, wanted.action))
    return rules


def _key(rule: str) -> _Key:
    """Return what is the same for two texts of one rule: versions of firewalld differ in the order."""
    return frozenset(shlex.split(rule))


def _ours(rule: str) -> bool:
    return any('priority="%s"' % priority in rule for priority in (ALLOWED, OTHERS)) and 'protocol="tcp"' in rule


def _listed(listing: str) -> Tuple[Dict[str, Dict[_Key, str]], Set[str]]:
    """Return ({zone: {key: rule}}, names of zones in use) of ``firewall-cmd --list-all-zones``."""
    rules: Dict[str, Dict[_Key, str]] = {}
    used: Set[str] = set()
    zone = None
    for line in listing.splitlines():
        if line and not line[0].isspace():
            match = _ACTIVE.match(line)
            zone = match.group(1) if match else None
            if match and match.group(2) and "active" in match.group(2):
                used.add(match.group(1))
        elif zone and line.strip().startswith("rule ") and _ours(line):
            rules.setdefault(zone, {})[_key(line.strip())] = line.strip()
    return rules, used


def _tree(text: Optional[str]) -> Optional[Element]:
    """Return a zone's file as an Element, or None where it is none."""
    if text is None:
        return None
    try:
        return xml.etree.ElementTree.fromstring(text.encode("utf-8", "surrogateescape"))
    except xml.etree.ElementTree.ParseError:
        return None


def _bound(tree: Optional[Element]) -> bool:
    return tree is not None and any(tree.find(name) is not None for name in ("interface", "source"))


def _file_rules(tree: Optional[Element]) -> Dict[_Key, str]:
    """Return {key: rule} of our rules in a zone's file."""
    found: Dict[_Key, str] = {}
    for element in () if tree is None else tree.findall("rule"):
        rule = _text(element)
        if _ours(rule):
            found[_key(rule)] = rule
    return found


def _text(element: Element) -> str:
    parts = ["rule"] + _attributes(element)
    for child in element:
        parts += [child.tag] + _attributes(child)
        for grandchild in child:
            parts += [grandchild.tag] + _attributes(grandchild)
    return " ".join(parts)


def _attributes(element: Element) -> List[str]:
    return ['%s="%s"' % item for item in element.attrib.items()]


def _same(tree: Optional[Element], shipped: Optional[Element]) -> bool:
    """Tell whether a zone is as shipped but for our rules."""
    if tree is None or shipped is None:
        return False
    return _shape(tree) == _shape(shipped)


def _shape(tree: Element) -> List[bytes]:
    return sorted(
        xml.etree.ElementTree.tostring(child).strip()
        for child in tree
        if not (child.tag == "rule" and _ours(_text(child)))
    )
