# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registered result of queue_info says about its host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.shape import is_result

__all__ = ["failure", "is_unanswered", "plain", "reason", "trouble"]

MAX_REASON = 300

_NOISE = re.compile(
    r"(?:Task failed: |Module failed: |Failed to connect to the host via ssh: "
    r'|Data could not be sent to remote host "[^"]*"\. Make sure this host can be reached over ssh: )+'
)
# What Ansible says when the module died without an answer; the cause is in the program's output then.
_UNTOLD = ("MODULE FAILURE", "Module result deserialization failed", "module interpreter", "no start of json char")


def plain(value: object) -> Any:
    """A copy of `value` out of exact dict, list, str, int, float, bool and None.

    Results carry str subclasses that Ansible would template, wrap or tag; nothing of that survives the copy,
    and no expression in a text is evaluated by it.
    """
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str.__str__(str(value))


def failure(result: Any) -> str | None:
    """Why `result` (a dict or None) holds no queue, in one line; None when it holds one."""
    found = trouble(result, "counts")
    if found is not None:
        return found
    if not is_result(result):
        return "its answer is not what queue_info returns"
    return None


def trouble(result: Any, needed: str) -> str | None:
    """Why the task behind `result` has no answer with the dict `needed` in it, in one line; None when it has."""
    if not isinstance(result, dict):
        return "no result: the host took no part in this run"
    if result.get("unreachable"):
        return "unreachable: " + reason(result)
    if result.get("failed"):
        return reason(result)
    if not isinstance(result.get(needed), dict):
        return "no result: " + str(result.get("skip_reason") or "the task did not run")
    return None


def is_unanswered(result: Any) -> bool:
    """Whether a task, of which `result` is what Ansible says, may have begun and told nothing of what it did.

    Its module was killed, the connection was lost, or Ansible stopped waiting.
    """
    if not isinstance(result, dict):
        return False
    if result.get("unreachable") or result.get("timedout"):
        return True
    # Until it was started, its interpreter may have been missing.
    untold = any(word.lower() in str(result.get("msg") or "").lower() for word in _UNTOLD)
    return bool(result.get("failed")) and (untold or "module_stdout" in result)


def reason(result: dict[str, Any]) -> str:
    """Why a task failed, in one line out of its result, a dict."""
    text = " ".join(str(result.get("msg") or "").split())
    text = _NOISE.sub("", text, count=1) if _NOISE.match(text) else text
    if not text or any(untold in text for untold in _UNTOLD):
        text = ": ".join(part for part in (text, _last_line(result)) if part)
    return text[:MAX_REASON] or "failed without a message"


def _last_line(result: dict[str, Any]) -> str:
    for stream in ("module_stderr", "module_stdout"):
        lines = [line.strip() for line in str(result.get(stream) or "")[-4000:].splitlines() if line.strip()]
        if lines:
            return lines[-1]
    return ""
