# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliveries that qmail-send has in flight: the processes below its qmail-lspawn and qmail-rspawn."""

__all__ = ["Delivery", "find_deliveries", "find_recipients", "parse_arguments", "sentence"]

from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible

# ``age`` in seconds; ``host`` None for local ones; addresses as in the delivery's arguments, made harmless.
Delivery = namedtuple("Delivery", "process channel age host sender recipients recipient_count")

_SHOWN_RECIPIENTS = 20
_SHOWN_LENGTH = 320
_NAMED = 3


def _text(raw):
    return shorten(visible(decode(raw)), _SHOWN_LENGTH)


def parse_arguments(channel, arguments):
    """Return ``(host, sender, recipients)`` as bytes of the arguments of a qmail-remote or qmail-local.

    Both are None, and recipients is empty, while it is not yet the one it will be.
    """
    name = arguments[0].rpartition(b"/")[2] if arguments else b""
    if channel == "remote" and len(arguments) > 3 and name != b"qmail-rspawn":
        return arguments[1], arguments[2], arguments[3:]
    # qmail-local [-nN] [--] user homedir local dash ext domain sender defaultdelivery
    if channel == "local" and name == b"qmail-local":
        rest = [one for one in arguments[1:3] if not one.startswith(b"-")] + arguments[3:]
        if len(rest) >= 7:
            return None, rest[6], [rest[2] + b"@" + rest[5]]
    return None, None, []


def find_deliveries(send, proc):
    """Return the list of Delivery of qmail-send's Process ``send``, oldest first."""
    found = []
    for channel, one, (host, sender, recipients) in _running(send, proc):
        found.append(
            Delivery(
                one,
                channel,
                proc.age(one),
                None if host is None else _text(host),
                None if sender is None else _text(sender),
                [_text(recipient) for recipient in recipients[:_SHOWN_RECIPIENTS]],
                len(recipients),
            )
        )
    return sorted(found, key=lambda one: (one.process.start, one.process.pid))


def find_recipients(send, proc):
    """Return the set of ``(channel, recipient)``, with bytes, of what qmail-send's Process ``send`` delivers now."""
    return {(channel, one) for channel, unused, found in _running(send, proc) for one in found[2]}


def _running(send, proc):
    """Yield ``(channel, Process, what parse_arguments returns)`` of each delivery."""
    processes = proc.processes()
    channels = {}
    for one in processes.values():
        if one.parent == send.pid:
            for channel, ending in (("local", "-lspawn"), ("remote", "-rspawn")):
                if one.name.endswith(ending):
                    channels[one.pid] = channel
    for one in processes.values():
        channel = channels.get(one.parent)
        if channel:
            yield channel, one, parse_arguments(channel, proc.arguments(one.pid))


def sentence(deliveries):
    """Return a phrase that names the oldest deliveries."""
    if not deliveries:
        return "no delivery in flight is seen"
    named = []
    for one in deliveries[:_NAMED]:
        to = one.recipients[0] if one.recipients else "an unknown recipient"
        if one.recipient_count > 1:
            to += " and %d more" % (one.recipient_count - 1)
        at = " at %s" % one.host if one.host else ""
        named.append("%s delivery to %s%s, for %d s, pid %d" % (one.channel, to, at, one.age, one.process.pid))
    if len(deliveries) > _NAMED:
        named.append("%d more" % (len(deliveries) - _NAMED))
    return "%d in flight: %s" % (len(deliveries), "; ".join(named))
