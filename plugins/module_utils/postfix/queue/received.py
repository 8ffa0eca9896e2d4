# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a message came from, out of the Received fields that this host's Postfix put on top of it."""

__all__ = ["Hop", "Origin", "first_hop", "hop", "is_loopback", "origin"]

import re
from collections import namedtuple
from itertools import islice

# What one field says: the name of the host and mail_name; ``uid`` of who ran sendmail(1), or ``address``, ``name``,
# ``login`` of the client and whether it had logged in. What it does not say is None.
Hop = namedtuple("Hop", "host product uid address name login logged_in")
# ``source``: None where nothing but the envelope and the first field was asked; else "header" or "hidden".
Origin = namedtuple("Origin", "uid address name login source")

NOWHERE = Origin(None, None, None, None, None)
HIDDEN = NOWHERE._replace(source="hidden")

# Postfix takes blanks, parentheses and the like out of what a client calls itself.
_FROM = re.compile(rb"from \S{1,1000} \((\S{1,255}) \[(?:IPv6:)?([^\]\s]{1,100})\]\)")
_BY = re.compile(rb" ?by (\S{1,255}) ")
# mail_name may hold anything.
_FIRST = re.compile(rb"\((.{1,1000}?)(?:, from userid (\d{1,10})\)|\)(?: with ([A-Z0-9]{3,20}))?)\Z", re.DOTALL)
_NEXT = re.compile(
    rb"(?:, from userid (\d{1,10})\)|\)(?: with ([A-Z0-9]{3,20}))?)(?: id [A-Za-z0-9_]{1,100})?(?=[ ;]|\Z)"
)
# Most of what is local needs no more than this.
_USUAL = re.compile(rb"by \S{1,255} \([^()]{1,200}, from userid (\d{1,10})\) id ([A-Za-z0-9_]{1,100});")
_LOGIN = b"Authenticated sender: "
_PARENTHESIS = re.compile(rb"[()]")
_LOGGED_IN = re.compile(rb"(?:E|UTF8)SMTPS?A\Z")
# What a filter on this host writes of itself.
_OF_A_FILTER = re.compile(
    rb"from .{0,300}?(?:\[127\.|\[(?:IPv6:)?::1\]|localhost)|.{0,600}?\bby localhost\b", re.DOTALL
)
_LOOPBACK = re.compile(rb"(?:IPv6:)?(?:(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)\Z", re.IGNORECASE)
_LOOKED_AT = 8


def is_loopback(address):
    """Tell whether an address (bytes), as Postfix writes it, is this host's own to itself."""
    return _LOOPBACK.match(address) is not None


def first_hop(value, queue_id):
    """Return the Hop of a Received value that bears the message's own queue id (bytes), or None.

    Who wrote the message could not know the id.
    """
    parts = _parts(value)
    if parts is None:
        return None
    client, comments, host, rest = parts
    end = rest.find(b" id " + queue_id)
    if end < 0 or rest[end + 4 + len(queue_id) :][:1] not in (b"", b" ", b";"):
        return None
    found = _FIRST.match(rest, 0, end)
    return None if found is None else _hop(client, comments, host, *found.groups())


def hop(value, hosts, products):
    """Return the Hop of a Received value that a Postfix of one of these names wrote, or seems to have; or None."""
    parts = _parts(value)
    if parts is None or parts[2].lower() not in hosts:
        return None
    client, comments, host, rest = parts
    for product in products:
        if rest.startswith(b"(" + product):
            found = _NEXT.match(rest, 1 + len(product))
            if found:
                return _hop(client, comments, host, product, *found.groups())
    return None


