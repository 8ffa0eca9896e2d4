# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts the watch every few minutes: a timer of systemd, or a line for cron."""

__all__ = [
    "COMMENT",
    "CRON",
    "ENABLED",
    "SERVICE",
    "TEST_SERVICE",
    "TIMER",
    "USER",
    "cron",
    "drop_rights",
    "service",
    "timer",
]

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch.settings import HIDDEN, is_below

USER = "mailops-queue-watch"
# By this comment we know later that the user was made by us.
COMMENT = "mailops.rescue queue_watch"
SERVICE = "/etc/systemd/system/mailops-queue-watch.service"
TEST_SERVICE = "/etc/systemd/system/mailops-queue-watch-test.service"
TIMER = "/etc/systemd/system/mailops-queue-watch.timer"
# What `systemctl enable` makes.
ENABLED = "/etc/systemd/system/timers.target.wants/mailops-queue-watch.timer"
CRON = "/etc/cron.d/mailops-queue-watch"

# A run that takes longer than this many seconds hangs.
_TIMEOUT = 300

_SERVICE = """\
# Managed by mailops.rescue.queue_watch
[Unit]
Description=%(description)s
After=network.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=%(command)s
User=%(user)s
StateDirectory=mailops-queue-watch
StateDirectoryMode=0755
# What was told last is known there though the disk is full.
RuntimeDirectory=mailops-queue-watch
RuntimeDirectoryPreserve=yes
UMask=0022
TimeoutStartSec=%(timeout)d
Nice=10
# To read directories and queue files of all users, and nothing else that root may.
AmbientCapabilities=CAP_DAC_READ_SEARCH
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=%(home)s
PrivateTmp=%(tmp)s
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# Netlink is how the resolver learns which addresses can be reached.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""

_TIMER = """\
# Managed by mailops.rescue.queue_watch
[Unit]
Description=Watch the mail queue every %(interval)d seconds

[Timer]
OnActiveSec=1s
OnUnitActiveSec=%(interval)ds
AccuracySec=1s

[Install]
WantedBy=timers.target
"""

# cron would mail what is printed, through the queue that it is about.
_CRON = """\
# Managed by mailops.rescue.queue_watch
%(when)s root (%(first)s; %(command)s) 2>&1 | logger -t mailops-queue-watch -p mail.info
"""


def service(settings, command, test=False):
    """Return the unit's text. ``command``: a list of words."""
    directories = [one for queue in settings["queues"] for one in queue["directories"]]
    return _SERVICE % {
        "description": "Send a test alert of the mail queue's watch" if test else "Watch the mail queue",
        "command": " ".join(command + (["--test"] if test else [])),
        "user": USER,
        "timeout": _TIMEOUT,
        "home": "read-only" if any(is_below(one, HIDDEN) for one in directories) else "yes",
        "tmp": "no" if any(is_below(one, ("/tmp", "/var/tmp")) for one in directories) else "yes",
    }


def timer(settings):
    """Return the timer's text."""
    return _TIMER % settings


def cron(settings, timeout, command):
    """Return the text for /etc/cron.d; ``timeout`` is the path of that program. Raises RescueError."""
    minutes, rest = divmod(settings["interval"], 60)
    if rest or not minutes or 60 % minutes:
        raise RescueError(
            "interval: cron knows whole minutes that an hour is divisible by, such as 1min or 5min; got %d seconds."
            % settings["interval"]
        )
    when = "0 * * * *" if minutes == 60 else "*/%d * * * *" % minutes
    words = [timeout, "-s", "KILL", str(_TIMEOUT)] + command
    first = "install -d -m 0755 -o %s -g %s /run/mailops-queue-watch" % (USER, USER)
    return _CRON % {"when": when, "first": first, "command": " ".join(words)}


def drop_rights(setpriv, command):
    """Return the command that root runs to have ``command`` run with the watch's own rights."""
    return [
        setpriv,
        "--reuid=%s" % USER,
        "--regid=%s" % USER,
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ] + command
