# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else is in a selection, beside the source that most of it comes from: that may be the mail of customers."""

from __future__ import annotations

from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import plural

__all__ = ["others_selected"]

# A message has one of each at most, so that their counts add up.
_SOURCES = (("sasl_username", "login"), ("origin_uid", "local uid"), ("sender", "sender"))
# A flood to made-up addresses has as many senders: only beside one that most has do others tell anything.
_MOST = 0.5
_DEFAULT_LENGTH = 10


def others_selected(read: dict[str, Any]) -> list[str]:
    """Phrases such as "3 other logins (12 messages)" of a result of queue_info, the commonest source left out."""
    matched = read["counts"].get("matched") or 0
    phrases = []
    for name, noun in _SOURCES:
        entries = [one for one in (read.get("top") or {}).get(name) or [] if one["value"] is not None]
        most = entries[0]["count"] if entries else 0
        if not entries or (name == "sender" and most < _MOST * matched):
            continue
        listed = sum(one["count"] for one in entries)
        is_whole = listed >= matched or len(entries) < _length(read)
        others = plural(len(entries) - 1, "other " + noun)
        messages = plural(listed - most, "message")
        text = "%s (%s)" if is_whole else "at least %s (%s or more)"
        if len(entries) > 1:
            phrases.append(text % (others, messages))
        if name == "sasl_username" and is_whole and matched - listed > 0 and most >= _MOST * matched:
            phrases.append("%s without a login" % plural(matched - listed, "message"))
    return phrases


def _length(read: dict[str, Any]) -> int:
    """How long the top lists may be."""
    invocation = read.get("invocation")
    arguments = invocation.get("module_args") if isinstance(invocation, dict) else None
    length = arguments.get("top") if isinstance(arguments, dict) else None
    return length if isinstance(length, int) else _DEFAULT_LENGTH
