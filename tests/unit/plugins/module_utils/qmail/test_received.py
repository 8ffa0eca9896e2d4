"""Where a message came from, out of its first Received lines."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.received import Origin, origin

NETWORK = b"Received: (qmail 7 invoked from network); 21 Nov 2026 19:24:27 -0000\n"
BY = b"\n  by mail.example.com with %s; 21 Nov 2026 19:24:27 -0000\n"


def smtp(text, protocol=b"SMTP"):
    return b"Received: " + text + BY % protocol


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (b"by uid 33", ("uid", 33)),
        (b"by alias", ("alias", None)),
        (b"from network", ("network", None)),
        (b"for bounce", ("bounce", None)),
        (b"by uid", (None, None)),
        (b"by uid 12345678901", (None, None)),
        (b"by somebody", (None, None)),
    ],
)
def test_first_line(how, expected):
    found = origin(Headers(b"Received: (qmail 4711 invoked " + how + b"); 21 Nov 2026 19:24:27 -0000\n\n"))
    assert found == Origin(*expected, None, None, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (smtp(b"from unknown (HELO pc1) (192.0.2.7)"), (b"192.0.2.7", None, None)),
        (smtp(b"from host.example.net (192.0.2.7)"), (b"192.0.2.7", b"host.example.net", None)),
        (smtp(b"from host.example.net (HELO pc1) (ident@192.0.2.7)"), (b"192.0.2.7", b"host.example.net", None)),
        (smtp(b"from unknown (HELO pc1) (2001:db8::7)"), (b"2001:db8::7", None, None)),
        (smtp(b"from unknown (HELO pc1) (::ffff:192.0.2.7)"), (b"192.0.2.7", None, None)),
        (smtp(b"from unknown (HELO pc1) (IPv6:[2001:db8::7])"), (b"2001:db8::7", None, None)),
        (smtp(b"from unknown (HELO [192.0.2.1]) (192.0.2.7)"), (b"192.0.2.7", None, None)),
        (smtp(b"from unknown (HELO pc1) (info@example.com@192.0.2.7)", b"ESMTPA"),
         (b"192.0.2.7", None, b"info@example.com")),
        (smtp(b"from unknown (HELO pc1) (info@192.0.2.7)", b"ESMTPSA"), (b"192.0.2.7", None, b"info")),
        (smtp(b"from unknown (HELO pc1) (info@192.0.2.7)", b"ESMTPS"), (b"192.0.2.7", None, None)),
        (b"Received: from unknown (HELO pc1) (192.0.2.7)\n  (smtp-auth username info@example.com, mechanism plain)"
         + BY % b"ESMTPA", (b"192.0.2.7", None, b"info@example.com")),
        (smtp(b"from unknown (HELO pc1) (nonsense)"), (None, None, None)),
    ],
)  # fmt: skip
def test_client(line, expected):
    assert origin(Headers(NETWORK + line + b"\n"))[2:] == expected


def test_lines_of_a_scanner_stand_between():
    scanner = b"Received: by simscan 1.4.0 ppid: 9, pid: 10, t: 0.1s\n"
    first = b"Received: (qmail 7 invoked by uid 1002); x\n"
    headers = Headers(first + scanner + smtp(b"from unknown (192.0.2.7)") + b"\n")
    assert origin(headers) == Origin("uid", 1002, b"192.0.2.7", None, None)


@pytest.mark.parametrize("between", [0, 30])
def test_line_that_the_client_wrote_itself_is_not_asked_first(between):
    """Its real address stands above what it sent; what stands far below says nothing."""
    forged = smtp(b"from forged (198.51.100.1)")
    real = b"" if between else smtp(b"from unknown (192.0.2.7)")
    headers = Headers(NETWORK + real + b"Received: by us\n" * between + forged + b"\n")
    assert origin(headers).client_address == (None if between else b"192.0.2.7")


def test_notice_quotes_no_client_of_its_own():
    text = b"Received: (qmail 7 invoked for bounce); x\n" + smtp(b"from unknown (192.0.2.7)") + b"\n"
    assert origin(Headers(text)) == Origin("bounce", None, None, None, None)
