"""A run that is killed while qmail-send is stopped: the next one brings it back as it was found at first."""

import json
import os
import signal
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service import stop_note
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service, stopped
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.stop_note import StopNote
from tests.support.fake_service import FakeService
from tests.support.faults import killed
from tests.support.waiting import wait_for


@pytest.fixture
def fake(tmp_path):
    (tmp_path / "run").mkdir()
    with FakeService(tmp_path) as fake:
        yield fake


def service(fake, **options):
    found = Service(fake.queue, **options)
    found.note = StopNote(fake.queue, str(fake.path / "run"))
    return found


def run_that_is_killed(fake, **options):
    """Stop qmail-send in another process, which is killed then."""
    pid = os.fork()
    if pid == 0:
        try:
            with stopped(service(fake, **options), 10, 10):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def note(fake):
    (path,) = (fake.path / "run").iterdir()
    return path


def is_noted(fake):
    return any((fake.path / "run").iterdir())


def test_the_next_run_brings_it_back(fake):
    fake.supervise()
    run_that_is_killed(fake)
    wait_for(lambda: fake.pid() is None)
    with stopped(service(fake), 10, 10) as held:
        assert (held.found, held.is_cut_off, fake.pid()) == ("running", True, os.getpid())
    assert fake.pid() == held.process.pid != os.getpid()
    assert (held.result()["state_before"], held.result()["state_after"]) == ("running", "running")
    assert not is_noted(fake)


def test_after_two_that_were_killed_too(fake):
    fake.supervise()
    for _unused in range(2):
        run_that_is_killed(fake)
    with stopped(service(fake), 10, 10):
        pass
    assert fake.pid() not in (None, os.getpid())


@pytest.mark.parametrize("kind", ["sysv", "none"])
def test_by_what_the_first_run_was_told(fake, kind):
    fake.by_hand()
    if kind == "sysv":
        (fake.path / "pid").write_text(str(fake.pid()))
    run_that_is_killed(fake, supervisor=kind, service=str(fake.script if kind == "sysv" else fake.rc))
    with stopped(service(fake), 10, 10) as held:
        assert held.supervisor.kind == kind
    assert fake.pid() == held.process.pid
    os.kill(fake.pid(), signal.SIGTERM)
    wait_for(lambda: fake.pid() is None)


def test_once_is_once_again(fake):
    fake.supervise(down=True)
    fake.tell("o")
    wait_for(fake.pid)
    run_that_is_killed(fake)
    with stopped(service(fake), 10, 10):
        pass
    assert fake.letters() == "odo" and fake.pid()


def test_what_was_down_stays_down(fake):
    fake.supervise(down=True)
    run_that_is_killed(fake)
    assert not is_noted(fake)
    with stopped(service(fake), 10, 10) as held:
        assert (held.found, held.is_cut_off) == ("down", False)
    assert fake.pid() is None and fake.letters() == ""


def test_what_an_operator_started_meanwhile_is_an_ordinary_one(fake):
    fake.supervise()
    run_that_is_killed(fake)
    fake.tell("u")
    wait_for(fake.pid)
    with stopped(service(fake), 10, 10) as held:
        assert (held.found, held.is_cut_off) == ("running", False)
    assert fake.pid() and not is_noted(fake)


@pytest.mark.parametrize("wrong", [{"boot": "another"}, {"queue": "2f"}, {"found": "down"}, {"more": 1}])
def test_a_note_of_another_boot_or_queue_or_of_no_sense_starts_nothing(fake, wrong):
    fake.supervise()
    run_that_is_killed(fake)
    note(fake).write_text(json.dumps(dict(json.loads(note(fake).read_text()), **wrong)))
    with stopped(service(fake), 10, 10) as held:
        assert (held.found, held.is_cut_off) == ("down", False)
    assert fake.pid() is None


def test_a_supervisor_that_is_gone_is_named_with_the_command(fake):
    supervisor = fake.supervise()
    run_that_is_killed(fake)
    fake.tell("x")
    supervisor.wait(10)
    with pytest.raises(RescueError) as caught, stopped(service(fake), 10, 10):
        pass
    assert "was stopped by a run that was cut off" in str(caught.value)
    assert str(caught.value).endswith("Start it by: svc -u %s" % fake.directory)
    assert is_noted(fake)


def test_one_that_is_at_work_is_named(fake):
    fake.supervise()
    pid = os.fork()
    if pid == 0:
        try:
            with stopped(service(fake), 10, 10):
                signal.pause()
        finally:
            os._exit(0)
    try:
        wait_for(lambda: fake.pid() == pid)
        with pytest.raises(RescueError, match=r"another run \(process %d, since 20\S+Z\) has stopped qmail-send" % pid):
            service(fake).state()
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    assert wait_for(lambda: fake.pid() not in (None, pid))


def test_nothing_is_stopped_where_it_cannot_be_noted(fake):
    fake.supervise()
    before = fake.pid()
    (fake.path / "run").rmdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root must be able to note it")
    with pytest.raises(RescueError, match="cannot be noted in"), stopped(service(fake), 10, 10):
        pass
    assert fake.pid() == before


def test_killed_at_each_change_of_the_note(fake):
    """Wherever it is killed, qmail-send runs, or the next run brings it back."""
    fake.supervise()

    def run(state):
        with stopped(service(fake), 10, 10):
            pass

    number = 0
    while any([killed(run, None, number, "before"), killed(run, None, number, "after")]):
        with stopped(service(fake), 10, 10) as held:
            assert held.found == "running", number
        assert fake.pid(), number
        number += 1
    assert number >= 5


def test_a_boot_is_told():
    assert stop_note._boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
