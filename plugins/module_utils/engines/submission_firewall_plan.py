# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on this host to restrict who reaches some ports."""

__all__ = ["make_plan"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall import nftables
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.firewalld import Firewalld
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.session import check_lockout, find_session
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.ufw import Ufw
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import read_wanted

_SESSIONS_GO_ON = (
    "%s lets connections go on that are open already, whoever made them: restart the mail server to end them."
)


def make_plan(params, host=None):
    """Return the result of submission_firewall_plan. Raises RescueError."""
    host = host or Host()
    wanted = read_wanted(params) if params["state"] == "present" else None
    session = find_session()
    if wanted is not None:
        check_lockout(wanted, session, params["ssh_port"])
    firewalld = Firewalld(host)
    ufw = Ufw(host)
    backend = _backend(params["backend"], firewalld, ufw) if wanted is not None else None
    if backend == "ufw":
        ufw.check(wanted)
    plans = {
        "nftables": nftables.plan(host, wanted if backend == "nftables" else None),
        "firewalld": firewalld.plan(wanted if backend == "firewalld" else None),
        "ufw": ufw.plan(wanted if backend == "ufw" else None),
    }
    in_force = wanted is not None and _is_in_force(plans, backend)
    notes = []
    if backend in ("firewalld", "ufw") and (plans[backend]["add"] or plans[backend]["remove"]):
        notes.append(_SESSIONS_GO_ON % backend)
    return dict(
        plans,
        changed=False,
        backend=backend,
        in_force=in_force,
        allowed_networks=[str(network) for network in wanted.networks] if wanted else [],
        ports=wanted.ports if wanted else [],
        session={"address": str(session[0]), "port": session[1]} if session else None,
        notes=notes,
    )


def _is_in_force(plans, backend):
    """Tell whether this host lets in whom it should, and keeps out all others, without a change."""
    if backend == "nftables":
        return not plans["nftables"]["load"]
    return not any(plans[backend].get(step) for step in ("reset", "add", "remove"))


def _backend(asked, firewalld, ufw):
    if asked == "firewalld" and not firewalld.running:
        raise RescueError("backend: firewalld does not run here.")
    if asked == "ufw" and not ufw.active:
        raise RescueError("backend: ufw is not active here.")
    if asked != "auto":
        return asked
    if firewalld.running:
        return "firewalld"
    return "ufw" if ufw.active else "nftables"
