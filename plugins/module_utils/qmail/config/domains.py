# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domains a qmail delivers for, and by which .qmail files it does so for addresses that nobody has."""

__all__ = ["ANY_DOMAIN", "NOBODY", "Domain", "Domains", "Patterns", "default_names", "names_of"]

import fnmatch
import os
import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

# ``name``: as in locals or virtualdomains, lower case; ``prefix``: what qmail-send puts before the address, in bytes.
Domain = namedtuple("Domain", "name is_local prefix")

# What an entry of virtualdomains without a domain is called here.
ANY_DOMAIN = "*"

# No assignment, user or file has this in its name.
NOBODY = b"\x01"
_GLOB = re.compile(r"[*?\[]")


class Domains:
    """All domains that ``control`` (a Control) says mail is delivered for; ``notes``: a list of sentences."""

    def __init__(self, control):
        self.notes = []
        me = control.line("me")
        if not me:
            raise RescueError("%s/me is missing or empty: qmail-send does not run without it." % control.path)
        local = control.lines("locals")
        names = [me] if local is None else [line for unused, line in local]
        self.local = _unique(_text(name) for name in names)
        # Of several entries qmail-send takes the last one.
        self._virtual = {}
        for number, line in control.lines("virtualdomains") or ():
            name, colon, prefix = line.partition(b":")
            if colon:
                self._virtual[_text(name)] = prefix
            else:
                self.notes.append("control/virtualdomains: line %d has no colon, so qmail-send ignores it." % number)

    def all(self):
        """Return the list of Domain, local ones first; single addresses and exceptions are none."""
        found = [Domain(name, True, b"") for name in self.local]
        found += [
            Domain(name or ANY_DOMAIN, False, prefix + b"-")
            for name, prefix in sorted(self._virtual.items())
            if prefix and "@" not in name and name not in self.local
        ]
        return found

    def serving(self, name):
        """Return the name of the Domain by which mail to the domain ``name`` is delivered here, or None."""
        name = name.lower()
        if name in self.local:
            return name
        if name == ANY_DOMAIN:
            name = ""
        keys = [name] + [name[at:] for at in range(1, len(name)) if name[at] == "."] + [""]
        for key in keys:
            if key in self._virtual:
                return (key or ANY_DOMAIN) if self._virtual[key] else None
        return None


def _text(name):
    return os.fsdecode(name).lower()


def _unique(names):
    return list(dict.fromkeys(names))


class Patterns:
    """Names of domains, globs (``*.example.com``) and regular expressions (``/^www/``); ``option`` is their option."""

    def __init__(self, patterns, option):
        self.option = option
        self.literals = []
        self._tests = []
        for pattern in patterns:
            if not pattern or pattern != pattern.strip():
                raise RescueError("%s: expected domains or patterns, got %r." % (option, pattern))
            if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
                try:
                    self._tests.append(re.compile(pattern[1:-1], re.IGNORECASE).search)
                except (re.error, OverflowError, RecursionError) as error:
                    raise RescueError("%s: %s is no regular expression: %s." % (option, pattern, error)) from None
            elif _GLOB.search(pattern):
                self._tests.append(re.compile(fnmatch.translate(pattern.lower())).match)
            elif re.match(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?\Z", pattern.lower()):
                self.literals.append(pattern.lower())
            else:
                raise RescueError("%s: %r is no domain and no pattern." % (option, pattern))

    def resolve(self, domains):
        """Take what the literal names are served by; return those that are not served by ``domains`` (Domains)."""
        served = {name: domains.serving(name) for name in self.literals}
        names = {name for name in served.values() if name is not None}
        self._tests.append(names.__contains__)
        return [name for name, by in served.items() if by is None]

    def match(self, name):
        """Tell whether a Domain's name is meant."""
        return any(test(name) for test in self._tests)


def default_names(users, domain):
    """Return ``(controller, names)`` for addresses in ``domain`` (Domain) that nobody has.

    ``names``: of the .qmail files that qmail-local tries for them, the domain's own first. The Controller is None where
    there is none.
    """
    controller = users.controller(domain.prefix + NOBODY)
    return controller, [] if controller is None else names_of(controller)


def names_of(controller):
    """Return the same names for the Controller of a local part that ends by NOBODY."""
    extension = controller.extension[: -len(NOBODY)].lower().replace(b".", b":")
    names = []
    for length in range(len(extension), -1, -1):
        if length == 0 or extension[length - 1 : length] == b"-":
            names.append(os.fsdecode(b".qmail" + controller.dash + extension[:length] + b"default"))
    return names
