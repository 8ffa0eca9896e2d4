# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host remembers of changes to a Postfix configuration: how it was, under a label, and what is unfinished."""

__all__ = ["DIRECTORY", "KINDS", "SINGULAR", "Memory"]

import json
import os
from contextlib import contextmanager
from urllib.parse import quote

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory
from ansible_collections.mailops.rescue.plugins.module_utils.host.run_lock import lock_within

DIRECTORY = "/var/lib/mailops-rescue/postfix_config"
KINDS = ("services", "service_parameters", "parameters", "aliases")
SINGULAR = {kind: kind[:-2] if kind == "aliases" else kind[:-1] for kind in KINDS}
_PATIENCE = 60
_BUSY = "remember: another run has been changing the configuration for %d seconds." % _PATIENCE


class Memory:
    """``entries``: {kind: {name: {"before": how it was, "ours": the values that the label may have given it}}}.

    ``unfinished``: what a run that was cut off did not come to: "reload", or a table for postalias(1).
    """

    def __init__(self, config_directory, label=None):
        instance = quote(os.path.realpath(config_directory).strip("/"), safe="")
        self._name = None if label is None else "%s@%s.json" % (label, instance)
        self._unfinished_name = "@%s.json" % instance
        self._config_directory = config_directory
        self.read()

    def read(self):
        found = self._load(self._name) if self._name else None
        self.exists = found is not None
        self.alias_table = (found or {}).get("alias_table")
        self.entries = {kind: ((found or {}).get("entries") or {}).get(kind) or {} for kind in KINDS}
        self.unfinished = (self._load(self._unfinished_name) or {}).get("unfinished") or []

    @contextmanager
    def locked(self):
        """Keep other runs away, and read again what the last one has written."""
        parent = os.path.dirname(DIRECTORY)
        for path, mode in ((os.path.dirname(parent), 0o755), (parent, 0o755), (DIRECTORY, 0o700)):
            if not os.path.isdir(path):
                disk.make_directory(path, None, mode)
                with opened_directory(os.path.dirname(path)) as fd:
                    disk.sync_directory(fd)
        with opened_directory(DIRECTORY) as fd:
            lock_within(fd, _PATIENCE, _BUSY)
            for name in filter(None, (self._name, self._unfinished_name)):
                # What a run that was killed has left.
                disk.discard("%s.new" % name, fd)
            self.read()
            yield

    def write(self, entries):
        """Bring ``entries`` to the disk; none: forget the label."""
        if self._name is None:
            return
        if any(entries.values()):
            self._save(self._name, {"alias_table": self.alias_table, "entries": entries})
        else:
            self._remove(self._name)

    def write_unfinished(self, unfinished):
        """Bring to the disk what is still to be done; nothing: remove the note of it."""
        if unfinished:
            self._save(self._unfinished_name, {"unfinished": unfinished})
        else:
            self._remove(self._unfinished_name)
        self.unfinished = list(unfinished)

    def _load(self, name):
        path = os.path.join(DIRECTORY, name)
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                found = json.load(file)
        except FileNotFoundError:
            return None
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("entries", {}), dict):
            raise RescueError("remember: %s is damaged; see what it says, and remove it." % path)
        return found

    def _save(self, name, content):
        data = json.dumps(dict(content, config_directory=self._config_directory), indent=1) + "\n"
        with opened_directory(DIRECTORY) as fd:
            temporary = name + ".new"
            disk.write_new(temporary, fd, data.encode("utf-8", "surrogateescape"))
            disk.replace(temporary, fd, name, fd)
            disk.sync_directory(fd)

    def _remove(self, name):
        with opened_directory(DIRECTORY) as fd:
            if disk.discard(name, fd):
                disk.sync_directory(fd)
