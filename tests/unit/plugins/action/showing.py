"""Runs an action that shows something, without Ansible around it."""

from __future__ import annotations

import json
from types import SimpleNamespace

from ansible_collections.mailops.rescue.plugins.plugin_utils.show import action
from tests.support.documents import documents

__all__ = ["HostVars", "accepts_what_is_documented", "shower"]


class HostVars(dict):
    """As Ansible's: item access evaluates expressions in the values, and only raw_get does not."""

    def __getitem__(self, host):
        raise AssertionError("templated the result of " + host)

    def raw_get(self, host):
        return dict.__getitem__(self, host)


def shower(monkeypatch, module):
    """What runs the action of `module` on {host: {name: what was registered}}; gives the result and the text shown."""
    shown = []
    monkeypatch.setattr(action.display, "display", shown.append)
    name = module.__name__.rpartition(".")[2]

    def run(variables, wave=None, check_mode=False, more=None, **options):
        task = SimpleNamespace(
            check_mode=check_mode,
            diff=False,
            async_val=False,
            args=options,
            collections=(),
            action="mailops.rescue." + name,
        )
        plugin = module.ActionModule(
            task=task,
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/unused")),
            play_context=None,
            loader=None,
            templar=None,
            shared_loader_obj=None,
        )
        task_vars = {
            "hostvars": HostVars(variables),
            "ansible_play_hosts_all": list(variables),
            "ansible_play_batch": wave or list(variables),
            "playbook_dir": "/elsewhere",
            **(more or {}),
        }
        made = plugin.run(task_vars=task_vars)
        json.dumps(made)
        return made, "\n".join(shown)

    return run


def accepts_what_is_documented(module):
    options = documents(module.__name__.rpartition(".")[2])["DOCUMENTATION"]["options"]
    assert {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    } == module.ARGUMENTS
