# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sorts the results of a run by host, as they come; knows nothing of Ansible's own objects."""

from __future__ import annotations

import threading
from collections import Counter

from ansible_collections.mailops.rescue.plugins.plugin_utils.report import records
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain, trouble

__all__ = ["Collector", "RANKS"]

COLLECTION = "mailops.rescue."
# The actions whose records are the controller's own.
JUDGES = (COLLECTION + "control", COLLECTION + "judge")
# What these say is about the whole run, although Ansible books it to the host that the task was run for.
SHOWING = COLLECTION + "show_"
# The worst first.
RANKS = ("fail", "error", "waived", "pass", "not_applicable")
MAX_ERRORS = 20


class Host:
    """What one host answered."""

    def __init__(self):
        self.controls = {}
        self.queues = {}
        self.probes = []
        self.purges = []
        self.restores = []
        self.errors = []
        self.unreachable = None
        self.failed = None
        self.spoilt = None

    def silent(self):
        """Whether there is nothing to tell of it."""
        return not (
            self.controls
            or self.queues
            or self.probes
            or self.purges
            or self.restores
            or self.errors
            or self.unreachable
            or self.failed
            or self.spoilt
        )


class Collector:
    """Collects from several threads; `hosts` maps a name to a Host."""

    def __init__(self):
        self.hosts = {}
        self.relevant = False
        self._expected = set()
        self._verdicts = Counter()
        self._lock = threading.RLock()

    def host(self, name):
        return self.hosts.setdefault(records.clean(name, 300), Host())

    def ok(self, name, action, result, checked=False):
        """A task on host `name` succeeded with `result`. `action`: its full name. `checked`: in check mode."""
        with self._lock:
            self._take(name, action, result, checked)

    def failed(self, name, action, result, task, handled=False, checked=False):
        """A task failed; `handled`: the play goes on for the host in spite of it."""
        with self._lock:
            if str(action or "").startswith(SHOWING):
                self._verdicts[name] += 1
                return
            host = self.host(name)
            self._take(name, action, result, checked)
            if self._ours(action) or not handled:
                reason = records.clean(_reason(result), 300)
                if len(host.errors) < MAX_ERRORS:
                    host.errors.append(
                        {
                            "task": records.clean(task, 200).strip(),
                            "reason": reason,
                            "handled": bool(handled),
                            "unreachable": False,
                        }
                    )
                if not handled:
                    host.failed = reason

    def unreachable(self, name, action, result, task, other=None):
        """A connection failed, to the host, or to `other` that the task was delegated to."""
        with self._lock:
            host = self.host(name)
            if self._ours(action):
                self.relevant = True
            reason = records.clean(_reason(result), 300)
            if other:
                reason = records.clean("through %s: %s" % (other, reason), 300)
            else:
                host.unreachable = reason
            if len(host.errors) < MAX_ERRORS:
                host.errors.append(
                    {"task": records.clean(task, 200).strip(), "reason": reason, "handled": False, "unreachable": True}
                )

    def expect(self, names):
        """Hosts that the run is about, whether or not it gets to them."""
        with self._lock:
            self.relevant = True
            self._expected.update(names)

    def finished(self, summaries, missing="the run ended before it came to this host"):
        """`summaries`: host to Ansible's own counts of the run: what was rescued or ignored counts as no failure.

        `missing`: what is said of hosts that the run is about and that are not in there.
        """
        with self._lock:
            for name, counts in summaries.items():
                host = self.host(name)
                if counts.get("failures", 0) > self._verdicts[name]:
                    host.failed = host.failed or "a task failed"
                else:
                    host.failed = None
                    for error in host.errors:
                        error["handled"] = error["handled"] or not error["unreachable"]
                if counts.get("unreachable") and not host.unreachable and not host.failed:
                    host.failed = next((one["reason"] for one in host.errors if one["unreachable"]), "unreachable")
            for name in self._expected - set(summaries):
                # As in later waves, after one in which all hosts failed.
                host = self.host(name)
                host.failed = host.failed or missing
            # Where only tasks of others ran, as on the controller, nothing was found to be fine.
            for name in [name for name, host in self.hosts.items() if host.silent()]:
                del self.hosts[name]

    def _ours(self, action):
        ours = str(action or "").startswith(COLLECTION)
        self.relevant = self.relevant or ours
        return ours

    def _take(self, name, action, result, checked):
        try:
            self._sort(name, action, result, checked)
        except Exception as error:
            # A host may answer anything; that must not cost the report of all others.
            self.host(name).spoilt = "its answer cannot be read: %s" % records.clean(type(error).__name__)

    def _sort(self, name, action, result, checked):
        items = result.get("results") if isinstance(result, dict) else None
        looped = isinstance(items, (list, tuple)) and all(isinstance(one, dict) for one in items)
        found = {}
        for one in items if looped else [result]:
            if not isinstance(one, dict):
                continue
            # Only what the controller says about a host, and not what the host says.
            for given in plain(one.get("mailops_controls") or ()) if action in JUDGES else ():
                made = records.control(given)
                # One id in several turns of a loop is one control, which holds where it holds in each.
                if made and RANKS.index(made["status"]) <= RANKS.index(found.get(made["id"], made)["status"]):
                    found[made["id"]] = made
            self._module(name, str(action or ""), one, checked)
        if found:
            self.relevant = True
            # One that is recorded by a later task is as it is by then.
            self.host(name).controls.update(found)

    def _module(self, name, action, result, checked):
        if not self._ours(action) or result.get("skipped"):
            return
        kind = action[len(COLLECTION) :]
        if kind not in ("queue_info", "queue_purge", "queue_restore", "smtp_probe"):
            return
        result, host = plain(result), self.host(name)
        if kind == "queue_info":
            made = None if result.get("failed") else records.queues(result)
            if made:
                host.queues[made["queue_directory"]] = made
        elif kind == "smtp_probe":
            made = None if result.get("failed") else records.probe(result)
            if made and len(host.probes) < 50:
                host.probes.append(made)
        else:
            done = host.purges if kind == "queue_purge" else host.restores
            made = (records.purge if kind == "queue_purge" else records.restore)(result, checked)
            if made is not None:
                # What was done takes the place of what check mode said that would be.
                where = made["queue_directory"]
                done[:] = [one for one in done if not (one["checked"] and one["queue_directory"] == where)][-19:]
                done.append(made)


def _reason(result):
    """Why a task failed, as its module says; of a loop, why its first failed turn did."""
    try:
        return _told(result)
    except Exception:
        return "failed, and its message cannot be read"


def _told(result):
    result = plain(result) if isinstance(result, dict) else {}
    for one in result.get("results") or ():
        if isinstance(one, dict) and (one.get("failed") or one.get("unreachable")):
            result = one
            break
    if result.get("censored"):
        return "failed; its result is hidden (no_log)"
    return trouble(dict(result, failed=True, unreachable=False), "") or "failed without a message"
