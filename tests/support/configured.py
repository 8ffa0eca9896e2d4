"""A Postfix configuration in a directory of our own, and a double of the programs that read it."""

import os

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config import history, postfix_config
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.logical_lines import NamedValues

__all__ = ["ALIASES", "MAIN", "MASTER", "OPTIONS", "Configuration", "double"]

MAIN = """\
# The banner
smtpd_banner = $myhostname ESMTP
mydestination = a.example,
  b.example
local_recipient_maps = hash:/etc/users
"""
MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o smtpd_tls_security_level=encrypt
"""
ALIASES = "postmaster: root\nDiscard: somebody,\n  else\n"
OPTIONS = {
    "config_directory": None,
    "instance": None,
    "parameters": None,
    "service_parameters": None,
    "services": None,
    "aliases": None,
    "reload": True,
    "remember": None,
    "read": None,
    "state": "present",
}


class Configuration:
    """main.cf, master.cf and aliases in ``path``, what "Postfix" has loaded, and its index of aliases."""

    def __init__(self, path):
        self.path = str(path)
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER), ("aliases", ALIASES)):
            self.write(name, text)
        os.chmod(os.path.join(self.path, "main.cf"), 0o640)
        self.boot()
        self.write("aliases.db", ALIASES)
        self.original = self.texts()

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.path, name)) as file:
            return file.read()

    def texts(self):
        return tuple(self.read(name) for name in ("main.cf", "master.cf", "aliases"))

    def in_effect(self):
        """What the host works with; equal to texts() where nothing is left to be done."""
        return self.read("loaded-main.cf"), self.read("loaded-master.cf"), self.read("aliases.db")

    def boot(self):
        """Let Postfix come up anew, which reads what is there."""
        for name in ("main.cf", "master.cf"):
            self.write("loaded-" + name, self.read(name))

    def configure(self, check_mode=False, **options):
        """Return postfix_config's result."""
        return postfix_config.configure(dict(OPTIONS, config_directory=self.path, **options), check_mode)


class _Postfix:
    running = True

    def __init__(self, directory):
        self.directory = directory

    def complaint(self):
        lines = _read(self.directory, "main.cf").splitlines()
        broken = [line for line in lines if line.startswith("broken")]
        return "missing '='" if broken else None

    def warnings(self):
        return set()

    def unused(self):
        return {"unknown"} if NamedValues(_read(self.directory, "main.cf")).get("unknown") else set()

    def check(self):
        return None

    def values(self, names, expanded=False):
        main = NamedValues(_read(self.directory, "main.cf"))
        known = {"alias_maps": "hash:%s/aliases" % self.directory, "mail_version": "3.7.11"}
        return {name: main.get(name) or known.get(name, "") for name in names}

    def is_running(self):
        return self.running

    def reload(self):
        for name in ("main.cf", "master.cf"):
            _copy(self.directory, name, "loaded-" + name)

    def alias(self, name, maps):
        for one in maps:
            if one.endswith("/aliases"):
                return NamedValues(_read(os.path.dirname(one[5:]), "aliases.db"), ":", 0).get(name)
        return None

    def build_aliases(self, table):
        _copy(os.path.dirname(table[5:]), "aliases", "aliases.db")


def double(monkeypatch, directory):
    """Put the double in place of the programs, and what the host remembers into ``directory``."""
    monkeypatch.setattr(postfix_config, "Postfix", _Postfix)
    monkeypatch.setattr(postfix_config, "find_directory", lambda path, instance: (path, "-"))
    monkeypatch.setattr(history, "DIRECTORY", os.path.join(str(directory), "a", "b", "c"))
    monkeypatch.setattr(_Postfix, "running", True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return _Postfix


def _read(directory, name):
    with open(os.path.join(directory, name)) as file:
        return file.read()


def _copy(directory, name, new_name):
    # As postalias does for some types: in one step, and synced by nobody.
    with opened_directory(directory) as fd:
        disk.discard(new_name + ".tmp", fd)
        disk.write_new(new_name + ".tmp", fd, _read(directory, name).encode(), sync=False)
        disk.replace(new_name + ".tmp", fd, new_name, fd)
