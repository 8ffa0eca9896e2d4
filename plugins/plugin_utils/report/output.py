# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Collector to the files of a report."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.collector import Collector
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import UnusablePrevious, usable
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.files import keep, write
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.formats import (
    FILES,
    FORMATS,
    PREVIOUS,
    MissingLibrary,
    render,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.masks import Mask
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.records import clean
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.settings import Settings, whole

__all__ = ["Published", "publish"]

# For whoever runs Prometheus' node exporter; there are no addresses in it.
_PUBLIC = {"prometheus": 0o644}


@dataclass
class Published:
    """The files that were written, and what could not be."""

    paths: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def publish(
    collector: Collector,
    run: dict[str, Any],
    settings: Settings,
    restore_command: Callable[[str, str], str] | None = None,
    notes: Sequence[str] = (),
) -> Published:
    """Write the report of `collector` as `settings` say, with `notes`, and return what became of it."""
    made = Published()
    directory = whole(settings.directory)
    os.makedirs(directory, mode=0o750, exist_ok=True)
    own = os.path.join(directory, FILES["json"])
    previous, more = _previous(settings.previous, own, made)
    document = build(collector, run, settings.title, previous, [*notes, *more], restore_command)
    if settings.mask_addresses:
        document = dict(Mask(secrets.token_bytes(32)).document(document), masked=True)
    keep(own, os.path.join(directory, PREVIOUS))
    for name in _formats(settings.formats, made):
        path = os.path.join(directory, FILES[name])
        if name == "prometheus" and settings.prometheus_file:
            path = whole(settings.prometheus_file)
        try:
            write(path, render(name, document), _PUBLIC.get(name, 0o640))
        except MissingLibrary as error:
            made.warnings.append(str(error))
        except Exception as error:
            # One format that cannot be written is no reason to withhold the others.
            made.warnings.append("%s: not written: %s: %s" % (name, type(error).__name__, error))
        else:
            made.paths.append(path)
    return made


def _formats(given: Sequence[str], made: Published) -> list[str]:
    wanted = set(FORMATS) if "all" in given else set(given)
    for name in sorted(wanted - set(FORMATS)):
        made.warnings.append("formats: expected some of %s, or all, got %s." % (", ".join(FORMATS), clean(name, 100)))
    # The next run compares with the JSON document; it comes first, whatever happens to the others.
    return [name for name in FORMATS if name in wanted or name == "json"]


def _previous(given: str | None, own: str, made: Published) -> tuple[dict[str, Any] | None, list[str]]:
    path = whole(given) if given else own
    if not given and not os.path.lexists(path):
        return None, []
    try:
        return _load(path), []
    except UnusablePrevious as error:
        made.warnings.append("previous: %s: %s; nothing is compared." % (path, error))
        return None, ["The report before could not be compared with: %s." % error]


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return usable(json.load(file))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusablePrevious(getattr(error, "strerror", None) or "it is not JSON") from error
