# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which MTA is here, and where its queue is."""

__all__ = ["Target", "find"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout as postfix_layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout as qmail_layout
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader

# netqmail and notqmail; old Debian; indimail with its several queues.
_QMAIL_QUEUES = ("/var/qmail/queue", "/var/lib/qmail/queue", "/var/qmail", "/var/indimail/queue", "/var/indimail")


class Target:
    """``mta``: qmail or postfix; ``version`` or None; ``reader`` of all queues; ``instances``: a name or None each."""

    def __init__(self, reader, version=None, instances=None):
        self.mta = reader.mta
        self.reader = reader
        self.version = version
        self.instances = instances or [None] * len(reader.directories)


def find(mta="auto", queue_directory=None, config_directory=None):
    """Return the Target that these options mean. Raises RescueError with a sentence for the operator."""
    if config_directory and mta == "qmail":
        raise RescueError("config_directory: it is for Postfix; with mta=qmail, name the queue by queue_directory.")
    if config_directory and queue_directory:
        raise RescueError("config_directory: expected either it or queue_directory, got both.")
    if queue_directory:
        return _in_directory(mta, os.path.abspath(queue_directory))
    if config_directory:
        return _postfix([("-", config_directory)])
    found = {}
    if mta in ("auto", "qmail"):
        directories = _installed_qmail()
        if directories:
            found["qmail"] = directories
    if mta in ("auto", "postfix") and programs.which("postconf"):
        found["postfix"] = _instances()
    if not found:
        raise RescueError(
            "mta: no %s is installed here; for a queue in another place or a copy of one, give queue_directory."
            % ("qmail or Postfix" if mta == "auto" else {"qmail": "qmail", "postfix": "Postfix"}[mta])
        )
    if len(found) > 1:
        raise RescueError(
            "mta: both qmail (%s) and Postfix (%s) are here; say which is meant by mta=qmail or mta=postfix."
            % (found["qmail"][0], found["postfix"][0][1])
        )
    if "qmail" in found:
        return Target(QmailReader(found["qmail"]))
    return _postfix(found["postfix"])


def _in_directory(mta, directory):
    _check_directory(directory)
    if mta in ("auto", "qmail"):
        queues = qmail_layout.find_queues(directory)
        if queues:
            return Target(QmailReader(queues))
    if mta in ("auto", "postfix") and (mta == "postfix" or os.path.isdir(os.path.join(directory, "deferred"))):
        postfix_layout.check(directory)
        return Target(PostfixReader([directory]))
    hint = ""
    below = os.path.join(directory, "queue")
    if os.path.isdir(os.path.join(below, "mess")):
        hint = "; did you mean %s" % below
    kind = "" if mta == "auto" else "qmail "
    raise RescueError("queue_directory: %s is not a %squeue%s." % (directory, kind, hint))


def _check_directory(directory):
    try:
        os.scandir(directory).close()
    except PermissionError:
        raise RescueError("queue_directory: %s cannot be read: run as root (become: true)." % directory) from None
    except OSError as error:
        raise RescueError("queue_directory: %s: %s." % (directory, error.strerror)) from None


def _installed_qmail():
    for directory in _QMAIL_QUEUES:
        try:
            os.scandir(directory).close()
        except PermissionError:
            raise RescueError("%s cannot be read: run as root (become: true)." % directory) from None
        except OSError:
            continue
        queues = qmail_layout.find_queues(directory)
        if queues:
            return queues
    return []


def _parameters(config_directory):
    """Return ``(queue_directory, mail_version)`` of a Postfix instance."""
    option = ["-c", config_directory] if config_directory else []
    values = {}
    for line in programs.output("postconf", *(option + ["queue_directory", "mail_version"])).splitlines():
        name, unused, value = line.partition(" = ")
        values[name.strip()] = value.strip()
    if not values.get("queue_directory"):
        raise RescueError("postconf does not say where the queue of %s is." % (config_directory or "Postfix"))
    return values["queue_directory"], values.get("mail_version")


def _instances():
    """Return ``(name, config_directory)`` of all Postfix instances, the first one first."""
    found = []
    if programs.which("postmulti"):
        for line in programs.output("postmulti", "-l").splitlines():
            fields = line.split(None, 3)
            if len(fields) == 4:
                found.append((fields[0], fields[3]))
    return found or [("-", None)]


def _postfix(instances):
    if not programs.which("postconf"):
        raise RescueError("config_directory: Postfix's postconf is not installed here; give queue_directory instead.")
    directories, names, version = [], [], None
    for name, config_directory in instances:
        directory, mail_version = _parameters(config_directory)
        postfix_layout.check(directory)
        directories.append(directory)
        names.append(name)
        version = version or mail_version
    configurations = [one for unused, one in instances if one]
    return Target(PostfixReader(directories, None, configurations), version, names)
