# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is watched for, and whom it is told: options checked before anything is changed, and read back by each run."""

__all__ = ["HIDDEN", "check", "is_below", "load", "shown_url", "smtp", "webhook"]

import json
import os
import re
from urllib.parse import urlsplit

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch.addresses import other_host
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import duration

# What systemd hides from the service.
HIDDEN = ("/home", "/root", "/run/user")

_SHORTEST, _LONGEST = 10, 3600
_MOST_PERIODS = 100
_MOST_RECIPIENTS = 20
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\Z")
# Neither a blank nor an angle bracket nor the end of a line: any of them would be a command of its own.
_ADDRESS = re.compile(r"[!-;=?A-~]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_URL = re.compile(r"[!-~]{1,2000}\Z")


def check(params):
    """Return the settings that options of the module mean, as JSON values. Raises RescueError."""
    interval = duration("interval", params["interval"])
    if not _SHORTEST <= interval <= _LONGEST:
        raise RescueError("interval: expected 10s to 1h, got %r." % params["interval"])
    growth = _number("growth", params["growth"], 0)
    window = duration("growth_window", params["growth_window"])
    # Without it, growth is but a number in notices: then the default does for every interval.
    if growth and not interval <= window <= interval * _MOST_PERIODS:
        raise RescueError(
            "growth_window: expected one to %d times the interval of %s, got %r."
            % (_MOST_PERIODS, params["interval"], params["growth_window"])
        )
    if not _HOST.match(params["host"]):
        raise RescueError("host: expected a host's name, got %r." % params["host"])
    return {
        "version": 1,
        "host": params["host"],
        "threshold": _number("threshold", params["threshold"], 1),
        "age": duration("age", params["age"]) if params["age"] else 0,
        "growth": growth,
        "growth_window": window,
        "bounce_share": _number("bounce_share", params["bounce_share"], 0, 100),
        "bounce_minimum": _number("bounce_minimum", params["bounce_minimum"], 1),
        "interval": interval,
        "cooldown": duration("cooldown", params["cooldown"]),
        "webhook": webhook(params),
        "smtp": smtp(params),
        "syslog": params["syslog"],
        "textfile_directory": _directory("textfile_directory", params["textfile_directory"]),
    }


def _number(option, value, least, most=10**9):
    if not least <= value <= most:
        raise RescueError("%s: expected %d to %d, got %d." % (option, least, most, value))
    return value


def webhook(params, hidden=HIDDEN):
    """Return where and how to POST, or None; ``hidden`` is what the service cannot see. Raises RescueError."""
    url = params["webhook_url"]
    if not url:
        for option in ("webhook_token_file", "webhook_ca_file"):
            if params[option]:
                raise RescueError("%s: it is of no use without webhook_url." % option)
        return None
    try:
        parts = urlsplit(url)
        good = _URL.match(url) and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise RescueError(
            "webhook_url: expected one such as https://alerts.example.com/hook; got another, which may be a secret."
        )
    if "@" in parts.netloc:
        raise RescueError("webhook_url: expected no user or password in it; give a token by webhook_token_file.")
    if params["webhook_token_file"] and parts.scheme != "https":
        raise RescueError("webhook_token_file: a token is sent over https only, and webhook_url is %s." % parts.scheme)
    return {
        "url": url,
        "token_file": _file("webhook_token_file", params["webhook_token_file"], hidden),
        "ca_file": _file("webhook_ca_file", params["webhook_ca_file"], hidden),
    }


def shown_url(url):
    """Return a webhook's URL without what chat servers take for a password."""
    return "/".join(url.split("/", 3)[:3] + ["..."])


def smtp(params):
    """Return the mail server to tell, or None. Raises RescueError."""
    host, recipients = params["smtp_host"], params["smtp_to"]
    if not host:
        for option in ("smtp_to", "smtp_from"):
            if params[option]:
                raise RescueError("%s: it is of no use without smtp_host." % option)
        return None
    if not _HOST.match(host) and ":" not in host:
        raise RescueError("smtp_host: expected a name or an address, got %r." % host)
    if not recipients:
        raise RescueError("smtp_to: expected the addresses that alerts go to, got none.")
    if len(recipients) > _MOST_RECIPIENTS:
        raise RescueError("smtp_to: expected at most %d addresses, got %d." % (_MOST_RECIPIENTS, len(recipients)))
    sender = params["smtp_from"] or "mailops-queue-watch@%s" % params["host"]
    for option, address in [("smtp_from", sender)] + [("smtp_to", one) for one in recipients]:
        if not _ADDRESS.match(address):
            raise RescueError("%s: expected an address such as ops@example.com, got %r." % (option, address))
    other_host(host, _number("smtp_port", params["smtp_port"], 1, 65535))
    return {
        "host": host,
        "port": params["smtp_port"],
        "tls": params["smtp_tls"],
        "from": sender,
        "to": list(recipients),
    }


def _file(option, path, hidden):
    if not path:
        return None
    if not os.path.isabs(path) or not os.path.isfile(path):
        raise RescueError("%s: expected the path of a file on the host, got %r." % (option, path))
    # A link may lead where the service cannot follow.
    path = os.path.realpath(path)
    if is_below(path, hidden + ("/tmp", "/var/tmp")):
        raise RescueError(
            "%s: expected a file elsewhere than in %s, which the service cannot see." % (option, os.path.dirname(path))
        )
    return path


def _directory(option, path):
    if not path:
        return None
    if not os.path.isabs(path) or not os.path.isdir(path):
        raise RescueError("%s: expected a directory that is there on the host, got %r." % (option, path))
    return os.path.normpath(path)


def is_below(path, directories):
    """Tell whether ``path`` is one of ``directories`` or in one."""
    return any(path == one or path.startswith(one + "/") for one in directories)


def load(path):
    """Return the settings in a file, as ``check`` made them. Raises RescueError."""
    try:
        with open(path, "rb") as file:
            settings = json.loads(file.read(1 << 20).decode("utf-8"))
        if settings["version"] != 1:
            raise ValueError("version %r" % settings["version"])
        names = [one["name"] for one in settings.get("queues", ())]
        if len(set(names)) < len(names):
            raise ValueError("two queues of one name")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RescueError("%s cannot be read: %s." % (path, getattr(error, "strerror", None) or error)) from None
    return settings
