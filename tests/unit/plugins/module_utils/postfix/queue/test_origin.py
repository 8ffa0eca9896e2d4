"""Who sent a message, where content filters, Milters and requeueing put other fields on top."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import list_batches
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.content_filters import Filters
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import reader
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.received import (
    NOWHERE,
    Origin,
    first_hop,
    origin,
)
from tests.support.inspecting import message, queue_info
from tests.support.postfix_queue import Client
from tests.support.purging import queue_purge, queue_restore

HOST = "mail.example.com"
NONE = Filters(set(), set(), set(), set())
ONE = Filters({"scan:[127.0.0.1]:10025"}, {65533}, {b"mail.example.com", b"mx.example.com"}, {b"Postfix"})
TWO = ONE._replace(destinations={"scan:[127.0.0.1]:10025", "127.0.0.1:10027"})
BACK = Client("127.0.0.1", "localhost")
BACK_6 = Client("::1", "localhost")
AMAVIS = (
    "Received: from mail.example.com ([127.0.0.1])\n\tby localhost (mail.example.com [127.0.0.1])"
    " (amavisd-new, port 10024)\n\twith ESMTP id x1 for <to@remote.example>; Sat, 21 Nov 2026 20:23:28 +0000\n"
)
LOCAL = "Received: by %s (Postfix, from userid 33)\n\tid 4XyZ; Sat, 21 Nov 2026 20:23:28 +0000 (UTC)\n" % HOST


def network(login="info@example.com", address="203.0.113.9", host=HOST, tls="", protocol="ESMTPSA", number=" id 4Ab"):
    return "Received: from pc1 (unknown [%s])\n%s%s\tby %s (Postfix) with %s%s\n\tfor <to@remote.example>; now\n" % (
        address,
        tls,
        "\t(Authenticated sender: %s)\n" % login if login else "",
        host,
        protocol,
        number,
    )


TLS = (
    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature"
    ' RSA-PSS (2048 bits) server-digest SHA256)\n\t(Client CN "by evil.example (Postfix) with SMTP id 1", Issuer "x"'
    " (not verified))\n"
)
FORGED = network("victim@example.com", "198.51.100.1") + LOCAL.replace("33", "0")
REST = "Subject: x\n\nx\n"


@pytest.fixture
def read(queue, monkeypatch):
    def read(content, filters=ONE, client=BACK, uid=33, **options):
        monkeypatch.setattr(reader, "find_filters", lambda *unused: filters)
        name = queue.add(content, "a@example.com", ["to@remote.example"], client=client, uid=uid)
        result = queue_info(queue.path, **options)
        found = message(result, name)
        return (found["origin_uid"], found["sasl_username"], found["client_address"], found["origin_from"]), result

    return read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (network(), (None, "info@example.com", "203.0.113.9", "header")),
        (network(tls=TLS), (None, "info@example.com", "203.0.113.9", "header")),
        (network("a(b)c"), (None, "a(b)c", "203.0.113.9", "header")),
        (network(protocol="UTF8SMTPSA"), (None, "info@example.com", "203.0.113.9", "header")),
        (network(host="MX.example.com"), (None, "info@example.com", "203.0.113.9", "header")),
        (network(address="IPv6:2001:db8::9"), (None, "info@example.com", "2001:db8::9", "header")),
        # As smtpd_proxy_filter leaves it.
        (network(number=""), (None, "info@example.com", "203.0.113.9", "header")),
        (network(address="127.0.0.1"), (None, "info@example.com", "127.0.0.1", "header")),
        (AMAVIS + network(), (None, "info@example.com", "203.0.113.9", "header")),
        (LOCAL, (33, None, "127.0.0.1", "header")),
        (AMAVIS + LOCAL, (33, None, "127.0.0.1", "header")),
        (LOCAL.replace("Received:", "RECEIVED :").replace("\n", "\r\n"), (33, None, "127.0.0.1", "header")),
        (network(None, protocol="ESMTP"), (None, None, "203.0.113.9", "header")),
        # smtpd_sasl_authenticated_header = no
        (network(None), (None, None, "203.0.113.9", "hidden")),
        (network(None, "127.0.0.1", protocol="ESMTP"), (None, None, "127.0.0.1", None)),
        (network(host="elsewhere.example"), (None, None, "127.0.0.1", "hidden")),
        ("", (None, None, "127.0.0.1", "hidden")),
    ],
)
@pytest.mark.parametrize("client", [BACK, BACK_6])
@pytest.mark.parametrize("below", ["", FORGED])
def test_after_a_content_filter(read, content, expected, client, below):
    if expected[3] != "header":
        # Then what stands below may be taken for the host's own.
        below = ""
    if expected[2] == "127.0.0.1":
        expected = expected[:2] + (client.address,) + expected[3:]
    assert read(content + below + REST, client=client)[0] == expected


def test_what_comes_through_a_filter_from_outside_accuses_nobody_it_names(read):
    found = read(network(None, protocol="ESMTP") + FORGED + REST)[0]
    assert found == (None, None, "203.0.113.9", "header")


def test_filter_after_filter(read):
    again = network(None, "127.0.0.1", protocol="ESMTP")
    assert read(again + network() + REST, TWO)[0][1] == "info@example.com"
    assert read(again + network() + REST, ONE)[0][1] is None


@pytest.mark.parametrize("content", [network(), LOCAL, FORGED])
def test_nothing_below_the_first_counts_without_a_filter(read, content):
    assert read(content + REST, NONE)[0] == (None, None, "127.0.0.1", None)


@pytest.mark.parametrize(("content", "source"), [(network(), "hidden"), (LOCAL, "hidden"), ("", None)])
def test_copy_of_a_queue(read, content, source):
    """There is no telling whether there was a filter."""
    assert read(content + REST, None)[0] == (None, None, "127.0.0.1", source)


@pytest.mark.parametrize("filters", [NONE, ONE, None])
def test_who_did_not_come_back_is_known_by_the_envelope(read, filters):
    client = Client("192.0.2.7", sasl_username="me")
    assert read(FORGED + REST, filters, client)[0] == (None, "me", "192.0.2.7", None)
    assert read(FORGED + REST, filters, Client("192.0.2.7"))[0] == (None, None, "192.0.2.7", None)
    assert read(FORGED + REST, filters, Client("127.0.0.1", sasl_username="me"))[0] == (None, "me", "127.0.0.1", None)
    assert read(FORGED + REST, filters, None)[0] == (33, None, None, None)


def test_filter_that_gives_mail_back_by_sendmail(read):
    assert read(network() + REST, client=None, uid=65533)[0] == (None, "info@example.com", "203.0.113.9", "header")
    assert read(LOCAL + REST, client=None, uid=65533)[0] == (33, None, None, "header")
    assert read(network() + REST, NONE, client=None, uid=65533)[0] == (65533, None, None, None)
    own = network(None, "127.0.0.1", protocol="ESMTP")
    assert read(own + FORGED + REST, client=None, uid=65533)[0] == (None, None, None, None)
    assert read(REST, client=None, uid=65533)[0] == (None, None, None, "hidden")


def test_selected_and_counted_like_any_other(read, queue):
    read(AMAVIS + network() + REST)
    result = queue_info(queue.path, select={"sasl_username": "info@example.com"})
    assert (result["counts"]["matched"], result["origins"]) == (1, {"header": 1, "hidden": 0})
    read(network(None) + REST)
    assert queue_info(queue.path)["origins"] == {"header": 1, "hidden": 1}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a file away")
def test_requeued(read, queue):
    queue.owner = (104, 104)
    assert read(LOCAL + REST, None, None, 104)[0] == (33, None, None, "header")
    assert read(network() + REST, None, None, 104)[0] == (None, "info@example.com", "203.0.113.9", "header")
    assert read(LOCAL.replace("33", "104") + LOCAL + REST, None, None, 104)[0] == (33, None, None, "header")
    # What is requeued goes to the filter once more.
    again = LOCAL.replace("33", "104") + network(None, "127.0.0.1", protocol="ESMTP") + network()
    assert read(again + FORGED + REST)[0] == (None, "info@example.com", "203.0.113.9", "header")
    assert read(REST, None, None, 104)[0] == (None, None, None, None)
    assert read(LOCAL + REST, None, None, 35)[0] == (35, None, None, None)


@pytest.mark.parametrize(
    "product",
    ["Postfix", "Big (Mail), Server", "A B", "x ((", "a)b", "x) with SMTP id 1; (", "caf\xe9", "P, from userid 0"],
)
@pytest.mark.parametrize("host", ["mail.example.com", "x_1.b\xfccher.example", "[192.0.2.1]", "localhost", "MAIL"])
def test_any_legal_name(product, host):
    value = ("by %s (%s, from userid 33) id 4Ab; now" % (host, product)).encode()
    found = first_hop(value, b"4Ab")
    assert (found.host, found.product, found.uid) == (host.encode(), product.encode(), 33)
    through = "from x (localhost [127.0.0.1]) by %s (%s) with ESMTP id 4Ab for <a id 4Ab@b>; now" % (host, product)
    through = through.encode()
    assert first_hop(through, b"4Ab").product == product.encode()
    headers = Headers(b"Received: " + through + b"\nReceived: " + value + b"\n\n")
    assert origin(headers, b"4Ab", None, True, ONE) == NOWHERE._replace(uid=33, source="header")


def test_other_headers_and_other_cases_above():
    mine = b"received: by mail.example.com (Postfix, from userid 33)\r\n\tid 4Ab; now\r\n"
    forged = b"Received: by mail.example.com (Postfix, from userid 0)\n\tid 4Ab; now\n"
    for above in (b"", b"X-Hop: one\n", b"DKIM-Signature: v=1;\n\tReceived: x\n", b"X: " + b"y" * 20000 + b"\n"):
        assert origin(Headers(above + mine + forged + b"\n"), b"4Ab", None, False, None) == Origin(33, *[None] * 4)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "by",
        "by h (",
        "by h (P, from userid 33) id 4AbC; x",
        "by h (P) with SMTP id 4A;",
        "from x (y [1]) (((( by h (P) with SMTP id 4Ab;",
    ],
)
def test_not_our_own(value):
    assert first_hop(value.encode(), b"4Ab") is None


def test_purge_quarantine_and_restore_know_the_filter_too(queue, monkeypatch):
    monkeypatch.setattr(reader, "find_filters", lambda path, *unused: ONE if path == queue.path else None)
    queue.add(network() + REST, "a@example.com", ["to@remote.example"], "hold", client=BACK)
    queue.add(FORGED.replace("victim", "other") + REST, "a@example.com", ["to@remote.example"], "hold", client=BACK)
    select = {"sasl_username": "info@example.com"}
    assert queue_purge(queue.path, select=select)["purged"] == 1
    options = dict.fromkeys(("config_directory", "quarantine", "batch", "exclude"))
    options.update(mta="auto", timeout_per_message=1, limit=1, content="none", content_bytes=1, top=1, workers=1)
    found = list_batches(dict(options, queue_directory=queue.path, select=select, verify=False))
    assert (found["counts"]["matched"], found["origins"]) == (1, {"header": 1, "hidden": 0})
    assert queue_restore(queue.path, select=select)["restored"] == 1
