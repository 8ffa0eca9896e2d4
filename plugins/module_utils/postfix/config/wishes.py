# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of postfix_config that say what is wanted, checked and in one form."""

__all__ = ["check_label", "wanted"]

import re

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import FIELDS

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}\Z")
_SERVICE = re.compile(r"[^\s#{}/=][^\s{}/=]{0,199}/(?:inet|unix|unix-dgram|fifo|pass)\Z")
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}\Z")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_FIELD = {
    "private": (re.compile(r"[yn-]\Z"), "y, n or -"),
    "unprivileged": (re.compile(r"[yn-]\Z"), "y, n or -"),
    "chroot": (re.compile(r"[yn-]\Z"), "y, n or -"),
    "wakeup": (re.compile(r"(?:\d{1,9}\??|-)\Z"), "seconds, seconds and ?, or -"),
    "process_limit": (re.compile(r"(?:\d{1,9}|-)\Z"), "a number or -"),
}


def check_label(label):
    if label is not None and not _LABEL.match(label):
        raise RescueError("remember: expected letters, digits, _, - and dots, got %s." % _shown(label))


def wanted(params):
    """Return {kind: {name: value or None}} for a module's options. Raises RescueError."""
    return {
        "services": {_service("services", name): _fields(name, value) for name, value in _given(params, "services")},
        "service_parameters": {
            _service_parameter(name): _value("service_parameters." + name, value, braces=True)
            for name, value in _given(params, "service_parameters")
        },
        "parameters": {
            _checked("parameters", _PARAMETER, name, "the name of a parameter"): _value("parameters." + name, value)
            for name, value in _given(params, "parameters")
        },
        "aliases": {
            _checked("aliases", _ALIAS, name, "a name of letters, digits and . _ + -"): _alias(name, value)
            for name, value in _given(params, "aliases")
        },
    }


def _given(params, option):
    return [(str(name), value) for name, value in (params.get(option) or {}).items()]


def _checked(option, pattern, name, expected):
    if not pattern.match(name):
        raise RescueError("%s: expected %s, got %s." % (option, expected, _shown(name)))
    return name


def _service(option, name):
    return _checked(option, _SERVICE, name, "a service and its type, as submission/inet")


def _service_parameter(name):
    service, unused, parameter = name.rpartition("/")
    if not _SERVICE.match(service) or not _PARAMETER.match(parameter):
        raise RescueError(
            "service_parameters: expected a service, its type and a parameter, as submission/inet/smtpd_tls_auth_only, "
            "got %s." % _shown(name)
        )
    return name


def _alias(name, value):
    text = _value("aliases." + name, value)
    if text == "":
        raise RescueError("aliases.%s: expected an address, a path or null, got nothing." % name)
    return text


def _fields(name, value):
    if value is None:
        return None
    if not isinstance(value, dict) or not set(value) <= set(FIELDS + ("command",)):
        raise RescueError(
            "services.%s: expected null or a dict of %s and command, got %s."
            % (name, ", ".join(FIELDS), _shown(value if not isinstance(value, dict) else ", ".join(map(str, value))))
        )
    found = {}
    for field, one in value.items():
        option = "services.%s.%s" % (name, field)
        if one is True or one is False:
            one = "y" if one else "n"
        text = _value(option, one, braces=True)
        if field == "command":
            if not text:
                raise RescueError("%s: expected a program and its arguments, got nothing." % option)
            text = " ".join(text.split())
        elif text is None or not _FIELD[field][0].match(text):
            raise RescueError("%s: expected %s, got %s." % (option, _FIELD[field][1], _shown(one)))
        found[field] = text
    return found


def _value(option, value, braces=False):
    """Return a value as Postfix's text, without blanks around it, as Postfix would take it anyway."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise RescueError(
            "%s: expected a string, a number, a boolean or null, got a %s." % (option, type(value).__name__)
        )
    text = value.strip(" \t\r\n")
    if _CONTROL.search(text):
        raise RescueError("%s: expected one line without control characters, got %s." % (option, _shown(value)))
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise RescueError("%s: expected text, got %s." % (option, _shown(value))) from None
    if braces and not _balanced(text):
        raise RescueError("%s: expected braces in pairs, got %s." % (option, _shown(value)))
    return text


def _balanced(text):
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def _shown(value):
    return visible(shorten(str(value), 80)) or "nothing"
