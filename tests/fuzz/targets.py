"""What is done with spoilt bytes, and what must hold whatever they are."""

__all__ = ["TARGETS"]

import os
import re
from functools import lru_cache

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.mail.bounces import reported_addresses
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers, decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message, Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.content_filters import Filters
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.defer_log import parse_defer_log, reasons_for
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.file_bytes import FileBytes
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import first_hop
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import origin as postfix_origin
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import (
    TooShort,
    parse_content,
    parse_envelope,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.layout import (
    parse_channel,
    parse_info,
    parse_todo,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.received import origin
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.scanners import LOCAL, PASSES_ON
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import Context
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import PatternTimeout, TimeLimit

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SELECTS = [
    {"subject": ["buy", "^Re: "], "sender": "example"},
    {"sender": "<>", "bounce": True},
    {"header": r"^X-[^:]*: .*\d", "recipient": r"@example\.(com|net)$"},
    {"body": [r"^Hi\. ", "(?s)a.*b"], "ignore_case": False},
    {"delay_reason": "timed out|later", "client_address": ["192.0.2.0/24", "2001:db8::/32"]},
    {"origin_uid": [0, 33], "sasl_username": "info@example.com", "newer_than": "7d", "larger_than": "1k"},
]


def headers(data):
    found = Headers(data)
    assert data.startswith(found.raw)
    assert len(found.raw) <= found.body_offset <= len(data)
    for name in (b"subject", b"received", b"x"):
        values = list(found.all(name))
        assert found.get(name) in (values or [None])
        assert all(len(value) <= 4096 for value in values)
    for line in found.lines():
        assert line and b"\n" not in line
        assert not HARMFUL.search(visible(decode_header(line)))


def cut_headers(data):
    """What is known of a part of a header section does not change with the rest of it."""
    part, whole = Headers(data[: len(data) // 2]), Headers(data)
    if part.complete:
        assert (part.raw, part.body_offset) == (whole.raw, whole.body_offset)


def text(data):
    decoded = decode(data)
    assert not HARMFUL.search(visible(decoded))
    assert not HARMFUL.search(visible(decoded, lines=True).replace("\t", "").replace("\n", ""))


def encoded_words(data):
    assert not HARMFUL.search(visible(decode_header(data)))


def notices(data):
    found = Headers(data)
    for generated in (False, True):
        addresses = reported_addresses(found, data[found.body_offset :], generated)
        assert addresses is not None or not generated
        assert all(0 < len(one) <= 4096 for one in addresses or ())
        assert len(addresses or ()) <= 20


def info(data):
    try:
        assert b"F%s\0" % parse_info(data) == data
    except Damaged:
        pass


def channel(data):
    try:
        found = parse_channel(data, "remote")
    except Damaged:
        return
    assert b"".join((b"D" if one.done else b"T") + one.address + b"\0" for one in found) == data


def todo(data):
    try:
        found = parse_todo(data)
    except Damaged:
        return
    assert b"\0F%s\0" % found.sender in b"\0" + data
    assert all(b"\0T%s\0" % one.address in b"\0" + data for one in found.recipients)
    assert found.uid is None or 0 <= found.uid < 10**10


def received(data):
    for judge in (None, lambda uid: LOCAL, lambda uid: PASSES_ON):
        found = origin(Headers(data), judge)
        assert found.kind in (None, "uid", "network", "bounce", "alias")
        assert found.source in (None, "header")
        for value in (found.client_address, found.client_name, found.sasl_username):
            assert value is None or (value in data and b"\n" not in value)
    assert origin(Headers(data), lambda uid: LOCAL).source != "header" or found.kind == "alias"


FILTERS = Filters({"scan:", "filter:"}, {33}, {b"mail.example.com", b"0"}, {b"Postfix", b"A (B)"})


def hops(data):
    """What Postfix's fields tell, where the first one is the message's own."""
    found = Headers(data)
    first = found.first(b"received")
    assert first == next(found.all(b"received"), None)
    numbers = re.findall(rb"id ([A-Za-z0-9_]{1,30})", first or b"")[:3] + [b"4Ab"]
    for number in numbers:
        top = first_hop(first, number) if first is not None else None
        assert top is None or b" id " + number in first
        for filters in (None, FILTERS, FILTERS._replace(destinations=set(), uids=set())):
            for is_through in (False, True):
                told = postfix_origin(found, number, 104, is_through, filters)
                assert told.source in (None, "header", "hidden")
                assert told.uid is None or 0 <= told.uid < 10**10
                assert all(one is None or b"\n" not in one for one in told[1:4])
                if filters is None and is_through:
                    # Nobody is named where there is no telling.
                    assert told[1:4] == (None, None, None)
                if top is None:
                    assert told[:4] == (None, None, None, None)


@lru_cache(maxsize=1)
def _file():
    return os.memfd_create("fuzz") if hasattr(os, "memfd_create") else os.open("/tmp", os.O_TMPFILE | os.O_RDWR)


def _envelope(data, trusted):
    try:
        found = parse_envelope(data, trusted)
    except (Damaged, TooShort) as error:
        return type(error), str(error), getattr(error, "offset", None)
    assert 0 < found.content <= len(data)
    return tuple(getattr(found, name) for name in found.__slots__)


def envelope(data):
    fd = _file()
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)
    for trusted in (True, False):
        assert _envelope(data, trusted) == _envelope(FileBytes(fd), trusted)


def content(data):
    try:
        whole, unused, complete = parse_content(data, 0, 0)
    except Damaged:
        return
    assert len(whole) <= 2 * len(data)
    head = parse_content(data, 0, 0, header_only=True)[0]
    assert whole.startswith(head)
    if complete:
        in_pieces = _content_in_pieces(data, 300)
        assert in_pieces is None or in_pieces == whole


def _content_in_pieces(data, size):
    found, at, jumps = [], 0, set()
    while True:
        before = at
        piece, at, complete = parse_content(data[at : at + size], at, at, jumps=jumps)
        found.append(piece)
        if complete:
            return b"".join(found)
        if at == before:
            # A record longer than a piece.
            return None


def deferlog(data):
    logged = parse_defer_log(data)
    assert all(key in data and value in data for key, value in logged.items())
    addresses = (b"a@example.com", b"c d@example.com", b"", b"\xff", *logged)
    recipients = [Recipient(address, False, None) for address in addresses]
    reasons = reasons_for(recipients, logged)
    assert set(reasons.values()) <= set(logged.values())


class _Reader:
    def __init__(self, data):
        self._data = data

    def body(self, message):
        yield self._data


@lru_cache(maxsize=1)
def _selections():
    return [(Selection(one), Selection(exclude=one)) for one in SELECTS]


def selection(data):
    message = Message(0, "1", "remote")
    message.headers = Headers(data)
    message.sender, message.size, message.arrival = data[:40], len(data), 1.0 * len(data)
    message.recipients = [Recipient(data[40:80], False, None), Recipient(data[80:90], True, None)]
    message.reasons = {b"a": data[:80]}
    message.client_address, message.sasl_username, message.origin_uid = data[:9], data[9:20], len(data) % 40
    message.bounced = None if len(data) % 2 else []
    with TimeLimit(5) as limit:
        context = Context(10000, _Reader(data[message.headers.body_offset :]), limit)
        for chosen, left_out in _selections():
            limit.begin()
            try:
                selected = chosen.test(message, context, lambda message, fields: None)
                excluded = not left_out.test(message, context, lambda message, fields: None)
            except PatternTimeout:
                continue
            assert selected is excluded


# name: (what is done, kinds of bytes to start from)
TARGETS = {
    "headers": (headers, ("text",)),
    "cut_headers": (cut_headers, ("text",)),
    "text": (text, ("text",)),
    "encoded_words": (encoded_words, ("text",)),
    "notices": (notices, ("text",)),
    "info": (info, ("info",)),
    "channel": (channel, ("channel",)),
    "todo": (todo, ("todo",)),
    "received": (received, ("text",)),
    "hops": (hops, ("text",)),
    "envelope": (envelope, ("postfix",)),
    "content": (content, ("content", "postfix")),
    "deferlog": (deferlog, ("deferlog",)),
    "selection": (selection, ("text",)),
}
