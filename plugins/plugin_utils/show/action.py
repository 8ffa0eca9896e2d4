# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions have in common that show on the controller what hosts registered."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mailops.rescue.plugins.plugin_utils.show import invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain, reason
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import plural

__all__ = ["Showing"]

NARROWEST = 40

display = Display()


class Showing(ActionBase):
    """Reads other hosts' results out of the variables; never connects to a host.

    A subclass has `ARGUMENTS`, with `view` and `width` among them, and for each view a method of that name with an
    underscore before it, which returns what the action returns.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    ARGUMENTS: dict[str, Any] = {}
    # A wave shows its own hosts, what comes after all waves all of them.
    OF_A_WAVE: tuple[str, ...] = ()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        self._options = plain(options)
        self._task_vars = task_vars or {}
        self._width = max(self._options["width"], NARROWEST)
        self._checking = bool(self._task.check_mode)
        view = self._options["view"]
        self._hosts = self._options["hosts"]
        if self._hosts is None:
            members = "ansible_play_batch" if view in self.OF_A_WAVE else "ansible_play_hosts_all"
            self._hosts = plain(self._task_vars.get(members) or [])
        result["changed"] = False
        result.update(getattr(self, "_" + view)())
        return result

    def _registered(self, host: str, name: str) -> Any:
        """The plain result that `host` registered under `name`, or None."""
        return invocation.registered(self._task_vars["hostvars"], host, name)

    def _registered_by_all(self, name: str, hosts: list[str] | None = None) -> dict[str, Any]:
        """The same of each of `hosts`, of all that are meant by default."""
        return {host: self._registered(host, name) for host in (self._hosts if hosts is None else hosts)}

    def _unreachable(self, host: str, name: str) -> str | None:
        """Why `host` could not be reached for the task that registered `name`; None where it could."""
        seen = self._registered(host, name)
        return "unreachable: " + reason(seen) if isinstance(seen, dict) and seen.get("unreachable") else None

    def _invocation(self, select: dict[str, Any] | None = None, exclude: dict[str, Any] | None = None) -> Invocation:
        return invocation.invocation(self._loader, self._task_vars.get("playbook_dir"), select, exclude)

    def _say(self, text: str) -> None:
        display.display(text)

    def _fails(self, bad: Sized, what: str) -> dict[str, Any]:
        """That this fails, as with all in `bad` is `what`."""
        return {"failed": True, "msg": "%d of %s %s" % (len(bad), plural(len(self._hosts), "host"), what)}
