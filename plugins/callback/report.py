# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a report of a run, as JSON and in the formats asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: Write a report of controls and queues of a run
version_added: 0.1.0
description:
  - Collects the records of M(mailops.rescue.control) and the results of M(mailops.rescue.queue_info),
    M(mailops.rescue.queue_purge), M(mailops.rescue.queue_restore) and M(mailops.rescue.smtp_probe), and the hosts that
    were unreachable or failed, of any run, under C(ansible-playbook), C(ansible-runner) and AWX.
  - At the end of the run it writes them as one JSON document, and renders that in the other O(formats).
  - The document contains no text from messages except subjects, and no secrets. C(docs/report.schema.json) describes
    it.
  - A run that has nothing to do with this collection leaves the last report alone.
  - It never makes a run fail. An error becomes one warning.
requirements:
  - enable it in the configuration with C(callbacks_enabled = mailops.rescue.report)
  - junitparser, on the controller, for V(junit)
  - prometheus-client, on the controller, for V(prometheus)
options:
  directory:
    description:
      - Directory for the report, created if it is missing; by default below the current directory.
      - The files are C(report.json), C(report.html), C(junit.xml), C(mailops_rescue.prom), C(nagios.txt) and
        C(report.md), and C(report.previous.json), the report before.
      - Extra variable C(report_directory).
    type: str
    default: mailops-report
    ini:
      - section: callback_mailops_report
        key: directory
    env:
      - name: MAILOPS_REPORT_DIRECTORY
  formats:
    description:
      - Formats to write, of V(json), V(html), V(junit), V(prometheus), V(nagios), V(markdown), or V(all).
      - JSON is always written, as the next run compares with it.
      - Extra variable C(report_formats).
    type: list
    elements: str
    default: [json, html]
    ini:
      - section: callback_mailops_report
        key: formats
    env:
      - name: MAILOPS_REPORT_FORMATS
  previous:
    description:
      - JSON document of the run to compare with; the one in O(directory) by default.
      - Extra variable C(report_previous).
    type: str
    ini:
      - section: callback_mailops_report
        key: previous
    env:
      - name: MAILOPS_REPORT_PREVIOUS
  mask_addresses:
    description:
      - Whether to mask the local parts of mail addresses, logins, and the last bits of clients' addresses.
      - Equal values stay equal within one report, and the masks cannot be reversed by trial.
      - Extra variable C(report_mask_addresses).
    type: bool
    default: false
    ini:
      - section: callback_mailops_report
        key: mask_addresses
    env:
      - name: MAILOPS_REPORT_MASK_ADDRESSES
  title:
    description: Title of the report. Extra variable C(report_title).
    type: str
    default: Mail servers
    ini:
      - section: callback_mailops_report
        key: title
    env:
      - name: MAILOPS_REPORT_TITLE
  prometheus_file:
    description:
      - Path of the textfile for Prometheus, such as one in the textfile directory of its node exporter; in O(directory)
        by default.
      - Extra variable C(report_prometheus_file).
    type: str
    ini:
      - section: callback_mailops_report
        key: prometheus_file
    env:
      - name: MAILOPS_REPORT_PROMETHEUS_FILE
author:
  - mailops.rescue maintainers (@mailops)
