# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mta_facts' engine: read, and never change, what a compliance run asks of a mail server besides its queue."""

__all__ = ["find"]

import fnmatch
import os
import time
import uuid

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import created, name_of
from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_options import places as quarantines
from ansible_collections.mailops.rescue.plugins.module_utils.engines.smtp_probe import ADDRESS
from ansible_collections.mailops.rescue.plugins.module_utils.engines.submission_firewall_plan import make_plan
from ansible_collections.mailops.rescue.plugins.module_utils.engines.unexpected import describe
from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.nftables import FILE, UNIT, UNIT_FILE
from ansible_collections.mailops.rescue.plugins.module_utils.host.listeners import Network
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import iso_time
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.facts import FACTS
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.probe_targets import places

_MOST = 50
# Postfix answers more slowly after ten refusals of one session, and others do not answer any more.
_EACH_SESSION = 7
_ENABLED = "/etc/systemd/system/sysinit.target.wants"


def find(params, host=None, network=None):
    """Return mta_facts' result. Raises RescueError where not even the MTA is known."""
    begin = time.monotonic()
    host, network = host or Host(), network or Network()
    target = detect.find(params["mta"], params["queue_directory"], params["config_directory"])
    result = {"changed": False, "mta": target.mta}
    result.update({adapter.name: None for adapter in ADAPTERS})
    facts = FACTS.of(target.mta)
    found = _part(lambda: facts.find(params, target.directories, host))
    if facts.smtp_server is not None:
        found["smtpd_ports"] = network.ports_of(facts.smtp_server)
    result[target.mta] = found
    port = params["smtp_port"]
    asked = [port] + [one for one in params["ports"] if one != port and network.listens(one)]
    recipients = _recipients(found)
    asked = places(asked, network, found.pop("relaying", None), found.pop("smtpd_ports", ()))
    probes = [
        {
            "host": str(one.host),
            "port": one.port,
            "trusted": one.trusted,
            "tls": "implicit" if one.begins_tls else None,
            "recipients": [],
        }
        for one in asked
    ]
    probes[0]["recipients"] = recipients[:_EACH_SESSION]
    more = range(_EACH_SESSION, len(recipients), _EACH_SESSION)
    probes += [dict(probes[0], recipients=recipients[at : at + _EACH_SESSION]) for at in more]
    result.update(
        version=found.get("version"),
        domain=found.get("domain") or "",
        recipients=recipients,
        catchalls=_unknown(found.pop("catchalls", None), params["known_catchalls"]),
        trusted=asked[0].trusted,
        addresses=[str(one) for one in network.addresses],
        listening=[{"address": str(one[0]), "port": one[1]} for one in network.listening[:200]],
        probes=probes,
        firewall=_firewall(params, host, network),
        quarantine=_part(lambda: _quarantine(params)),
        seconds=0,
    )
    result["seconds"] = round(time.monotonic() - begin, 3)
    return result


def _part(look):
    """Return what ``look`` finds with ``error`` None, or only ``error``: one part must not hide the others."""
    try:
        return dict(look(), error=None)
    except (RescueError, Damaged) as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": "%s: %s." % (error.filename or "The host", error.strerror or error)}
    except Exception as error:
        return {"error": describe(error)}


def _recipients(found):
    """Return made-up addresses whose mail would be bounced, were it accepted: in domains, then of users' extensions."""
    made = [
        "mailops-probe-%s@%s" % (uuid.uuid4().hex[:12], one["domain"].lstrip("."))
        for one in found.get("bouncing") or ()
        if "*" not in one["domain"]
    ]
    # A line of virtualdomains may hold anything.
    return [one for one in made + (found.get("extensions") or {}).get("recipients", []) if ADDRESS.match(one)]


def _unknown(catchalls, known):
    """Return the catch-alls that nobody has named, by domain or pattern."""
    if catchalls is None:
        return None
    patterns = [one.lower().lstrip("@") for one in known]
    unknown = [
        one
        for one in catchalls
        if not any(fnmatch.fnmatchcase(one["domain"].lower().lstrip("@"), pattern) for pattern in patterns)
    ]
    return {"count": len(catchalls), "unknown": unknown[:_MOST], "unknown_count": len(unknown)}


def _firewall(params, host, network):
    """Return whether the rules for submission are as they were wanted, now and after a reboot; None: nothing is wanted
    or nobody listens.
    """
    listening = [port for port in params["ports"] if network.is_open(port)]
    wanted = bool(params["allowed_networks"]) or params["allow_nobody"]
    found = {"listening": listening, "wanted": wanted, "backend": None, "loaded": None, "kept": None, "error": None}
    if not (listening and wanted):
        return found
    options = {
        "state": "present",
        "ports": params["ports"],
        "allowed_networks": params["allowed_networks"],
        "allow_nobody": params["allow_nobody"],
        "allow_documentation_networks": params["allow_documentation_networks"],
        "action": params["firewall_action"],
        "rate_limit": params["firewall_rate_limit"],
        "backend": params["firewall_backend"],
        "ssh_port": None,
    }
    return dict(found, **_part(lambda: _rules(make_plan(options, host), host)))


def _rules(plan, host):
    backend = plan["backend"]
    if backend == "nftables":
        planned = plan["nftables"]
        is_kept = host.read(FILE) == planned["table"] and host.read(UNIT_FILE) == planned["unit_text"]
        return {"backend": backend, "loaded": plan["in_force"], "kept": is_kept and UNIT in host.names(_ENABLED)}
    # Both keep what they have.
    return {"backend": backend, "loaded": plan["in_force"], "kept": plan["in_force"]}


def _quarantine(params):
    """Return how many batches there are, and the oldest."""
    count, oldest = 0, None
    now = time.time()
    options = {
        "mta": params["mta"],
        "queue_directory": params["queue_directory"],
        "config_directory": params["config_directory"],
        "quarantine": params["quarantine"],
    }
    for place in quarantines(options):
        if not os.path.lexists(place.path):
            continue
        with place:
            for batch in place.batches():
                count += 1
                if oldest is None or created(batch) < oldest[0]:
                    oldest = (created(batch), name_of(batch))
    if oldest is None:
        return {"batches": 0, "oldest": None}
    age = max(int(now - oldest[0]), 0)
    return {"batches": count, "oldest": {"batch": oldest[1], "created": iso_time(oldest[0]), "age": age}}
