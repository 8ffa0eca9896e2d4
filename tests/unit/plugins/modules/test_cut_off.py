"""queue_purge, queue_restore and queue_repair, killed while qmail-send is stopped; and the run after that."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.stop_note import StopNote
from tests.support.fake_service import FakeService
from tests.support.modules import ROOT, finish, run_module, start_module
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

SPAM = {"sender": "^spam@"}
# Ends itself as the kernel does with what takes too much memory, when it calls what changes the disk that often.
KILLED = """
import os, runpy, signal, sys
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
left = [int(sys.argv[2])]
original = disk._perform
def perform(function, *arguments, **keywords):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(function, *arguments, **keywords)
disk._perform = perform
sys.argv = sys.argv[1:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def fake(tmp_path):
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: only root can leave a note in /run")
    with FakeService(tmp_path) as fake:
        queue = QmailQueue(fake.queue, split=3)
        for number in range(6):
            queue.add("Subject: x\n\n", b"spam@example.com", remote=["u%d@example.net" % number])
        queue.add("Subject: kept\n\n", b"a@example.com", remote=["b@example.net"])
        fake.supervise()
        yield fake
        StopNote(fake.queue).forget()


def killed(name, calls, **options):
    """Run a module that is killed at its change number `calls` of the disk; return whether it was."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(ROOT / "plugins" / "modules" / (name + ".py")), str(calls)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    process.communicate(json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(), timeout=60)
    return process.returncode == -signal.SIGKILL


def brought_back(result):
    return [(one["cut_off"], one["state_before"], one["state_after"]) for one in result["service"]]


@pytest.mark.parametrize("calls", [12, 25, 40])
def test_a_purge(fake, calls):
    options = {"queue_directory": fake.queue, "select": SPAM}
    assert killed("queue_purge", calls, **options)
    assert wait_for(lambda: fake.pid() is None)
    status, plan = run_module("queue_purge", _ansible_check_mode=True, **options)
    assert (status, plan["changed"], brought_back(plan)) == (0, True, [(True, "running", "running")])
    status, done = run_module("queue_purge", **options)
    assert (status, brought_back(done)) == (0, [(True, "running", "running")])
    assert fake.pid() == done["service"][0]["pid"]
    taken = done["purged"] + sum(one["messages"] for one in done["recovered"])
    assert taken == 6 and {one["cut_off"] for one in done["recovered"]} <= {"purge"}
    status, after = run_module("queue_purge", **options)
    assert (status, after["changed"], after["service"]) == (0, False, [])


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_nothing_is_left_to_purge(fake, mode):
    """Even where no message is selected any more, the service comes back."""
    options = {"queue_directory": fake.queue, "select": SPAM}
    assert killed("queue_purge", 9, **options)
    assert wait_for(lambda: fake.pid() is None)
    options = {"queue_directory": fake.queue, "select": {"sender": "^nobody@"}, "mode": mode}
    status, plan = run_module("queue_purge", _ansible_check_mode=True, **options)
    assert (plan["purged"], plan["changed"], brought_back(plan)) == (0, True, [(True, "running", "running")])
    status, done = run_module("queue_purge", **options)
    assert (status, done["purged"], done["changed"]) == (0, 0, True)
    assert brought_back(done) == [(True, "running", "running")] and fake.pid()


@pytest.mark.parametrize("calls", [8, 12, 30])
def test_a_restore(fake, calls):
    queue = {"queue_directory": fake.queue}
    assert run_module("queue_purge", select=SPAM, **queue)[0] == 0
    assert killed("queue_restore", calls, batch="latest", **queue)
    assert wait_for(lambda: fake.pid() is None)
    status, plan = run_module("queue_restore", batch="latest", _ansible_check_mode=True, **queue)
    assert brought_back(plan) == [(True, "running", "running")] and plan["changed"]
    status, done = run_module("queue_restore", batch="latest", **queue)
    assert (status, brought_back(done), done["remaining"]) == (0, [(True, "running", "running")], 0)
    assert {one["cut_off"] for one in done["recovered"]} <= {"restore"} and fake.pid()


def test_a_purge_ends_what_a_restore_has_stopped(fake):
    queue = {"queue_directory": fake.queue}
    assert run_module("queue_purge", select=SPAM, **queue)[0] == 0
    assert killed("queue_restore", 8, batch="latest", **queue)
    status, done = run_module("queue_purge", select={"sender": "^nobody@"}, **queue)
    assert (status, brought_back(done)) == (0, [(True, "running", "running")]) and fake.pid()


def test_a_repair(fake):
    queue = {"queue_directory": fake.queue}
    odd = os.path.join(fake.queue, "mess", "0", "no-number")
    with open(odd, "w", encoding="ascii"):
        pass
    assert killed("queue_repair", 8, **queue)
    assert wait_for(lambda: fake.pid() is None)
    status, plan = run_module("queue_repair", _ansible_check_mode=True, **queue)
    assert plan["changed"] and "it would be started again" in " ".join(plan["notes"])
    status, done = run_module("queue_repair", **queue)
    assert (status, brought_back(done)) == (0, [(True, "running", "running")]) and fake.pid()


def test_started_by_hand_it_is_no_matter_of_the_next_run(fake):
    queue = {"queue_directory": fake.queue}
    assert killed("queue_purge", 12, select=SPAM, **queue)
    assert run_module("qmail_send", state="started", **queue)[0] == 0
    assert run_module("qmail_send", state="stopped", **queue)[0] == 0
    status, done = run_module("queue_purge", select=SPAM, **queue)
    assert (status, done["service"], fake.pid()) == (0, [], None)


def test_a_lock_is_held_by_somebody(fake):
    queue = {"queue_directory": fake.queue}
    fake.hold_up(1)
    run_module("qmail_send", state="restarted", **queue)
    wait_for(fake.deliveries)
    process = start_module("queue_purge", select=SPAM, stop_timeout=60, **queue)
    wait_for(lambda: StopNote(fake.queue).at_work())
    status, result = run_module("queue_purge", select=SPAM, **queue)
    assert status == 1 and "(process %d, since 20" % process.pid in result["msg"]
    [os.kill(pid, signal.SIGKILL) for pid in fake.deliveries()]
    assert finish(process)[0] == 0
