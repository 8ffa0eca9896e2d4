"""The module as Ansible runs it; ended in the midst of it too."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.documents import documents
from tests.support.fake_service import FakeService
from tests.support.modules import ROOT, finish, run_module, start_module
from tests.support.postfix_queue import PostfixQueue
from tests.support.purging import RESTORE, messages, queue_purge, snapshot, whole
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

MODULE = "mailops.rescue.queue_restore"
SPAM = {"subject": "^spam"}
FAILED = {"invocation", "failed", "msg", "changed"}


def run(**options):
    return run_module("queue_restore", **options)


def fill(queue, spam=3, other=2):
    for number in range(spam):
        queue.add("Subject: spam %d\n\nx\n" % number, "a@example.com", remote=["b@example.net"])
    for number in range(other):
        queue.add("Subject: hello %d\n\nx\n" % number, "a@example.com", remote=["b@example.net"])
    return queue


@pytest.fixture
def queue(tmp_path):
    """A queue whose spam was purged; `before` is what was there."""
    queue = fill(QmailQueue(tmp_path / "queue", split=3))
    queue.before = snapshot(queue.path)
    queue.batch = queue_purge(queue.path, select=SPAM)["batches"][0]["path"]
    return queue


def keys(documented):
    return set(documented["contains"])


def test_result_has_what_is_documented(queue):
    # Somebody was in the batch: that message is left there.
    os.chmod(next(Path(queue.batch).glob("files/info/*/*")), 0o640)
    status, result = run(queue_directory=queue.path, batch="latest")
    assert status == 0, result
    returned = documents("queue_restore")["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    assert (result["changed"], result["restored"], result["remaining"], result["left_count"]) == (True, 2, 1, 1)
    for name in ("batches", "left", "counts_before", "counts_after"):
        one = result[name][0] if isinstance(result[name], list) else result[name]
        assert set(one) == keys(returned[name]), name
    for name in ("batches", "counts_before", "counts_after"):
        sample = returned[name]["sample"]
        assert set(sample[0] if isinstance(sample, list) else sample) == keys(returned[name]), name
    assert "is not as it was taken (mode)" in result["left"][0]["reason"]


def test_service_and_recovered_have_what_is_documented(tmp_path):
    with FakeService(tmp_path) as fake:
        fake.supervise()
        fill(QmailQueue(fake.queue, split=3))
        status, purged = run_module("queue_purge", queue_directory=fake.queue, select=SPAM)
        assert status == 0, purged
        os.unlink(purged["batches"][0]["path"] + "/complete.json")
        pid = fake.pid()
        status, result = run(queue_directory=fake.queue, batch=purged["batch"])
        assert (status, result["restored"]) == (0, 3), result
        returned = documents("queue_restore")["RETURN"]
        assert set(result["service"][0]) == keys(returned["service"])
        assert set(result["recovered"][0]) == keys(returned["recovered"])
        assert result["service"][0]["pid"] == fake.pid() not in (None, pid)


def test_result_on_postfix_has_the_same(tmp_path):
    queue = PostfixQueue(tmp_path / "spool")
    queue.add("Subject: spam\n\n", "a@example.com", ["b@example.net"])
    queue_purge(queue.path, select=SPAM)
    status, result = run(queue_directory=queue.path, batch="latest")
    assert (status, result["mta"], result["restored"], result["released"]) == (0, "postfix", 1, False), result
    assert set(result) - {"invocation", "changed"} == set(documents("queue_restore")["RETURN"])
    assert [len(files) for _, _, files in os.walk(queue.path + "/hold")] == [1]


def test_defaults_are_those_of_the_tests_and_are_documented(queue):
    result = run(queue_directory=queue.path, batch="latest")[1]
    given = dict(result["invocation"]["module_args"], queue_directory=None)
    assert given == RESTORE
    options = documents("queue_restore")["DOCUMENTATION"]["options"]
    assert set(options) == set(given)
    for name, value in given.items():
        if value is not None and name != "batch":
            assert options[name].get("default") == value, name
    assert options["batch"]["required"] is True
    for task in documents("queue_restore")["EXAMPLES"]:
        assert set(task[MODULE]) <= set(given)


def test_check_mode_foresees_and_changes_nothing(queue):
    before = snapshot(os.path.dirname(queue.path))
    select = {"subject": "spam [12]"}
    status, foreseen = run(queue_directory=queue.path, batch="latest", select=select, _ansible_check_mode=True)
    assert (status, foreseen["changed"], foreseen["restored"], foreseen["remaining"]) == (0, True, 2, 1)
    assert snapshot(os.path.dirname(queue.path)) == before
    result = run(queue_directory=queue.path, batch="latest", select=select)[1]
    differs = {name for name in result if result[name] != foreseen[name]}
    # What other runs did of late is said ahead of a change, and is no part of what it will do.
    assert differs <= {"counts_after", "seconds", "finished_runs"}
    assert [one["batch"] for one in foreseen["finished_runs"]] == [result["batch"]] and result["finished_runs"] == []
    assert set(foreseen) == set(result)
    assert run(queue_directory=queue.path, batch="latest", _ansible_check_mode=True)[1]["restored"] == 1
    assert run(queue_directory=queue.path, batch="latest")[1]["restored"] == 1
    assert snapshot(queue.path) == queue.before
    again = run(queue_directory=queue.path, batch="latest")[1]
    assert (again["changed"], again["restored"]) == (False, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch": "20200101T000000Z-0000"}, "batch: there is no batch 20200101T000000Z-0000 in "),
        ({"select": {"subjekt": "x"}}, "select.subjekt: there is no such key (did you mean subject?)"),
        ({"quarantine": "discard"}, "quarantine: expected a directory, got discard"),
        ({"quarantine": "/proc/x"}, "quarantine: /proc/x is on another filesystem"),
        ({"queue_directory": "/absent"}, "queue_directory: /absent: No such file or directory."),
        ({"method": "copy"}, "value of method must be one of: exact, reinject, got: copy"),
        ({"btch": "latest"}, "Unsupported parameters for"),
        ({"batch": None}, "missing required arguments: batch"),
        ({"stop_timeout": -1}, "stop_timeout: expected 0 to 86400 seconds, got -1."),
    ],
)
def test_refusals_are_sentences_and_touch_nothing(queue, options, sentence):
    before = snapshot(os.path.dirname(queue.path))
    given = dict({"queue_directory": queue.path, "batch": "latest"}, **options)
    status, result = run(**{name: value for name, value in given.items() if value is not None})
    assert (status, result["failed"]) == (1, True)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)
    assert snapshot(os.path.dirname(queue.path)) == before


def test_without_any_batch_it_is_a_sentence(tmp_path):
    queue = fill(QmailQueue(tmp_path / "queue", split=3))
    status, result = run(queue_directory=queue.path, batch="latest")
    assert (status, result["msg"]) == (1, "batch: there are no batches in %s.quarantine." % queue.path)
    assert not os.path.exists(queue.path + ".quarantine")


def test_result_stays_small_whatever_is_left(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3)
    for _ in range(5000):
        queue.add("Subject: spam\n\n", "a" * 1000, remote=["b" * 1000])
    batch = queue_purge(queue.path, select=SPAM)["batches"][0]["path"]
    for path in Path(batch).glob("files/info/*/*"):
        path.chmod(0o640)
    status, result = run(queue_directory=queue.path, batch="latest")
    assert (status, result["left_count"], result["remaining"], len(result["left"])) == (0, 5000, 5000, 50)
    assert len(json.dumps(result)) < 256 * 1024


# Long enough between the links of a message for a signal to come in between.
SLOW = """
import os, sys, time
from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_restore
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
queue_restore._CHUNK = 20
perform = disk._perform
def slow(function, *arguments, **keywords):
    if function is os.link:
        with open(%(mark)r, "a") as file:
            file.write("x")
        time.sleep(0.002)
    return perform(function, *arguments, **keywords)
