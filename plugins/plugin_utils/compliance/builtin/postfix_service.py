# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Postfix runs, and which one."""

from __future__ import annotations

from ansible.module_utils.compat.version import LooseVersion

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.control import Verdict, control

__all__ = ["CONTROLS"]


@control(
    "POSTFIX-100",
    title="Postfix runs",
    severity="critical",
    rationale="Without it, no mail comes in or goes out.",
)
def postfix_runs(host):
    is_running = bool(host.postfix.get("running"))
    return Verdict(
        holds=is_running,
        expected="running",
        observed="running" if is_running else "down",
        remedy=host.remedies.module("ansible.builtin.service", "'name=postfix state=started'"),
        unknown=host.unread if host.postfix.get("running") is None else None,
    )


@control(
    "POSTFIX-110",
    title="Postfix is new enough",
    severity="low",
    rationale="Older ones get no corrections any more.",
)
def postfix_is_new_enough(host):
    version, oldest = host.postfix.get("version"), host.settings["postfix_version"]
    return Verdict(
        holds=bool(version) and LooseVersion(version) >= LooseVersion(oldest),
        expected="%s or later" % oldest,
        observed=version or "?",
        remedy=host.remedies.module("ansible.builtin.package", "'name=postfix state=latest'"),
        unknown=None if version else host.unread,
    )


CONTROLS = (postfix_runs, postfix_is_new_enough)
