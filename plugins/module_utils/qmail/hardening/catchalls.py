# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catch-alls of a qmail: which .qmail files get mail for addresses that nobody has, and what they do with it."""

__all__ = ["Catchall", "Qmail", "discarding", "is_ours", "place_of"]

import os
import re
import stat

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, disk_failed
from ansible_collections.mailops.rescue.plugins.module_utils.host.backup import Kept, kept_name
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config import dot_qmail
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.control import Control, find_home
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.domains import (
    Domains,
    Patterns,
    default_names,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.homes import may, open_home
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.showctl import showctl
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.users import Users

_OURS = b"# mailops.rescue: mail to addresses that nobody has is discarded.\n# Before, there was %s.\n"


class Qmail:
    """The qmail in ``home`` (None: the installed one). Raises RescueError where what it is set up by cannot be read."""

    def __init__(self, home=None):
        self.home = find_home(home)
        self.control = Control(self.home)
        self.domains = Domains(self.control)
        told = showctl(self.home)
        delimiter = re.search(r"^user-ext(?:ension)? delimiter: (.)\.$", told, re.MULTILINE)
        self.users = Users(self.home, delimiter.group(1).encode() if delimiter else b"-")
        forbidden = re.search(r"^paternalism \(in decimal\): ([0-9]{1,4})\.$", told, re.MULTILINE)
        self.forbidden = int(forbidden.group(1)) if forbidden else 0o002

    @property
    def notes(self):
        return self.domains.notes + self.users.notes

    def catchalls(self, included, excluded=()):
        """Return the list of Catchall of the domains that match ``included`` and not ``excluded`` (lists of patterns),
        and the list of the domains named in ``included`` that are not served here."""
        found, unserved = self.by_place(included, excluded)
        chosen = [one for one in found.values() if one.chosen]
        for one in chosen:
            one.look()
        return chosen, unserved

    def by_place(self, included, excluded=()):
        """Return the Catchall of all domains, by home and name of the file, before they ``look``; and that list."""
        taken, left_out = Patterns(included, "domains"), Patterns(excluded, "exclude")
        unserved = taken.resolve(self.domains)
        unknown = left_out.resolve(self.domains)
        if unknown:
            raise _not_served("exclude", unknown[0])
        found = {}
        for domain in self.domains.all():
            controller, names = default_names(self.users, domain)
            place = place_of(controller, names) if controller else (None, domain.name)
            one = found.setdefault(place, Catchall(controller, names, self.forbidden))
            one.domains.append(domain)
            if taken.match(domain.name) and not left_out.match(domain.name):
                one.chosen.append(domain)
        return found, unserved

    def refuse_unserved(self, unserved):
        """Raise RescueError where there is any domain in this list."""
        if unserved:
            raise _not_served("domains", unserved[0])


def place_of(controller, names):
    """Return by what two catch-alls are one."""
    return controller.home, names[0]


def _not_served(option, name):
    return RescueError(
        "%s: %s is not a domain that this qmail delivers for (control/locals, control/virtualdomains)." % (option, name)
    )


class Catchall:
    """The .qmail file that is, or would be, a domain's own catch-all.

    ``domains``, ``chosen``: lists of Domain: all that it serves, and those that were asked for. ``kept``: a Kept, or
    None where ``problem`` says in words why it cannot be touched. ``force``: the name of the file that gets the mail
    now, or None; ``effect``: what that does; ``fallback`` and ``fallback_effect``: the same without the domain's own.
    ``puts_off``: why qmail-local puts off all mail of that home, whatever the file says, or None. ``notes``: a list of
    sentences.
    """

    def __init__(self, controller, names, forbidden):
        self.controller = controller
        self.names = names
        self.domains = []
        self.chosen = []
        self.kept = self.problem = self.force = self.fallback = None
        self.effect = self.fallback_effect = dot_qmail.BOUNCES
        self.force_is_ours = False
        self.home_owner = self.puts_off = None
        self.notes = []
        self._forbidden = forbidden

    @property
    def name(self):
        return self.names[0]

    @property
    def path(self):
        return os.path.join(self.controller.home, self.name) if self.controller else None

    @property
    def kind(self):
        """``plesk``, ``vpopmail``, ``local`` or ``virtual``."""
        home = self.controller.home if self.controller else ""
        if "/mailnames/" in home:
            return "plesk"
        if self.effect.does.startswith("vdelivermail") or "/vpopmail/domains/" in home:
            return "vpopmail"
        return "local" if self.domains[0].is_local else "virtual"

    @property
    def is_ours(self):
        """Whether what is there now was put there by us, and not changed since."""
        return self.kept is not None and is_ours(self.kept.now, self.kept)

    @property
    def does(self):
        """What becomes of the mail now, in a word or two."""
        return dot_qmail.DEFERS if self.puts_off else self.effect.does

    def effect_of(self, file):
        """Return the Effect of a File."""
        effect = dot_qmail.effect_of(file.data, file.status.st_mode, self._forbidden)
        is_readable = may(file.status, self.controller.uid, self.controller.gid, 4)
        return effect if is_readable else effect._replace(does=dot_qmail.DEFERS)

    def open(self):
        """Return a descriptor of the directory. Raises Damaged."""
        return open_home(self.controller.home)

    def open_to_change(self):
        """Return the same, where something may be changed in there. Raises Damaged."""
        return self.open()

    def look(self):
        """Find out what is there. It is not told where it cannot be."""
        if self.controller is None:
            self.problem = "there is no user alias, so qmail delivers nothing for it"
            return
        if any("/" in name for name in self.names) or not self.controller.home.startswith("/"):
            self.problem = "users/assign or control/virtualdomains names no file that could be its catch-all"
            return
        try:
            fd = self.open()
            try:
                self._look_in(fd)
            finally:
                os.close(fd)
        except (Damaged, OSError) as error:
            # Of one home, as on a file server: it must not hide all others.
            self.kept = None
            self.problem = str(error) if isinstance(error, Damaged) else disk_failed(error)

    def _look_in(self, fd):
        status = os.fstat(fd)
        self.home_owner = (status.st_uid, status.st_gid)
        self.kept = Kept(fd, self.name, dot_qmail.LARGEST)
        if not self.controller.dash:
            self.effect = dot_qmail.DEFAULT_DELIVERY
        # Backwards: the first one that there is counts.
        for name in reversed(self.names):
            kept = self.kept if name == self.name else Kept(fd, name, dot_qmail.LARGEST)
            if name == self.name:
                self.fallback, self.fallback_effect = self.force, self.effect
            if kept.now is not None:
                self.force = name
                self.force_is_ours = is_ours(kept.now, kept)
                self.effect = self.effect_of(kept.now)
        self.puts_off = self._why_put_off(status)
        if self.puts_off:
            self.notes.append("%s %s." % (self.controller.home, self.puts_off))

    def _why_put_off(self, status):
        if status.st_mode & self._forbidden:
            return "can be written by others: qmail-local puts off all its mail"
        if status.st_mode & stat.S_ISVTX:
            return "is sticky: qmail-local puts off all its mail while it is"
        if not may(status, self.controller.uid, self.controller.gid, 1):
            return "cannot be entered by %s: qmail-local puts off all its mail" % self.controller.user
        return None

    def lacks_postmaster(self, users):
        """Return the domains, of the chosen ones, whose postmaster nobody is."""
        found = []
        for domain in self.chosen if self.kind in ("local", "virtual") else ():
            controller = users.controller(domain.prefix + b"postmaster")
            if controller is None or controller.home != self.controller.home or not controller.dash:
                continue
            name = b".qmail" + controller.dash + controller.extension.lower().replace(b".", b":")
            if not os.path.lexists(os.path.join(os.fsencode(controller.home), name)):
                found.append(domain.name)
        return found


def is_ours(now, kept):
    """Tell whether a File is one that we put there, beside ``kept``."""
    if now is None or kept.is_half_kept:
        return False
    if now.data in (discarding(None), discarding(kept.name)):
        return True
    return kept.before is not None and now.data == dot_qmail.deleting(kept.before.data)


def discarding(name):
    """Return the bytes of a .qmail file that discards; ``name``: of the file of which one is kept; None: of none.

    Only comments: an empty file would mean the default delivery, and qmail-local cannot write to /dev/null.
    """
    return _OURS % (b"none" if name is None else os.fsencode(kept_name(name)))
