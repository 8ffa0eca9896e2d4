"""32 times as many hostile bytes take about 32 times as long; were it quadratic, they would take 1024 times."""

import gc
import time
from contextlib import contextmanager

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.mail.bounces import reported_addresses
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers, decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, visible
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.content_filters import Filters
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.defer_log import parse_defer_log
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import first_hop
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import hop as next_hop
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
from tests.support.postfix_records import record

SMALL, LARGE = 1 << 15, 1 << 20
# Half way, as factors go, between linear and quadratic: the machine's noise would have to be more than fivefold.
MOST = 180
TRIES = 3
# Less than this is too short to compare, and too short to harm.
NEGLIGIBLE = 0.02

TEXTS = {
    "letters": (b"", b"x"),
    "8-bit": (b"", b"\xe9"),
    "half characters": (b"", b"\x83\x41\xe9"),
    "shifts": (b"", b"\x1b$B\x1b(B"),
    "half shifts": (b"", b"\x1b$"),
    "half of UTF-8": (b"a", b"\xe8\xab"),
    "controls": (b"", b"\0\x1b\xc2\x85"),
    "word starts": (b"", b"=?utf-8?q?"),
    "words": (b"", b"=?utf-8?q?=C3?= "),
    "words in base64": (b"", b"=?utf-8?b?w6k=?= "),
    "words of two charsets": (b"", b"=?utf-8?q?a?= =?latin1?q?b?= "),
    "one long word": (b"=?utf-8?q?", b"=C3"),
    "languages": (b"", b"=?a*"),
    "question marks": (b"", b"=?"),
    "blanks in words": (b"=?utf-8?q?a?=", b" \t"),
}
HEADERS = {
    "fields": (b"", b"A: b\n"),
    "folds": (b"A: b", b"\n "),
    "folds after CR": (b"A: b", b"\r\n "),
    "CR": (b"A: b", b"\r"),
    "blanks before the colon": (b"A", b" "),
    "received": (b"", b"Received: x\n"),
    "nearly received": (b"", b"Received \t \n"),
    "long name": (b"", b"a"),
    "semicolons": (b"Content-Type: multipart/report", b";"),
    "failed": (b"X-Failed-Recipients: ", b"a,b,"),
    "from": (b"", b"From From "),
}
BODIES = {
    "recipients of QSBMF": (b"Hi. This is the\n", b"\n<a>:\n"),
    "half recipients of QSBMF": (b"Hi. This is the\n", b"\n<<<<>"),
    "dashes": (b"Hi. This is the\n", b"-\n\n"),
    "actions": (b"", b"Action: delayed\n"),
    "recipients": (b"", b"Final-Recipient: rfc822; a@b\n"),
    "blanks": (b"Final-Recipient: rfc822;", b" "),
    "lines of blanks": (b"", b"Action: \t"),
}
FILTERS = Filters({"scan:"}, {33}, {b"h"}, {b"Postfix"})
OWN = b"Received: from x (y [127.0.0.1]) by h (Postfix) with SMTP id 4Ab; x\n"
AGAIN = b"Received: by h (Postfix, from userid 104) id 4Ab; x\n"
HEADERS.update(
    {
        "parentheses after a client": (OWN + b"Received: from x (y [192.0.2.1]) ", b"("),
        "comments after a client": (OWN + b"Received: from x (y [192.0.2.1])", b" (a)"),
        "filters": (OWN, b"Received: from localhost (x [127.0.0.1]) by localhost (a) with SMTP id 1; x\n"),
        "long fields of filters": (OWN + b"Received: from ", b"localhost by localhost "),
        "requeued": (AGAIN, AGAIN),
        "mail_name": (b"Received: by h (", b"P, from userid 1) with ", b" id 4Ab; x\n"),
        "uids": (b"Received: by h (P", b", from userid 1", b") id 4Ab; x\n"),
        "ids": (b"Received: by h (P) with SMTP", b" id 4Ab"),
        "qmail-scanner": (b"Received: (qmail 1 invoked by uid 89); x\n", b"Received: by h (envelope-from <a>, uid 8\n"),
    }
)
REPORT = Headers(b"Content-Type: multipart/report; report-type=delivery-status\n\n")
ENVELOPES = {
    "attributes": (b"", record("A", b"client_name=x")),
    "recipients": (b"", record("R", b"a@b")),
    "padding": (b"", b"w\0"),
    "sizes": (b"", record("C", b"1 1 1")),
    "loop": (b"w\0", b"w\0", record("p", b"%15d" % 2)),
    "loop of pointers": (b"w\0", b"p\x010", record("p", b"%15d" % 2)),
    "pointers to pointers": (b"w\0", record("p", b"%15d" % 2) + record("p", b"%15d" % 19)),
    "lines": (b"", record("N", b"x")),
    "pieces of lines": (b"", record("L", b"x")),
    "empty lines": (b"", b"N\0"),
}
LOGS = {
    "entries": (b"", b"\n<a>: b\nrecipient=a\nreason=b\n\n"),
    "recipients": (b"", b"\nrecipient=a"),
    "reasons": (b"", b"\nreason=a"),
    "old style": (b"\n<", b">: <"),
    "newlines": (b"", b"\n"),
}
CHANNELS = {
    "recipients": (b"", b"Ta\0"),
    "NUL": (b"F", b"\0"),
    "uids": (b"Fa\0", b"u1\0"),
}


