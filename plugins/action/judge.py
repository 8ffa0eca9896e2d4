# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the controls of this collection on a host; documented in plugins/modules/judge.py."""

from __future__ import annotations

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers as waiving
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.expressions import Broken, Evaluator
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.host_facts import HostFacts
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.judge import judge
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import summary, unusable
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.remedies import Remedies
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

RESULTS = {
    "facts": {"type": "dict", "required": True},
    "queue": {"type": "dict", "default": {}},
    "repair": {"type": "dict", "default": {}},
    "probes": {"type": "dict", "default": {}},
    "vantage_probes": {"type": "dict", "default": {}},
    "before": {"type": "dict", "default": {}},
}
SETTINGS = {
    "queue_messages": {"type": "int", "default": 300},
    "queue_hours": {"type": "int", "default": 24},
    "queue_growth": {"type": "int", "default": 100},
    "previous": {"type": "str", "default": ""},
    "quarantine_days": {"type": "int", "default": 30},
    "rate_limits": {"type": "list", "elements": "str", "default": []},
    "postfix_version": {"type": "str", "default": "3.5.0"},
    "qmail_versions": {"type": "list", "elements": "str", "default": []},
    "auth_on_port_25": {"type": "bool", "default": False},
    "double_bounces": {"type": "str", "default": "discard"},
    "ports": {"type": "list", "elements": "int", "default": [587, 465]},
    "vantage": {"type": "str", "default": ""},
    "smtp_port": {"type": "int", "default": 25},
    "domain": {"type": "str"},
}
ARGUMENTS = {
    **RESULTS,
    **SETTINGS,
    "mta": {"type": "str", "default": "auto"},
    "instance": {"type": "str", "default": ""},
    "queue_options": {"type": "dict", "default": {}},
}
# Of these, spaces around a word mean nothing.
WORDS = ("rate_limits", "qmail_versions")


class ActionModule(ActionBase):
    """Looks at what was registered only; never connects to a host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(options)
        variables = task_vars or {}
        waivers, records = self._waivers(variables)
        host = self._host(options, variables)
        records += judge(host, options["mta"], waivers, waiving.today())
        result.update(changed=False, mailops_controls=records, msg=summary(records))
        return result

    def _waivers(self, variables):
        """The waivers of the inventory, and the records that say what is wrong with them."""
        try:
            return Evaluator(self._templar, self._loader, variables).waivers(), []
        except (waiving.WaiverError, Broken) as error:
            return [], [unusable("mailops_waivers", "Waivers can be read", str(error))]

    def _host(self, options, variables):
        settings = {name: options[name] for name in SETTINGS}
        settings.update({name: [word.strip() for word in settings[name] if word.strip()] for name in WORDS})
        given = {name: options[name] for name in RESULTS}
        name = plain(variables.get("inventory_hostname") or "")
        remedies = Remedies(
            host=name,
            sources=_inventories(plain(variables.get("ansible_inventory_sources") or [])),
            instance=options["instance"],
            queue_options=options["queue_options"],
        )
        return HostFacts(name, dict(given, settings=settings), remedies)


def _inventories(sources):
    """The inventories of this run that are not the usual ones."""
    usual = C.DEFAULT_HOST_LIST
    usual = usual if isinstance(usual, (list, tuple)) else [usual]
    return tuple(dict.fromkeys(source for source in sources if source not in usual))
