# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which .qmail files get mail for extensions of users' addresses (``joe-anything@``) that nobody has."""

__all__ = ["Extension", "Extensions"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.domains import NOBODY, Patterns, names_of
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.user_list import unlisted
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.catchalls import Catchall, place_of


class Extensions:
    """The Extensions of all users of a Qmail, one after the other, that get mail of domains that are meant.

    ``included``, ``excluded``: as of Qmail.catchalls. The catch-all of a domain is none of them. ``incomplete``: why
    there may be more, or None.
    """

    def __init__(self, qmail, included, excluded=(), with_domains=True):
        """``with_domains``: whether the catch-alls of the domains that are meant are being changed as well."""
        self._qmail = qmail
        self._users = qmail.users.listed()
        self._places, unused = qmail.by_place(included, excluded)
        self._under = {}
        for one in self._places.values():
            if one.controller is not None and not (with_domains and one.chosen):
                self._under.setdefault(one.controller.home, []).append(one)
        taken, left_out = Patterns(included, "domains"), Patterns(excluded, "exclude")
        taken.resolve(qmail.domains)
        left_out.resolve(qmail.domains)
        self._is_meant = lambda domain: taken.match(domain.name) and not left_out.match(domain.name)
        self._by_prefix = {}
        for domain in qmail.domains.all():
            self._by_prefix.setdefault(domain.prefix.lower(), []).append(domain)
        self.incomplete = None if self._users.are_all_assigned else unlisted(self._users)

    def __iter__(self):
        """Yield each Extension that anything can come in for, before it ``look``s."""
        seen = set(self._places)
        meant = {prefix: list(filter(self._is_meant, domains)) for prefix, domains in self._by_prefix.items()}
        for beginning in self._users.beginnings():
            prefixes = [beginning[:end] for end in range(len(beginning)) if beginning[:end] in self._by_prefix]
            chosen = [domain for prefix in prefixes for domain in meant[prefix]]
            controller = self._users.controller(beginning + NOBODY) if chosen else None
            if controller is None or not controller.extension.endswith(NOBODY):
                continue
            names = names_of(controller)
            place = place_of(controller, names)
            if place in seen:
                continue
            seen.add(place)
            one = Extension(beginning, controller, names, self._qmail.forbidden)
            one.domains = [domain for prefix in prefixes for domain in self._by_prefix[prefix]]
            one.chosen = chosen
            one.under = [each for each in self._under.get(controller.home, ()) if one.name in each.names[1:]]
            yield one

    @property
    def unreachable(self):
        """Reasons by the path of a home that could not be asked for; known when all have been yielded."""
        return self._users.unreachable


class Extension(Catchall):
    """The .qmail file that gets mail for what begins with ``beginning`` (``joe-``) and has no file.

    ``under``: catch-alls of domains that fall back on it, if they have no file of their own; ``also_serves``: the names
    of such domains.
    """

    def __init__(self, beginning, controller, names, forbidden):
        super().__init__(controller, names, forbidden)
        self.beginning = beginning
        self.under = []
        self.also_serves = []

    kind = "user"

    @property
    def is_unknown(self):
        """Whether it could not be found out what becomes of the mail."""
        return self.problem is not None and self.kept is None and not self.puts_off

    @property
    def reason(self):
        """Why nothing is to be changed where mail is bounced; None where it can be."""
        return self.problem or (self.force and "%s is the user's own" % self.force)

    def open_to_change(self):
        """Return a descriptor of the home. Raises Damaged, also where it is not the user's.

        On the way to it a user may have put another directory there, of somebody who would not know what happens.
        """
        fd = self.open()
        foreign = self._foreign(os.fstat(fd))
        if foreign:
            os.close(fd)
            raise Damaged(foreign)
        return fd

    def _foreign(self, status):
        if status.st_uid in (self.controller.uid, 0):
            return None
        return "%s belongs to somebody else than %s" % (self.controller.home, self.controller.user)

    def look(self):
        """Find out what is there. It is not told where it cannot be."""
        if self.controller.uid == 0:
            self.puts_off = self.problem = "qmail delivers nothing as root, and puts off the mail"
        elif self.controller.home.startswith("/") and not os.path.exists(self.controller.home):
            self.puts_off = self.problem = "%s is not there: qmail-local puts off the mail" % self.controller.home
        else:
            super().look()
            self.notes = []
            if self.problem is None and self.puts_off:
                self.problem = "%s %s" % (self.controller.home, self.puts_off)

    def _look_in(self, fd):
        super()._look_in(fd)
        self.problem = self._foreign(os.fstat(fd))
        for one in self.under:
            if not any(_exists(name, fd) for name in one.names[: one.names.index(self.name)]):
                self.also_serves += [domain.name for domain in one.domains]

    def addresses(self, word):
        """Yield an address of each of its domains that were asked for, by the domain's name; ``word``: made up."""
        for domain in self.chosen:
            name = ("mailops" if domain.name.startswith(".") else "") + domain.name
            local = os.fsdecode(self.beginning[len(domain.prefix) :]) + word
            if "*" not in name:
                yield domain.name, "%s@%s" % (local, name)


def _exists(name, fd):
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True
