# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text templates of this collection; they have nothing to do with Ansible's own templating."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined

from ansible_collections.mailops.rescue.plugins.plugin_utils.show import wording

__all__ = ["render"]


def _edge(value: object) -> object:
    """The last word on whatever a template prints; undefined names are left to fail."""
    return value if isinstance(value, Undefined) else wording.harmless(value)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(Path(__file__).parent / "templates")),
        undefined=StrictUndefined,
        autoescape=False,
        finalize=_edge,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("age", "fit", "number", "pad", "percent", "plural", "quoted", "size", "wrap"):
        environment.filters[name] = getattr(wording, name)
    return environment


def render(name: str, **values: object) -> str:
    """Text of the template `name` with `values`; raises jinja2.UndefinedError for a missing name."""
    return _environment().get_template(name).render(**values)
