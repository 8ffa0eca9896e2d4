"""The module as Ansible runs it; ended in the midst of it too."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import documents
from tests.support.fake_service import FakeService
from tests.support.modules import finish, run_module, start_module
from tests.support.postfix_queue import PostfixQueue
from tests.support.purging import PURGE, messages, snapshot, whole
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

MODULE = "mailops.rescue.queue_purge"
SPAM = {"subject": "^spam"}
FAILED = {"invocation", "failed", "msg", "changed"}


def run(**options):
    return run_module("queue_purge", **options)


def fill(queue, spam=3, other=2):
    for number in range(spam):
        queue.add("Subject: spam %d\n\nx\n" % number, "a@example.com", remote=["b@example.net"])
    for number in range(other):
        queue.add("Subject: hello %d\n\nx\n" % number, "a@example.com", remote=["b@example.net"])
    return queue


@pytest.fixture
def queue(tmp_path):
    return fill(QmailQueue(tmp_path / "queue", split=3))


def keys(documented):
    return set(documented["contains"])


def contained(result, returned, names):
    """Check that each of these lists or dicts of a result has something, with exactly the documented keys."""
    for name in names:
        assert result[name], name
        one = result[name][0] if isinstance(result[name], list) else result[name]
        assert set(one) == keys(returned[name]), name
        sample = returned[name]["sample"]
        if sample:
            assert set(sample[0] if isinstance(sample, list) else sample) == keys(returned[name]), name


def test_result_has_what_is_documented(queue):
    queue.add("Subject: spam\n\nx\n", "a@example.com", remote=["b@example.net"], state="S3")
    queue.add("Subject: x\n\n" + "x" * 60 + "\n", "a@example.com", remote=["b@example.net"])
    status, result = run(queue_directory=queue.path, select={"body": ["x", "(x+x+)+y"]}, timeout_per_message=0.1)
    assert status == 0, result
    returned = documents("queue_purge")["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    contained(result, returned, ("queues", "batches", "counts_before", "counts_after", "left"))
    assert set(result["counts_before"]["by_queue"]) == {"local", "remote", "todo", "incomplete", "bounce"}


def test_undecided_has_what_is_documented(queue):
    queue.add("Subject: slow\n\n" + "x" * 60 + "\n", "a@example.com", remote=["b@example.net"])
    status, result = run(queue_directory=queue.path, select={"body": "(xx+xx+)+y"}, timeout_per_message=0.1)
    assert (status, result["undecided_count"], result["purged"]) == (0, 1, 0)
    assert set(result["undecided"][0]) == keys(documents("queue_purge")["RETURN"]["undecided"])


def test_service_and_recovered_have_what_is_documented(tmp_path):
    with FakeService(tmp_path) as fake:
        fake.hold_up(1)
        fake.supervise()
        wait_for(fake.deliveries)
        spam = QmailQueue(fake.queue, split=3)
        fill(spam)
        pid = fake.pid()
        kill_half_way(fake.queue)
        status, result = run(queue_directory=fake.queue, select=SPAM, stop_timeout=0, on_timeout="kill")
        assert status == 0, result
        returned = documents("queue_purge")["RETURN"]
        contained(result, returned, ("service",))
        assert set(result["recovered"][0]) == keys(returned["recovered"])
        killed = documents("qmail_send")["RETURN"]["deliveries"]
        assert set(result["service"][0]["killed"][0]) == keys(killed)
        assert result["service"][0]["state_after"] == "running"
        assert result["service"][0]["pid"] == fake.pid() != pid


def kill_half_way(path):
    """Leave an unfinished batch that never held a message, as a kill right after it was made does."""
    from tests.support.purging import queue_purge

    other = QmailQueue(path + "-other", split=3)
    fill(other)
    batch = Path(queue_purge(other.path, select=SPAM)["batches"][0]["path"])
    target = Path(path + ".quarantine") / batch.name
    target.parent.mkdir(0o700)
    batch.rename(target)
    (target / "complete.json").unlink()
    manifest = json.loads((target / "manifest.json").read_text())
    manifest["queue_directory"] = os.path.realpath(path)
    (target / "manifest.json").write_text(json.dumps(manifest))
    (target / "ledger.jsonl").write_text("")


def test_result_on_postfix_has_the_same(tmp_path):
    queue = PostfixQueue(tmp_path / "spool")
    queue.add("Subject: spam\n\n", "a@example.com", ["b@example.net"])
    status, result = run(queue_directory=queue.path, select=SPAM)
    assert (status, result["mta"], result["purged"], result["service"]) == (0, "postfix", 1, [])
    assert set(result) - {"invocation", "changed"} == set(documents("queue_purge")["RETURN"])


def test_defaults_are_those_of_the_tests_and_are_documented(queue):
    result = run(queue_directory=queue.path, select=SPAM)[1]
    given = dict(result["invocation"]["module_args"], queue_directory=None, select=None)
    assert given == dict(PURGE, workers=0, watch_timeout=300)
    options = documents("queue_purge")["DOCUMENTATION"]["options"]
    assert set(options) == set(given)
    for name, value in given.items():
        if value is not None:
            assert options[name].get("default") == value, name
    for task in documents("queue_purge")["EXAMPLES"]:
        assert set(task[MODULE]) <= set(given)


def test_check_mode_foresees_and_changes_nothing(queue):
    before = snapshot(os.path.dirname(queue.path))
    status, foreseen = run(queue_directory=queue.path, select=SPAM, _ansible_check_mode=True)
    assert (status, foreseen["changed"], foreseen["purged"]) == (0, True, 3)
    assert snapshot(os.path.dirname(queue.path)) == before
    result = run(queue_directory=queue.path, select=SPAM)[1]
    differs = {name for name in result if result[name] != foreseen[name]}
    assert differs <= {"batch", "batches", "restore_hint", "seconds", "invocation"}
    assert set(foreseen) == set(result)
    again = run(queue_directory=queue.path, select=SPAM, _ansible_check_mode=True)[1]
    assert (again["changed"], again["purged"]) == (False, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "select: expected a selection of messages; to remove every message, say all=true."),
        ({"select": {"sendr": "x"}}, "select.sendr: there is no such key (did you mean sender?)"),
        ({"select": SPAM, "max_messages": 2}, "max_messages: 3 messages are selected, and no more than 2 may be"),
        ({"select": SPAM, "quarantine": "none"}, "quarantine: expected a directory, or discard"),
        ({"select": SPAM, "mode": "online"}, "mode: qmail-send of "),
        ({"select": SPAM, "mode": "online", "quarantine": "discard"}, "quarantine: expected a directory with mode="),
        ({"select": SPAM, "queue_directory": "/absent"}, "queue_directory: /absent: No such file or directory."),
        ({"select": SPAM, "mode": "gently"}, "value of mode must be one of: offline, online, got: gently"),
        ({"select": SPAM, "alle": True}, "Unsupported parameters for"),
        ({"select": SPAM, "workers": 65}, "workers: expected 0 to 64 processes, got 65."),
    ],
)
def test_refusals_are_sentences_and_touch_nothing(queue, options, sentence):
    before = snapshot(os.path.dirname(queue.path))
    status, result = run(**dict({"queue_directory": queue.path}, **options))
    assert (status, result["failed"]) == (1, True)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)
    assert snapshot(os.path.dirname(queue.path)) == before


def test_failure_after_something_was_done_says_what(tmp_path):
    """qmail-send was stopped, and comes back, although no batch can be made."""
    with FakeService(tmp_path) as fake:
        fake.supervise()
        fill(QmailQueue(fake.queue, split=3))
        quarantine = tmp_path / "quarantine"
        quarantine.mkdir(0o700)
        before = messages(fake.queue)
        (tmp_path / "dies").touch()
        status, result = run(queue_directory=fake.queue, select=SPAM, quarantine=str(quarantine), start_timeout=1)
        assert status == 1 and "did not bring up qmail-send within 1 s" in result["msg"]
        returned = documents("queue_purge")["RETURN"]
        assert set(result) - FAILED == set(returned)
        assert (result["purged"], result["changed"], result["counts_after"]) == (3, True, None)
        assert result["service"][0]["state_before"] == "running"
        assert whole(fake.queue).total() == 2 and len(messages(result["batches"][0]["path"] + "/files")) == 3
        assert set(before) == set(messages(fake.queue)) | set(messages(result["batches"][0]["path"] + "/files"))


def test_result_stays_small_whatever_is_left(tmp_path):
    queue = QmailQueue(tmp_path / ("q" * 200) / "queue", split=3)
    for _number in range(5000):
        queue.add("Subject: spam\n\n", "a" * 1000, remote=["b" * 1000], state="S4")
    status, result = run(queue_directory=queue.path, select=SPAM)
    assert (status, result["left_count"], len(result["left"])) == (0, 5000, 50)
    assert len(json.dumps(result)) < 256 * 1024
    status, result = run(queue_directory=queue.path, select={"ids": [str(number) for number in range(50000)]})
    assert status == 0 and len(json.dumps(result)) < 256 * 1024


MANY = 1500
# So many have been made when the first chunks are taken, of two files for each message.
LINKS = 2 * 50 * 4
# Each taking of a chunk lasts long enough to be interrupted there.
SLOW = """
import os, sys, time
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import removal
from ansible_collections.mailops.rescue.plugins.module_utils.scan import scan
removal._CHUNK, scan._WORTH_A_PROCESS = 50, 100
perform = disk._perform
def slow(function, *arguments, **keywords):
    if function is os.link:
        with open(%(mark)r, "a") as file:
            file.write("%%d\\n" %% os.getpid())
    elif function is os.fsync:
        time.sleep(0.02)
    return perform(function, *arguments, **keywords)
