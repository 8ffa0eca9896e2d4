# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One compliance control, from its definition to a record. Nothing in a definition stops the others."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import records
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.expressions import Broken, is_broken
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import MAX_ID, SEVERITIES, safe
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

__all__ = ["CONDITIONS", "OPTIONS", "TEXTS", "evaluate"]

CONDITIONS = ("that", "applicable", "unknown")
TEXTS = (
    "title",
    "severity",
    "expected",
    "observed",
    "rationale",
    "remedy",
    "references",
    "unknown_reason",
    "not_applicable_reason",
)
OPTIONS = ("id", *CONDITIONS, *TEXTS)

MAX_TITLE = 200
MAX_REFERENCES = 10


class _Unusable(Exception):
    """The definition is not one. The message is one sentence that names the option."""


def evaluate(definition, evaluator, waivers, host, templated, on=None, fallback="unnamed"):
    """The record of one control on `host`.

    `definition`: a mapping as in OPTIONS, or whatever stood in its place. `templated`: whether its texts are
    evaluated already, as those of a task's arguments are. `waivers`: a list of Waiver. `on`: today. `fallback`: an id
    for a definition without one.
    """
    record = _blank(definition, fallback)
    try:
        _check(definition)
        texts, fault = _texts(definition, evaluator, templated)
        record.update(_shown(texts))
        status, reason = _verdict(definition, texts, fault, evaluator)
    except (_Unusable, Broken) as error:
        status, reason = "error", str(error)
    except Exception as error:
        # A definition may hold anything; whatever it is, the other controls go on.
        status, reason = "error", "%s: %s" % (type(error).__name__, error)
    record.update(status=status, reason=safe(reason))
    return records.waived(record, waivers, host, on)


def _blank(definition, fallback):
    given = definition.get("id") if hasattr(definition, "get") else None
    name = shorten(visible(plain(given)), MAX_ID) if isinstance(given, str) and given.strip() else fallback
    return records.blank(name)


def _check(definition):
    if not hasattr(definition, "items"):
        raise _Unusable("expected a dictionary with a control in it, got %s." % _kind(definition))
    for name in definition:
        if name not in OPTIONS:
            raise _Unusable("%s: there is no such option; there are %s." % (plain(name), ", ".join(OPTIONS)))
    if not isinstance(definition.get("id"), str) or not definition["id"].strip():
        raise _Unusable("id: expected a name, got %s." % _kind(definition.get("id")))
    if definition.get("that") in (None, "", []):
        raise _Unusable("that: expected a condition or a list of them, got nothing.")


def _texts(definition, evaluator, templated):
    """The texts that can be evaluated, and why one cannot, or None."""
    texts, first = {}, None
    for name in TEXTS:
        if definition.get(name) is None:
            continue
        value = definition[name]
        fault = is_broken(value)
        try:
            texts[name] = plain(value) if templated else evaluator.text(value)
        except Broken as error:
            fault = str(error)
        if fault is not None:
            texts.pop(name, None)
            first = first or "%s: cannot be evaluated: %s" % (name, fault)
    severity = texts.get("severity", "medium")
    if severity not in SEVERITIES:
        raise _Unusable("severity: expected one of %s, got %s." % (", ".join(SEVERITIES), severity))
    return texts, first


def _shown(texts):
    shown = {
        name: safe(texts[name]) for name in ("title", "expected", "observed", "rationale", "remedy") if name in texts
    }
    if shown.get("title"):
        shown["title"] = shorten(" ".join(shown["title"].split()), MAX_TITLE)
    else:
        shown.pop("title", None)
    shown["severity"] = texts.get("severity", "medium")
    references = texts.get("references") or []
    references = references if isinstance(references, list) else [references]
    shown["references"] = [safe(one) for one in references[:MAX_REFERENCES]]
    return shown


def _verdict(definition, texts, fault, evaluator):
    # In this order: what is observed may well be undefined where the control does not apply or could not be checked.
    if not _all(definition, "applicable", evaluator, True)[0]:
        return "not_applicable", texts.get("not_applicable_reason") or "it does not apply to this host"
    if _any(definition, "unknown", evaluator):
        return "error", texts.get("unknown_reason") or "it could not be checked"
    if fault is not None:
        return "error", fault
    held, reason = _all(definition, "that", evaluator, None)
    return ("pass", None) if held else ("fail", reason)


def _conditions(definition, name, default):
    value = definition.get(name)
    if value is None:
        value = default
    if value is None:
        return []
    fault = is_broken(value)
    if fault is not None:
        raise Broken("%s: %s" % (name, fault))
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _all(definition, name, evaluator, default):
    conditions = _conditions(definition, name, default)
    for number, condition in enumerate(conditions, 1):
        if not _holds(evaluator, name, condition):
            several = len(conditions) > 1 and isinstance(condition, str)
            return False, "condition %d of %d: %s" % (number, len(conditions), condition) if several else None
    return True, None


def _any(definition, name, evaluator):
    # Not any(): one that cannot be evaluated counts, wherever it stands.
    return True in [_holds(evaluator, name, one) for one in _conditions(definition, name, None)]


def _holds(evaluator, name, condition):
    try:
        return evaluator.holds(condition)
    except Broken as error:
        raise Broken("%s: cannot be evaluated: %s" % (name, error)) from error


def _kind(value):
    names = {dict: "a dictionary", list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    value = plain(value)
    return "nothing" if value in (None, "") else names.get(type(value), "a " + type(value).__name__)
