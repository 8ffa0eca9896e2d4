# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and templates out of controls, evaluated under each version of ansible-core that differs in it."""

from __future__ import annotations

import inspect

from ansible.errors import AnsibleError

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

try:
    # Gone as a way to evaluate since 2.19, which evaluates by the templar.
    from ansible.playbook.conditional import Conditional
except ImportError:
    Conditional = None

__all__ = ["Broken", "Evaluator", "broken", "brief", "is_broken", "load", "whole_template"]

MAX_ERROR = 300
_MARK = "__mailops_broken"


class Broken(Exception):
    """A condition or template that cannot be evaluated. The message is one line that says why."""


def brief(error):
    """Why `error` was raised, in one line."""
    # What follows is the place in a file, over many lines, before 2.19.
    text = str(getattr(error, "message", None) or error).partition("The error appears to ")[0]
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " ".join(lines)[:MAX_ERROR] or type(error).__name__


def broken(error):
    """What stands in a task's arguments in place of one that could not be templated; it must be plain data."""
    return {_MARK: brief(error)}


def is_broken(value):
    """Why `value` could not be templated; None where it could."""
    return value[_MARK] if isinstance(value, dict) and set(value) == {_MARK} else None


def whole_template(text):
    """Whether `text` is one expression in braces, whose value may be a list of conditions."""
    stripped = text.strip()
    return stripped.startswith("{{") and stripped.endswith("}}") and stripped.count("{{") == 1


def load(loader, path):
    """Data of the YAML file `path`, in which templates may be evaluated; it is the operator's own."""
    known = inspect.signature(loader.load_from_file).parameters
    more = {"trusted_as_template": True} if "trusted_as_template" in known else {}
    return loader.load_from_file(path, **more)


class Evaluator:
    """Evaluates with the variables of one task on one host; every error becomes Broken."""

    def __init__(self, templar, loader, variables):
        self._templar = templar
        self._loader = loader
        self._variables = variables

    def text(self, value):
        """`value` with its templates evaluated, as plain data."""
        try:
            return plain(self._templar.template(value))
        except Exception as error:
            raise Broken(brief(error)) from error

    def waivers(self):
        """The waivers in the variable mailops_waivers; raises WaiverError or Broken."""
        if "mailops_waivers" not in self._variables:
            return []
        try:
            return waivers.read(self.text(self._variables["mailops_waivers"]))
        except Broken as error:
            raise Broken("mailops_waivers: cannot be evaluated: %s" % error) from error

    def holds(self, condition):
        """Whether `condition`, an expression or a truth value, is true."""
        if condition is True or condition is False:
            return condition
        if not isinstance(condition, str) or not condition.strip():
            raise Broken("expected a condition, got %s" % (type(condition).__name__ if condition else "nothing"))
        try:
            return self._evaluate(condition)
        except Exception as error:
            raise Broken(brief(error)) from error

    def _evaluate(self, condition):
        if hasattr(self._templar, "evaluate_conditional"):
            return self._templar.evaluate_conditional(conditional=condition)
        if Conditional is None:
            raise AnsibleError("this version of ansible-core evaluates conditions in a way that is not known here")
        if whole_template(condition):
            # It would take a list for true, whatever is in it.
            resolved = plain(self._templar.template(condition))
            if not isinstance(resolved, bool):
                raise AnsibleError("expected a condition, got %s" % type(resolved).__name__)
            return resolved
        conditional = Conditional(loader=self._loader)
        conditional.when = [condition]
        return bool(conditional.evaluate_conditional(templar=self._templar, all_vars=self._variables))