def _all_headers(data):
    headers = Headers(data)
    for name in (b"received", b"subject", b"x"):
        headers.get(name)
        list(headers.all(name))
    headers.first(b"received")
    origin(headers)
    for owner in (None, 104):
        postfix_origin(headers, b"4Ab", owner, owner is None, FILTERS)
    reported_addresses(headers, b"", False)
    return [decode_header(line) for line in headers.lines()]


def _one_of(*parsers):
    def parse(data):
        for parser in parsers:
            try:
                parser(data)
            except (Damaged, TooShort):
                pass

    return parse


def _values(data):
    """Received values longer than a Headers gives them."""
    first_hop(data, b"4Ab")
    next_hop(data, {b"h"}, [b"Postfix", b"P"])


VALUES = {
    name: (start.rpartition(b"Received: ")[2], unit.replace(b"Received: ", b""), *end)
    for name, (start, unit, *end) in HEADERS.items()
    if start.rpartition(b"Received: ")[2] or b"Received" in unit
}
TRIED = {
    "hops": (_values, VALUES),
    "decode": (lambda data: visible(decode(data)), TEXTS),
    "decode_header": (decode_header, TEXTS),
    "headers": (_all_headers, {**HEADERS, **{name: (b"Subject: " + one[0], one[1]) for name, one in TEXTS.items()}}),
    "notices": (lambda data: reported_addresses(REPORT, data, False), {**HEADERS, **BODIES}),
    "envelope": (_one_of(parse_envelope), ENVELOPES),
    "content": (_one_of(lambda data: parse_content(data, 0, 0)), ENVELOPES),
    "defer log": (parse_defer_log, LOGS),
    "qmail": (_one_of(parse_info, parse_todo, lambda data: parse_channel(data, "local")), CHANNELS),
}
CASES = [(what, name) for what, (unused, inputs) in TRIED.items() for name in inputs]


@contextmanager
def _no_collector():
    """The garbage collector would walk through all that pytest holds, and charge it to us."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _seconds(parse, data, enough=0.0):
    """Return the least of several times, as other work on the machine makes one longer, never shorter.

    The first that is less than `enough` will do.
    """
    found = []
    for _number in range(TRIES):
        began = time.process_time()
        parse(data)
        found.append(time.process_time() - began)
        if found[-1] < enough:
            break
    return min(found)


@pytest.mark.parametrize("what, name", CASES, ids=["%s-%s" % case for case in CASES])
def test_time_is_linear(what, name):
    parse, inputs = TRIED[what]
    start, unit, *end = inputs[name]
    small, large = (start + unit * (size // len(unit)) + b"".join(end) for size in (SMALL, LARGE))
    with _no_collector():
        # Where small ones take for ever, large ones need no try.
        first = _seconds(parse, small)
        assert first < 0.5
        most = max(NEGLIGIBLE, first * MOST)
        assert _seconds(parse, large, most) < most
