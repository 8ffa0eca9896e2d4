# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qmail_double_bounces' engine: where failure notices go that cannot be delivered."""

__all__ = ["manage"]

import os
import re
from contextlib import ExitStack

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, disk_failed
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.backup import Kept, kept_name
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_directory
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.domains import ANY_DOMAIN
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.homes import open_home
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.catchalls import Qmail
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.restart_note import RUN, RestartNote
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import holder

# Without a dash: what stands before one could be somebody's name.
_ALIAS = "mailops_double_bounces"
_DISCARD = "discard"
_ADDRESS = re.compile(r"[^\s@\x00-\x20\x7f]+@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")
_LARGEST = 1 << 16
_LONGEST_TEXT = 2048
_MODE = 0o644
_ALIAS_TEXT = b"# mailops.rescue: double bounces are discarded.\n"
# qmail-send reads the first line of such a file.
_SIGNED = b"%s\n# Set to %s by mailops.rescue; before, there was %s.\n"
_IS_SIGNED = re.compile(rb"([^\n]*)\n# Set to \1 by mailops\.rescue; before, there was ([^\n]*)\.\n\Z")
# Names the qmail-send that has not read what was changed. It goes with a reboot, as that qmail-send does.
_RESTART = "mailops-rescue.restart-qmail"


def manage(params, check_mode, with_diff=False, running=None, run=RUN):
    """Do what qmail_double_bounces' options say; return its result. Raises RescueError.

    ``running()`` returns the Process of qmail-send, or None. ``run``: a directory for what a reboot makes void.
    """
    qmail = Qmail(params["home"])
    queue = os.path.join(qmail.home, "queue")
    proc = Procfs()
    process = running() if running else _running(queue, proc)
    with ExitStack() as stack:
        control = open_directory(os.path.realpath(qmail.control.path))
        stack.callback(os.close, control)
        wanted = _wanted(qmail, params)
        steps = [_control_step(control, qmail, name, value) for name, value in wanted]
        alias = _alias_step(stack, qmail, params)
        if alias is not None:
            # What the address leads to is there before anything can be sent to it, and goes after it.
            steps = [alias] + steps if alias.data is not None else steps + [alias]
        changing = [step for step in steps if step.action]
        volatile = open_directory(os.path.realpath(run))
        stack.callback(os.close, volatile)
        marker = Marker(volatile, _RESTART + qmail.home.replace("/", "-"), proc)
        if not check_mode:
            try:
                marker.forget()
                if any(step.matters for step in changing) and process is not None:
                    marker.write(process)
                for step in changing:
                    step.perform()
            except (Damaged, OSError) as error:
                why = disk_failed(error) if isinstance(error, OSError) else str(error)
                raise RescueError("%s: %s; run it again to finish." % (qmail.control.path, why)) from None
    will_matter = any(step.matters for step in changing) and process is not None
    note = RestartNote(queue, run)
    # A qmail-send that is down is left down, unless it was one of our own restarts that was killed half way.
    is_cut_off = process is None and note.exists()
    if process is not None and not check_mode:
        note.forget()
    result = {
        "changed": bool(changing),
        "home": qmail.home,
        "address": _address(qmail, steps),
        "files": [step.entry() for step in steps],
        "restart_needed": marker.names_living() or will_matter or is_cut_off,
        "notes": qmail.notes,
    }
    if with_diff:
        result["diff"] = [step.difference() for step in changing if step.action != "tidy"]
    return result


def _running(queue, proc):
    return holder(queue, proc) if os.path.isdir(os.path.join(queue, "lock")) else None


def _wanted(qmail, params):
    """Return the list of (file, value in bytes or None for what was there before), in the order of writing."""
    to, state = params["to"], params["state"]
    if state == "absent":
        return [("doublebounceto", None), ("doublebouncehost", None)]
    if to == _DISCARD:
        user, host = _ALIAS, _alias_domain(qmail).name
    elif to and _ADDRESS.match(to):
        user, unused, host = to.rpartition("@")
    else:
        raise RescueError("to: expected discard or an address such as bounces@example.com, got %r." % to)
    return [("doublebouncehost", os.fsencode(host)), ("doublebounceto", os.fsencode(user))]


def _alias_domain(qmail):
    """Return the Domain that the address is in to which double bounces are sent to be discarded."""
    served = {domain.name: domain for domain in qmail.domains.all() if domain.name[:1] not in (".", ANY_DOMAIN)}
    names = [os.fsdecode(name).lower() for name in (qmail.control.line("me"),) if name] + list(served)
    if qmail.control.line("doublebounceto") == _ALIAS.encode():
        names.insert(0, os.fsdecode(qmail.control.line("doublebouncehost") or b"").lower())
    for name in names:
        if name in served:
            return served[name]
    raise RescueError("to: discard needs a domain in control/locals or control/virtualdomains; name a mailbox instead.")


