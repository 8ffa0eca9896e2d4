# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scheduled run: comply.yml through ansible-runner, its report kept, what became worse told.

The exit status is that of the report: 0 all well, 1 a control fails, 2 a grave one does, 3 something is unknown, and so
it is where there is no report. It is 1 at least where an alert did not get out, or the report could not
be kept.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import UnusablePrevious, usable
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule import alert
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.alert import Notice
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.archive import Kept, files
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.settings import (
    Settings,
    check,
    check_channels,
    check_timer,
    load,
)

__all__ = ["main", "run"]

UNDELIVERED, UNKNOWN = 1, 3
# Runs the playbook; gets the path of the report to compare with, or None. Raises NoReport.
_Playing = Callable[[Settings, "str | None"], None]
_CONFIGURATION_SECONDS = 120
_DETACHED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "detached.py")

# Not resolved: in a checkout, links lead there.
_ROOT = os.path.abspath(__file__).partition("/ansible_collections/mailops/rescue/")[0]


class NoReport(Exception):
    """There is no report of this run; the message says why."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Check mail servers by schedule.")
    parser.add_argument("settings", help="file of settings, as the role compliance_schedule writes it")
    parser.add_argument("--check", action="store_true", help="only see whether the settings are good")
    given = parser.parse_args(arguments)
    try:
        settings = load(given.settings)
        if given.check:
            check(settings)
            check_channels(settings)
            check_timer(settings)
            return 0
        return run(settings)
    except (RescueError, OSError) as error:
        print(error, file=sys.stderr)
        return UNKNOWN


def run(settings: Settings, play: _Playing | None = None) -> int:
    """Make one run and return its exit status. `play` runs the playbook; raises NoReport."""
    os.makedirs(settings["directory"], mode=0o750, exist_ok=True)
    with open(os.path.join(settings["directory"], "lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RescueError("Another run is under way in %s." % settings["directory"]) from None
        return _run(settings, play or _play)


def _run(settings: Settings, play: _Playing) -> int:
    kept = Kept(settings["directory"])
    before = files(settings["report_directory"])
    document = None
    try:
        check(settings)
        os.makedirs(settings["report_directory"], mode=0o750, exist_ok=True)
        play(settings, kept.last())
        found, fresh = _made(settings, before)
        made = alert.turned(found, settings)
        document = found
    except (NoReport, RescueError) as error:
        made = alert.no_report(error, settings)
    except Exception as error:  # whatever kept the servers from being checked is told
        made = alert.no_report("%s: %s" % (type(error).__name__, error), settings)
    usual = channels.targets(settings)
    pending = [one for one in kept.pending() if one[0] in usual]
    if made is not None:
        print(made["text"])
        pending += [(target, made) for target in usual]
    # In this order: a run that is killed here is compared with the same report again, and tells twice, not never.
    done = _try("alerts are not written down", kept.remember, pending)
    if document is not None:
        hosts = document["summary"]["hosts"]
        counts = ", ".join("%d %s" % (hosts[name], name) for name in ("pass", "fail", "unknown", "unreachable"))
        print("; ".join(["%d hosts: %s" % (hosts["total"], counts)] + alert.vanished(document)))
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        # Not where the alert may yet be lost: then the next run is to find the same.
        if done:
            done = _try(
                "the report is not kept", kept.add, settings["report_directory"], fresh, stamp, settings["keep_reports"]
            )
    unsent, lost = _send(pending, settings)
    done = _try("alerts are not written down", kept.remember, unsent) and done and not lost
    status = document["summary"]["exit_code"] if document is not None else UNKNOWN
    return status or (UNDELIVERED if unsent or not done else 0)


def _try(what: str, function: Callable[..., object], *arguments: object) -> bool:
    """Tell whether `function` could write: a full disk is no reason not to send an alert."""
    try:
        function(*arguments)
    except OSError as error:
        print("%s: %s" % (what, error), file=sys.stderr)
        return False
    return True


def _send(pending: list[tuple[str, Notice]], settings: Settings) -> tuple[list[tuple[str, Notice]], bool]:
    """Return what the next run is to send, and whether anything was refused for good."""
    unsent, lost = [], False
    for (target, made), reason in zip(pending, channels.send_all(pending, settings)):
        if reason is None:
            continue
        if getattr(reason, "final", False):
            lost, then = True, "was refused for good"
        else:
            unsent.append((target, made))
            then = "did not get out, and is sent by the next run"
        print("%s: an alert %s: %s" % (visible(target), then, reason), file=sys.stderr)
    return unsent, lost


def _made(settings: Settings, before: dict[str, tuple[int, int]]) -> tuple[dict[str, Any], list[str]]:
    """Return the new report and the names of its files. Raises NoReport."""
    directory = settings["report_directory"]
    after = files(directory)
    fresh = sorted(name for name in after if after[name] != before.get(name) and name != "report.previous.json")
    if "report.json" not in fresh:
        raise NoReport("the run made no report")
    try:
        with open(os.path.join(directory, "report.json"), encoding="utf-8") as file:
            document = usable(json.load(file))
        if document["summary"]["exit_code"] not in (0, 1, 2, 3):
            raise ValueError("it has no exit status")
    except (OSError, ValueError, KeyError, TypeError, UnusablePrevious) as error:
        raise NoReport("its report cannot be read: %s" % error) from error
    # Kept, it would be what the next is compared with: no host could turn from pass to fail.
    reason = alert.unchecked(document)
    if reason is not None:
        raise NoReport(reason)
    return document, fresh


def _play(settings: Settings, previous: str | None) -> None:
    import ansible_runner.interface

    private = os.path.join(settings["directory"], "runner")
    os.makedirs(private, mode=0o700, exist_ok=True)
    variables = dict(
        settings["extra_vars"],
        report_directory=settings["report_directory"],
        report_formats=settings["report_formats"],
    )
    if previous is not None:
        variables["report_previous"] = previous
    # What the run uses is what this program is part of.
    path = "%s:%s" % (os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    made = ansible_runner.interface.init_runner(
        private_data_dir=private,
        project_dir=settings["project"],
        playbook=settings["playbook"],
        inventory=settings["inventory"],
        limit=settings["limit"] or None,
        extravars=variables,
        envvars={
            "ANSIBLE_CALLBACKS_ENABLED": "mailops.rescue.report",
            "ANSIBLE_COLLECTIONS_PATH": ":".join([_ROOT, *_collections(settings["project"], path)]),
            "PATH": path,
            # Ansible only warns.
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_ASK_PASS": "false",
            "ANSIBLE_ASK_VAULT_PASS": "false",
            "ANSIBLE_BECOME_ASK_PASS": "false",
        },
        rotate_artifacts=settings["keep_artifacts"],
        timeout=settings["timeout"],
        quiet=True,
        # It would take the files of the first run for all others.
        suppress_env_files=True,
    )
    # With ansible-runner, keys of hosts are not checked, whatever the project says.
    if "ANSIBLE_HOST_KEY_CHECKING" not in os.environ:
        made.config.env.pop("ANSIBLE_HOST_KEY_CHECKING", None)
    # There is nobody to ask.
    made.config.command = [sys.executable, "-B", _DETACHED, *made.config.command]
    made.run()
    # A run that failed is one that found something, or made no report.
    if made.status in ("timeout", "canceled", "error"):
        raise NoReport("the run ended with %s; its output is in %s" % (made.status, made.config.artifact_dir))


def _collections(project: str, path: str) -> list[str]:
    """Return where the project has its collections; our own variable takes the place of its configuration."""
    made = subprocess.run(
        ["ansible-config", "dump", "--format", "json"],
        cwd=project,
        env=dict(os.environ, PATH=path, ANSIBLE_NOCOLOR="1"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_CONFIGURATION_SECONDS,
        check=False,
    )
    try:
        return next(one["value"] for one in json.loads(made.stdout) if one.get("name") == "COLLECTIONS_PATHS")
    except (ValueError, StopIteration):
        said = " ".join(made.stderr.partition("Traceback")[0].split()) or "exit status %d" % made.returncode
        raise NoReport("Ansible's configuration cannot be read: %s" % said) from None
