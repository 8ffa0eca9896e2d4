# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compliance run wants to know of a qmail. Nothing here changes anything."""

__all__ = ["QmailFacts"]

import os
import re
from typing import Any, Dict, List

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.backup import Kept
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, visible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config import dot_qmail
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.homes import open_home
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening import qmail_double_bounces
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.catchalls import Qmail
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.extension_counts import ExtensionCounts
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.extensions import Extensions
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import holder

_NULL = re.compile(rb"^/dev/null/?[ \t]*$", re.MULTILINE)
_VERSION = re.compile(rb"\b(notqmail|netqmail|s/qmail|eqmail|aqmail)(?:[ -](\d[\d.]*))?")
_LARGEST = 1 << 22
_MOST = 50
_MOST_NULL = 10000


class QmailFacts:
    """See Facts in mta/contract.py."""

    name = "qmail"
    smtp_server = "qmail-smtpd"

    def find(self, params: Dict[str, Any], directories: List[str], host: Any) -> Dict[str, Any]:
        return _find(params["home"], directories, params["double_bounces"])


def _find(home, queues, to):
    """Return a dict as ``qmail`` of mta_facts documents it. Raises RescueError.

    ``queues``: the queues' paths; ``to``: where double bounces are to go: discard, an address, or unchanged.
    """
    qmail = Qmail(home)
    proc = Procfs()
    catchalls, unused = qmail.catchalls(["*"])
    null, unreadable = set(), ["%s: %s" % (one.chosen[0].name, one.problem) for one in catchalls if one.problem]
    for one in catchalls:
        try:
            null.update(_with_null(one))
        except Damaged as error:
            unreadable.append("%s: %s" % (one.chosen[0].name, error))
    extensions = _extensions(qmail, null)
    null = sorted(null)
    readable = [one for one in catchalls if one.problem is None and not _is_null(one, null)]
    bouncing = [one for one in readable if one.does in dot_qmail.BACKSCATTERS]
    useful = [one for one in readable if one.effect.useful and one not in bouncing]
    return {
        "home": qmail.home,
        "version": _version(qmail.home),
        "queues": [{"queue_directory": path, "running": holder(path, proc) is not None} for path in queues],
        "unreadable": [visible(one) for one in unreadable[:_MOST]],
        "bouncing": [_entry(one) for one in bouncing[:_MOST]],
        "bouncing_count": len(bouncing),
        "null_lines": [visible(path) for path in null[:_MOST]],
        "null_line_count": len(null),
        "extensions": extensions,
        "catchalls": [_entry(one) for one in useful],
        "rcpthosts": qmail.control.line("rcpthosts") is not None,
        "double_bounces": _double_bounces(qmail, home, to),
        "domain": _domain(catchalls),
    }


def _entry(one):
    path = one.path if one.force in (None, one.name) else os.path.join(one.controller.home, one.force)
    return {"domain": visible(one.chosen[0].name), "does": one.does, "path": visible(path or "")}


def _extensions(qmail, null):
    """Return what becomes of mail to extensions that users have no file for; add paths to ``null`` as of domains."""
    counts, extensions = ExtensionCounts(), Extensions(qmail, ["*"])
    for one in extensions:
        one.look()
        counts.add(one)
        # Only what puts off mail can have such a line.
        if one.force is not None and one.effect.does == dot_qmail.DEFERS and len(null) < _MOST_NULL:
            try:
                null.update(_with_null(one))
            except Damaged:
                counts.add_unknown("%s: somebody is changing it" % one.path)
    return counts.result(extensions)


def _domain(catchalls):
    """Return a domain that mail comes in for, by its own name; empty where there is none."""
    names = [domain.name for one in catchalls for domain in one.chosen]
    return next((name for name in names if "*" not in name and not name.startswith(".")), "")


def _with_null(one):
    """Return the paths of files that could get mail of a Catchall and have a line /dev/null. Raises Damaged."""
    if one.problem is not None:
        return []
    found = []
    fd = open_home(one.controller.home)
    try:
        for name in one.names:
            file = Kept(fd, name, dot_qmail.LARGEST).now
            if file is not None and _NULL.search(file.data):
                found.append(os.path.join(one.controller.home, name))
    finally:
        os.close(fd)
    return found


def _is_null(one, null):
    return one.force is not None and os.path.join(one.controller.home, one.force) in null


def _double_bounces(qmail, home, to):
    """Return where double bounces go, and whether that is where they are to."""
    if to == "unchanged":
        return {"address": None, "as_wanted": None, "error": None}
    try:
        now = qmail_double_bounces.manage({"home": home, "to": to, "state": "present"}, check_mode=True)
    except RescueError as error:
        return {"address": None, "as_wanted": None, "error": str(error)}
    return {"address": _double_bounce_address(qmail), "as_wanted": not now["changed"], "error": None}


def _double_bounce_address(qmail):
    user, host, me = (qmail.control.line(name) for name in ("doublebounceto", "doublebouncehost", "me"))
    return visible("%s@%s" % (decode(b"postmaster" if user is None else user), decode(host or me or b"")))


def _version(home):
    """Return which qmail it is, as its SMTP server's HELP says; None where it does not."""
    try:
        with open(os.path.join(home, "bin", "qmail-smtpd"), "rb") as file:
            match = _VERSION.search(file.read(_LARGEST))
    except OSError:
        return None
    if match is None:
        return None
    return " ".join(part.decode("ascii") for part in match.groups() if part)
