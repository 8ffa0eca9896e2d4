# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of a control on a host, whoever judged it; docs/report.schema.json has its form."""

from __future__ import annotations

import json

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers as waiving

__all__ = ["MAX_ID", "SEVERITIES", "STATUSES", "blank", "safe", "summary", "unusable", "waived"]

SEVERITIES = ("low", "medium", "high", "critical")
STATUSES = ("fail", "error", "waived", "pass", "not_applicable")

MAX_ID = 100
MAX_TEXT = 1000


def blank(name):
    """The record of the control `name`, of which nothing else is known yet."""
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


def unusable(name, title, reason):
    """The record that stands for what could not even be read as controls."""
    record = blank(shorten(visible(name), MAX_ID))
    record.update(title=safe(title), severity="high", reason=safe(reason))
    return record


def waived(record, waivers, host, on=None):
    """`record`, after the waiver that covers it on `host`, if there is one; `on`: today."""
    if record["status"] == "not_applicable":
        return record
    on = on or waiving.today()
    waiver, fault = waiving.find(waivers, record["id"], host, on)
    if fault is not None:
        record.update(status="error", reason=safe(fault))
    elif waiver is not None and record["status"] == "fail":
        is_over = waiver.expired(on)
        record["waiver"] = {name: safe(text) for name, text in waiver.as_dict().items()}
        record["waiver"]["expired"] = is_over
        if is_over:
            record["reason"] = safe("The waiver by %s expired on %s." % (waiver.owner, waiver.expires))
        else:
            record["status"] = "waived"
    return record


def safe(value):
    """`value` as a text of bounded length that may be shown anywhere; None stays None."""
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    # Cut before it is made visible, too, which makes it longer.
    text = visible(str.__str__(value)[: 2 * MAX_TEXT].strip(), lines=True)
    # What XML cannot say.
    text = text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return shorten(text, MAX_TEXT)


def summary(records):
    """How many of `records` have which status, in one line."""
    found = [record["status"] for record in records]
    return ", ".join(
        "%d %s" % (found.count(status), status.replace("_", " "))
        for status in ("pass", "fail", "waived", "error", "not_applicable")
        if status in found
    )
