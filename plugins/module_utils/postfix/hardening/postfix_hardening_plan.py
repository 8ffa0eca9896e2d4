# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""postfix_hardening_plan's engine: look at one instance, and say what the role postfix_hardening is to do."""

__all__ = ["knows", "plan", "serves", "words"]

import re

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postconf import Postfix
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postfix_config import configure
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables, split
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.hardening_changes import (
    READ,
    Hardening,
    check,
)


def plan(params):
    """Return postfix_hardening_plan's result. Raises RescueError."""
    check(params)
    without = configure(
        {
            "config_directory": params["config_directory"],
            "instance": None,
            "parameters": None,
            "aliases": None,
            "services": None,
            "service_parameters": None,
            "reload": False,
            "remember": params["remember"],
            "read": list(READ),
            "state": "absent",
        },
        check_mode=True,
    )
    found, postfix = without["read"], Postfix(without["config_directory"])
    done = Hardening(
        params,
        found,
        lambda domain: serves(domain, found["parameters"].get("mydestination", ""), postfix),
        lambda maps, name: knows(postfix, maps, name),
        postfix.service_values(),
        postfix.effective,
        Tables(without["config_directory"]),
    )
    return {
        "changed": False,
        "config_directory": without["config_directory"],
        "version": without["version"],
        "parameters": done.parameters,
        "service_parameters": done.service_parameters,
        "aliases": done.aliases,
        "domain": done.domain,
        "notes": done.notes,
        "leftovers": done.leftovers,
    }


def words(value):
    """Return the words of a parameter that is a list."""
    return [word for word in re.split(r"[,\s]+", value) if word]


def knows(postfix, maps, name):
    """Tell whether one of the tables that a parameter lists has a name."""
    return any(postfix.lookup(one, name) for one in split(maps))


def serves(domain, destinations, postfix):
    """Tell whether a list such as mydestination has a domain; its words are names, tables or files of these."""
    domain = domain.lower()
    for word in words(destinations):
        negated, word = word.startswith("!"), word.lstrip("!")
        if word.startswith("/"):
            with open(word, encoding="utf-8", errors="replace") as file:
                lines = [line.partition("#")[0] for line in file]
            matches = serves(domain, " ".join(lines), postfix)
        elif ":" in word:
            matches = postfix.lookup(word, domain)
        else:
            matches = word.lower() == domain
        if matches:
            return not negated
    return False
