"""Where a message came from, out of its first Received lines."""

import os
import pwd

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import scanners
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.received import Origin, origin
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.scanners import (
    LOCAL,
    PASSES_ON,
    UNKNOWN,
    Scanners,
)

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
        (
            smtp(b"from unknown (HELO pc1) (info@example.com@192.0.2.7)", b"ESMTPA"),
            (b"192.0.2.7", None, b"info@example.com"),
        ),
        (smtp(b"from unknown (HELO pc1) (info@192.0.2.7)", b"ESMTPSA"), (b"192.0.2.7", None, b"info")),
        (smtp(b"from unknown (HELO pc1) (info@192.0.2.7)", b"ESMTPS"), (b"192.0.2.7", None, None)),
        (
            b"Received: from unknown (HELO pc1) (192.0.2.7)\n  (smtp-auth username info@example.com, mechanism plain)"
            + BY % b"ESMTPA",
            (b"192.0.2.7", None, b"info@example.com"),
        ),
        (smtp(b"from unknown (HELO pc1) (nonsense)"), (None, None, None)),
    ],
)
def test_client(line, expected):
    assert origin(Headers(NETWORK + line + b"\n"))[2:5] == expected


def test_lines_of_a_scanner_stand_between():
    scanner = b"Received: by simscan 1.4.0 ppid: 9, pid: 10, t: 0.1s\n"
    first = b"Received: (qmail 7 invoked by uid 1002); x\n"
    headers = Headers(first + scanner + smtp(b"from unknown (192.0.2.7)") + b"\n")
    assert origin(headers) == Origin("uid", None, b"192.0.2.7", None, None, "header")


SIMSCAN = b"Received: by simscan 1.4.0 ppid: 9, pid: 10, t: 0.1s\n  scanners: clamav: 0.103.3/m:61\n"
QMAIL_SCANNER = (
    b"Received: from 203.0.113.9 by mail.example.com (envelope-from <a@example.com>, uid %d) with qmail-scanner-2.11\n"
    b" (clamdscan: 0.103.3. \n Clear:RC:0(203.0.113.9):.\n Processed in 0.1 secs); 21 Nov 2026 19:24:27 -0000\n"
)
CLIENT = smtp(b"from unknown (HELO pc1) (info@example.com@203.0.113.9)", b"ESMTPA")
SCANNED = Origin("uid", None, b"203.0.113.9", None, b"info@example.com", "header")


def as_user(uid, *lines):
    return Headers(b"Received: (qmail 7 invoked by uid %d); x\n" % uid + b"".join(lines) + b"Subject: x\n\n")


@pytest.mark.parametrize("verdict", [PASSES_ON, UNKNOWN])
@pytest.mark.parametrize("scanner", [b"", SIMSCAN, QMAIL_SCANNER % 89, QMAIL_SCANNER % 1009 + SIMSCAN])
def test_scanner_is_not_accused_of_what_came_through_it(verdict, scanner):
    forged = smtp(b"from unknown (HELO x) (victim@example.com@198.51.100.1)", b"ESMTPA")
    found = origin(as_user(1009, scanner, CLIENT, forged), lambda uid: verdict)
    assert found == SCANNED


@pytest.mark.parametrize("scanner", [b"", SIMSCAN, QMAIL_SCANNER % 89])
def test_local_user_does_not_hide_behind_a_scanner_that_he_made_up(scanner):
    for headers in (as_user(1005, scanner, CLIENT), as_user(1005, b"X: y\n", scanner, CLIENT)):
        assert origin(headers, lambda uid: LOCAL) == Origin("uid", 1005, None, None, None)
    assert origin(as_user(33, scanner, CLIENT)) == Origin("uid", 33, None, None, None)
    assert origin(as_user(0, scanner, CLIENT)) == Origin("uid", 0, None, None, None)


def test_qmail_scanner_names_who_ran_it():
    judge = {1009: PASSES_ON, 89: PASSES_ON, 33: LOCAL}.get
    assert origin(as_user(1009, QMAIL_SCANNER % 33, CLIENT), judge) == Origin("uid", 33, None, None, None, "header")
    assert origin(as_user(1009, QMAIL_SCANNER % 89), judge) == Origin("uid", 1009, None, None, None)


def test_scanners_of_a_host(tmp_path, monkeypatch):
    users = {89: "vpopmail", 1002: "qmaild", 1003: "simscan", 1004: "scan2", 1005: "joe", 1006: "setuid"}

    def getpwuid(uid):
        return pwd.struct_passwd((users[uid], "x", uid, uid, "", "/", "/bin/sh"))

    monkeypatch.setattr(scanners.pwd, "getpwuid", getpwuid)
    status = {"simscan": (1006, 0o104711), "qmail-queue": (1005, 0o104711), "other": (1004, 0o100755)}
    (tmp_path / "bin").mkdir()
    for name, (uid, mode) in status.items():
        (tmp_path / "bin" / name).touch()
        if os.getuid() == 0:
            os.chown(tmp_path / "bin" / name, uid, 0)
        (tmp_path / "bin" / name).chmod(mode & 0o7777)
    judge = Scanners(str(tmp_path / "queue")).judge
    (tmp_path / "queue").mkdir()
    assert {uid for uid in (0, 33, 89, *range(1002, 1008)) if judge(uid) == PASSES_ON} >= {89, 1002, 1003}
    assert {judge(uid) for uid in (0, 33, 1004, 1005, 65534)} == {LOCAL}
    assert judge(1007) == judge(2**40) == UNKNOWN
    if os.getuid() == 0:
        assert judge(1006) == PASSES_ON


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
