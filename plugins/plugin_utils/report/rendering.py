# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report and their files."""

from __future__ import annotations

import json
from importlib import import_module

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
# Python libraries that only these formats need, and the names by which they are installed.
_LIBRARIES = {"junitparser": "junitparser", "prometheus_client": "prometheus-client", "jinja2": "jinja2"}
_HERE = "ansible_collections.mailops.rescue.plugins.plugin_utils.report."


class MissingLibrary(Exception):
    """A format's library is not installed. The message is one sentence for the operator."""


def render(name, document):
    """The bytes of `document` in the format `name`."""
    if name == "json":
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace") + b"\n"
    try:
        module = import_module(_HERE + "as_" + name)
    except ImportError as error:
        missing = str(error.name or "").split(".")[0]
        if missing not in _LIBRARIES:
            raise
        raise MissingLibrary(
            "%s: the Python library %s is not installed on the controller (pip install %s); the other formats are"
            " written." % (name, missing, _LIBRARIES[missing])
        ) from error
    return module.render(document).encode("utf-8", "backslashreplace")
