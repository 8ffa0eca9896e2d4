# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""postfix_config's engine: main.cf, master.cf and aliases of one instance, changed as a whole and remembered.

Before a file changes, what it was is on the disk, and so is a note of what must follow (postalias, a reload): a run
that is cut off anywhere is finished by the next one with the same options, and undone by one with state=absent.
"""

__all__ = ["configure"]

import contextlib
import difflib
import os
import re
import stat
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config import alias_maps, wishes
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.history import KINDS, SINGULAR, Memory
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.plan import Plan
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postconf import Postfix, find_directory

# master(8) takes these when it starts; a reload does not change them.
_RESTART = ("data_directory", "inet_interfaces", "inet_protocols", "mail_owner", "queue_directory")
_RELOAD = "reload"
_TEMPORARY = ".%s.mailops-rescue"
_NAMES = {"main": "main.cf", "master": "master.cf"}
_LONGEST_DIFF = 64 * 1024

# ``paths`` and ``texts``: by main, master and, where it is needed, aliases; ``table``: such as hash:/etc/aliases.
_Old = namedtuple("_Old", "paths texts table")


def configure(params, check_mode):
    """Bring one instance's configuration to what ``params`` say; return postfix_config's result. Raises RescueError."""
    wishes.check_label(params["remember"])
    if params["state"] == "absent":
        if params["remember"] is None:
            raise RescueError("remember: expected the label of the changes to put back, got nothing.")
        for option in KINDS:
            if params[option]:
                raise RescueError("%s: expected nothing with state=absent, as all of the label is put back." % option)
    wanted = wishes.wanted(params)
    directory, instance = find_directory(params["config_directory"], params["instance"])
    run = _Run(params, wanted, directory, check_mode)
    if check_mode:
        return dict(run.work(), config_directory=directory, instance=instance)
    if os.geteuid() != 0:
        raise RescueError("config_directory: %s can be changed by root only (become: true)." % directory)
    with run.memory.locked():
        return dict(run.work(), config_directory=directory, instance=instance)


class _Run:
    def __init__(self, params, wanted, directory, check_mode):
        self._params = params
        self._wanted = wanted
        self._directory = directory
        self._check_mode = check_mode
        self._postfix = Postfix(directory)
        self.memory = Memory(directory, params["remember"])

    def work(self):
        complaint = self._postfix.complaint()
        if complaint:
            raise RescueError(
                "config_directory: Postfix cannot use main.cf and master.cf in %s as they are: %s."
                % (self._directory, complaint)
            )
        old = self._read()
        plan = Plan(old.texts, self.memory.entries)
        plan.forget(self._wanted)
        plan.want(self._wanted)
        with self._tried(old, plan) as new:
            values = new.values(set(self._wanted["parameters"]) | set(self.memory.entries["parameters"]))
            read = self._look(new, plan)
        builds = self._builds(old, plan)
        edited = [which for which in _NAMES if plan.new_texts[which] != old.texts[which]]
        running = self._postfix.is_running()
        reloads = bool(self._params["reload"] and running and (edited or _RELOAD in self.memory.unfinished))
        changes = list(plan.changes())
        if not self._check_mode:
            try:
                self._apply(old, plan, builds, edited, reloads)
            except OSError as error:
                raise RescueError(
                    "%s: %s; run it again to finish what was begun."
                    % (error.filename or "The disk failed", error.strerror or error)
                ) from None
        restart = sorted({name for kind, name, was, now in changes if kind == "parameters" and name in _RESTART})
        return {
            "changed": bool(edited or builds or reloads or plan.new_texts["aliases"] != old.texts["aliases"]),
            "version": new.version,
            "changes": [_change(*one) for one in changes],
            "previous": _previous(changes),
            "values": values,
            "left": plan.left,
            "reloaded": reloads,
            "restart_needed": restart if running else [],
            "read": read,
            "diff": [
                _difference(old.paths[which], old.texts[which], plan.new_texts[which])
                for which in old.paths
                if plan.new_texts[which] != old.texts[which]
            ],
            "warnings": _warnings(plan, restart if running else []),
        }

    def _read(self):
        table = None
        if self._wanted["aliases"] or self.memory.entries["aliases"]:
            table = self._alias_table()
        paths = {which: os.path.realpath(os.path.join(self._directory, name)) for which, name in _NAMES.items()}
        if table is not None:
            paths["aliases"] = os.path.realpath(table.partition(":")[2])
        texts = {which: _text(path) for which, path in paths.items()}
        return _Old(paths, dict({"aliases": ""}, **texts), table)

    def _alias_table(self):
        """Return the first of alias_maps that is a file with an index, or the one that the label has changed."""
        names = self._wanted["aliases"]
        known = self.memory.alias_table if self.memory.entries["aliases"] else None
        if known and not names:
            return known
        maps = alias_maps.listed(self._postfix)
        table = known or alias_maps.changeable(maps)
        for name in names:
            alias_maps.require_reached(self._postfix, maps, table, name)
        return table

    @contextlib.contextmanager
    def _tried(self, old, plan):
        """Give the texts to be to Postfix, in a directory of their own. Raises RescueError where it refuses them."""
        texts = plan.new_texts
        if all(texts[which] == old.texts[which] for which in _NAMES):
            yield _Tried(self._postfix, self._directory, self._directory)
            return
        with disk.scratch_directory() as scratch:
            with opened_directory(scratch) as fd:
                for which, name in _NAMES.items():
                    disk.write_new(name, fd, _encoded(texts[which]), 0o644, sync=False)
            new = Postfix(scratch)
            self._require_sound(new, plan)
            yield _Tried(new, scratch, self._directory)

    def _require_sound(self, new, plan):
        changed = {name for unused, name, was, now in plan.changes()} & set(self._wanted["parameters"])
        unused = sorted((new.unused() - self._postfix.unused() - self._put_back(plan)) | (new.unused() & changed))
        if unused:
            version = self._postfix.values(["mail_version"]).get("mail_version")
            raise RescueError(
                "%s: expected names that Postfix %s knows, got %s."
                % (
                    "parameters" if set(unused) & set(self._wanted["parameters"]) else "service_parameters",
                    version,
                    ", ".join(unused),
                )
            )
        complaint = new.complaint()
        fresh = []
        # What was borne before the label's first change is borne again.
        if self._params["state"] == "present":
            fresh = sorted(new.warnings() - self._postfix.warnings() - self._harmless(new))
        # It makes directories that are missing, so that a run in check mode would change something.
        if not complaint and not fresh and not self._check_mode:
            complaint = new.check()
        if complaint or fresh:
            raise RescueError(
                "parameters: Postfix refuses the configuration as it would be: %s." % (complaint or fresh[0])
            )

    def _put_back(self, plan):
        """Return the names of parameters that become again as they were, known to Postfix or not."""
        return {name.rpartition("/")[2] for kind, name, was, now in plan.changes() if name not in self._wanted[kind]}

    @staticmethod
    def _harmless(new):
        # The same entries, which are other lines now.
        return {one for one in new.warnings() if "overriding earlier entry" in one or "unused parameter" in one}

    def _look(self, new, plan):
        if self._params["read"] is None:
            return None
        services = {name: plan.value("services", name)["command"] for name in plan.names("services")}
        return {
            "parameters": new.values(self._params["read"], expanded=True),
            "services": services,
            "service_parameters": {
                name: plan.value("service_parameters", name) for name in plan.names("service_parameters")
            },
        }

    def _builds(self, old, plan):
        """Tell whether the index of aliases has to be made anew."""
        if old.table is None:
            return False
        if plan.new_texts["aliases"] != old.texts["aliases"] or old.table in self.memory.unfinished:
            return True
        try:
            return any(
                _plain(self._postfix.alias(name, [old.table])) != _plain(plan.value("aliases", name))
                for name in list(self._wanted["aliases"]) + list(self.memory.entries["aliases"])
            )
        except RescueError:
            # There is no index yet.
            return True

    def _apply(self, old, plan, builds, edited, reloads):
        for path in old.paths.values():
            _sweep(path)
        known = self.memory.alias_table, list(self.memory.unfinished)
        todo = [one for one in self.memory.unfinished if one != old.table]
        if builds:
            todo.append(old.table)
        if edited and self._params["reload"] and _RELOAD not in todo:
            todo.append(_RELOAD)
        if plan.entries["aliases"]:
            self.memory.alias_table = old.table
        if plan.entries != self.memory.entries:
            self.memory.write(plan.entries)
        if todo != self.memory.unfinished:
            self.memory.write_unfinished(todo)
        for which in self._order():
            if which == "aliases" and builds:
                self._change_aliases(old, plan, known)
                todo.remove(old.table)
            elif which in edited:
                _replace(old.paths[which], old.texts[which], plan.new_texts[which])
        if reloads:
            self._postfix.reload()
        if _RELOAD in todo and self._params["reload"]:
            todo.remove(_RELOAD)
        if todo != self.memory.unfinished:
            self.memory.write_unfinished(todo)
        if self.memory.exists or any(plan.entries.values()):
            self.memory.write(plan.final_entries)

    def _build(self, table):
        self._postfix.build_aliases(table)
        # Not for every type does postalias see that it is on the disk, and main.cf may soon name an alias.
        for suffix in alias_maps.INDEX_SUFFIXES:
            directory, name = os.path.split(os.path.realpath(table.partition(":")[2] + suffix))
            if os.path.isfile(os.path.join(directory, name)):
                with opened_directory(directory) as fd:
                    disk.sync_named(name, fd)
                    disk.sync_directory(fd)

    def _change_aliases(self, old, plan, known):
        before, after = old.texts["aliases"], plan.new_texts["aliases"]
        if after != before:
            _replace(old.paths["aliases"], before, after)
        index = alias_maps.index(old.table)
        try:
            self._build(old.table)
            self._check_aliases(plan)
        except RescueError as error:
            # Else the other files have changed already, and a later run is to finish it.
            if self._wanted["aliases"]:
                self._take_aliases_back(old, after, index, known)
                raise RescueError("%s The aliases are as they were, and main.cf was not changed." % error) from None
            raise

    def _take_aliases_back(self, old, now, index, known):
        """Make the host as it was before it was to have an alias; what is not come to, a later run does."""
        if now != old.texts["aliases"]:
            _replace(old.paths["aliases"], now, old.texts["aliases"])
        try:
            self._build(old.table)
        except RescueError as error:
            if alias_maps.index(old.table) != index:
                raise RescueError(
                    "%s The alias file is as it was, but its index is not; run it again to finish what was begun."
                    % error
                ) from None
        self.memory.alias_table, unfinished = known
        # The note goes first: without its label, no later run would find it.
        self.memory.write_unfinished(unfinished)
        self.memory.write(self.memory.entries)

    def _check_aliases(self, plan):
        """See that Postfix, asked through all of alias_maps, has what is wanted."""
        maps = alias_maps.listed(self._postfix)
        for name in self._wanted["aliases"]:
            now, wanted = self._postfix.alias(name, maps), plan.value("aliases", name)
            if wanted is not None and _plain(now) != _plain(wanted):
                raise RescueError(
                    "aliases.%s: expected alias_maps (%s) to lead to %s, but it leads to %s."
                    % (name, " ".join(maps), wanted, "nothing" if now is None else _shown(now))
                )

    def _order(self):
        """Return in which order files change: at a power cut in between, the host starts with what is there then.

        An alias must be there before main.cf names it, and as long. What master.cf sets for one service excepts it
        from main.cf: submission must not lose AUTH because port 25 does.
        """
        master_first = self._wanted["services"] or self._wanted["service_parameters"]
        order = ["master", "main"] if master_first else ["main", "master"]
        return ["aliases"] + order if self._wanted["aliases"] else order + ["aliases"]


class _Tried:
    """A configuration that may lie in another directory than the one that it is for."""

    def __init__(self, postfix, directory, real):
        self._postfix = postfix
        self._directory = directory
        self._real = real
        self.version = postfix.values(["mail_version"]).get("mail_version")

    def values(self, names, expanded=False):
        found = self._postfix.values(names, expanded)
        return {name: value.replace(self._directory, self._real) for name, value in found.items()}


def _text(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        if os.path.basename(path) in _NAMES.values():
            raise RescueError("config_directory: there is no %s." % path) from None
        return ""


def _encoded(text):
    return text.encode("utf-8", "surrogateescape")


def _replace(path, old, new):
    """Put a new text in place of an old one in one step; owner and mode stay."""
    directory, name = os.path.split(path)
    with opened_directory(directory) as fd:
        mode, owner = 0o644, None
        if os.path.exists(path):
            status = os.stat(path)
            mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
        temporary = _TEMPORARY % name
        disk.write_new(temporary, fd, _encoded(new), mode, owner)
        if _text(path) != old:
            disk.unlink(temporary, fd)
            raise RescueError("%s was changed by somebody else during the run; run it again." % path)
        disk.replace(temporary, fd, name, fd)
        disk.sync_directory(fd)


def _sweep(path):
    """Remove what a run that was killed has left of a new text."""
    directory, name = os.path.split(path)
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(os.path.join(directory, _TEMPORARY % name), None)


def _shown(value):
    return visible(shorten(value, 80))


def _plain(alias):
    return None if alias is None else re.sub(r"\s*,\s*|\s+", " ", alias).strip()


def _change(kind, name, before, after):
    return {"kind": SINGULAR[kind], "name": name, "before": before, "after": after}


def _previous(changes):
    found = {kind: {} for kind in KINDS}
    for kind, name, before, _unused in changes:
        found[kind][name] = before
    return found


def _difference(path, before, after):
    if max(len(before), len(after)) <= _LONGEST_DIFF:
        return {"before_header": path, "after_header": path, "before": before, "after": after}
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), path, path, n=0)
    return {"prepared": "".join(lines)[:_LONGEST_DIFF]}


def _warnings(plan, restart):
    found = []
    if restart:
        found.append("%s: Postfix must be restarted for this; a reload is not enough." % ", ".join(restart))
    found += [
        "%s %s was changed by somebody else since, and is left as it is." % (one["kind"], one["name"])
        for one in plan.left
    ]
    return found
