# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the supervisor of a queue's qmail-send: of a running one by its parents, else by what could start it."""

__all__ = ["find_supervisor", "named_supervisor"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.supervisors import (
    DIRECTORIES,
    InitScript,
    NoSupervisor,
    ServiceDirectory,
    Systemd,
)

_ROOTS = ("/service", "/etc/service", "/var/service", "/run/service", "/var/qmail/supervise")
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
_SCRIPTS = ("/etc/init.d", "/etc/rc.d/init.d", "/etc/rc.d")
_LONGEST = 65536


class Places:
    """Where services are looked for."""

    def __init__(self, roots=_ROOTS, units=_UNITS, scripts=_SCRIPTS):
        self.roots = roots
        self.units = units
        self.scripts = scripts


def named_supervisor(kind, service, proc, places=None):
    """Return the supervisor that the options ``supervisor`` (not auto) and ``service`` mean. Raises RescueError."""
    if kind == "none":
        return NoSupervisor(service, proc)
    if service is None:
        return None
    if kind == "systemd":
        return Systemd(service)
    if kind == "sysv":
        return InitScript(service if "/" in service else os.path.join("/etc/init.d", service))
    if not os.path.isabs(service):
        for root in (places or Places()).roots:
            if os.path.isdir(os.path.join(root, service)):
                service = os.path.join(root, service)
                break
        else:
            raise RescueError("service: there is no directory %s in %s." % (service, ", ".join(_ROOTS)))
    if not os.path.isdir(service):
        raise RescueError("service: there is no directory %s." % service)
    return ServiceDirectory(kind, service)


def find_supervisor(queue, process, kind, service, proc, places=None):
    """Return ``(supervisor, reason)``: one of them is None.

    ``process``: the Process of the queue's qmail-send, or None when it is down. ``kind`` and ``service``: the options.
    ``reason`` is a sentence that says why there is none.
    """
    places = places or Places()
    if kind == "auto" and service is not None:
        kind = _kind_of(service, proc)
    if kind != "auto":
        named = named_supervisor(kind, service, proc, places)
        if named is not None:
            return named, None
    found = _of_process(process, proc) if process is not None else _of_queue(queue, proc, places)
    if not found and (kind == "sysv" or (kind == "auto" and not Systemd.is_here())):
        found = _scripts(queue, places)
    if kind != "auto":
        found = [one for one in found if one.kind == kind]
    if len(found) == 1:
        return found[0], None
    if found:
        several = ", ".join(sorted(one.service for one in found))
        return None, "service: several can start qmail-send: %s; name one of them." % several
    what = "no supervisor" if kind == "auto" else "no service of %s" % kind
    of = "of qmail-send for %s" % queue if process is None else "of qmail-send (pid %d)" % process.pid
    hint = "name it by service" if kind != "auto" else "name it by supervisor and service"
    return None, "supervisor: %s %s was found; %s." % (what, of, hint)


def _kind_of(service, proc):
    """Return the kind of supervisor for a service that was named alone."""
    if os.path.isdir(service):
        for one in _directories(proc):
            if os.path.realpath(service) == os.path.realpath(one.service):
                return one.kind
        raise RescueError("service: no supervise, runsv or s6-supervise is running for %s." % service)
    if os.path.isabs(service):
        return "sysv"
    if Systemd.is_here():
        return "systemd"
    raise RescueError("service: %s is no directory or script; say by supervisor what it is." % service)


def _directories(proc):
    """Return a ServiceDirectory for each that something supervises now."""
    found = []
    for process in proc.processes().values():
        kind = DIRECTORIES.get(process.name)
        directory = proc.directory(process.pid) if kind else None
        if directory:
            found.append(ServiceDirectory(kind, directory))
    return found


def _of_process(process, proc):
    """Return the supervisors of a running qmail-send: one or none."""
    child = process
    for parent in proc.ancestors(process, proc.processes()):
        kind = DIRECTORIES.get(parent.name)
        if kind:
            # Below a supervised sshd or cron, somebody's shell that started qmail is a session of its own.
            directory = proc.directory(parent.pid) if child.session == process.session else None
            if directory:
                return [ServiceDirectory(kind, directory)]
            break
        child = parent
    for group in proc.control_groups(process.pid):
        units = re.findall(r"/([^/]+\.service)(?=/|$)", group)
        if units and Systemd.is_here():
            unit = Systemd(units[-1])
            if "qmail" in unit.service or unit.show().get("MainPID") == str(process.pid):
                return [unit]
    return []


def _of_queue(queue, proc, places):
    """Return what could start the qmail-send of a queue."""
    found = [one for one in _directories(proc) if _starts(os.path.join(one.service, "run"), queue)]
    if not found and Systemd.is_here():
        names = set()
        for place in places.units:
            for name in _listed(place):
                if name.endswith(".service") and "qmail" in name and "@" not in name:
                    path = os.path.join(place, name)
                    if _starts(path, queue) or _starts(_source(path), queue):
                        names.add(name)
        found = [Systemd(name) for name in names]
    return found


def _scripts(queue, places):
    found = {}
    for place in places.scripts:
        for name in _listed(place):
            path = os.path.join(place, name)
            if "qmail" in name and os.access(path, os.X_OK) and _starts(path, queue):
                found.setdefault(os.path.realpath(path), path)
    return [InitScript(path) for path in found.values()]


def _starts(path, queue):
    """Tell whether the script or unit at ``path`` starts the qmail-send of this queue: it names qmail's home."""
    home = os.path.dirname(queue.rstrip("/"))
    if os.path.basename(home) == "queue":
        # indimail has queue/queue1 and so on.
        home = os.path.dirname(home)
    homes = {home, os.path.realpath(home)} - {"", "/"}
    text = re.sub(r"(?m)^\s*#.*", "", _text(path))
    named = any(re.search(r"(?<![\w.-])%s(?![\w.-])" % re.escape(one), text) for one in homes)
    return named and re.search(r"\bqmail-(start|send)\b|/rc\b", text) is not None


def _source(unit):
    """Return the path of the init script from which a unit was generated, or the empty string."""
    found = re.search(r"(?m)^SourcePath=(\S+)", _text(unit))
    return found.group(1) if found else ""


def _text(path):
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _listed(place):
    try:
        return sorted(os.listdir(place))
    except OSError:
        return []
