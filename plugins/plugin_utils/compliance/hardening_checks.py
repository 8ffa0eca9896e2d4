# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds on a mail server, from what it was asked over SMTP and what was read on it."""

from __future__ import annotations

import ipaddress
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import luser_relay
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.builtin.postfix_leftovers import held_off
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.sessions import (
    auth_before_tls,
    auth_on_port,
    knows_postmaster,
    relayed,
    submission_reached,
    unique,
    verdict,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import number, plural

__all__ = ["Evidence", "Statement", "discards", "statements"]

# `bad`: it is a hole, or about to become one.
Statement = namedtuple("Statement", "label text bad")

# `probes`: results of smtp_probe on the host; `outside`: those from the controller; `postfix`: how that is set up, as
# mta_facts says it, or None; `catchalls` and `extensions`: those of qmail_catchall in check mode, or None; `firewall`:
# result of submission_firewall_plan, or None; `checking`: that plan was not carried out; `port`: the one for mail from
# strangers, where the other ports are for submission; `may_auth`: it is wanted that this one offers AUTH.
Evidence = namedtuple(
    "Evidence",
    "probes outside postfix catchalls firewall checking port extensions may_auth",
    defaults=(None, False),
)

FATES = {"discards": "discarded", "bounces": "BOUNCED to the sender", "defers": "PUT OFF, and bounced in the end"}
BAD = ("bounces", "defers", "vdelivermail bounce-no-mailbox")
SOON = 14


def statements(evidence):
    """The list of Statement on one host; `evidence`: an Evidence."""
    found = [_unknown(evidence)]
    found += _extensions(evidence)
    found += _postmaster(evidence)
    found += _relaying(evidence)
    found += _auth(evidence)
    found += _certificates(evidence)
    found += _firewall(evidence)
    found += _leftovers(evidence)
    return found


def discards(evidence):
    """Whether mail to unknown recipients vanishes, of all domains or some."""
    if evidence.postfix is not None:
        return _by_luser_relay(evidence.postfix)[1]
    return any(_vanishes(one["does"]) for one in evidence.catchalls or ())


def _by_strangers(evidence):
    probes = evidence.probes + evidence.outside
    return [one for one in probes if one["port"] == evidence.port and one["connected"]]


def _unknown(evidence):
    label = "unknown"
    probes = _by_strangers(evidence)
    if not probes:
        return Statement(label, "not asked: nobody answers on port %d" % evidence.port, False)
    asked = [one["unknown_recipient"] for one in probes if one["unknown_recipient"]]
    tried = [one for one in asked if one["verdict"] != "untried"]
    if not tried:
        why = asked[0]["text"] if asked else "no domain of this host is known; set mailops_probe_domain"
        return Statement(label, "not asked: %s" % why, True)
    verdicts = {one["verdict"] for one in tried}
    if verdicts == {"refused"}:
        return Statement(label, *_refused(evidence, probes, tried))
    if verdicts != {"accepted"}:
        # One that is deferred may be accepted later: greylisting asks for no more than patience.
        texts = sorted({"%s (%s %s)" % (one["verdict"], one["code"], one["text"]) for one in tried})
        return Statement(label, "%s (measured)" % "; ".join(texts), True)
    fate, well = _fate(evidence)
    return Statement(label, "accepted (measured), then %s" % fate, not well)


def _refused(evidence, probes, tried):
    """What the refusal of an unknown recipient proves, and whether that is not enough."""
    refusing = [probe for probe in probes if verdict(probe, "unknown_recipient") == "refused"]
    doubtful = [verdict(probe, "postmaster") for probe in refusing if not knows_postmaster(probe)]
    if doubtful:
        state = "not asked for" if set(doubtful) == {"untried"} else "refused"
        alike = "but so is postmaster, so that this" if state == "refused" else "but postmaster was not asked for: this"
        return "refused, %s proves nothing (measured)" % alike, True
    asked = {one["address"].rpartition("@")[2].lower() for one in tried}
    others = [
        one["domain"]
        for one in evidence.catchalls or ()
        if one["does"] in BAD and not asked & {one["domain"], *one.get("domains", ())}
    ]
    if others:
        names = ", ".join(others[:3]) + (" and %d more" % (len(others) - 3) if len(others) > 3 else "")
        return "refused in the session for %s (measured); NOT ASKED for %s" % (", ".join(sorted(asked)), names), True
    return "refused in the session (measured)", False


def _extensions(evidence):
    """What becomes of mail to `joe-anything`, where `joe` is a user of qmail."""
    found = evidence.extensions
    if not found:
        return []
    label = "extensions"
    doubts = []
    if found["unknown_count"]:
        first = " (%s)" % found["unknown"][0] if found["unknown"] else ""
        doubts.append("%s could not be looked at%s" % (plural(found["unknown_count"], "user"), first))
    if found["incomplete"]:
        doubts.append(found["incomplete"])
    doubt = "".join("; " + one for one in doubts)
    if not found["open_count"]:
        if found["count"] or doubts:
            text = "not bounced for any of %s (read)" % plural(found["count"], "user")
            return [Statement(label, text + doubt, bool(doubts))]
        return []
    how = " or ".join(dict.fromkeys(FATES.get(one["does"], one["does"]) for one in found["open"])) or FATES["bounces"]
    names = ", ".join(one["extension"] + "\u2026" for one in found["open"][:3])
    more = found["open_count"] - min(len(found["open"]), 3)
    open_ones = "%s: %s%s" % (plural(found["open_count"], "user"), names, " and %s more" % number(more) if more else "")
    session = _session_of(found["recipients"], evidence)
    if session == "refused":
        return [Statement(label, "refused in the session for %s (measured)%s" % (open_ones, doubt), bool(doubts))]
    reasons = [one["reason"] for one in found["open"]]
    if None in reasons:
        remedy = "; qmail_hardening_user_extensions=discard ends that"
    else:
        remedy = "".join("; " + one for one in reasons[:1])
    return [Statement(label, "%s, then %s for %s (read)%s%s" % (session, how, open_ones, remedy, doubt), True)]


def _session_of(recipients, evidence):
    """What the server says to made-up extensions: `refused`, where it says so to all and not to postmaster."""
    asked = [
        (one, probe)
        for probe in _by_strangers(evidence)
        for one in probe.get("recipients") or ()
        if one["address"] in recipients and one["verdict"] != "untried"
    ]
    verdicts = {one["verdict"] for one, _probe in asked}
    if not verdicts:
        return "not asked; if accepted"
    if verdicts != {"refused"}:
        return "%s (measured)" % " or ".join(sorted(verdicts))
    if all(knows_postmaster(probe) for _one, probe in asked):
        return "refused"
    return "refused like postmaster, so that this proves nothing (measured); if accepted"


def _fate(evidence):
    """What becomes of accepted mail to nobody, and whether that is no bounce."""
    if evidence.postfix is not None:
        return _by_luser_relay(evidence.postfix)
    if evidence.catchalls:
        return _by_catchalls(evidence.catchalls)
    return "unknown: nothing was read", False


def _by_luser_relay(postfix):
    kind, text = luser_relay.fate(postfix)
    # Who gets all mail to nobody gets all its spam.
    return text, kind == luser_relay.DISCARDED


def _by_catchalls(catchalls):
    fates = {}
    for one in catchalls:
        fates.setdefault(one["does"], []).append(one["domain"])
    parts = []
    for does, names in sorted(fates.items()):
        shown = ", ".join(names[:3]) + (" and %d more" % (len(names) - 3) if len(names) > 3 else "")
        parts.append("%s (%s)" % (FATES.get(does, does), shown))
    return "%s (read: .qmail files)" % "; ".join(parts), not any(does in BAD for does in fates)


def _vanishes(does):
    return does in ("discards", "vdelivermail delete")


def _postmaster(evidence):
    tried = [one["postmaster"] for one in _by_strangers(evidence) if one["postmaster"]]
    tried = [one for one in tried if one["verdict"] != "untried"]
    if not tried:
        return []
    refused = [one for one in tried if one["verdict"] != "accepted"]
    if not refused:
        return [Statement("postmaster", "accepted (measured)", False)]
    return [Statement("postmaster", "%(verdict)s: %(code)s %(text)s (measured)" % refused[0], True)]


def _relaying(evidence):
    here, there = _asked_to_relay(evidence.probes), _asked_to_relay(evidence.outside)
    let_in, reached = relayed(here), relayed(there)
    # That Postfix defers it (454) stops it as well.
    stopped = [session for session in here if session not in let_in]
    found = ["%s to %s" % (word, _places(some)) for word, some in (("refused", stopped), ("allowed", let_in)) if some]
    if there:
        found.append("ALLOWED from here" if reached else "refused from here")
    elif let_in:
        found.append("whether to strangers was not asked: run with outside=true")
    if not found:
        return []
    return [Statement("relaying", "; ".join(found) + " (measured)", bool(reached))]


def _asked_to_relay(results):
    return [result for result in results if result["connected"] and verdict(result, "relay") != "untried"]


def _places(sessions):
    names = unique("itself" if _is_loopback(session["address"]) else session["address"] for session in sessions)
    return "%s on %s" % (", ".join(names), _ports(session["port"] for session in sessions))


def _is_loopback(address):
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _ports(ports):
    return ", ".join(str(port) for port in sorted(set(ports)))


def _auth(evidence):
    sessions = [
        result
        for result in evidence.probes + evidence.outside
        if result["connected"] and result["helo_code"] is not None
    ]
    in_clear = auth_before_tls(sessions)
    offers = {}
    for session in sessions:
        offers.setdefault(session["port"], set()).add(_offer(session))
    found = [
        "%d: %s" % (port, "BEFORE TLS" if port in in_clear else " or ".join(sorted(offers[port])))
        for port in sorted(offers)
    ]
    is_open = bool(in_clear) or bool(auth_on_port(sessions, evidence.port) and not evidence.may_auth)
    return [Statement("AUTH", "%s (measured)" % "; ".join(found), is_open)] if found else []


def _offer(session):
    before, after = session["auth"]["before_tls"], session["auth"]["after_tls"]
    if after is None and not before and session["starttls"]["error"]:
        return "not offered before TLS, which failed"
    return "over TLS only" if after else "not offered"


def _certificates(evidence):
    seen, failing = {}, {}
    for one in evidence.probes + evidence.outside:
        starttls = one["starttls"]
        shown = starttls["certificate"]
        if one["connected"] and shown:
            seen.setdefault((shown["days_left"], shown["subject"], shown["error"]), set()).add(one["port"])
        elif one["connected"] and starttls["error"]:
            failing.setdefault(starttls["error"], set()).add(one["port"])
        elif one["connected"] and starttls["offered"] is False:
            failing.setdefault("STARTTLS is not offered", set()).add(one["port"])
    found = []
    for (days, subject, error), ports in sorted(seen.items(), key=str):
        if days is None:
            left = str(error)
        elif days < 0:
            left = "EXPIRED %s ago" % plural(-days, "day")
        else:
            left = "%s left" % plural(days, "day")
        text = "%s: %s, %s (measured)" % (_ports(ports), left, subject)
        found.append(Statement("certificate", text, days is None or days < SOON))
    for error, ports in sorted(failing.items()):
        found.append(Statement("TLS", "%s: %s (measured)" % (_ports(ports), error), error != "STARTTLS is not offered"))
    return found


def _firewall(evidence):
    plan = evidence.firewall
    listening = submission_reached(evidence.probes, evidence.port)
    found = "submission listens on %s (measured)" % _ports(listening) if listening else "no submission (measured)"
    if plan is None:
        found += "; who may reach it was not looked at"
    elif plan["backend"] is None:
        found += "; %s to all (read)" % ("would be open" if evidence.checking and _pending(plan) else "open")
    else:
        is_pending = not plan["in_force"]
        if is_pending:
            verb = "would be allowed" if evidence.checking else "should be allowed, and NOT ALL OF THAT IS IN FORCE,"
        else:
            verb = "allowed"
        networks = plural(len(plan["allowed_networks"]), "network")
        found += "; %s %s on %s by %s (read)" % (networks, verb, _ports(plan["ports"]), plan["backend"])
        return [Statement("firewall", found, is_pending and not evidence.checking)]
    return [Statement("firewall", found, False)]


def _pending(plan):
    """Whether there was anything to do."""
    nftables, others = plan["nftables"], (plan["firewalld"], plan["ufw"])
    wanted = nftables["table"] is not None
    return (nftables["load"] if wanted else nftables["found"]) or any(one["add"] or one["remove"] for one in others)


def _leftovers(evidence):
    if evidence.postfix is None:
        return []
    found = []
    soft = evidence.postfix["soft_bounce"]
    if soft:
        places = "" if soft == ["main.cf"] else " (%s)" % ", ".join(soft)
        found.append("soft_bounce = yes%s: nothing is ever refused for good" % places)
    parameters = evidence.postfix["parameters"]
    found += ["%s = %s: that mail is held off" % (name, parameters[name]) for name in held_off(parameters)]
    return [Statement("leftovers", "; ".join(found) + " (read)" if found else "none (read)", bool(found))]
