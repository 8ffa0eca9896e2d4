"""The qmail queue builder writes what qmail writes."""

import os
import re
import stat
import tarfile
from pathlib import Path

import pytest

from tests.support.archives import QMAIL
from tests.support.qmail_queue import QmailQueue, failure_notice


def read(*parts):
    with open(os.path.join(*map(str, parts)), "rb") as stream:
        return stream.read()


def test_layout_of_a_preprocessed_message(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=7)
    number = queue.add(
        b"Subject: x\n\ny\n",
        "a@example.com",
        ["l@example.com"],
        ["r@example.net", "s@example.net"],
        done=["r@example.net"],
        origin="network",
        arrival=1795289067,
        bounce_text="<z>:\ngone\n\n",
        retry=1795290000,
    )
    place = "%d/%d" % (number % 7, number)
    mess = Path(queue.path, "mess", place)
    assert mess.stat().st_ino == number
    assert re.fullmatch(
        rb"Received: \(qmail \d+ invoked from network\); 21 Nov 2026 19:24:27 -0000\n"
        rb"Subject: x\n\ny\n",
        mess.read_bytes(),
    )
    assert read(queue.path, "info", place) == b"Fa@example.com\0"
    assert os.stat(os.path.join(queue.path, "info", place)).st_mtime == 1795289067
    assert os.stat(os.path.join(queue.path, "remote", place)).st_mtime == 1795290000
    assert read(queue.path, "local", place) == b"Tl@example.com\0"
    assert read(queue.path, "remote", place) == b"Dr@example.net\0Ts@example.net\0"
    assert read(queue.path, "bounce", str(number)) == b"<z>:\ngone\n\n"
    assert [os.listdir(os.path.join(queue.path, d)) for d in ("todo", "intd", "pid")] == [[], [], []]


@pytest.mark.parametrize(
    ("state", "files"),
    [
        ("S2", ["mess"]),
        ("S3", ["intd", "mess"]),
        ("S4", ["intd", "mess", "todo"]),
    ],
)
@pytest.mark.parametrize("big_todo", [False, True])
def test_states(tmp_path, state, files, big_todo):
    queue = QmailQueue(tmp_path / "queue", big_todo=big_todo)
    number = queue.add(b"x", "a@example.com", remote=["b@example.net"], origin="uid 33", state=state)
    found = [Path(path) for path, _, names in os.walk(queue.path) if str(number) in names]
    assert sorted(p.relative_to(queue.path).parts[0] for p in found) == files
    split = {p.relative_to(queue.path).parts[0]: len(p.relative_to(queue.path).parts) == 2 for p in found}
    assert split == {name: big_todo or name == "mess" for name in files}
    if state == "S4":
        todo = next(p for p in found if p.relative_to(queue.path).parts[0] == "todo") / str(number)
        assert re.fullmatch(rb"u33\0p\d+\0Fa@example.com\0Tb@example.net\0", todo.read_bytes())
        assert todo.stat().st_nlink == 2


def test_unknown_state_is_refused(tmp_path):
    with pytest.raises(ValueError, match="S1"):
        QmailQueue(tmp_path / "queue").add(b"x", state="S1")


def test_trigger_is_a_fifo(tmp_path):
    queue = QmailQueue(tmp_path / "queue")
    assert stat.S_ISFIFO(os.stat(queue.path + "/lock/trigger").st_mode)


def test_failure_notice_equals_those_of_qmail_send():
    compared = 0
    with tarfile.open(QMAIL / "qmail-incident.tar.xz") as archive:
        for member in archive:
            if not member.isfile() or "/mess/" not in member.name:
                continue
            content = archive.extractfile(member).read()
            if b" invoked for bounce" not in content.split(b"\n")[0]:
                continue
            notice = content.split(b"\n", 1)[1]
            sender = re.search(rb"^To: (.*)$", notice, re.M).group(1)
            bounced, reason = re.search(rb"^<(.*)>:\n(.*)\n\n", notice, re.M).groups()
            original = notice.split(b"Return-Path: <" + sender + b">\n", 1)[1]
            made = failure_notice(sender, [(bounced, reason)], original, when=0)
            dated = re.sub(rb"\ADate: .*", b"Date: 1 Jan 1970 00:00:00 -0000", notice)
            assert made == dated
            compared += 1
    assert compared == 1996