def origin(headers, queue_id, owner, is_through, filters):
    """Return the Origin of a message in a queue.

    ``queue_id``: bytes; ``owner``: the uid that Postfix runs as, or None; ``is_through``: whether the message came in
    by SMTP from this host itself, without a login; ``filters``: Filters of the host, or None where they are unknown.
    """
    value = headers.first(b"received")
    usual = None if value is None else _USUAL.match(value)
    if usual and usual.group(2) == queue_id:
        uid = int(usual.group(1))
        if uid != owner and (filters is None or uid not in filters.uids):
            return Origin(uid, None, None, None, None)
    fields = list(islice(headers.all(b"received"), _LOOKED_AT))
    if filters is None and is_through and len(fields) < 2:
        return NOWHERE
    top = None if value is None else first_hop(value, queue_id)
    if top is None:
        return HIDDEN if is_through and filters is not None and filters.destinations else NOWHERE
    if top.uid is not None:
        # postsuper -r has Postfix submit a message anew, as itself.
        is_again = owner is not None and top.uid == owner
        if not is_again and not (filters is not None and top.uid in filters.uids):
            return NOWHERE._replace(uid=top.uid)
        found = _behind(top, fields[1:], owner, filters)
        return NOWHERE if is_again and found == HIDDEN else found
    if not is_through:
        return NOWHERE
    found = _behind(top, fields[1:], owner, filters)
    if filters is None:
        # Without a filter, what stands there was the client's.
        return NOWHERE if found == HIDDEN or found.source is None else HIDDEN
    return found


def _behind(top, fields, owner, filters):
    """Return the Origin told by what stands below what a filter, or a requeueing, put on top."""
    hosts, products, most = {top.host.lower()}, [top.product], 0
    if filters is not None:
        hosts |= filters.hosts
        products += [one for one in filters.products if one != top.product]
        most = len(filters.destinations)
    # How many filters it may still have come through.
    stages = most if top.uid is not None and top.uid == owner else most - 1
    for value in fields:
        found = hop(value, hosts, products)
        if found is None:
            if not _OF_A_FILTER.match(value):
                break
            continue
        if found.uid is not None:
            if found.uid == owner:
                # What is requeued goes through them once more.
                stages = most
                continue
            if filters is not None and found.uid in filters.uids:
                stages -= 1
                continue
            return NOWHERE._replace(uid=found.uid, source="header")
        is_own = found.address is not None and is_loopback(found.address)
        if is_own and not found.logged_in and stages > 0:
            # One filter after another.
            stages -= 1
            continue
        return _client(found, is_own)
    return HIDDEN


def _client(found, is_own):
    if found.logged_in and found.login is None:
        # smtpd_sasl_authenticated_header is "no" by default.
        source = "hidden"
    elif found.login is None and (is_own or found.address is None):
        return NOWHERE
    else:
        source = "header"
    if is_own:
        return Origin(None, None, None, found.login, source)
    return Origin(None, found.address, found.name, found.login, source)


def _parts(value):
    """Return ((name, address) or None, comments after it, name of the host, what follows it); or None."""
    client, comments, at = None, [], 0
    found = _FROM.match(value)
    if found:
        client, at = found.groups(), found.end()
        while value[at : at + 2] == b" (":
            end = _end_of_comment(value, at + 1)
            if end is None:
                return None
            comments.append(value[at + 2 : end - 1])
            at = end
    found = _BY.match(value, at)
    if found is None:
        return None
    return client, comments, found.group(1), value[found.end() :]


def _end_of_comment(value, at):
    depth = 0
    for found in _PARENTHESIS.finditer(value, at):
        depth += 1 if found.group() == b"(" else -1
        if depth == 0:
            return found.end()
    return None


def _hop(client, comments, host, product, uid, protocol):
    name, address = client or (None, None)
    if address == b"unknown":
        address = None
    if name == b"unknown":
        name = None
    login = [one[len(_LOGIN) :] for one in comments if one.startswith(_LOGIN)]
    logged_in = bool(login) or (protocol is not None and _LOGGED_IN.match(protocol) is not None)
    return Hop(host, product, None if uid is None else int(uid), address, name, login[-1] if login else None, logged_in)
