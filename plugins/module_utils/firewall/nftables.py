# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of our own, its file, and the unit that loads it."""

__all__ = ["FILE", "UNIT", "UNIT_FILE", "plan", "render"]

import hashlib
import ipaddress
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.networks import IPNetwork
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Wanted

FILE = "/etc/mailops-submission.nft"
UNIT = "mailops-submission-firewall.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
_TABLE = "inet mailops_submission"

# A restart or reload of nftables.service flushes all tables: ours is to come back with it, after it.
_UNIT_TEXT = """\
# Written by the role mailops.rescue.submission_firewall.
[Unit]
Description=Restrict who reaches the submission ports
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
DefaultDependencies=no
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ExecStart=/usr/sbin/nft -f {file}
ExecReload=/usr/sbin/nft -f {file}
ExecStop=-/usr/sbin/nft delete table {table}

[Install]
WantedBy=sysinit.target nftables.service
""".format(file=FILE, table=_TABLE)

_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
# Who has one address of IPv6 has its whole /64.
_CLIENTS = {4: "ip saddr", 6: "ip6 saddr and ffff:ffff:ffff:ffff::"}
# How long an address is remembered: until it may make all its connections at once again.
_REMEMBERED = {"second": "10s", "minute": "2m", "hour": "2h"}


def plan(host: Host, wanted: Optional[Wanted]) -> Dict[str, Any]:
    """Return what is to be done to have ``wanted`` (None: nothing) here. Raises RescueError."""
    installed = host.has("nft")
    live = _live(host) if installed else ""
    planned = {
        "installed": installed,
        "file": FILE,
        "unit": UNIT,
        "unit_file": UNIT_FILE,
        "unit_present": host.read(UNIT_FILE) is not None,
        "live": bool(live),
        "table": None,
        "unit_text": None,
        "load": False,
    }
    planned["found"] = bool(live) or planned["unit_present"] or host.read(FILE) is not None
    if wanted is not None:
        text, mark = render(wanted)
        if installed:
            _check(host, text)
        planned.update(table=text, unit_text=_UNIT_TEXT, load=mark not in live)
    return planned


def render(wanted: Wanted) -> Tuple[str, str]:
    """Return (text, mark): of a file for nft, and what a listing of the table holds once it is loaded."""
    body = _body(wanted)
    mark = 'comment "mailops.rescue %s"' % hashlib.sha256((body + _verdict(wanted)).encode()).hexdigest()[:12]
    # First made, so that it can be deleted wherever there is none: the whole file is one transaction.
    head = "# Written by the role mailops.rescue.submission_firewall.\ntable {0}\ndelete table {0}\n".format(_TABLE)
    return head + "table %s {\n%s\t\t%s %s\n\t}\n}\n" % (_TABLE, body, _verdict(wanted), mark), mark


def _body(wanted: Wanted) -> str:
    # nft refuses ranges that overlap.
    networks: Dict[int, List[IPNetwork]] = {
        4: list(ipaddress.collapse_addresses(net for net in wanted.networks if isinstance(net, ipaddress.IPv4Network))),
        6: list(ipaddress.collapse_addresses(net for net in wanted.networks if isinstance(net, ipaddress.IPv6Network))),
    }
    versions = [version for version in (4, 6) if networks[version]]
    lines = []
    for version in versions:
        elements = ", ".join(str(network) for network in networks[version])
        lines += _set("allowed%d" % version, version, "flags interval", "elements = { %s }" % elements)
        if wanted.rate:
            timeout = "timeout %s" % _REMEMBERED[wanted.rate.unit]
            lines += _set("clients%d" % version, version, "size 65535", "flags dynamic,timeout", timeout)
    lines += [
        "\tchain input {",
        "\t\ttype filter hook input priority -5; policy accept;",
        '\t\tiifname != "lo" tcp dport { %s } jump submission' % ", ".join(str(port) for port in wanted.ports),
        "\t}",
        "\tchain submission {",
    ]
    for version in versions:
        let_in = "\t\t%s saddr @allowed%d " % ("ip" if version == 4 else "ip6", version)
        if wanted.rate:
            over = "%s limit rate over %d/%s burst %d packets" % (
                _CLIENTS[version],
                wanted.rate.number,
                wanted.rate.unit,
                wanted.rate.number,
            )
            lines.append("%sct state new update @clients%d { %s } %s" % (let_in, version, over, _verdict(wanted)))
        lines.append(let_in + "accept")
    return "\n".join(lines) + "\n"


def _set(name: str, version: int, *properties: str) -> List[str]:
    head = ["\tset %s {" % name, "\t\ttype %s" % _TYPES[version]]
    return head + ["\t\t" + text for text in properties] + ["\t}"]


def _verdict(wanted: Wanted) -> str:
    return "drop" if wanted.action == "drop" else "reject with tcp reset"


def _live(host: Host) -> str:
    status, listing, unused = host.run("nft", "list", "table", *_TABLE.split())
    return listing if status == 0 else ""


def _check(host: Host, text: str) -> None:
    status, unused, errors = host.run("nft", "-c", "-f", "-", data=text.encode())
    if status != 0:
        first = (errors.strip().splitlines() or ["no reason given"])[0]
        raise RescueError("nft refuses the table, so that nothing was changed: %s." % first.rstrip("."))
