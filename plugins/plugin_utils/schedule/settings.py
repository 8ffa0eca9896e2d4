# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scheduled run does, as the role wrote it down: checked before the role changes anything, and at each run."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from typing import Any

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch import settings as watch
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import duration

__all__ = ["check", "check_channels", "check_timer", "load"]

# Options of the role compliance_schedule, and what `load` makes of them.
Settings = dict[str, Any]

_TEXTS = (
    "name",
    "project",
    "inventory",
    "playbook",
    "limit",
    "directory",
    "report_directory",
    "report_formats",
    "timeout",
    "webhook_url",
    "webhook_token_file",
    "webhook_ca_file",
    "smtp_host",
    "smtp_tls",
    "smtp_from",
)
_NUMBERS = {"keep_artifacts": (1, 10000), "keep_reports": (1, 10000), "smtp_port": (1, 65535)}
# Homes can be seen, as keys for ssh are there.
_HIDDEN = ("/run/user",)
# The run's own business.
_OURS = ("report_directory", "report_formats", "report_previous")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\Z")


def load(path: str) -> Settings:
    """Return the settings in a file, with `webhook` and `smtp` as channels want them. Raises RescueError.

    Nothing else is looked at: without these, nobody could be told what is wrong with the rest.
    """
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
        if given["version"] != 1:
            raise ValueError("version %r" % given["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RescueError("%s cannot be read: %s." % (path, getattr(error, "strerror", None) or error)) from None
    _types(given)
    given["timeout"] = duration("timeout", given["timeout"])
    for option in ("directory", "report_directory"):
        if not os.path.isabs(given[option]) or os.path.normpath(given[option]) == "/":
            raise RescueError("%s: expected the path of a directory, got %r." % (option, given[option]))
    given["webhook"] = given["smtp"] = None
    if given["webhook_url"]:
        given["webhook"] = {
            "url": given["webhook_url"],
            "token_file": given["webhook_token_file"] or None,
            "ca_file": given["webhook_ca_file"] or None,
            "agent": "mailops-compliance",
        }
    if given["smtp_host"]:
        given["smtp"] = {
            "host": given["smtp_host"],
            "port": given["smtp_port"],
            "tls": given["smtp_tls"],
            "from": given["smtp_from"] or "mailops-compliance@%s" % given["name"],
            "to": given["smtp_to"],
        }
    # The journal has what is printed.
    given["syslog"] = False
    return given


def check(given: Settings) -> None:
    """Raise RescueError where no run can be made."""
    if not os.path.isabs(given["project"]) or not os.path.isdir(given["project"]):
        raise RescueError("project: expected a directory that is there, got %r." % given["project"])
    # ansible-runner takes the path of a file that is not there for the inventory's text.
    if not os.path.isabs(given["inventory"]) or not os.path.exists(given["inventory"]):
        raise RescueError("inventory: expected a file or directory that is there, got %r." % given["inventory"])
    for name in _OURS:
        if name in given["extra_vars"]:
            raise RescueError("extra_vars: %s is set by another option of the schedule." % name)
    if importlib.util.find_spec("ansible_runner") is None:
        raise RescueError("python: ansible-runner is not installed for %s." % sys.executable)


def check_channels(given: Settings) -> None:
    """Raise RescueError where alerts cannot get out."""
    if not _NAME.match(given["name"]):
        raise RescueError("name: expected the name of this host, got %r." % given["name"])
    watch.webhook(given, _HIDDEN)
    sender = given["smtp"]["from"] if given["smtp"] else given["smtp_from"]
    watch.smtp(dict(given, smtp_from=sender))


def check_timer(given: Settings) -> None:
    """Raise RescueError where systemd would not take the timer. Without systemd here, nobody can tell."""
    for option, verb, words in (
        ("calendar", "calendar", "a time as systemd's OnCalendar= has it"),
        ("random_delay", "timespan", "a span of time as systemd has it"),
    ):
        _expect(option, given, str, "text")
        try:
            command = ["systemd-analyze", verb, "--", given[option]]
            made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except FileNotFoundError:
            return
        # Old ones do not know about spans.
        if made.returncode and b"Unknown " not in made.stderr:
            raise RescueError("%s: expected %s, got %r." % (option, words, given[option]))


def _types(given: Settings) -> None:
    for option in _TEXTS:
        _expect(option, given, str, "text")
    for option, (least, most) in _NUMBERS.items():
        _expect(option, given, int, "a number")
        if not least <= given[option] <= most:
            raise RescueError("%s: expected %d to %d, got %d." % (option, least, most, given[option]))
    _expect("alert_unknown", given, bool, "true or false")
    _expect("extra_vars", given, dict, "variables")
    _expect("smtp_to", given, list, "a list of addresses")


def _expect(option: str, given: Settings, kind: type, words: str) -> None:
    if not isinstance(given.get(option), kind):
        raise RescueError("%s: expected %s, got %r." % (option, words, given.get(option)))