"""

import atexit  # noqa: E402
import os  # noqa: E402
from datetime import datetime, timezone  # noqa: E402
from functools import wraps  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402
from ansible.release import __version__ as ANSIBLE_VERSION  # noqa: E402

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.collector import COLLECTION, Collector  # noqa: E402
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.output import publish  # noqa: E402
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.settings import given, settings  # noqa: E402
from ansible_collections.mailops.rescue.plugins.plugin_utils.show import invocation as running  # noqa: E402
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain  # noqa: E402

# Tasks of these are what a report is about.
RECORDED = tuple(
    COLLECTION + name for name in ("control", "judge", "queue_info", "queue_purge", "queue_restore", "smtp_probe")
)


def _harmless(method):
    """A report that cannot be made is no reason to break the run that it is about."""

    @wraps(method)
    def guarded(self, *args, **kwargs):
        # Workers inherit this object.
        if self._broken or os.getpid() != self._pid:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self._broken = True
            self._display.warning(
                "mailops.rescue.report: there is no report of this run: %s: %s" % (type(error).__name__, error)
            )

    return guarded


class CallbackModule(CallbackBase):
    """The face towards Ansible: turns its events into calls of a Collector."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "mailops.rescue.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._pid = os.getpid()
        self._broken = False
        self._collector = Collector()
        self._started = datetime.now(timezone.utc)
        self._given = {}
        self._playbook = None
        self._loader = None
        self._basedir = None
        self._check_mode = False

    @_harmless
    def v2_playbook_on_start(self, playbook):
        self._started = datetime.now(timezone.utc)
        self._playbook = plain(getattr(playbook, "_file_name", "") or "")
        self._loader = getattr(playbook, "_loader", None)
        self._basedir = getattr(playbook, "_basedir", None)
        # No event tells that somebody pressed Ctrl-C.
        atexit.register(self._cut_off)

    @_harmless
    def v2_playbook_on_play_start(self, play):
        manager = play.get_variable_manager()
        self._given = given(getattr(manager, "extra_vars", None) or getattr(manager, "_extra_vars", None))
        self._check_mode = self._check_mode or bool(play.check_mode)
        if _is_ours(play):
            self._collector.expect(plain(manager.get_vars(play=play).get("ansible_play_hosts_all") or ()))
        elif "directory" in self._given:
            self._collector.relevant = True

    @_harmless
    def v2_runner_on_ok(self, result):
        task = _Result(result)
        self._collector.ok(task.host, task.action, task.data, task.checked)

    @_harmless
    def v2_runner_on_failed(self, result, ignore_errors=False):
        task = _Result(result)
        self._collector.failed(task.host, task.action, task.data, task.name, bool(ignore_errors), task.checked)
        self._inline_control(task)

    @_harmless
    def v2_runner_on_unreachable(self, result):
        task = _Result(result)
        self._collector.unreachable(task.host, task.action, task.data, task.name, task.delegated)

    @_harmless
    def v2_playbook_on_stats(self, stats):
        atexit.unregister(self._cut_off)
        self._collector.finished({plain(name): stats.summarize(name) for name in stats.processed})
        self._publish()

    @_harmless
    def _cut_off(self):
        self._collector.finished({}, "the run was cut off")
        self._publish(["The run was cut off; what it had done until then is in here."])

    def _publish(self, notes=()):
        if not self._collector.relevant:
            return
        finished = datetime.now(timezone.utc)
        run = {
            "playbook": os.path.basename(self._playbook or ""),
            "started": _time(self._started),
            "finished": _time(finished),
            "seconds": round(max((finished - self._started).total_seconds(), 0), 1),
            "check_mode": self._check_mode,
            "ansible": ANSIBLE_VERSION,
        }
        wanted = settings(self._given, self.get_option)
        made = publish(self._collector, run, wanted, self._restore_command(), notes)
        for warning in made.warnings:
            self._display.warning("mailops.rescue.report: " + warning)
        # Not to stdout, where JSON may be expected.
        self._display.display("Report: %s" % ", ".join(made.paths), stderr=True)

    def _inline_control(self, task):
        # Before ansible-core 2.19 an undefined variable stops the task before the action sees it.
        arguments = task.arguments if task.action == COLLECTION + "control" else None
        if isinstance(arguments, dict) and isinstance(arguments.get("id"), str):
            control = {"id": arguments["id"], "status": "error", "reason": self._reason(task)}
            for name in ("title", "severity", "rationale"):
                if isinstance(arguments.get(name), str) and "{{" not in arguments[name]:
                    control[name] = arguments[name]
            self._collector.ok(task.host, task.action, {"mailops_controls": [control]})

    @staticmethod
    def _reason(task):
        text = str((task.data or {}).get("msg") or "the task failed")
        return text.partition("\n")[0].partition("The error appears to ")[0].strip()

    def _restore_command(self):
        try:
            invocation = running.invocation(self._loader, self._basedir)
        except Exception:
            return lambda host, batch: "ansible-playbook mailops.rescue.restore -l %s -e batch=%s" % (host, batch)
        return lambda host, batch: invocation.command("restore", [host], {"batch": batch})


class _Result:
    """A result of a task, under each version of ansible-core."""

    def __init__(self, result):
        # With an underscore until 2.18; those names are deprecated since.
        public = hasattr(result, "result")
        task = result.task if public else result._task
        self.host = (result.host if public else result._host).get_name()
        self.data = result.result if public else result._result
        self.name = plain(task.get_name())
        self.action = plain(getattr(task, "resolved_action", None) or task.action)
        self.checked = self._checked(result, task, public)
        self.delegated = self._delegated(task)
        self.arguments = plain(getattr(task, "args", None) or {}) if self.action == COLLECTION + "control" else None

    def _delegated(self, task):
        known = (self.data.get("_ansible_delegated_vars") or {}).get("ansible_delegated_host")
        other = plain(known or getattr(task, "delegate_to", None) or "")
        if other in ("", self.host):
            return None
        # Where there was no connection, nothing says what a template stood for.
        return "another host" if "{{" in other else other

    @staticmethod
    def _checked(result, task, public):
        if isinstance(task.check_mode, bool):
            return task.check_mode
        # A template, which only these hold the value of; they are deprecated since 2.22.
        fields = result.task_fields if public else result._task_fields
        return bool((fields or {}).get("check_mode"))


def _time(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_ours(play):
    """Whether `play` is to record something; then its hosts are reported even where none could be reached."""
    if any(str(getattr(role, "_role_collection", "") or "") + "." == COLLECTION for role in play.get_roles()):
        return True
    return any(_names_us(block) for block in play.compile())


def _names_us(task):
    if any(_names_us(one) for part in ("block", "rescue", "always") for one in getattr(task, part, None) or ()):
        return True
    action = str(getattr(task, "resolved_action", None) or getattr(task, "action", "") or "")
    role = str((getattr(task, "args", None) or {}).get("name") or getattr(task, "_role_name", None) or "")
    return action in RECORDED or (action.endswith("_role") and role.startswith(COLLECTION))
