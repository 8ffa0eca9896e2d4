# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the watch on a host, and takes it away again: program, settings, and what starts it."""

__all__ = ["manage"]

import errno
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_directory, opened_directory
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, units
from ansible_collections.mailops.rescue.plugins.module_utils.watch.program import build
from ansible_collections.mailops.rescue.plugins.module_utils.watch.run import (
    PROGRAM,
    RUNTIME,
    SETTINGS,
    STATE,
    STATUS,
    TEST,
    TEXTFILE,
)
from ansible_collections.mailops.rescue.plugins.module_utils.watch.settings import check, load, shown_url
from ansible_collections.mailops.rescue.plugins.module_utils.watch.state import HISTORY, LOCK
from ansible_collections.mailops.rescue.plugins.module_utils.watch.targets import find_queues

_LINK = "mailops_queue_watch.prom"
_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python")
_SYSTEMD = (units.SERVICE, units.TEST_SERVICE, units.TIMER)
_SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"


class _Host:
    """A host's files below ``root``, and what runs there."""

    def __init__(self, root="/"):
        self._root = root

    def path(self, path):
        return os.path.join(self._root, path.lstrip("/"))

    def read(self, path):
        """Return a file's bytes, None where there is none; a link as what it leads to, after an arrow."""
        path = self.path(path)
        try:
            if os.path.islink(path):
                return b"-> " + os.fsencode(os.readlink(path))
            with open(path, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def mode(self, path):
        """Return the permissions of a file that is there."""
        return stat.S_IMODE(os.lstat(self.path(path)).st_mode)

    def scheduler(self, wanted):
        if wanted == "auto":
            wanted = "systemd" if os.path.isdir(self.path("/run/systemd/system")) else "cron"
        if wanted == "cron" and not os.path.isdir(self.path("/etc/cron.d")):
            raise RescueError("scheduler: neither systemd runs here nor is there /etc/cron.d.")
        if wanted == "cron" and not any(map(self._reads_cron_d, ("cron", "crond"))):
            raise RescueError("scheduler: no cron is installed here that reads /etc/cron.d (busybox's does not).")
        if wanted == "systemd" and not os.path.isdir(self.path("/run/systemd/system")):
            raise RescueError("scheduler: systemd does not run here.")
        return wanted

    def _reads_cron_d(self, name):
        path = self.which(name)
        return path is not None and os.path.basename(os.path.realpath(path)) != "busybox"

    def which(self, name):
        """Return the path of a program of the system, or None."""
        return shutil.which(name, path=_SBIN)

    def needed(self, name, package):
        """Return the path of a program that the line for cron needs."""
        path = self.which(name)
        if path is None:
            raise RescueError("scheduler: cron needs %s (%s), which is not installed here." % (name, package))
        return path

    def user(self):
        """Return the watch's user as an entry of passwd, or None."""
        try:
            return pwd.getpwnam(units.USER)
        except KeyError:
            return None

    def outdated(self):
        """Tell whether systemd has yet to read what an earlier run wrote."""
        names = [os.path.basename(one) for one in _SYSTEMD if self.read(one) is not None]
        if not names:
            return False
        try:
            said = subprocess.run(
                ["systemctl", "show", "--property=NeedDaemonReload"] + names,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=30,
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return False
        return b"=yes" in said


def manage(params, checking, host=None):
    """Do what the options of the module say; return its result. Raises RescueError, OSError."""
    host = host or _Host()
    present = params["state"] == "present"
    settings = check(params) if present else None
    scheduler = host.scheduler(params["scheduler"]) if present else None
    notes = []
    wanted = dict.fromkeys((PROGRAM, SETTINGS, units.CRON) + _SYSTEMD)
    test_command = []
    if not present:
        wanted[units.ENABLED] = None
    else:
        settings["queues"] = find_queues(params["mta"], params["queue_directory"], params["config_directory"])
        interpreter = next((one for one in _INTERPRETERS if os.access(one, os.X_OK)), sys.executable)
        command = [interpreter, "-I", "-B", PROGRAM]
        wanted[PROGRAM] = (build(interpreter)[0], 0o755)
        wanted[SETTINGS] = (_written(settings).encode(), 0o600)
        if scheduler == "systemd":
            wanted[units.SERVICE] = (units.service(settings, command).encode(), 0o644)
            wanted[units.TEST_SERVICE] = (units.service(settings, command, test=True).encode(), 0o644)
            wanted[units.TIMER] = (units.timer(settings).encode(), 0o644)
            test_command = ["systemctl", "start", os.path.basename(units.TEST_SERVICE)]
        else:
            wanted[units.ENABLED] = None
            dropped = units.drop_rights(host.needed("setpriv", "util-linux"), command)
            timeout = host.needed("timeout", "coreutils")
            wanted[units.CRON] = (units.cron(settings, timeout, dropped).encode(), 0o644)
            test_command = dropped + ["--test"]
        if settings["webhook"] and settings["webhook"]["url"].startswith("http:"):
            notes.append("webhook_url: alerts are sent in clear, as it is not https.")
    links = _links(host, settings)
    before = {path: host.read(path) for path in list(wanted) + list(links)}
    after = {path: one and one[0] for path, one in wanted.items()}
    after.update({path: b"-> " + target.encode() if target else None for path, target in links.items()})
    modes = {path: (host.mode(path), one[1]) for path, one in wanted.items() if one and before[path] is not None}
    other = {path for path, pair in modes.items() if pair[0] != pair[1]}
    changed = sorted(path for path in after if before[path] != after[path] or path in other)
    # The history goes with the rest, and is made by the first run.
    left = {} if present else {directory: list(_left(host, directory)) for directory in (STATE, RUNTIME)}
    strays = _strays(host, after, present)
    user = host.user()
    result = {
        "changed": bool(changed or strays or any(left.values())),
        "scheduler": scheduler,
        "queues": settings["queues"] if present else [],
        "channels": channels.names(settings) + ["textfile"] * bool(links and settings["textfile_directory"])
        if present
        else [],
        "user": {
            "name": units.USER,
            "comment": units.COMMENT,
            "found": user is not None,
            "ours": user is not None and user.pw_gecos.rstrip(",") == units.COMMENT,
        },
        "state_directory": STATE,
        "test_command": test_command,
        "test_result": "%s/%s" % (STATE, TEST),
        "unit_present": before[units.TIMER] is not None,
        "reload": bool(set(changed).intersection(_SYSTEMD)) or host.outdated(),
        "checking": checking,
        "notes": notes,
        "diff": _diff(changed, before, after, modes),
    }
    if not checking:
        # What starts the watch comes last and goes first.
        order = [PROGRAM, SETTINGS] + sorted(links) + list(_SYSTEMD) + [units.ENABLED, units.CRON]
        for path in strays:
            _remove_stray(host, path)
        for path in reversed(order):
            if path in changed and after[path] is None:
                _remove(host, path)
        for path in order:
            if path in changed and after[path] is not None:
                _put(host, path, after[path], links.get(path), 0o644 if path in links else wanted[path][1])
        for directory, names in left.items():
            _forget(host, directory, names)
    return result


def _links(host, settings):
    """Return {path: target or None} of the links to the textfile that are to be or to go."""
    links = {}
    try:
        old = load(host.path(SETTINGS))["textfile_directory"]
    except (RescueError, KeyError):
        old = None
    target = "%s/%s" % (STATE, TEXTFILE)
    if old:
        path = os.path.join(old, _LINK)
        # Only what is our own.
        if host.read(path) == b"-> " + target.encode():
            links[path] = None
    if settings and settings["textfile_directory"]:
        path = os.path.join(settings["textfile_directory"], _LINK)
        if host.read(path) not in (None, b"-> " + target.encode()):
            raise RescueError("textfile_directory: there is a file %s that is not ours." % path)
        links[path] = target
    return links


def _put(host, path, data, target, mode):
    directory, name = os.path.split(host.path(path))
    _make_parent(directory)
    with opened_directory(directory) as fd:
        if target:
            disk.make_symlink(target, name, fd)
            disk.sync_directory(fd)
        else:
            disk.rewrite(name, fd, data, mode)


def _make_parent(directory):
    parent, name = os.path.split(directory)
    if os.path.isdir(directory):
        return
    with opened_directory(parent) as fd:
        disk.make_directory(name, fd, 0o755)
        disk.set_mode(name, fd, 0o755)
        disk.sync_directory(fd)


def _remove(host, path):
    directory, name = os.path.split(host.path(path))
    with opened_directory(directory) as fd:
        disk.discard(name, fd)
        disk.sync_directory(fd)
    if path == PROGRAM:
        _remove_directory(directory)


def _strays(host, paths, present):
    """Return what runs that were cut off have left beside these files: half-made ones, the program's directory."""
    found = []
    for path in paths:
        directory, name = os.path.split(path)
        found.append(os.path.join(directory, disk.half_made(name)))
    found = sorted(path for path in found if os.path.lexists(host.path(path)))
    directory, name = os.path.split(PROGRAM)
    place = host.path(directory)
    if not present and os.path.isdir(place) and {disk.half_made(name)}.issuperset(os.listdir(place)):
        found.append(directory)
    return found


def _remove_stray(host, path):
    if os.path.isdir(host.path(path)):
        _remove_directory(host.path(path))
        return
    directory, name = os.path.split(host.path(path))
    with opened_directory(directory) as fd:
        disk.discard(name, fd)
        disk.sync_directory(fd)


def _left(host, directory):
    """Yield the names of what runs left, and last an empty one for the directory itself if nothing else is in it."""
    try:
        present = os.listdir(host.path(directory))
    except FileNotFoundError:
        return
    ours = {HISTORY, LOCK, STATUS, TEXTFILE, TEST}
    ours.update([disk.half_made(name) for name in ours])
    yield from sorted(ours.intersection(present))
    if ours.issuperset(present):
        yield ""


def _forget(host, directory, names):
    if not names:
        return
    directory = host.path(directory)
    # The user of the watch may have put a link there.
    fd = open_directory(directory)
    try:
        for name in names:
            if name:
                disk.discard(name, fd)
    finally:
        os.close(fd)
    _remove_directory(directory)


def _remove_directory(path):
    parent, name = os.path.split(path)
    with opened_directory(parent) as fd:
        try:
            disk.remove_directory(name, fd)
        except OSError as error:
            # Somebody else has something in it.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise


def _written(settings):
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"


def _diff(changed, before, after, modes):
    made = []
    for path in changed:
        old, new = _shown(path, before[path]), _shown(path, after[path])
        if before[path] == after[path]:
            old, new = ("mode %04o\n" % mode for mode in modes[path])
        made.append({"before_header": path, "after_header": path, "before": old, "after": new})
    return made


def _shown(path, data):
    if data is None:
        return ""
    if path == PROGRAM:
        return "(a program of %d bytes)\n" % len(data)
    text = data.decode("utf-8", "replace")
    if path != SETTINGS:
        return text
    try:
        settings = json.loads(text)
        if settings["webhook"]:
            settings["webhook"]["url"] = shown_url(settings["webhook"]["url"])
        return _written(settings)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "(settings that are not ours)\n"