disk._perform = slow
sys.argv = [%(module)r]
exec(compile(open(%(module)r).read(), %(module)r, "exec"))
"""


def start_slow(path, monkeypatch, **options):
    """Start the module with a slow disk; return its Popen once it gives back."""
    mark, module = path / "mark", ROOT / "plugins" / "modules" / "queue_restore.py"
    (path / "slow.py").write_text(SLOW % {"mark": str(mark), "module": str(module)})
    (path / "python").write_text("#!/bin/sh\nexec %s %s\n" % (sys.executable, path / "slow.py"))
    (path / "python").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", str(path / "python"))
        process = start_module("queue_restore", **options)
    wait_for(lambda: mark.exists() and mark.stat().st_size > 100, 60)
    return process


def test_asked_to_end_it_brings_things_in_order_and_says_so(tmp_path, monkeypatch):
    with FakeService(tmp_path) as fake:
        fake.supervise()
        fill(QmailQueue(fake.queue, split=3), 500)
        before, files = whole(fake.queue), snapshot(fake.queue)
        queue_purge(fake.queue, select=SPAM)
        pid = fake.pid()
        process = start_slow(tmp_path, monkeypatch, queue_directory=fake.queue, batch="latest")
        assert fake.pid() == process.pid
        process.send_signal(signal.SIGTERM)
        status, result = finish(process)
        assert (status, result["msg"]) == (1, "Ended by SIGTERM.")
        assert set(result) - FAILED == set(documents("queue_restore")["RETURN"])
        assert result["service"][0]["state_after"] == "running"
        assert fake.pid() not in (None, pid, process.pid)
        assert whole(fake.queue) == before
        batch = Path(result["batches"][0]["path"])
        assert not (batch / "returning.json").exists()
        left = len(messages(batch / "files"))
        assert 0 < left < 500
        status, again = run(queue_directory=fake.queue, batch="latest")
        assert (status, again["recovered"], again["restored"]) == (0, [], left)
        assert snapshot(fake.queue) == files


def test_killed_it_is_put_in_order_by_the_next_run(tmp_path, monkeypatch):
    queue = fill(QmailQueue(tmp_path / "queue", split=3), 500)
    before, files = whole(queue.path), snapshot(queue.path)
    queue_purge(queue.path, select=SPAM)
    process = start_slow(tmp_path, monkeypatch, queue_directory=queue.path, batch="latest")
    process.kill()
    process.communicate()
    status, result = run(queue_directory=queue.path, batch="latest")
    assert status == 0 and len(result["recovered"]) == 1
    assert whole(queue.path) == before
    assert snapshot(queue.path) == files
