# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows registered results of queue_info on the controller; documented in plugins/modules/show_queues.py."""

from __future__ import annotations

import os
from pathlib import Path

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.mailops.rescue.plugins.plugin_utils.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.results import plain
from ansible_collections.mailops.rescue.plugins.plugin_utils.summary import (
    show_messages,
    show_summary,
    summarise,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.wording import plural

display = Display()

ARGUMENTS = {
    "hosts": {"type": "list", "elements": "str"},
    "variable": {"type": "str", "default": "mailops_queue"},
    "view": {"type": "str", "choices": ["summary", "messages"], "default": "summary"},
    "detail": {"type": "int", "default": 10},
    "top": {"type": "int", "default": 3},
    "width": {"type": "int", "default": 72},
    "select": {"type": "dict"},
    "exclude": {"type": "dict"},
    "fail_on_unreadable": {"type": "bool", "default": True},
}

COLLECTION_PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
# What an operator sets by -e so that our playbooks find the queue; anything else given there may be a secret.
REPEATED = (
    "target",
    "mailops_mta",
    "mailops_queue_directory",
    "mailops_config_directory",
    "mailops_become",
)
REPEATED_FLAGS = {"ask_pass": "-k", "become_ask_pass": "-K", "ask_vault_pass": "-J"}


class ActionModule(ActionBase):
    """Reads other hosts' results out of the variables; never connects to a host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        options = plain(options)
        hosts = options["hosts"]
        if hosts is None:
            hosts = plain(task_vars.get("ansible_play_hosts_all") or [])
        results = {host: _registered(task_vars["hostvars"], host, options) for host in hosts}
        summary = summarise(results, options["select"] or (), bool(options["select"] or options["exclude"]))
        display.display(self._text(summary, options, task_vars))
        result.update(changed=False, hosts_read=sorted(summary.results), hosts_failed=summary.failed)
        if summary.failed and options["fail_on_unreadable"]:
            result.update(
                failed=True,
                msg="%d of %s could not be read; see NOT READ above"
                % (len(summary.failed), plural(len(hosts), "host")),
            )
            return result
        result["findings"] = [
            {"host": host, **finding.as_dict()}
            for host, found in summary.findings.items()
            for finding in found
        ]
        return result

    def _text(self, summary, options, task_vars):
        width = max(options["width"], 40)
        if options["view"] == "messages":
            return show_messages(summary, width)
        invocation = Invocation(
            playbooks=_playbooks(plain(task_vars.get("playbook_dir"))),
            options=_command_line(),
            variables=_variables(self._loader),
            select=options["select"],
            exclude=options["exclude"],
        )
        return show_summary(summary, invocation, max(options["detail"], 0), max(options["top"], 0), width)


def _registered(hostvars, host, options):
    # raw_get because plain item access runs every text of the result through the templating engine.
    if host not in hostvars:
        raise AnsibleError("there is no host %s in the inventory" % host)
    value = hostvars.raw_get(host).get(options["variable"])
    return None if value is None else plain(value)


def _playbooks(directory):
    """How the collection's playbooks are named on the command line: by path in a checkout, else in full."""
    if directory and "ansible_collections" not in Path(directory).parts:
        here = Path(directory)
        if here.resolve() == COLLECTION_PLAYBOOKS.resolve():
            return _short(str(here)) + "/%s.yml"
    return "mailops.rescue.%s"


def _command_line():
    given = context.CLIARGS.get("inventory") or ()
    default = C.DEFAULT_HOST_LIST
    words = []
    if list(given) != list(default if isinstance(default, (list, tuple)) else [default]):
        for source in given:
            words += ["-i", source if "," in source else _short(source)]
    words += [flag for name, flag in REPEATED_FLAGS.items() if context.CLIARGS.get(name)]
    return tuple(words)


def _variables(loader):
    given = plain(load_extra_vars(loader))
    return {name: given[name] for name in REPEATED if name in given}


def _short(path):
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
