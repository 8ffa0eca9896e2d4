"""Stopping and starting a real qmail-send under real supervisors."""

import os
import shutil
import signal
import threading
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.qmail_send import control
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, stopped
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.stop_note import StopNote
from tests.support.real_qmail import qmail_home
from tests.support.supervised_qmail import SUPERVISORS, SupervisedQmail
from tests.support.waiting import wait_for

OPTIONS = {
    "queue_directory": None,
    "supervisor": "auto",
    "service": None,
    "stop_timeout": 20,
    "start_timeout": 20,
    "on_timeout": "fail",
}
# A script neither keeps a service up nor knows of its state.
WATCHED = pytest.mark.parametrize("kind", SUPERVISORS, indirect=True)


@pytest.fixture(scope="module", params=[*SUPERVISORS, "sysv"])
def kind(request):
    if qmail_home() is None:
        pytest.skip("NOT TESTED ON A REAL QMAIL: none in $QMAIL_HOME or /var/qmail")
    if os.getuid() != 0:
        pytest.skip("NOT TESTED ON A REAL QMAIL: needs root")
    program = SUPERVISORS.get(request.param)
    if program and shutil.which(program) is None:
        pytest.skip("NOT TESTED UNDER %s: %s is not installed here (scripts/supervisors)" % (request.param, program))
    return request.param


@pytest.fixture
def qmail(kind):
    try:
        context = SupervisedQmail(qmail_home(), kind).__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED ON A REAL QMAIL: %s" % error)
    try:
        yield context
    finally:
        context.__exit__(None, None, None)


def _queues(directory):
    return detect.find("qmail", directory).directories


def options(qmail, kind, **given):
    found = dict(OPTIONS, queue_directory=qmail.path, **given)
    if kind == "sysv":
        found.update(supervisor="sysv", service=str(qmail.script))
    return found


def qmail_send(qmail, kind, state, check_mode=False, **given):
    return control(dict(options(qmail, kind, state=state), **given), check_mode, _queues)


def _tell_once(qmail):
    # What is told between qmail-send's end and its being reaped starts nothing.
    wait_for(lambda: "down" in qmail.status())
    qmail.tell("o")


def service(qmail, kind):
    given = options(qmail, kind)
    return Service(qmail.path, given["supervisor"], given["service"])


def in_flight(qmail, count=1):
    """Return the deliveries that hang at the peer."""
    for number in range(count):
        qmail.send("a@example.net", "r%d@example.org" % number)
    wait_for(lambda: len(qmail.peer.connections) == count)
    return wait_for(lambda: [one for one in Service(qmail.path).deliveries() if one.recipients])


def test_every_state(qmail, kind):
    first = qmail.pid()
    seen = []
    for state in ("started", "flushed", "reloaded", "restarted", "stopped", "stopped", "started"):
        foreseen = qmail_send(qmail, kind, state, True)
        result = qmail_send(qmail, kind, state)
        for name in ("changed", "state_before", "state_after", "supervisor", "service"):
            assert foreseen[name] == result[name], (state, name)
        assert result["pid"] == qmail.pid()
        assert result["supervisor"] == kind
        assert result["service"] == str(qmail.script if kind == "sysv" else qmail.directory)
        seen.append((state, result["changed"], result["state_before"], result["state_after"]))
    assert seen == [
        ("started", False, "running", "running"),
        ("flushed", True, "running", "running"),
        ("reloaded", True, "running", "running"),
        ("restarted", True, "running", "running"),
        ("stopped", True, "running", "down"),
        ("stopped", False, "down", "down"),
        ("started", True, "down", "running"),
    ]
    assert qmail.pid() != first


def test_stays_stopped(qmail, kind):
    qmail_send(qmail, kind, "stopped")
    time.sleep(2.5)
    assert qmail.pid() is None


def test_nothing_starts_it_while_the_lock_is_held(qmail, kind):
    before = qmail.pid()
    with stopped(service(qmail, kind), 20, 20) as held:
        assert qmail.pid() == os.getpid()
        if kind == "sysv":
            os.spawnl(os.P_WAIT, str(qmail.script), str(qmail.script), "start")
        else:
            _tell_once(qmail)
        wait_for(lambda: "already running" in qmail.log.read_text())
        assert qmail.pid() == os.getpid()
    assert held.process.pid == qmail.pid() != before


