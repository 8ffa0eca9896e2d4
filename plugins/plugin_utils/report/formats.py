# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report and their files."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

__all__ = ["FILES", "FORMATS", "MissingLibrary", "PREVIOUS", "render"]

FILES = {
    "json": "report.json",
    "html": "report.html",
    "junit": "junit.xml",
    "prometheus": "mailops_rescue.prom",
    "nagios": "nagios.txt",
    "markdown": "report.md",
}
FORMATS = tuple(FILES)
PREVIOUS = "report.previous.json"
# What only these formats need, by the names to install them by.
_LIBRARIES = {"junit": "junitparser", "prometheus": "prometheus-client"}
_HERE = "ansible_collections.mailops.rescue.plugins.plugin_utils.report."


class MissingLibrary(Exception):
    """A format's library is not installed. The message is one sentence for the operator."""


def render(name: str, document: dict[str, Any]) -> bytes:
    """The bytes of `document` in the format `name`."""
    if name == "json":
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace") + b"\n"
    module = import_module(_HERE + "as_" + name)
    if getattr(module, "MISSING", None) is not None:
        library = _LIBRARIES[name]
        raise MissingLibrary(
            "%s: the Python library %s is not installed on the controller (pip install %s); the other formats are"
            " written." % (name, library, library)
        ) from module.MISSING
    return module.render(document).encode("utf-8", "backslashreplace")
