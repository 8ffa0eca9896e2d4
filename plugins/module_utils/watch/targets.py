# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which queues of a host are to be watched."""

__all__ = ["find_queues"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS

# What postmulti says of an instance without multi_instance_name, and Target of one that it was not asked about.
_NAMELESS = ("-", None)


def find_queues(kind="auto", queue_directory=None, config_directory=None):
    """Return the queues meant, as dicts with name, mta and directories. RescueError where there is none."""
    if kind == "auto" and not queue_directory and not config_directory:
        queues = []
        for adapter in ADAPTERS:
            try:
                queues += _named(detect.find(adapter.name))
            except detect.NotInstalled:
                continue
        if queues:
            return _unique(queues)
    return _unique(_named(detect.find(kind, queue_directory, config_directory)))


def _named(target):
    directories = [os.path.realpath(directory) for directory in target.directories]
    if not target.capabilities.has_instances:
        return [{"name": target.mta, "mta": target.mta, "directories": directories}]
    return [
        {"name": name, "mta": target.mta, "directories": [directory]}
        for name, directory in zip(target.instances, directories)
    ]


def _unique(queues):
    """Give a name to each of ``queues`` that has none, and no name to two: by it each finds its memory again."""
    taken = set()
    for queue in sorted(queues, key=lambda one: one["name"] in _NAMELESS):
        name = queue["name"]
        if name in _NAMELESS:
            name = os.path.basename(queue["directories"][0]) if queue["mta"] in taken else queue["mta"]
        number, first = 1, name
        while name in taken:
            number += 1
            name = "%s-%d" % (first, number)
        queue["name"] = name
        taken.add(name)
    return queues