disk._perform = slow
sys.argv = [%(module)r]
exec(compile(open(%(module)r).read(), %(module)r, "exec"))
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A function that starts the module with a disk that is slow, and returns its Popen once it takes messages."""
    mark = tmp_path / "mark"
    root = Path(__file__).resolve().parents[4]
    program = tmp_path / "slow.py"
    program.write_text(SLOW % {"mark": str(mark), "module": str(root / "plugins/modules/queue_purge.py")})
    started = []

    def start(**options):
        monkeypatch.setattr("sys.executable", str(wrapper(tmp_path, program)))
        process = start_module("queue_purge", **options)
        started.append(process)
        monkeypatch.undo()
        wait_for(lambda: mark.exists() and len(mark.read_text().splitlines()) > LINKS, 60)
        return process

    start.pids = lambda: set(map(int, mark.read_text().split()))
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wrapper(tmp_path, program):
    import sys

    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nexec %s %s\n" % (sys.executable, program))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("workers", [1, 3])
def test_asked_to_end_it_brings_things_in_order_and_says_so(tmp_path, slow, workers):
    with FakeService(tmp_path) as fake:
        fake.supervise()
        fill(QmailQueue(fake.queue, split=3), MANY, 10)
        before = whole(fake.queue)
        pid = fake.pid()
        process = slow(queue_directory=fake.queue, select=SPAM, workers=workers)
        assert fake.pid() == process.pid
        process.send_signal(signal.SIGTERM)
        status, result = finish(process)
        assert (status, result["msg"]) == (1, "Ended by SIGTERM.")
        assert set(result) - FAILED == set(documents("queue_purge")["RETURN"])
        assert result["service"][0]["state_after"] == "running"
        assert fake.pid() not in (None, pid, process.pid)
        # What it says is what it did, and nothing is left for the next run to put in order.
        assert 0 < result["purged"] < MANY
        assert len(messages(result["batches"][0]["path"] + "/files")) == result["purged"]
        assert whole(fake.queue) == before
        status, again = run(queue_directory=fake.queue, select=SPAM)
        assert (status, again["recovered"], again["purged"]) == (0, [], MANY - result["purged"])
        assert whole(fake.queue) == before
        assert len(messages(fake.queue)) == 10


def test_workers_end_when_their_parent_is_killed(tmp_path, slow):
    # Three files are made for each message: with a split of 3, inodes in sequence would all be in one directory.
    queue = fill(QmailQueue(tmp_path / "queue", split=7), MANY, 10)
    before = whole(queue.path)
    process = slow(queue_directory=queue.path, select=SPAM, workers=3)
    wait_for(lambda: len(slow.pids() - {process.pid}) > 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not any(is_running(pid) for pid in slow.pids()))
    # They have not gone on to the end, unseen.
    assert len(messages(queue.path)) > 10
    status, result = run(queue_directory=queue.path, select=SPAM, workers=3)
    assert status == 0, result
    (recovered,) = result["recovered"]
    assert result["purged"] + recovered["messages"] == MANY
    assert whole(queue.path) == before
    assert len(messages(queue.path)) == 10


def is_running(pid):
    try:
        state = Path("/proc/%d/stat" % pid).read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


def test_another_run_is_refused_meanwhile(tmp_path, slow):
    queue = fill(QmailQueue(tmp_path / "queue", split=3), MANY, 10)
    before = whole(queue.path)
    process = slow(queue_directory=queue.path, select=SPAM, workers=3)
    status, result = run(queue_directory=queue.path, select=SPAM)
    assert status == 1 and "another run is at work" in result["msg"]
    process.send_signal(signal.SIGTERM)
    finish(process)
    assert whole(queue.path) == before


def test_terminal_that_goes_away_ends_it_in_order(tmp_path, slow):
    queue = fill(QmailQueue(tmp_path / "queue", split=3), MANY, 10)
    before = whole(queue.path)
    process = slow(queue_directory=queue.path, select=SPAM, workers=1)
    # To all of them, as a terminal's hangup.
    os.killpg(process.pid, signal.SIGHUP)
    status, result = finish(process)
    assert (status, result["msg"]) == (1, "Ended by SIGHUP.")
    assert whole(queue.path) == before
    assert subprocess.run(["flock", "-n", queue.path + "/lock/sendmutex", "true"], check=False).returncode == 0
