"""The Postfix queue builder writes, byte for byte, what a real Postfix 3.7 wrote (the files in postfix/)."""

import os
import stat
from pathlib import Path

import pytest

from tests.support import postfix_queue
from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.postfix_records import content_records, long_id, record, short_id

REAL = Path(__file__).with_name("postfix")
REASON = "connect to 192.0.2.9[192.0.2.9]:25: Network is unreachable"
HOST1 = Client("198.51.100.7", "host1.example.net", "pc1")
HEADERS_ADDED = "Message-Id: <20261121%s.%s@mail.example.com>\nDate: Sat, 21 Nov 2026 %s +0000 (UTC)\n"
MESSAGES = {
    "sendmail-t.4F63352CA99": {
        "content": "From: web@mail.example.com\nTo: a@example.net, b@example.org\nSubject: sendmail -t\n"
        + HEADERS_ADDED % ("202407", "4F63352CA99", "20:24:07")
        + "\nbody line\n",
        "sender": "web@mail.example.com",
        "recipients": ["a@example.net", "b@example.org"],
        "full_name": "root",
        "extracted": True,
        "warn": 1795307047,
    },
    "sasl-milter.6928952CAAA": {
        "content": "Subject: bounce like\n"
        + HEADERS_ADDED % ("202407", "6928952CAAA", "20:24:07")
        + "From: MAILER-DAEMON\n\nhi\n",
        "sender": "",
        "recipients": ["x@example.net"],
        "milter": True,
        "client": Client("127.0.0.1", "localhost", "localpc", "info@example.com", port=45836),
    },
    "smtp-long-id.4jX3Z01N6pzmt2n": {
        "content": HEADERS_ADDED.replace("20261121%s.", "%.0s") % ("", "4jX3Z01N6pzmt2n", "20:23:36")
        + "From: info@example.com\n\nno header\n\nbody\n",
        "sender": "info@example.com",
        "recipients": ["v1@example.net"],
        "client": HOST1._replace(port=60642),
    },
    "three-recipients.6B3F752CA9F": {
        "content": "From: info@example.com\nTo: v1@example.net\nSubject: =?utf-8?Q?hello?=\n folded\n"
        "Message-ID: <1@example.com>\nDate: Sat, 21 Nov 2026 20:23:28 +0000 (UTC)\n\n" + "x" * 3000 + "\nsecond\n",
        "sender": "info@example.com",
        "recipients": ["v1@example.net", "v2@example.org", "v3@example.net"],
        "client": HOST1._replace(port=49846),
        "encoding": "8bit",
    },
}


def arrival_of(data):
    seconds, microseconds = data.split(b"T\x11")[1][:17].split()
    return int(seconds) + int(microseconds) / 1e6 + 1e-7


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_same_bytes_as_postfix(name, tmp_path):
    real = (REAL / name).read_bytes()
    log = (REAL / (name + ".defer")).read_bytes()
    recipients = [Recipient(r, reason=REASON) for r in MESSAGES[name]["recipients"]]
    options = dict(MESSAGES[name], recipients=recipients)
    options["arrival"] = arrival_of(real)
    queue = PostfixQueue(tmp_path, address="127.0.0.1", long_ids="long" in name)
    real_id = name.partition(".")[2]
    # An id holds an inode number, which nobody can choose.
    queue._new_id = lambda arrival, microseconds, inode: real_id
    queue.add(**options)
    made = {path.parent.parent.name: path.read_bytes() for path in tmp_path.rglob(real_id)}
    assert made["deferred"] == real
    # Postfix tries the recipients in an order of its own.
    assert sorted(made["defer"].strip().split(b"\n\n\n")) == sorted(log.strip().split(b"\n\n\n"))


def test_same_bytes_in_maildrop(tmp_path):
    real = (REAL / "maildrop.81C63678006").read_bytes()
    queue = PostfixQueue(tmp_path)
    name = queue.add(
        "To: t@example.net\n\nx",
        "www-data",
        ["t@example.net"],
        "maildrop",
        uid=33,
        full_name="www-data",
        arrival=arrival_of(real),
        extracted=True,
    )
    # sendmail(1) breaks a last line without its line end in another way.
    assert (tmp_path / "maildrop" / name).read_bytes() == real.replace(b"L\x01xN\x00", b"N\x01x")


def test_ids():
    assert short_id(0x4F633, 0x52CA99) == "4F63352CA99"
    # Of the real file of Sat, 21 Nov 2026 20:23:36.
    assert long_id(1795292616, 0, 0).startswith("4jX3Z0")
    assert long_id(0, 0, 0) == "0000000000z0"


@pytest.mark.parametrize(("long_ids", "depth"), [(False, 0), (False, 1), (True, 2)])
def test_hash_directories_hold_hex_digits_of_the_microseconds(tmp_path, long_ids, depth):
    queue = PostfixQueue(tmp_path, hash_depth=depth, long_ids=long_ids)
    recipient = Recipient("b@example.net", reason="r")
    name = queue.add("x", "a@example.com", [recipient], arrival=1795292616.703711)
    digits = "/".join("%05X" % 703711)[: max(2 * depth - 1, 0)]
    for directory in ("deferred", "defer"):
        path = tmp_path / directory / digits / name
        assert path.is_file()
    if not long_ids:
        assert int(name[5:], 16) == (tmp_path / "deferred" / digits / name).stat().st_ino


def test_recipients_done_and_cancelled_keep_their_place(tmp_path):
    queue = PostfixQueue(tmp_path)
    recipients = [Recipient("d@example.net", "done"), Recipient("c@example.net", "cancelled")]
    name = queue.add("x", "a@example.com", recipients, "hold")
    data = (tmp_path / "hold" / name).read_bytes()
    assert record("D", b"d@example.net") in data
    assert record("/", b"c@example.net") in data
    assert not list((tmp_path / "defer").iterdir())


@pytest.mark.parametrize(
    ("options", "queue_name", "mode"),
    [
        ({}, "active", 0o700),
        ({"expired": True}, "hold", 0o710),
        ({"complete": False}, "incoming", 0o600),
        ({}, "maildrop", 0o744),
    ],
)
def test_modes(tmp_path, options, queue_name, mode):
    name = PostfixQueue(tmp_path).add("x", "a@example.com", ["b@example.net"], queue_name, **options)
    assert stat.S_IMODE(os.stat(tmp_path / queue_name / name).st_mode) == mode


def test_long_lines_and_lengths():
    assert record("N", b"x" * 300)[:3] == b"N\xac\x02"
    made = content_records(b"y" * 5000 + b"\nz")
    assert made == record("L", b"y" * 2048) * 2 + record("N", b"y" * 904) + record("N", b"z")
    padded = content_records(b"A: b\nLonger-header: c\n\n", milter=True)
    assert padded.startswith(record("N", b"A: b") + b"w\x09        0")


def test_existing_directories_are_left_as_they_are(tmp_path):
    (tmp_path / "public").mkdir(mode=0o710)
    postfix_queue.PostfixQueue(tmp_path)
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o710
