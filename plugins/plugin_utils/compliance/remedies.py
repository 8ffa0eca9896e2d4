# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that mend what a control found, as they can be typed: with the inventory of this run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field

__all__ = ["Remedies"]


@dataclass(frozen=True)
class Remedies:
    """`sources`: the inventories to name; `instance`: the configuration directory of one of several Postfix instances,
    or empty; `queue_options`: the options by which a module finds the queue.
    """

    host: str
    sources: tuple = ()
    instance: str = ""
    queue_options: dict = field(default_factory=dict)

    @property
    def _inventory(self):
        return "".join(" -i " + shlex.quote(source) for source in self.sources)

    def playbook(self, name):
        return "ansible-playbook%s -l %s mailops.rescue.%s" % (self._inventory, shlex.quote(self.host), name)

    def harden(self, role):
        return "%s --tags %s" % (self.playbook("harden"), role)

    def inspect(self, select):
        return "%s -e '%s'" % (self.playbook("inspect"), json.dumps({"select": select}))

    def module(self, name, arguments):
        """The command that runs one module; `arguments`: its text, or a dict of its options."""
        if isinstance(arguments, dict):
            arguments = "'%s'" % json.dumps(arguments)
        return "ansible%s %s -b -m %s -a %s" % (self._inventory, shlex.quote(self.host), name, arguments)

    def postfix_config(self, **changes):
        return self.module("mailops.rescue.postfix_config", dict(changes, **self._of_instance()))

    def prune(self, older_than):
        return self.module("mailops.rescue.quarantine_prune", dict({"older_than": older_than}, **self.queue_options))

    def release_held(self):
        """Look first, as mail may be on hold for good reason."""
        instance = "-c %s " % self.instance if self.instance else ""
        release = self.module("ansible.builtin.command", "'postsuper %s-H ALL'" % instance)
        return "%s # and where it is wanted: %s" % (self.inspect({"queue": "hold"}), release)

    def write_rcpthosts(self, home):
        """Domains for which the host is only a backup were in the file, and nobody knows them any more."""
        return self.module(
            "ansible.builtin.shell",
            '\'cd %s/control && { cat locals || cat me; sed "/:$/d; s/:.*//; s/.*@//; /^$/d" virtualdomains; } '
            "2>/dev/null | sort -u > rcpthosts.new && mv rcpthosts.new rcpthosts'" % shlex.quote(home),
        )

    def _of_instance(self):
        return {"config_directory": self.instance} if self.instance else {}
