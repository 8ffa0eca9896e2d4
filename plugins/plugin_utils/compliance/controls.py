# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One compliance control, from its definition to a record. Nothing in a definition stops the others."""

from __future__ import annotations

import json

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers as waiving
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.expressions import Broken, is_broken
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

__all__ = ["CONDITIONS", "OPTIONS", "SEVERITIES", "STATUSES", "TEXTS", "judge", "unusable"]

SEVERITIES = ("low", "medium", "high", "critical")
STATUSES = ("fail", "error", "waived", "pass", "not_applicable")
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

MAX_ID = 100
MAX_TITLE = 200
MAX_TEXT = 1000
MAX_REFERENCES = 10


class _Unusable(Exception):
    """The definition is not one. The message is one sentence that names the option."""


def judge(definition, evaluator, waivers, host, templated, on=None, fallback="unnamed"):
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
    record.update(status=status, reason=_safe(reason))
    if status != "not_applicable":
        _waive(record, waivers, host, on or waiving.today())
    return record


def unusable(name, title, reason):
    """The record that stands for what could not even be read as controls."""
    record = _blank({"id": name, "title": title}, name)
    record.update(title=_safe(title), severity="high", status="error", reason=_safe(reason))
    return record


def _blank(definition, fallback):
    given = definition.get("id") if hasattr(definition, "get") else None
    name = shorten(visible(plain(given)), MAX_ID) if isinstance(given, str) and given.strip() else fallback
    return {
        "id": name,
        "title": name,
        "severity": "medium",
        "status": "error",
        "expected": "",
        "observed": "",
        "rationale": "",
        "remedy": "",
        "references": [],
        "reason": None,
        "waiver": None,
    }


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
        name: _safe(texts[name]) for name in ("title", "expected", "observed", "rationale", "remedy") if name in texts
    }
    if shown.get("title"):
        shown["title"] = shorten(" ".join(shown["title"].split()), MAX_TITLE)
    else:
        shown.pop("title", None)
    shown["severity"] = texts.get("severity", "medium")
    references = texts.get("references") or []
    references = references if isinstance(references, list) else [references]
    shown["references"] = [_safe(one) for one in references[:MAX_REFERENCES]]
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


def _waive(record, waivers, host, on):
    waiver, fault = waiving.find(waivers, record["id"], host, on)
    if fault is not None:
        record.update(status="error", reason=_safe(fault))
        return
    if waiver is None or record["status"] != "fail":
        return
    record["waiver"] = {name: _safe(text) for name, text in waiver.as_dict().items()}
    if waiver.expired(on):
        record["reason"] = _safe("The waiver by %s expired on %s." % (waiver.owner, waiver.expires))
        record["waiver"]["expired"] = True
    else:
        record["status"] = "waived"
        record["waiver"]["expired"] = False


def _safe(value):
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    # Cut before it is made visible, too, which makes it longer.
    text = visible(str.__str__(value)[: 2 * MAX_TEXT].strip(), lines=True)
    # What XML cannot say.
    text = text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return shorten(text, MAX_TEXT)


def _kind(value):
    names = {dict: "a dictionary", list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    value = plain(value)
    return "nothing" if value in (None, "") else names.get(type(value), "a " + type(value).__name__)
