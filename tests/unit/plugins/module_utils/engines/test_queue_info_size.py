"""Bounds: of the result, of memory, of time for one message."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.scan import scan
from tests.support.inspecting import queue_info
from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.qmail_queue import QmailQueue

ROOT = Path(__file__).resolve().parents[5]
MEGABYTE = 1 << 20


def hostile(number):
    """Long values that differ in their first characters and grow when shown: \\x1b, control, 4-byte characters."""
    return "%04d" % number + "\x1b\x07\U0001f4a9" * 300


def fill(mta, path, count):
    queue = QmailQueue(path, split=3) if mta == "qmail" else PostfixQueue(path)
    for number in range(count):
        text = hostile(number)
        content = "Subject: %s\nFrom: %s\nTo: %s\nMessage-ID: %s\nDate: %s\n\n%s" % ((text,) * 5 + (text * 20,))
        recipients = [text + "%02d@" % n + text for n in range(8)]
        if mta == "qmail":
            queue.add(content, text + "@" + text, remote=recipients)
        else:
            client = Client("192.0.2.%d" % (number % 250), text[:60], sasl_username=text)
            queue.add(content, text + "@" + text, [Recipient(one, reason=text) for one in recipients], client=client)


@pytest.mark.parametrize("mta", ["qmail", "postfix"])
def test_result_of_a_hostile_queue(tmp_path, mta):
    fill(mta, tmp_path / "queue", 150)
    result = queue_info(tmp_path / "queue", limit=1000, top=100, content="message", content_bytes=16384)
    assert len(json.dumps(result)) < 256 * 1024
    assert result["counts"]["matched"] == 150
    assert result["truncated"] is True
    assert 0 < len(result["messages"]) < 150
    assert result["top"]["sender"]


def test_one_huge_message_does_not_hide_the_others(tmp_path):
    text = "\U0001f4a9" * 500
    queue = PostfixQueue(tmp_path / "queue")
    recipients = [Recipient("%02d" % n + text + "@" + text, reason=text) for n in range(25)]
    queue.add("Subject: %s\nFrom: %s\n\n%s" % (text, text, text * 40), text, recipients, arrival=1000)
    for number in range(30):
        queue.add("Subject: %d\n\n" % number, "a@example.com", ["b@example.com"], arrival=2000 + number)
    result = queue_info(tmp_path / "queue", limit=1000, top=100, content="message", content_bytes=16384)
    assert [one["subject"] for one in result["messages"]] == [str(number) for number in range(30)]
    assert result["truncated"] is True


def test_result_of_a_queue_full_of_damage(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=1)
    for number in range(100):
        Path(queue.path, "mess", "0", "\x1b" * 200 + str(number)).touch()
    for _ in range(300):
        queue.add("Subject: " + "\x1b" * 500 + "\n\n", "\x1b" * 2000, remote=["\x1b" * 2000])
    result = queue_info(tmp_path / "queue", limit=1000, top=100, content="message", content_bytes=16384)
    assert len(json.dumps(result)) < 256 * 1024
    assert result["damaged_count"] == 100
    assert 0 < len(result["damaged"]) <= 50
    assert result["messages"]


PROGRAM = """
import json, resource, sys
from tests.support.inspecting import queue_info
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = queue_info(sys.argv[1], select=json.loads(sys.argv[2]), timeout_per_message=60)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([result["counts"]["matched"], result["undecided_count"], result["damaged"], after - before]))
"""


def run_apart(path, select):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), json.dumps(select)],
        cwd=ROOT,
        check=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(resource, "getrusage"), reason="NOT TESTED: no getrusage here")
@pytest.mark.parametrize("line", ["word %07d", "%012d" * 100000])
@pytest.mark.parametrize("mta", ["qmail", "postfix"])
def test_match_at_the_end_of_a_long_message_in_bounded_memory(tmp_path, mta, line):
    """Of many lines, or of few lines of a megabyte each."""
    length = len(line.replace("%07d", "0" * 7).replace("%012d", "0" * 12)) + 1
    pieces, many = [], line.count("%")
    for number in range(30 * MEGABYTE // length):
        pieces.append(line % ((number,) * many))
    content = "Subject: long\n\n" + "\n".join(pieces) + "\nneedle at the end\n"
    if mta == "qmail":
        QmailQueue(tmp_path / "queue").add(content, "a@example.com", remote=["b@example.net"])
    else:
        PostfixQueue(tmp_path / "queue").add(content, "a@example.com", ["b@example.net"])
    del pieces
    matched, undecided, damaged, kilobytes = run_apart(tmp_path / "queue", {"body": "^needle at the end$"})
    assert (matched, undecided, damaged) == (1, 0, [])
    assert kilobytes < 24 * 1024
    matched, undecided, damaged, kilobytes = run_apart(tmp_path / "queue", {"body": "^needle at the start"})
    assert (matched, undecided, damaged) == (0, 0, [])


@pytest.mark.parametrize("mta", ["qmail", "postfix"])
@pytest.mark.parametrize("key", ["body", "subject", "header"])
def test_catastrophic_pattern(tmp_path, mta, key):
    """The message on which it takes too long is named; the others are decided."""
    bad, good = "a" * 60 + "!", "a" * 20
    texts = {name: "Subject: %s\n\n%s\n" % (text, text) for name, text in (("bad", bad), ("good", good), ("no", "b"))}
    ids = {}
    if mta == "qmail":
        queue = QmailQueue(tmp_path / "queue", split=1)
        for name, text in texts.items():
            ids[name] = str(queue.add(text, "x@example.com", remote=["b@example.net"]))
    else:
        queue = PostfixQueue(tmp_path / "queue")
        for name, text in texts.items():
            ids[name] = queue.add(text, "x@example.com", ["b@example.net"], uid=5)
    pattern = {"body": "^(a+)+$", "subject": "^(a+)+$", "header": "^subject: (a+)+$"}[key]
    result = queue_info(queue.path, select={key: pattern}, timeout_per_message=0.3)
    assert [one["id"] for one in result["undecided"]] == [ids["bad"]]
    assert "select.%s" % key in result["undecided"][0]["reason"]
    assert [one["id"] for one in result["messages"]] == [ids["good"]]
    assert (result["counts"]["total"], result["counts"]["matched"], result["undecided_count"]) == (3, 1, 1)


def same(result):
    return {name: value for name, value in result.items() if name != "seconds"}


@pytest.mark.parametrize("mta", ["qmail", "postfix"])
@pytest.mark.parametrize(
    "options", [{"limit": 20}, {"select": {"body": "body 1"}, "limit": 1000}, {"top": 0, "limit": 3}]
)
def test_workers_find_the_same(tmp_path, monkeypatch, mta, options):
    monkeypatch.setattr(scan, "_WORTH_A_PROCESS", 10)
    monkeypatch.setattr("time.time", lambda: 1795400000.0)
    forks = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: forks.append(1) or fork())
    path = tmp_path / "queue"
    queue = QmailQueue(path, split=5) if mta == "qmail" else PostfixQueue(path)
    for number in range(200):
        content = "Subject: s%d\n\nbody %d\n" % (number % 7, number)
        sender, recipient = "a%d@example.com" % (number % 9), "b@d%d.example" % (number % 5)
        arrival = 1795300000 + number
        if mta == "qmail":
            queue.add(content, sender, remote=[recipient], arrival=arrival, state="S4" if number % 10 == 0 else "S5")
        else:
            place = ("deferred", "hold", "active", "maildrop")[number % 4]
            queue.add(content, sender, [Recipient(recipient, reason="late")], place, arrival=arrival + number / 200)
    if mta == "qmail":
        Path(queue.path, "mess", "2", "stray").touch()
    else:
        queue.add_raw("hold", b"\0\0", arrival=1795300000)
    one = queue_info(path, **options)
    assert forks == []
    assert one["counts"]["total"] == (200 if mta == "qmail" else 201)
    assert one["damaged_count"] == 1
    for workers in (2, 4):
        assert same(queue_info(path, workers=workers, **options)) == same(one)
    assert len(forks) == (6 if mta == "qmail" else len(forks)) > 1