def test_comes_back_after_a_failure(qmail, kind):
    before = qmail.pid()
    with pytest.raises(ValueError, match="x"), stopped(service(qmail, kind), 20, 20):
        raise ValueError("x")
    assert qmail.pid() not in (None, before)


@pytest.mark.parametrize("times", [1, 2])
def test_comes_back_after_runs_that_were_killed(qmail, kind, times):
    before = qmail.pid()
    for _unused in range(times):
        pid = os.fork()
        if pid == 0:
            with stopped(service(qmail, kind), 20, 20):
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        wait_for(lambda: qmail.pid() is None)
    # Not told again what it is: the note knows.
    with stopped(Service(qmail.path), 20, 20) as held:
        assert (held.found, held.is_cut_off) == ("running", True)
    assert qmail.pid() == held.process.pid != before
    if kind in SUPERVISORS:
        wait_for(lambda: "down" not in qmail.status())
    assert StopNote(qmail.path).read() is None


@WATCHED
def test_once_is_once_again(qmail, kind):
    qmail_send(qmail, kind, "stopped")
    _tell_once(qmail)
    wait_for(qmail.pid)
    for _ in range(3):
        result = qmail_send(qmail, kind, "restarted")
        assert result["pid"] == qmail.pid()
    os.kill(result["pid"], 15)
    wait_for(lambda: qmail.pid() is None)
    time.sleep(2.5)
    assert qmail.pid() is None


def test_down_file_is_left_alone(qmail, kind):
    (qmail.directory / "down").touch()
    with stopped(service(qmail, kind), 20, 20):
        pass
    assert qmail.pid()
    assert (qmail.directory / "down").exists()


def test_delivery_in_flight_is_named(qmail, kind):
    (found,) = in_flight(qmail)
    assert (found.channel, found.host, found.sender, found.recipients) == (
        "remote",
        "example.org",
        "a@example.net",
        ["r0@example.org"],
    )
    foreseen = qmail_send(qmail, kind, "stopped", True)
    assert [one["pid"] for one in foreseen["deliveries"]] == [found.process.pid]
    before = qmail.pid()
    with pytest.raises(RescueError) as caught:
        qmail_send(qmail, kind, "stopped", stop_timeout=1)
    sentence = str(caught.value)
    assert "remote delivery to r0@example.org at example.org, for " in sentence
    assert "pid %d" % found.process.pid in sentence
    assert qmail.pid() == before
    if kind == "sysv":
        assert "has to be started by state=started then" in sentence
        qmail.peer.let_go()
        wait_for(lambda: qmail.pid() is None)
    else:
        assert "is started again when these end" in sentence
        qmail.peer.let_go()
        wait_for(lambda: qmail.pid() not in (None, before))
    assert qmail.messages() == 1


def test_wait(qmail, kind):
    in_flight(qmail)
    threading.Timer(2.5, qmail.peer.let_go).start()
    result = qmail_send(qmail, kind, "stopped", stop_timeout=1, on_timeout="wait")
    assert (result["state_after"], result["killed"], qmail.pid()) == ("down", [], None)
    assert result["seconds"] > 2
    assert qmail.messages() == 1


def test_kill(qmail, kind):
    found = in_flight(qmail, 2)
    result = qmail_send(qmail, kind, "stopped", stop_timeout=1, on_timeout="kill")
    assert sorted(one["pid"] for one in result["killed"]) == sorted(one.process.pid for one in found)
    assert (result["state_after"], qmail.pid()) == ("down", None)
    assert qmail.messages() == 2
    qmail.peer.let_go()
    assert "deferral: qmail-remote_crashed" in qmail.log.read_text()


@WATCHED
def test_supervisor_says_the_same(qmail, kind):
    assert "%d" % qmail.pid() in qmail.status()
    qmail_send(qmail, kind, "stopped")
    wait_for(lambda: "down" in qmail.status())
