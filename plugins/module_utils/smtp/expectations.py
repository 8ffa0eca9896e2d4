# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is expected to find, compared with what it found."""

__all__ = ["check_expect", "differences"]

from typing import Any, Container, Dict, List, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

_VERDICTS = ("unknown_recipient", "postmaster", "relay", "recipients")
_TRIED_BY = {"unknown_recipient": "unknown_domain"}


def check_expect(expect: Optional[Dict[str, Any]], tried: Container[str]) -> None:
    """Raise RescueError where a verdict is expected on what is not among the kinds ``tried``."""
    for name in _VERDICTS:
        if (expect or {}).get(name) and name not in tried:
            raise RescueError(
                "expect: %s is expected and not tried; give the option %s." % (name, _TRIED_BY.get(name, name))
            )


def differences(expect: Optional[Dict[str, Any]], result: Dict[str, Any]) -> List[str]:
    """Return a phrase for each thing in ``result`` that is not as in ``expect``; options that are None do not count."""
    expect = {name: value for name, value in (expect or {}).items() if value is not None}
    found = []
    for name in _VERDICTS:
        if name in expect:
            verdicts = result[name] if name == "recipients" else [result[name]]
            found += [
                _verdict(name, expect[name], answer) for answer in verdicts if answer["verdict"] not in expect[name]
            ]
    reasons = {"connected": result["error"], "starttls": result["starttls"]["error"]}
    for name, value in _flags(result).items():
        if name in expect and expect[name] != value:
            got = "was not asked" if value is None else "is %s" % _word(value)
            why = " (%s)" % reasons[name] if reasons.get(name) else ""
            found.append("%s %s instead of %s%s" % (name, got, _word(expect[name]), why))
    if "days_left" in expect:
        days = (result["starttls"]["certificate"] or {}).get("days_left")
        if days is None:
            found.append("no certificate was seen")
        elif days < expect["days_left"]:
            found.append("days_left is %d, less than %d" % (days, expect["days_left"]))
    return found


def _flags(result: Dict[str, Any]) -> Dict[str, Optional[bool]]:
    auth = result["auth"]
    return {
        "connected": result["connected"],
        "starttls": result["starttls"]["ok"],
        "auth_before_tls": None if auth["before_tls"] is None else bool(auth["before_tls"]),
        "auth_after_tls": None if auth["after_tls"] is None else bool(auth["after_tls"]),
    }


def _word(value: Optional[bool]) -> str:
    return "true" if value else "false"


def _verdict(name: str, expected: List[str], answer: Dict[str, Any]) -> str:
    parts = [str(part) for part in (answer["code"], answer["text"]) if part]
    said = " (%s)" % " ".join(parts) if answer["text"] else ""
    return "%s %s is %s instead of %s%s" % (name, answer["address"], answer["verdict"], " or ".join(expected), said)
