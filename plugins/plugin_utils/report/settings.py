# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a report goes and how: extra variables count more than the environment, and that more than ansible.cfg."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ansible import constants as C
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import callback_loader

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.formats import FILES
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

__all__ = ["Settings", "given", "path_before", "settings", "whole"]

PLUGIN = "mailops.rescue.report"


@dataclass
class Settings:
    """The options of the callback."""

    directory: str
    formats: list[str]
    previous: str | None = None
    mask_addresses: bool = False
    title: str = "Mail servers"
    prometheus_file: str | None = None


OPTIONS = tuple(one.name for one in fields(Settings))


def given(extra_vars: dict[str, Any] | None) -> dict[str, Any]:
    """The options that extra variables of a run set."""
    extra_vars = plain(extra_vars or {})
    return {name: extra_vars["report_" + name] for name in OPTIONS if extra_vars.get("report_" + name) is not None}


def settings(given: dict[str, Any], configured: Callable[[str], Any]) -> Settings:
    """The Settings of a run; `configured`: gives an option as the configuration has it."""
    return Settings(**{name: _option(name, given, configured) for name in OPTIONS})


def path_before(given: dict[str, Any]) -> str:
    """Path of the document that the callback would compare with, and of its own where none is named."""
    # The lookup `config` does not find plugins of collections from ansible-core 2.19 on.
    name = callback_loader.get(PLUGIN, class_only=True)._load_name

    def configured(option: str) -> Any:
        return C.config.get_config_value(option, plugin_type="callback", plugin_name=name)

    directory, previous = (_option(one, given, configured) for one in ("directory", "previous"))
    return whole(previous or os.path.join(directory, FILES["json"]))


def whole(path: str) -> str:
    """`path` as an absolute one, with the home directory for `~`."""
    return os.path.abspath(os.path.expanduser(path))


def _option(name: str, given: dict[str, Any], configured: Callable[[str], Any]) -> Any:
    value = given[name] if name in given else configured(name)
    if name == "formats" and isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if name == "mask_addresses":
        return boolean(value, strict=True)
    return plain(value)
