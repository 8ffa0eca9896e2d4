"""Stopping and starting what holds qmail-send's lock, through what keeps it running."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service import service as engine
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.send_lock import SendLock
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, stopped
from tests.support.fake_service import FakeService
from tests.support.waiting import wait_for


@pytest.fixture
def fake(tmp_path):
    with FakeService(tmp_path) as fake:
        yield fake


def service(fake, **options):
    return Service(fake.queue, **options)


def test_running_and_down(fake):
    assert service(fake).state() == ("down", None)
    fake.supervise()
    state, process = service(fake).state()
    assert (state, process.pid, process.name) == ("running", fake.pid(), "qmail-send")


def test_another_queue_is_not_mixed_up(fake, tmp_path):
    fake.supervise()
    (tmp_path / "second").mkdir()
    with FakeService(tmp_path / "second") as second:
        assert service(second).state() == ("down", None)
        second.supervise()
        pids = [service(one).state()[1].pid for one in (fake, second)]
        assert pids == [fake.pid(), second.pid()]
        service(second).stop(10).release()
        assert (service(fake).state()[0], service(second).state()[0]) == ("running", "down")


def test_stop_and_start(fake):
    fake.supervise()
    before = fake.pid()
    lock = service(fake).stop(10)
    assert SendLock.acquire(fake.queue) is None
    lock.release()
    assert fake.pid() is None
    process = service(fake).start(10)
    assert process.pid == fake.pid() != before
    wait_for(lambda: fake.letters() == "du")


def test_what_is_stopped_stays_stopped(fake):
    fake.supervise()
    service(fake).stop(10).release()
    time.sleep(0.5)
    assert fake.pid() is None


def test_held_up_and_taken_back(fake):
    fake.hold_up(2)
    fake.supervise()
    pids = wait_for(lambda: len(fake.deliveries()) == 2 and fake.deliveries())
    first = fake.pid()
    with pytest.raises(RescueError) as caught:
        service(fake).stop(0.5)
    sentence = str(caught.value)
    assert sentence.startswith("stop_timeout: qmail-send did not stop within 0 s (2 in flight: remote delivery to ")
    assert all("pid %d" % pid in sentence for pid in pids)
    assert "is started again when these end" in sentence
    assert "on_timeout" in sentence
    wait_for(lambda: fake.letters() == "du")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: fake.pid() not in (None, first))


def test_one_that_runs_once_is_brought_back_after_a_stop_that_failed(fake):
    fake.hold_up(1)
    fake.supervise(down=True)
    fake.tell("o")
    wait_for(fake.deliveries)
    first = fake.pid()
    with pytest.raises(RescueError):
        service(fake).stop(0.3)
    os.kill(fake.deliveries()[0], signal.SIGKILL)
    wait_for(lambda: fake.pid() not in (None, first))


def test_wait(fake):
    fake.hold_up(1)
    fake.supervise()
    (pid,) = wait_for(fake.deliveries)
    threading.Timer(1, os.kill, (pid, signal.SIGKILL)).start()
    service(fake).stop(0.2, "wait").release()
    assert fake.pid() is None
    wait_for(lambda: fake.letters() == "d")


def test_wait_ends_some_time(fake, monkeypatch):
    monkeypatch.setattr(engine, "LONGEST_WAIT", 1)
    fake.hold_up(1)
    fake.supervise()
    wait_for(fake.deliveries)
    with pytest.raises(RescueError, match="did not stop within 1 s"):
        service(fake).stop(0.2, "wait")
    wait_for(lambda: fake.letters() == "du")


def test_kill(fake):
    fake.hold_up(3)
    fake.supervise()
    pids = wait_for(lambda: len(fake.deliveries()) == 3 and fake.deliveries())
    one = service(fake)
    one.stop(0.2, "kill").release()
    assert sorted(each.process.pid for each in one.killed) == pids
    assert (fake.pid(), fake.deliveries()) == (None, [])


def test_kill_before_the_time_is_up_kills_nothing(fake):
    fake.supervise()
    one = service(fake)
    one.stop(10, "kill").release()
    assert one.killed == []


def test_stopped_brings_back_what_ran(fake):
    fake.supervise()
    before = fake.pid()
    with stopped(service(fake), 10, 10) as held:
        assert (held.found, fake.pid()) == ("running", os.getpid())
    result = held.result()
    assert result["pid"] == fake.pid() != before
    assert (result["state_before"], result["state_after"]) == ("running", "running")
    assert (result["supervisor"], result["service"]) == ("daemontools", str(fake.directory))


def test_stopped_leaves_down_what_was_down(fake):
    fake.supervise(down=True)
    with stopped(service(fake), 10, 10) as held:
        assert held.found == "down"
        fake.tell("o")
        time.sleep(0.5)
        assert fake.pid() == os.getpid()
    assert held.result()["supervisor"] is None
    wait_for(lambda: fake.letters() == "o")


def test_stopped_needs_no_supervisor_for_a_copy(fake):
    with stopped(service(fake), 10, 10) as held:
        assert SendLock.acquire(fake.queue) is None
    assert held.result() == {
        "supervisor": None,
        "service": None,
        "state_before": "down",
        "state_after": "down",
        "pid": None,
        "killed": [],
        "cut_off": False,
    }


def test_stopped_brings_back_to_run_once(fake):
    fake.supervise(down=True)
    fake.tell("o")
    wait_for(fake.pid)
    with stopped(service(fake), 10, 10):
        pass
    wait_for(lambda: fake.letters() == "odo")
    os.kill(fake.pid(), signal.SIGTERM)
    time.sleep(0.5)
    assert fake.pid() is None


def test_stopped_leaves_down_what_was_asked_to_stop(fake):
    fake.hold_up(1)
    fake.supervise()
    (pid,) = wait_for(fake.deliveries)
    fake.tell("d")
    wait_for(lambda: service(fake).state()[0] == "stopping")
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    with stopped(service(fake), 10, 10) as held:
        assert held.found == "stopping"
    wait_for(lambda: fake.letters() == "dd")
    assert fake.pid() is None


def test_stopped_stops_a_supervisor_that_goes_on_trying(fake):
    (fake.path / "dies").touch()
    fake.supervise(down=True)
    fake.tell("u")
    one = service(fake)
    wait_for(lambda: one.state()[0] == "starting")
    with stopped(one, 10, 10) as held:
        assert held.found == "starting"
        wait_for(lambda: fake.letters() == "ud")
    wait_for(lambda: fake.letters() == "udu")


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, RescueError])
def test_stopped_brings_back_after_a_failure(fake, failure):
    fake.supervise()
    with pytest.raises(failure), stopped(service(fake), 10, 10):
        raise failure("x")
    wait_for(lambda: fake.letters() == "du")
    assert fake.pid()


def test_failure_to_bring_back_does_not_hide_the_first(fake):
    fake.supervise()
    with pytest.raises(RescueError) as caught, stopped(service(fake), 10, 1):
        (fake.path / "dies").touch()
        raise RescueError("First.")
    assert str(caught.value).startswith("First. And then, start_timeout: ")
    wait_for(lambda: fake.letters() == "du")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stopped_brings_back_when_it_is_ended(fake, number):
    fake.supervise()
    before = fake.pid()
    program = (
        "import time\n"
        "from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, stopped\n"
        "with stopped(Service(%r), 10, 10):\n    print('stopped', flush=True)\n    time.sleep(60)\n" % fake.queue
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"stopped\n"
        process.send_signal(number)
        assert b"Ended by %s." % number.name.encode() in process.communicate(timeout=30)[1]
    assert fake.pid() not in (None, before)


def test_does_not_start(fake):
    (fake.path / "dies").touch()
    fake.supervise(down=True)
    with pytest.raises(RescueError) as caught:
        service(fake).start(1.5)
    assert str(caught.value) == (
        "start_timeout: %s did not bring up qmail-send within 1 s: see its log. It is down; start it by: svc -u %s"
        % (fake.directory, fake.directory)
    )


def test_lock_of_somebody_else(fake):
    with SendLock.acquire(fake.queue), pytest.raises(RescueError) as caught:
        service(fake).state()
    assert "lock/sendmutex is held by process %d (" % os.getpid() in str(caught.value)
    assert str(caught.value).endswith("), not by qmail-send.")


@pytest.mark.parametrize(("state", "name"), [("flushed", "SIGALRM"), ("reloaded", "SIGHUP")])
def test_signals(fake, state, name):
    fake.supervise()
    assert service(fake).send(state).pid == fake.pid()
    wait_for(lambda: fake.signals() == [name])


def test_signal_when_down(fake):
    with pytest.raises(RescueError, match=r"state: qmail-send is not running, so it cannot be flushed; start it"):
        service(fake).send("flushed")


def test_by_hand_is_not_stopped_unasked(fake):
    fake.by_hand()
    with pytest.raises(RescueError) as caught:
        service(fake).stop(10)
    assert "supervisor: no supervisor of qmail-send (pid %d) was found" % fake.pid() in str(caught.value)
    assert fake.pid()


def test_none_needs_to_know_how_to_start_again(fake):
    fake.by_hand()
    with pytest.raises(RescueError, match="service: name the script that starts qmail-send"):
        service(fake, supervisor="none").stop(10)
    assert fake.pid()


def test_none(fake):
    started = fake.by_hand()
    one = service(fake, supervisor="none", service=str(fake.rc))
    with stopped(one, 10, 10) as held:
        started.wait(10)
    try:
        assert held.process.pid == fake.pid() != started.pid
    finally:
        one.stop(10).release()


def test_none_held_up_says_that_it_stays_down(fake):
    fake.hold_up(1)
    fake.by_hand()
    wait_for(fake.deliveries)
    with pytest.raises(RescueError, match="has to be started by state=started then"):
        service(fake, supervisor="none", service=str(fake.rc)).stop(0.3)


def test_init_script(fake):
    one = service(fake, supervisor="sysv", service=str(fake.script))
    process = one.start(10)
    try:
        assert process.pid == fake.pid()
        with stopped(one, 10, 10) as held:
            pass
        assert held.process.pid == fake.pid() != process.pid
    finally:
        one.stop(10).release()
    assert (fake.path / "script").read_text().split() == ["start", "stop", "start", "stop"]
    assert fake.pid() is None


def test_init_script_that_fails(fake):
    fake.supervise()
    script = fake.program("broken", "#!/bin/sh\necho it is broken. >&2\nexit 3\n")
    with pytest.raises(RescueError) as caught:
        service(fake, supervisor="sysv", service=str(script)).stop(10)
    assert str(caught.value) == "service: qmail-send was not stopped: %s stop failed: it is broken." % script
