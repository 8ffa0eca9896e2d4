# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SMTP sessions show of a server: pure functions of results of smtp_probe, shared by all who judge a host."""

from __future__ import annotations

__all__ = [
    "auth_before_tls",
    "auth_on_port",
    "knows_postmaster",
    "relayed",
    "submission_reached",
    "unique",
    "verdict",
]


def verdict(session, question):
    """The verdict on `relay`, `postmaster` or `unknown_recipient`; `untried` where it was not asked."""
    return (session.get(question) or {}).get("verdict", "untried")


def relayed(sessions):
    """The sessions in which mail for another domain was accepted; each must have been asked for that."""
    return [session for session in sessions if session["relay"]["verdict"] == "accepted"]


def knows_postmaster(session):
    """Whether a refusal in this session is one of the recipient: not if even postmaster is refused, or not asked."""
    return verdict(session, "postmaster") == "accepted"


def auth_before_tls(sessions):
    """The ports at which a password may be sent in the clear."""
    return unique(session["port"] for session in sessions if session["auth"]["before_tls"])


def auth_on_port(sessions, port):
    """The mechanisms of AUTH that a port offers, before TLS or under it."""
    offers = [
        mechanisms
        for session in sessions
        if session["port"] == port
        for mechanisms in (session.get("auth") or {}).values()
        if mechanisms
    ]
    return unique(mechanism for mechanisms in offers for mechanism in mechanisms)


def submission_reached(results, smtp_port):
    """The ports for submission that took a connection."""
    return [result["port"] for result in results if result["connected"] and result["port"] != smtp_port]


def unique(values):
    """The list of `values`, each once, in their order."""
    return list(dict.fromkeys(values))
