"""A purge whose module is killed on the host, as an operator sees it; and the run after it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.stop_note import StopNote
from tests.support.fake_service import FakeService
from tests.support.playing import at
from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

# Ends the module as the kernel does when memory runs out: once, when most of it is done.
HOOK = """
import os, signal, sys
left = [%(count)d]
def end(event, arguments):
    if event == "os.rename" and "mailops-rescue" not in str(arguments[0]) and str(arguments[0])[:1] != ".":
        left[0] -= 1
        if left[0] < 0 and os.path.exists(%(flag)r):
            os.unlink(%(flag)r)
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(end)
"""


@pytest.fixture
def fake(tmp_path):
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: only root can leave a note in /run")
    (tmp_path / "host").mkdir()
    with FakeService(tmp_path / "host") as fake:
        queue = QmailQueue(fake.queue, split=3)
        for number in range(30):
            queue.add("Subject: spam\n\n", b"x@example.com", remote=["u%d@example.net" % number])
        fake.supervise()
        yield fake
        StopNote(fake.queue).forget()


def python(folder, count):
    """An interpreter whose next process that changes a queue is killed while it does."""
    (folder / "site").mkdir()
    flag = folder / "flag"
    flag.touch()
    (folder / "site" / "sitecustomize.py").write_text(HOOK % {"flag": str(flag), "count": count})
    program = folder / "python"
    program.write_text('#!/bin/sh\nPYTHONPATH=%s exec %s "$@"\n' % (folder / "site", sys.executable))
    program.chmod(0o755)
    return flag, str(program)


def left(path):
    return sum(len(files) for _path, _names, files in os.walk(path))


def test_it_is_told_and_the_next_run_mends_it(play, fake, tmp_path):
    flag, program = python(tmp_path / "host", 12)
    hosts = {"qmail": {"mx1": at(fake.queue, ansible_python_interpreter=program)}}
    given = ["-e", json.dumps({"confirm": False, "select": {"subject": "spam"}})]
    first = play("mailops.rescue.purge", hosts, *given)
    assert not flag.exists() and first.status == 2, first.text
    text = " ".join(first.text.split())
    assert "PURGED unknown how many messages, on 0 of 1 host, 1 FAILED" in text
    assert "mx1: ended without an answer: qmail-send may be stopped, and messages may be in quarantine; run" in text
    assert fake.pid() is None
    shown = play("mailops.rescue.quarantine", hosts)
    assert "unfinished" in shown.text
    second = play("mailops.rescue.purge", hosts, *given)
    assert second.status == 0, second.text
    text = " ".join(second.text.split())
    assert "EARLIER RUNS mx1: batch" in text and "was cut off; it would be put in order first." in text
    assert "is down since a run was cut off; it would be started again." in text
    assert "qmail-send was down since a run was cut off, and runs again." in text
    assert wait_for(fake.pid) and left(Path(fake.queue) / "mess") == 0
    undo = second.commands()
    batches = [one.name for one in Path(fake.queue + ".quarantine").iterdir()]
    assert len(undo) == len(batches) and all(any(name in command for command in undo) for name in batches)
    third = play("mailops.rescue.purge", hosts, *given)
    assert third.status == 0 and " ago: " in " ".join(third.text.split())


def test_a_restore_too(play, fake, tmp_path):
    flag, program = python(tmp_path / "host", 12)
    flag.unlink()
    hosts = {"qmail": {"mx1": at(fake.queue, ansible_python_interpreter=program)}}
    given = ["-e", json.dumps({"confirm": False, "select": {"subject": "spam"}})]
    assert play("mailops.rescue.purge", hosts, *given).status == 0
    flag.touch()
    again = ["-e", json.dumps({"confirm": False, "batch": "latest"})]
    first = play("mailops.rescue.restore", hosts, *again)
    assert not flag.exists() and first.status == 2, first.text
    text = " ".join(first.text.split())
    assert "RESTORED unknown how many messages" in text
    assert "ended without an answer: qmail-send may be stopped, and messages may be back in the queue" in text
    assert fake.pid() is None
    second = play("mailops.rescue.restore", hosts, *again)
    assert second.status == 0, second.text
    assert wait_for(fake.pid) and left(Path(fake.queue) / "mess") == 30


def test_a_repair_too(play, fake, tmp_path):
    queue = Path(fake.queue)
    for path in sorted(queue.glob("mess/*/*")):
        path.rename(queue / "mess" / str((int(path.name) + 1) % 3) / path.name)
    flag, program = python(tmp_path / "host", 12)
    hosts = {"qmail": {"mx1": at(fake.queue, ansible_python_interpreter=program)}}
    given = ["-e", json.dumps({"confirm": False, "split": 3})]
    first = play("mailops.rescue.repair", hosts, *given)
    assert not flag.exists() and first.status == 2, first.text
    text = " ".join(first.text.split())
    assert "mx1: ended without an answer: qmail-send may be stopped, and files may be set aside; run again" in text
    assert fake.pid() is None
    second = play("mailops.rescue.repair", hosts, *given)
    assert second.status == 0, second.text
    assert wait_for(fake.pid) and left(queue / "mess") == 30
    third = play("mailops.rescue.repair", hosts, *given)
    assert third.status == 0 and "0 to be repaired" in third.text, third.text


def test_of_postfix_too(play, tmp_path):
    queue = PostfixQueue(tmp_path / "spool")
    for number in range(30):
        queue.add("Subject: spam\n\n", "x@example.com", ["u%d@example.net" % number])
    waiting = Path(queue.path) / "deferred"
    flag, program = python(tmp_path, 12)
    hosts = {"postfix": {"out1": at(queue.path, ansible_python_interpreter=program)}}
    given = ["-e", json.dumps({"confirm": False, "select": {"subject": "spam"}})]
    first = play("mailops.rescue.purge", hosts, *given)
    assert not flag.exists() and first.status == 2 and 0 < left(waiting) < 30, first.text
    text = " ".join(first.text.split())
    assert "out1: ended without an answer: messages may be in quarantine; run again, which puts that in order" in text
    second = play("mailops.rescue.purge", hosts, *given)
    assert second.status == 0 and left(waiting) == 0, second.text
    assert "was cut off; it would be put in order first." in " ".join(second.text.split())
    undo = second.commands()
    batches = [one.name for one in Path(queue.path + ".quarantine").iterdir()]
    assert len(undo) == len(batches) == 2
    assert all(any(batch in command for command in undo) for batch in batches)
    flag.touch()
    for batch in batches:
        back = ["-e", json.dumps({"confirm": False, "batch": batch, "release": True})]
        first = play("mailops.rescue.restore", hosts, *back)
        if first.status:
            text = " ".join(first.text.split())
            assert "out1: ended without an answer: messages may be back in the queue; run again" in text
            assert play("mailops.rescue.restore", hosts, *back).status == 0
    assert not flag.exists() and left(waiting) == 30


def test_the_waves_after_it_go_on(play, tmp_path):
    queues = [PostfixQueue(tmp_path / name / "spool") for name in ("out1", "out2")]
    for queue in queues:
        for number in range(30):
            queue.add("Subject: spam\n\n", "x@example.com", ["u%d@example.net" % number])
    flag, program = python(tmp_path, 12)
    killed = at(queues[0].path, ansible_python_interpreter=program)
    given = ["-e", json.dumps({"confirm": False, "select": {"subject": "spam"}, "waves": 1})]
    done = play("mailops.rescue.purge", {"postfix": {"out1": killed, "out2": at(queues[1].path)}}, *given)
    assert not flag.exists() and done.status == 2, done.text
    text = " ".join(done.text.split())
    assert "PURGED unknown how many messages, on 0 of 1 host, 1 FAILED" in text
    assert "PURGED 30 messages" in text and "1 of 2 hosts failed" in text
    assert left(Path(queues[1].path) / "deferred") == 0
    assert [" -l out2 " in command for command in done.commands()] == [True]
