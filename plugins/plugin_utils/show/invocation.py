# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this run of Ansible was started, and what its hosts registered."""

from __future__ import annotations

import os
from pathlib import Path

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.utils.vars import load_extra_vars

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import plain

__all__ = ["invocation", "registered"]

COLLECTION_PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
# What an operator sets by -e so that our playbooks find the queue; anything else given there may be a secret.
REPEATED = (
    "target",
    "mailops_mta",
    "mailops_queue_directory",
    "mailops_config_directory",
    "mailops_quarantine",
    "quarantine",
    "mailops_supervisor",
    "mailops_service",
    "mailops_become",
)
REPEATED_FLAGS = {"ask_pass": "-k", "become_ask_pass": "-K", "ask_vault_pass": "-J"}


def invocation(loader, playbook_dir, select=None, exclude=None):
    """The Invocation of this run; `playbook_dir` as in the variables of a task."""
    return Invocation(
        playbooks=_playbooks(plain(playbook_dir)),
        options=_command_line(),
        variables=_variables(loader),
        select=select,
        exclude=exclude,
    )


def registered(hostvars, host, name):
    """The plain result that `host` registered under `name`, or None."""
    # raw_get because plain item access runs every text of the result through the templating engine.
    if host not in hostvars:
        raise AnsibleError("there is no host %s in the inventory" % host)
    value = hostvars.raw_get(host).get(name)
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
