# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content filters of a host's Postfix: mail that comes back from one looks as if this host had sent it."""

__all__ = ["Filters", "filters_of", "find_filters"]

import os
import pwd
import re
from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Services
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postconf import Postfix
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables, Unreadable, split
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.hashing import configurations

# ``destinations``: a set of where mail is sent to be filtered; ``uids``: as which filters run that give mail back by
# sendmail(1); ``hosts`` (lower case) and ``products``: sets of the values of myhostname and mail_name, as bytes.
Filters = namedtuple("Filters", "destinations uids hosts products")

_FILTERS = ("content_filter", "smtpd_proxy_filter")
_CHECKS = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks") + tuple(
    "smtpd_%s_restrictions" % name
    for name in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
_NAMES = _FILTERS + _CHECKS + ("myhostname", "mail_name", "smtpd_restriction_classes")
_ACTION = re.compile(r"FILTER\s+(\S+)", re.IGNORECASE)
_USER = re.compile(r"(?:^|\s)user=([^\s:]+)")


def find_filters(queue_directory, directories=()):
    """Return the Filters of the host whose Postfix has this queue; None where none of its instances has it, or where
    its configuration cannot be read. All instances count: one may filter what another takes back.

    ``directories``: those of configurations that postmulti does not list.
    """
    try:
        found = {os.path.realpath(one["config_directory"]): one["queue_directory"] for one in configurations()}
        for directory in directories:
            if os.path.realpath(directory) not in found:
                values = Postfix(directory).values(["queue_directory"])
                found[os.path.realpath(directory)] = values["queue_directory"]
        wanted = os.path.realpath(queue_directory)
        if wanted not in [os.path.realpath(one) for one in found.values()]:
            return None
        return _together([_read(directory) for directory in sorted(found)])
    except (KeyError, OSError, RescueError):
        return None


def filters_of(values, own, services, tables=None):
    """Return the Filters of one instance.

    ``values``: of parameters, by name; ``own``: what services set for themselves, by service/type/parameter;
    ``services``: a Services; ``tables``: a Tables, to look for FILTER in, or None.
    """
    settings = list(values.items()) + [(name.rpartition("/")[2], value) for name, value in own.items()]
    destinations = {value for name, value in settings if name in _FILTERS and value}
    if tables is not None:
        classes = set(split(values.get("smtpd_restriction_classes", "")))
        for value in sorted({value for name, value in settings if name in _CHECKS or name in classes}):
            destinations |= _in_tables(value, tables)
    return Filters(
        destinations,
        _uids(destinations, services),
        {value.lower().encode("utf-8", "surrogateescape") for name, value in settings if name == "myhostname"},
        {value.encode("utf-8", "surrogateescape") for name, value in settings if name == "mail_name" and value},
    )


def _read(directory):
    postfix = Postfix(directory)
    values = postfix.values(_NAMES, expanded=True)
    classes = split(values.get("smtpd_restriction_classes", ""))
    values.update(postfix.values(classes, expanded=True))
    with open(os.path.join(directory, "master.cf"), "rb") as file:
        services = Services(file.read().decode("utf-8", "surrogateescape"))
    return filters_of(values, postfix.service_values(), services, Tables(directory))


def _together(found):
    return Filters(*(set().union(*parts) for parts in zip(*found)))


def _in_tables(value, tables):
    found = set()
    for word in split(value):
        if ":" not in word:
            continue
        try:
            entries = tables.entries(word)[1]
        except Unreadable:
            continue
        for _key, action in entries:
            match = _ACTION.match(action)
            if match:
                found.add(match.group(1))
    return found


def _uids(destinations, services):
    found = set()
    for destination in destinations:
        service = services.get(destination.partition(":")[0] + "/unix")
        command = "" if service is None else service["command"]
        user = _USER.search(command)
        if user is None or command.split()[0].rpartition("/")[2] not in ("pipe", "spawn"):
            continue
        try:
            found.add(int(user.group(1)) if user.group(1).isdigit() else pwd.getpwnam(user.group(1)).pw_uid)
        except KeyError:
            continue
    return found
