# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control of this collection is: a function of what is known of a host, with its texts beside it."""

from __future__ import annotations

import typing

__all__ = ["Control", "Verdict", "control"]


class Verdict(typing.NamedTuple):
    """What a control says of one host. The first reason given decides: that it does not apply, that it could not be
    checked; else whether it `holds`.
    """

    holds: bool
    expected: typing.Any
    observed: typing.Any
    remedy: str
    inapplicable: typing.Optional[str] = None
    unknown: typing.Optional[str] = None

    @property
    def status(self) -> str:
        if self.inapplicable is not None:
            return "not_applicable"
        if self.unknown is not None:
            return "error"
        return "pass" if self.holds else "fail"

    @property
    def reason(self) -> typing.Optional[str]:
        if self.inapplicable is not None:
            return self.inapplicable
        return None if self.unknown is None else self.unknown or "it could not be checked"


class Control(typing.NamedTuple):
    """`judge`: from a HostFacts to a Verdict."""

    id: str
    title: str
    severity: str
    rationale: str
    judge: typing.Callable


def control(name: str, title: str, severity: str, rationale: str) -> typing.Callable[[typing.Callable], Control]:
    """Make a Control of the function that follows."""

    def made(judge):
        return Control(name, title, severity, rationale, judge)

    return made