class Step:
    """What is to be done to one file. ``data``: its wanted bytes, or None for what was there before.

    ``matters``: whether qmail-send has to read it again.
    """

    def __init__(self, dir_fd, path, kept, data, owner, matters):
        self.data = data
        self.path = path
        self.action = self.reason = None
        self.matters = matters
        self._dir_fd = dir_fd
        self._kept = kept
        self._owner = owner

    def perform(self):
        kept = self._kept
        if self.action == "put":
            kept.put(self.data, _MODE, self._owner, self.keep)
        elif self.action == "take_back":
            kept.take_back()
        after = Kept(self._dir_fd, kept.name, _LARGEST)
        if not after.is_tidy:
            after.tidy()

    def decide(self, is_ours):
        """Set ``action``, ``reason`` and ``keep``; ``is_ours``: whether what is there was put there by us."""
        kept = self._kept
        self.keep = kept.now is not None and not is_ours
        self.action = None if kept.is_tidy else "tidy"
        changed = kept.before is not None and not kept.is_half_kept and not is_ours
        if self.data is not None:
            if kept.now is None or kept.now.data != self.data:
                if changed and kept.now is not None:
                    raise RescueError(
                        "%s: somebody changed it since; what was there first is kept as %s: move that away."
                        % (self.path, kept.kept_name)
                    )
                self.action = "put"
        elif is_ours:
            self.action = "take_back"
        elif changed:
            self.reason = "somebody changed it since; what was there first is kept as %s" % kept.kept_name
        self.matters = self.matters and self.action in ("put", "take_back")

    @property
    def _after(self):
        if self.action == "put":
            return self.data
        if self.action == "take_back":
            return self._kept.before.data if self._kept.before is not None else None
        return self._kept.now.data if self._kept.now is not None else None

    def entry(self):
        now = self._kept.now
        return {
            "path": visible(self.path),
            "before": None if now is None else _shown(now.data),
            "after": None if self._after is None else _shown(self._after),
            "changed": self.action is not None,
            "reason": visible(self.reason) if self.reason else None,
        }

    def first_line(self):
        return None if self._after is None else os.fsdecode(self._after.partition(b"\n")[0].rstrip())

    def difference(self):
        entry = self.entry()
        return {
            "before_header": entry["path"],
            "after_header": entry["path"],
            "before": entry["before"] or "",
            "after": entry["after"] or "",
        }


def _shown(data):
    return shorten(visible(decode(data), lines=True), _LONGEST_TEXT)


def _control_step(control, qmail, name, value):
    path = os.path.join(qmail.control.path, name)
    try:
        kept = Kept(control, name, _LARGEST)
    except Damaged as error:
        raise RescueError("%s: %s." % (path, error)) from None
    is_ours = kept.now is not None and not kept.is_half_kept and _IS_SIGNED.match(kept.now.data) is not None
    has_before = (kept.before if is_ours else kept.now) is not None
    data = None if value is None else _SIGNED % (value, value, os.fsencode(kept_name(name)) if has_before else b"none")
    status = os.fstat(control)
    step = Step(control, path, kept, data, (status.st_uid, status.st_gid), True)
    step.decide(is_ours)
    if step.action == "take_back" and kept.before is None and _IS_SIGNED.match(kept.now.data).group(2) != b"none":
        step.action, step.matters = None, False
        step.reason = "what was there before is gone: %s is missing" % kept.kept_name
    return step


def _alias_step(stack, qmail, params):
    """Return the Step of the .qmail file that discards; None where there is none and none is needed."""
    is_wanted = params["state"] == "present" and params["to"] == _DISCARD
    try:
        domain = _alias_domain(qmail)
    except RescueError:
        return None
    controller = qmail.users.controller(domain.prefix + _ALIAS.encode())
    if controller is None or not controller.dash:
        if is_wanted:
            raise RescueError("to: discard needs qmail's user alias, who does not get mail for %s." % _ALIAS)
        return None
    name = os.fsdecode(b".qmail" + controller.dash + controller.extension.lower().replace(b".", b":"))
    path = os.path.join(controller.home, name)
    try:
        fd = open_home(controller.home)
        stack.callback(os.close, fd)
        kept = Kept(fd, name, _LARGEST)
    except Damaged as error:
        if not is_wanted:
            return None
        raise RescueError("to: %s cannot be made: %s." % (path, error)) from None
    is_ours = kept.now is not None and kept.now.data == _ALIAS_TEXT
    if not is_ours and kept.now is not None:
        if is_wanted:
            raise RescueError("to: %s is there already, and is not ours." % path)
        return None
    if not is_wanted and kept.now is None and kept.is_tidy:
        return None
    status = os.fstat(fd)
    step = Step(fd, path, kept, _ALIAS_TEXT if is_wanted else None, (status.st_uid, status.st_gid), False)
    step.decide(is_ours)
    return step


def _address(qmail, steps):
    """Return where double bounces go afterwards."""
    values = {os.path.basename(step.path): step.first_line() for step in steps}
    me = os.fsdecode(qmail.control.line("me"))
    user = values["doublebounceto"]
    return visible("%s@%s" % ("postmaster" if user is None else user, values["doublebouncehost"] or me))


class Marker:
    """A note of which qmail-send runs with the old values: a run may be killed before that is restarted."""

    def __init__(self, dir_fd, name, proc):
        self._dir_fd = dir_fd
        self._name = name
        self._proc = proc
        try:
            self._found = Kept(dir_fd, name, _LARGEST).now
        except Damaged as error:
            raise RescueError("%s: %s." % (RUN, error)) from None

    def names_living(self):
        """Tell whether the qmail-send that it names still runs."""
        fields = self._found.data.split() if self._found is not None else []
        if len(fields) != 2 or not all(field.isdigit() for field in fields):
            return False
        process = self._proc.process(int(fields[0]))
        return process is not None and process.start == int(fields[1])

    def forget(self):
        """Remove it where that qmail-send has ended."""
        if self._found is not None and not self.names_living():
            disk.unlink(self._name, self._dir_fd)
            disk.sync_directory(self._dir_fd)
            self._found = None

    def write(self, process):
        if self._found is None:
            disk.write_new(self._name, self._dir_fd, b"%d %d\n" % (process.pid, process.start))
            disk.sync_directory(self._dir_fd)
