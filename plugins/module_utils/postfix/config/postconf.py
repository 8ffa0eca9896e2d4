# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix itself says of a configuration: postconf, postmap, postalias, postfix."""

__all__ = ["Postfix", "find_directory"]

import os
import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_running

_TIMEOUT = 60
_ELSEWHERE = "the mail log has the reason"
_UNUSED = re.compile(r"unused parameter: ([^=\s]+)")
# Blanks at its beginning make Postfix ignore a line, and with the first line all that follow it.
_SPOILT = re.compile(r"logical line must not start with whitespace")


def find_directory(config_directory=None, instance=None):
    """Return (configuration directory, name of the instance) by what the options say. Raises RescueError."""
    if config_directory and instance:
        raise RescueError("config_directory: expected either it or instance, got both.")
    if programs.which("postconf") is None:
        raise RescueError("config_directory: Postfix's postconf is not installed here.")
    names, failure = _instances()
    if instance:
        if failure:
            raise RescueError("instance: postmulti -l fails: %s." % failure)
        if instance not in names.values():
            raise RescueError(
                "instance: expected a name that postmulti -l lists (%s), got %s."
                % (", ".join(sorted(set(names.values()) - {"-"})) or "it lists none", visible(shorten(instance, 80)))
            )
        return [(path, name) for path, name in names.items() if name == instance][0]
    path = os.path.normpath(config_directory or _default_directory())
    if not os.path.isfile(os.path.join(path, "main.cf")):
        raise RescueError("config_directory: %s has no main.cf." % path)
    return path, names.get(path, names.get(os.path.realpath(path), "-"))


def _default_directory():
    # A master.cf that does not parse makes even this fail.
    return _run("postconf", "-d", "-h", "config_directory").stdout.strip() or "/etc/postfix"


class Postfix:
    """The programs, told to use the configuration in ``directory``."""

    def __init__(self, directory):
        self.directory = directory
        self._said = None

    def complaint(self):
        """Return why Postfix cannot use this configuration, as a phrase, or None."""
        warnings, spoilt = self._read()
        if spoilt:
            return spoilt
        found = [one for one in warnings if _SPOILT.search(one)]
        if found:
            return found[0]
        # postconf takes "abc" for a number; programs that read the parameters at their start do not.
        done = self._run("postmap", "-q", "x", "static:x")
        return None if done.returncode == 0 else self._reason(done.stderr)

    def warnings(self):
        """Return the set of what postconf warns of."""
        return self._read()[0]

    def unused(self):
        """Return the names of the parameters that are set and that nothing in Postfix uses."""
        return {name for one in self.warnings() for name in _UNUSED.findall(one)}

    def values(self, names, expanded=False):
        """Return a dict of the values that hold, given or by default; names that are unknown are left out."""
        found = {}
        if names:
            done = self._run("postconf", *((["-x"] if expanded else []) + sorted(names)))
            if done.returncode:
                raise RescueError("postconf failed: %s." % self._reason(done.stderr))
            for line in done.stdout.splitlines():
                name, unused, value = line.partition("=")
                found[name.strip()] = value.strip()
        return found

    def effective(self, names, settings):
        """Return a dict of the values, expanded, that hold for a service that sets ``settings`` for itself."""
        options = [word for name, value in sorted(settings.items()) for word in ("-o", "%s=%s" % (name, value))]
        found = {}
        done = self._run("postconf", "-x", *options, *sorted(set(names)))
        if done.returncode:
            raise RescueError("postconf failed: %s." % self._reason(done.stderr))
        for line in done.stdout.splitlines():
            name, unused, value = line.partition("=")
            found[name.strip()] = value.strip()
        return found

    def service_values(self):
        """Return what services set for themselves, by service/type/parameter, expanded."""
        found = {}
        for line in self._run("postconf", "-x", "-P").stdout.splitlines():
            name, unused, value = line.partition("=")
            found[name.strip()] = value.strip()
        return found

    def check(self):
        """Return why postfix check refuses it, or None."""
        done = self._run("postfix", "check")
        return None if done.returncode == 0 else self._reason(done.stderr) or _ELSEWHERE

    def is_running(self):
        return is_running(self.values(["queue_directory"])["queue_directory"])

    def reload(self):
        done = self._run("postfix", "reload")
        if done.returncode:
            raise RescueError("postfix reload failed: %s." % (self._reason(done.stderr) or _ELSEWHERE))

    def alias(self, name, maps):
        """Return what maps such as hash:/etc/aliases, looked up in turn, have for a name; None where none has it.

        Raises RescueError where one cannot be asked: local(8) then defers the mail.
        """
        if not maps:
            return None
        done = self._run("postalias", "-q", name, *maps)
        if done.returncode and "fatal:" in done.stderr:
            raise RescueError("aliases: %s cannot be asked: %s." % (" ".join(maps), self._reason(done.stderr)))
        return done.stdout.rstrip("\n") if done.returncode == 0 else None

    def lookup(self, table, name):
        """Tell whether a table such as hash:/etc/postfix/domains has a name."""
        return self._run("postmap", "-q", name, table).returncode == 0

    def build_aliases(self, table):
        """Make the index of an alias file anew."""
        done = self._run("postalias", table)
        if done.returncode:
            raise RescueError("postalias %s failed: %s." % (table, self._reason(done.stderr)))

    def _read(self):
        """Return (warnings, why it cannot be read or None), as they were when first asked for."""
        if self._said is None:
            self._said = self._ask()
        return self._said

    def _ask(self):
        done = self._run("postconf", "-n")
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        warnings = {self._plain(line) for line in lines if "warning:" in line}
        return warnings, None if done.returncode == 0 else self._reason(done.stderr)

    def _plain(self, line):
        line = line.split("warning:")[-1].split("fatal:")[-1].strip().replace(self.directory + "/", "")
        return visible(shorten(line, 300))

    def _reason(self, errors):
        lines = [line for line in errors.splitlines() if line.strip()]
        fatal = [line for line in lines if "fatal:" in line] or lines[-1:]
        return self._plain(fatal[0]).rstrip(".") if fatal else ""

    def _run(self, program, *arguments):
        return _run(program, "-c", self.directory, *arguments)


def _instances():
    """Return {configuration directory: name} (the name is "-" where it has none), and why that fails, or None."""
    if programs.which("postmulti") is None:
        return {}, "it is not installed"
    done = _run("postmulti", "-l")
    found = {}
    for line in done.stdout.splitlines():
        fields = line.split(None, 3)
        if len(fields) == 4:
            found[os.path.normpath(fields[3].strip())] = fields[0]
    said = visible(shorten(done.stderr.strip().split("\n")[0], 300)).rstrip(".")
    return found, None if done.returncode == 0 else said


def _run(program, *arguments):
    # It would be another instance than the one that is asked for.
    environment = {name: value for name, value in os.environ.items() if name != "MAIL_CONFIG"}
    return programs.run(program, *arguments, timeout=_TIMEOUT, environment=environment)
