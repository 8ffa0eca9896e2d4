# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are this host's own: an alert must not wait in the queue that it warns of."""

__all__ = ["other_host"]

import ipaddress
import socket

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError


def other_host(host, port, option="smtp_host"):
    """Return the addresses of ``host``, for connecting. Raises RescueError where one of them is this host's own."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RescueError("%s: %s has no address here: %s." % (option, host, reason)) from None
    for family, _kind, _protocol, _name, address in found:
        if _is_own(family, address):
            raise RescueError(
                "%s: %s is this host (%s), and the alert would wait in the queue that it warns of; name another server."
                % (option, host, address[0])
            )
    return [address[0] for _family, _kind, _protocol, _name, address in found]


def _is_own(family, address):
    plain = ipaddress.ip_address(address[0].partition("%")[0])
    mapped = getattr(plain, "ipv4_mapped", None) or plain
    if mapped.is_loopback or mapped.is_unspecified:
        return True
    # The kernel takes an own address as the source for itself. Nothing is sent by this.
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address[:1] + (9,) + address[2:])
            return probe.getsockname()[0] == address[0]
        except OSError:
            return False
