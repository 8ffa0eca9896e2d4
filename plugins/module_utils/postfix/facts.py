# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compliance run wants to know of one Postfix instance. Nothing here changes anything."""

__all__ = ["PostfixFacts"]

import os
import pwd
import re
from typing import Any, Dict, List

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Overrides, Services
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postconf import Postfix, find_directory
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables, split
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.hardening_changes import obstacles
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.postfix_hardening_plan import (
    knows,
    serves,
    words,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import Relaying

_SHOWN = (
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
    "mynetworks",
    "notify_classes",
    "2bounce_notice_recipient",
    "relay_transport",
    "soft_bounce",
    "smtpd_client_auth_rate_limit",
    "smtpd_client_connection_count_limit",
    "smtpd_client_connection_rate_limit",
    "smtpd_client_message_rate_limit",
    "smtpd_client_recipient_rate_limit",
    "smtpd_relay_restrictions",
)
# Whom no limit on clients holds for.
_EXCEPTIONS = "smtpd_client_event_limit_exceptions"
_READ = _SHOWN + (
    "alias_maps",
    "mail_version",
    "myhostname",
    "queue_directory",
    "relay_domains",
    "relay_recipient_maps",
    "smtpd_recipient_restrictions",
    "virtual_alias_domains",
    "virtual_alias_maps",
    "virtual_mailbox_domains",
    "virtual_mailbox_maps",
    _EXCEPTIONS,
)
# Who is in one of these and not in the other is accepted, and bounced later.
_TAKEN_UNSEEN = (("relay_domains", "relay_recipient_maps"), ("virtual_mailbox_domains", "virtual_mailbox_maps"))
_LIMIT = re.compile(r"smtpd_client_[a-z_]+_limit\Z")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(\.[a-z0-9_-]+)*\Z")
# A lookup in others may ask a server elsewhere, or match everything.
_TABLES = ("hash", "lmdb", "btree", "cdb", "dbm", "texthash", "inline", "static")
# What local(8) puts in for each message.
_EACH = re.compile(r"\$[({]?(user|local|extension|recipient|domain|home|shell|client)")
_FAILURE = re.compile(r"\b(?:fatal|error): ")
_LONGEST = 500
_MOST = 50
_MOST_DOMAINS = 1000


class PostfixFacts:
    """See Facts in mta/contract.py."""

    name = "postfix"
    # Its master.cf tells on which ports it serves.
    smtp_server = None

    def find(self, params: Dict[str, Any], directories: List[str], host: Any) -> Dict[str, Any]:
        return _find(params["config_directory"], host, params["limits"])


def _find(config_directory, host, limits=()):
    """Return a dict as ``postfix`` of mta_facts documents it. Raises RescueError.

    ``host``: a firewall.host.Host, which runs commands; ``limits``: names of limits to look at besides the usual ones.
    """
    directory, unused = find_directory(config_directory)
    postfix = Postfix(directory)
    values = postfix.values(_READ + tuple(one for one in limits if _LIMIT.match(one)), expanded=True)
    with open(os.path.join(directory, "master.cf"), encoding="utf-8", errors="surrogateescape") as file:
        services = Services(file.read())
    own = postfix.service_values()
    catchalls, unreadable = _catchalls(values, directory, host)
    commands = {name: services.get(name)["command"] for name in services.names()}
    overrides = Overrides(services)
    tables = Tables(directory, host.run, host.read)
    raw = {name: overrides.get(name) for name in overrides.names()}
    relaying = Relaying(commands, raw, postfix.effective, tables)
    luser = _luser(values, postfix, commands)
    if luser["effective"] and not luser["discards"]:
        catchalls.insert(0, {"domain": luser["address"], "does": "delivers", "path": "luser_relay"})
    return {
        "config_directory": directory,
        "version": values.get("mail_version"),
        "running": postfix.is_running(),
        "parameters": {name: _shown(values[name]) for name in _SHOWN if name in values},
        "limits": _limits(values, own),
        "unlimited": _unlimited(values, own, tables),
        "soft_bounce": _soft_bounce(values, own),
        "relay": {
            "lenient": relaying.lenient[:_MOST],
            "everyone": [_shown(one) for one in relaying.everyone[:_MOST]],
            "doubts": [_shown(one) for one in relaying.doubts[:_MOST]],
        },
        "relaying": relaying,
        "luser": luser,
        "catchalls": catchalls,
        "unreadable": unreadable,
        "domain": _domain(values),
        "domains_looked_up": any(re.search("[:/]", word) for word in words(values.get("mydestination", ""))),
        **_bouncing(values),
    }


def _bouncing(values):
    """Return the domains that take mail to anybody, so that what nobody gets is bounced later."""
    local = _literals(values.get("mydestination", ""))
    found = []
    for domains, recipients in _TAKEN_UNSEEN:
        if not values.get(recipients):
            found += [
                {"domain": name, "does": "takes all, as %s is empty" % recipients, "path": domains}
                for name in _literals(values.get(domains, ""))
                if name not in local
            ]
    return {"bouncing": found[:_MOST], "bouncing_count": len(found)}


def _literals(value):
    return [word for word in words(value.lower()) if _NAME.match(word)]


def _shown(value):
    return visible(shorten(value, _LONGEST))


def _domain(values):
    """Return a domain whose unknown recipients local(8) would get; empty where none is named."""
    found = [name for name in _literals(values.get("mydestination", "")) if not name.startswith("localhost")]
    host = values.get("myhostname", "").lower()
    return host if host in found else (found or [""])[0]


def _luser(values, postfix, services):
    """Return what becomes of mail to local addresses that do not exist, as far as luser_relay says."""
    raw = postfix.values(["luser_relay"]).get("luser_relay", "")
    address = raw if _EACH.search(raw) else values.get("luser_relay", "")
    target, resolves = None, False
    if address and not _EACH.search(raw):
        local, unused, domain = address.partition("@")
        if domain and not serves(domain, values.get("mydestination", ""), postfix):
            resolves = True
        else:
            target = _alias(postfix, local, values)
            resolves = target is not None or _is_user(local)
    elif address:
        resolves = True
    takers = [name for name, _wrong in obstacles(values, services, lambda maps, name: knows(postfix, maps, name))]
    if target is None or not target.startswith("/"):
        takers = [name for name in takers if name != "allow_mail_to_files"]
    is_reached = bool(address) and not values.get("local_recipient_maps") and not takers
    return {
        "address": _shown(address),
        "target": None if target is None else _shown(target),
        "resolves": resolves,
        "takers": takers,
        "effective": is_reached and resolves,
        "discards": is_reached and target == "/dev/null",
    }


def _alias(postfix, name, values):
    try:
        return postfix.alias(name, split(values.get("alias_maps", "")))
    except RescueError:
        # local(8) defers mail for as long as one of the tables cannot be queried.
        return None


def _is_user(name):
    try:
        pwd.getpwnam(name.lower())
    except (KeyError, ValueError):
        return False
    return True


def _catchalls(values, directory, host):
    """Return (catch-alls in virtual_alias_maps: entries for a whole domain; why tables could not be asked)."""
    domains = set()
    for name in ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains"):
        domains.update(_literals(values.get(name, "")))
    keys = "".join("@%s\n" % name for name in sorted(domains)[:_MOST_DOMAINS])
    found, unreadable = [], []
    for table in words(values.get("virtual_alias_maps", "")):
        if table.partition(":")[0] not in _TABLES or not keys:
            continue
        unused, output, errors = host.run("postmap", "-c", directory, "-q", "-", table, data=keys)
        # Its status is 1 both for a failure and where no key is in the table.
        failures = [line for line in errors.splitlines() if _FAILURE.search(line)]
        if failures:
            unreadable.append("%s: %s" % (_shown(table), _shown(_FAILURE.split(failures[0], 1)[-1].strip())))
        for line in output.splitlines()[:_MOST]:
            key, unused, target = line.partition("\t")
            found.append({"domain": _shown(key), "does": "forwards to %s" % _shown(target), "path": _shown(table)})
    return found, unreadable


def _limits(values, own):
    """Return the limits on clients that are off: {parameter: [where]}."""
    found = {}
    for name, value in values.items():
        if _LIMIT.match(name):
            found[name] = ["main.cf"] if value == "0" else []
    for name, value in sorted(own.items()):
        service, unused, parameter = name.rpartition("/")
        if parameter in found and value == "0":
            found[parameter].append(service)
    return found


def _unlimited(values, own, tables=None):
    """Return the networks that no limit holds for though whoever may be in them."""
    lists = [values.get(_EXCEPTIONS, "")]
    lists += [value for name, value in sorted(own.items()) if name.endswith("/" + _EXCEPTIONS)]
    return [word for one in lists for word in Networks(one, tables).everyone]


def _soft_bounce(values, own):
    """Return where soft_bounce is on."""
    found = ["main.cf"] if values.get("soft_bounce", "no").lower() == "yes" else []
    return found + sorted(
        name.rpartition("/")[0]
        for name, value in own.items()
        if name.endswith("/soft_bounce") and value.lower() == "yes"
    )
