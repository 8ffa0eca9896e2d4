# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Postfix configuration is to become: worked out in memory, from what is there, what is wanted and what is
remembered under a label.
"""

__all__ = ["Plan"]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.history import KINDS, SINGULAR
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.logical_lines import NamedValues
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Overrides, Services


class Plan:
    """``texts``: {main, master, aliases} of old texts; ``entries``: of a Memory.

    After ``forget`` and ``want``, ``new_texts`` has the texts to be, ``entries`` what is to be remembered during the
    change, ``final_entries`` what afterwards, ``left`` what somebody else has changed since.
    """

    def __init__(self, texts, entries):
        self._before = _editors(texts)
        self._after = _editors(texts)
        self.entries = {kind: {name: _copied(one) for name, one in entries[kind].items()} for kind in KINDS}
        self.final_entries = {kind: {} for kind in KINDS}
        self.left = []
        self._touched = {kind: [] for kind in KINDS}

    @property
    def new_texts(self):
        return {
            "main": self._after["parameters"].text(),
            "master": self._after["services"].text(),
            "aliases": self._after["aliases"].text(),
        }

    def forget(self, wanted):
        """Put back what is remembered and not ``wanted`` any more: the last change first."""
        for kind in reversed(KINDS):
            editor = self._after[kind]
            for name in reversed(list(self.entries[kind])):
                if name in wanted[kind]:
                    continue
                entry, now = self.entries[kind][name], editor.get(name)
                self._touch(kind, name)
                if now in entry["ours"]:
                    editor.restore(name, entry["before"])
                elif now != editor.value_before(entry["before"]):
                    self.left.append({"kind": SINGULAR[kind], "name": name, "value": now})

    def want(self, wanted):
        """Make it as ``wanted``. Raises RescueError where a service is missing."""
        for kind in KINDS:
            editor = self._after[kind]
            for name, value in wanted[kind].items():
                self._touch(kind, name)
                entry = self.entries[kind].get(name)
                if not editor.matches(name, value):
                    self._change(kind, name, value)
                elif entry is not None:
                    self._note(kind, name, entry)

    def _change(self, kind, name, value):
        editor = self._after[kind]
        self._require_service(kind, name, value)
        entry = self.entries[kind].get(name) or {"before": editor.before(name), "ours": []}
        # In place of a line that a former run of the label has removed, or changed.
        if editor.value_before(entry["before"]) == value:
            editor.restore(name, entry["before"])
        else:
            editor.set(name, value, entry["before"])
        self._note(kind, name, entry)

    def _note(self, kind, name, entry):
        """Remember what ``name`` is now; a run that is cut off may leave the value it had until now."""
        editor = self._after[kind]
        now = editor.get(name)
        if now not in entry["ours"]:
            entry["ours"].append(now)
        self.entries[kind][name] = entry
        if now != editor.value_before(entry["before"]):
            self.final_entries[kind][name] = {"before": entry["before"], "ours": [now]}

    def _require_service(self, kind, name, value):
        services = self._after["services"]
        if kind == "service_parameters" and value is not None and services.get(name.rpartition("/")[0]) is None:
            raise RescueError("service_parameters.%s: master.cf has no service %s." % (name, name.rpartition("/")[0]))
        if kind == "services" and value and services.get(name) is None and "command" not in value:
            raise RescueError("services.%s: expected command, as master.cf has no such service yet." % name)

    def _touch(self, kind, name):
        if name not in self._touched[kind]:
            self._touched[kind].append(name)

    def changes(self):
        """Yield (kind, name, before, after) of what differs."""
        for kind in KINDS:
            for name in self._touched[kind]:
                before, after = self._before[kind].get(name), self._after[kind].get(name)
                if before != after:
                    yield kind, name, before, after

    def value(self, kind, name):
        """Return what a name has in the texts to be; None where it is not set there."""
        return self._after[kind].get(name)

    def names(self, kind):
        """Return the names of all services, or all parameters of services, in the text to be."""
        return self._after[kind].names()


def _editors(texts):
    services = Services(texts["master"])
    return {
        "services": services,
        "service_parameters": Overrides(services),
        "parameters": NamedValues(texts["main"]),
        "aliases": NamedValues(texts["aliases"], ":", 0),
    }


def _copied(entry):
    return {"before": entry["before"], "ours": list(entry["ours"])}
