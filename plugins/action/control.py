# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records compliance controls and never stops the play; documented in plugins/modules/control.py."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers as waiving
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.controls import CONDITIONS, OPTIONS, evaluate
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.expressions import (
    Broken,
    Evaluator,
    brief,
    broken,
    is_broken,
    load,
    whole_template,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import summary, unusable
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

SOURCES = ("directory", "files", "waivers")
MAX_CONTROLS = 1000


class ActionModule(ActionBase):
    """Looks at variables only; never connects to a host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    @classmethod
    def finalize_task_arg(cls, name, value, templar, context):
        """Since ansible-core 2.19: an argument that cannot be templated is a control's error, and not the task's."""
        try:
            if name in CONDITIONS:
                return _conditions(value, templar)
            return plain(super().finalize_task_arg(name, value, templar, context))
        except Exception as error:
            return broken(error)

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        self._evaluator = Evaluator(self._templar, self._loader, variables)
        self._host = plain(variables.get("inventory_hostname") or "")
        self._on = waiving.today()
        # Since ansible-core 2.19 this is a mapping that evaluates on access.
        arguments = dict(self._task.args)
        records = []
        try:
            self._waivers = self._read_waivers(arguments)
        except (waiving.WaiverError, Broken) as error:
            self._waivers = []
            records.append(unusable("mailops_waivers", "Waivers can be read", str(error)))
        records += self._records(arguments)
        dropped = len(records) - MAX_CONTROLS
        if dropped > 0:
            records[MAX_CONTROLS:] = [unusable("controls", "All controls are recorded", "%d are too many." % dropped)]
        result.update(changed=False, mailops_controls=records, msg=summary(records))
        return result

    def _read_waivers(self, arguments):
        if "waivers" in arguments:
            given = arguments["waivers"]
            if is_broken(given) is not None:
                raise Broken("waivers: cannot be evaluated: " + is_broken(given))
            return waiving.read(plain(given))
        return self._evaluator.waivers()

    def _records(self, arguments):
        inline = {name: value for name, value in arguments.items() if name not in SOURCES}
        if not inline and not ("directory" in arguments or "files" in arguments):
            return [unusable("unnamed", "A control", "id: expected a name, got nothing.")]
        if inline and inline.get("that") is not None:
            self._keep_expressions(inline)
        records = [self._judge(inline, True, "unnamed")] if inline else []
        for source, path in self._paths(arguments):
            if path is None:
                records.append(source)
            else:
                records += self._from_file(source, path)
        return records

    def _keep_expressions(self, inline):
        # Before 2.19 a list of conditions was templated by now, which ansible.builtin.assert undoes alike.
        untemplated = getattr(self._task, "untemplated_args", None)
        for name in CONDITIONS:
            if isinstance(untemplated, dict) and isinstance(untemplated.get(name), list):
                inline[name] = untemplated[name]

    def _judge(self, definition, templated, fallback):
        return evaluate(definition, self._evaluator, self._waivers, self._host, templated, self._on, fallback)

    def _paths(self, arguments):
        """Pairs of a file's short name and its path, or of a record that says what is wrong and None."""
        for name in ("directory", "files"):
            given = plain(arguments.get(name))
            if given is None:
                continue
            needles = given if isinstance(given, list) else [given]
            for needle in needles:
                try:
                    yield from self._found(name, needle)
                except Exception as error:
                    reason = "%s: %s: %s" % (name, needle, brief(error))
                    yield unusable(_stem(str(needle)), "Controls can be read", reason), None

    def _found(self, option, needle):
        fault = is_broken(needle)
        if fault is not None or not isinstance(needle, str) or not needle:
            raise Broken(fault or "expected a path")
        path = self._find_needle("controls", needle)
        if option == "files":
            return [(needle, path)]
        names = sorted(name for name in os.listdir(path) if name.endswith((".yml", ".yaml")) and name[0] != ".")
        if not names:
            raise Broken("there is no file *.yml in it")
        return [(name, os.path.join(path, name)) for name in names]

    def _from_file(self, name, path):
        try:
            definitions = load(self._loader, path)
        except Exception as error:
            return [unusable(_stem(name), "Controls can be read", "%s: %s" % (name, brief(error)))]
        if not isinstance(definitions, list):
            reason = "%s: expected a list of controls, got %s." % (name, type(plain(definitions)).__name__)
            return [unusable(_stem(name), "Controls can be read", reason)]
        return [
            self._judge(definition, False, "%s-%d" % (_stem(name), number))
            for number, definition in enumerate(definitions, 1)
        ]


def _conditions(value, templar):
    """`value` with its conditions as they are; only what is one expression for a list of them is resolved."""
    if isinstance(value, str) and whole_template(value):
        resolved = templar.resolve_to_container(value)
        if isinstance(resolved, (list, bool)):
            return resolved
    return value


def _stem(name):
    return os.path.splitext(os.path.basename(name.rstrip("/")))[0] or "controls"


ARGUMENTS = (*OPTIONS, *SOURCES)
