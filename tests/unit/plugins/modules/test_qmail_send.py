"""The module as Ansible runs it, on a service that only holds the lock."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.restart_note import RestartNote
from tests.support.documents import documents
from tests.support.fake_service import FakeService
from tests.support.modules import start_module
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[4]
MODULE = ROOT / "plugins" / "modules" / "qmail_send.py"


def run(**options):
    """Return (exit status, result) of the module."""
    done = subprocess.run(
        [sys.executable, str(MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        timeout=120,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def fake(tmp_path):
    with FakeService(tmp_path) as fake:
        yield fake


def test_result_has_what_is_documented(fake):
    fake.hold_up(1)
    fake.supervise()
    wait_for(fake.deliveries)
    status, result = run(state="stopped", queue_directory=fake.queue, stop_timeout=0, on_timeout="kill")
    assert status == 0, result
    returned = documents("qmail_send")["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    contained = set(returned["deliveries"]["contains"])
    assert set(result["deliveries"][0]) == set(result["killed"][0]) == contained
    assert set(returned["deliveries"]["sample"][0]) == contained
    given = result["invocation"]["module_args"]
    assert set(given) == set(documents("qmail_send")["DOCUMENTATION"]["options"])
    for task in documents("qmail_send")["EXAMPLES"]:
        assert set(task["mailops.rescue.qmail_send"]) <= set(given)


FORESEEN = ("changed", "state_before", "state_after", "supervisor", "service", "queue_directory")


def both(fake, state, **options):
    """Return the result of the real run; the check before it, which changes nothing, foresees it."""
    before = (fake.pid(), fake.letters(), fake.signals())
    foreseen = run(state=state, queue_directory=fake.queue, _ansible_check_mode=True, **options)
    assert (fake.pid(), fake.letters(), fake.signals()) == before
    status, result = run(state=state, queue_directory=fake.queue, **options)
    assert foreseen[0] == status
    if status:
        assert foreseen[1]["msg"] == result["msg"]
    else:
        assert {name: foreseen[1][name] for name in FORESEEN} == {name: result[name] for name in FORESEEN}
        assert result["pid"] == fake.pid()
        assert foreseen[1]["pid"] in (None, result["pid"])
    return result


def test_every_state(fake):
    fake.supervise()
    first = fake.pid()
    seen = []
    for state in (
        "started",
        "flushed",
        "reloaded",
        "restarted",
        "stopped",
        "stopped",
        "started",
        "stopped",
        "restarted",
    ):
        result = both(fake, state)
        seen.append((state, result["changed"], result["state_before"], result["state_after"]))
    assert seen == [
        ("started", False, "running", "running"),
        ("flushed", True, "running", "running"),
        ("reloaded", True, "running", "running"),
        ("restarted", True, "running", "running"),
        ("stopped", True, "running", "down"),
        ("stopped", False, "down", "down"),
        ("started", True, "down", "running"),
        ("stopped", True, "running", "down"),
        ("restarted", True, "down", "running"),
    ]
    assert fake.pid() != first
    assert fake.letters() == "dududu"
    assert fake.signals() == ["SIGALRM", "SIGHUP"]


def test_a_restart_that_is_killed_leaves_a_note(fake):
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: only root can leave a note in /run")
    fake.hold_up(1)
    fake.supervise()
    wait_for(fake.deliveries)
    note = RestartNote(fake.queue)
    process = start_module("qmail_send", state="restarted", queue_directory=fake.queue)
    wait_for(note.exists)
    process.kill()
    process.communicate()
    assert note.exists()
    run(state="stopped", queue_directory=fake.queue, stop_timeout=0, on_timeout="kill")
    assert not note.exists()
    assert run(state="restarted", queue_directory=fake.queue)[0] == 0
    assert not note.exists()


@pytest.mark.parametrize("state", ["flushed", "reloaded"])
def test_signals_when_down(fake, state):
    fake.supervise(down=True)
    result = both(fake, state)
    assert result["msg"] == "state: qmail-send is not running, so it cannot be %s; start it by state=started." % state


@pytest.mark.parametrize("state", ["flushed", "reloaded"])
def test_signals_when_stopping(fake, state):
    fake.hold_up(1)
    fake.supervise()
    wait_for(fake.deliveries)
    fake.tell("d")
    wait_for(lambda: b"d" in (fake.directory / "supervise" / "status").read_bytes())
    wait_for(lambda: fake.letters() == "d")
    assert both(fake, state)["msg"].startswith("state: qmail-send is about to stop, so it cannot be %s" % state)


def test_started_while_stopping(fake):
    fake.hold_up(1)
    fake.supervise()
    (pid,) = wait_for(fake.deliveries)
    fake.tell("d")
    wait_for(lambda: b"d" in (fake.directory / "supervise" / "status").read_bytes())
    wait_for(lambda: fake.letters() == "d")
    status, result = run(state="started", queue_directory=fake.queue, start_timeout=1)
    assert "start_timeout: qmail-send was not started within 1 s: the old one has not ended (1 " in result["msg"]
    wait_for(lambda: fake.letters() == "dud")
    os.kill(pid, 9)
    wait_for(lambda: fake.pid() is None)


def test_started_that_fails_leaves_it_down(fake):
    (fake.path / "dies").touch()
    fake.supervise(down=True)
    status, result = run(state="started", queue_directory=fake.queue, start_timeout=1)
    assert (status, "did not bring up qmail-send within 1 s" in result["msg"]) == (1, True)
    wait_for(lambda: fake.letters() == "ud")


def test_restarted_that_fails_to_start_goes_on_trying(fake):
    fake.supervise()
    (fake.path / "dies").touch()
    status, result = run(state="restarted", queue_directory=fake.queue, start_timeout=1)
    assert (status, "did not bring up qmail-send within 1 s" in result["msg"]) == (1, True)
    assert fake.letters() == "du"


def test_stopped_needs_no_supervisor_when_down(fake):
    result = both(fake, "stopped")
    assert (result["changed"], result["supervisor"], result["service"]) == (False, None, None)


def test_started_needs_one(fake):
    sentence = both(fake, "started")["msg"]
    assert sentence.startswith("supervisor: no supervisor of qmail-send for %s was found; name it" % fake.queue)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stop_timeout": -1}, "stop_timeout: expected 0 to 86400 seconds, got -1."),
        ({"start_timeout": 86401}, "start_timeout: expected 0 to 86400 seconds, got 86401."),
        ({"queue_directory": "/absent"}, "queue_directory: /absent: No such file or directory."),
        ({"service": "/etc"}, "service: no supervise, runsv or s6-supervise is running for /etc."),
        ({"state": "paused"}, "value of state must be one of: started, stopped, restarted, flushed, reloaded"),
        ({"signal": "KILL"}, "Unsupported parameters for"),
    ],
)
def test_refusals_are_sentences(fake, options, sentence):
    status, result = run(**dict({"queue_directory": fake.queue, "state": "started"}, **options))
    assert (status, result["failed"]) == (1, True)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)


def test_several_queues(tmp_path):
    for number in (1, 2):
        QmailQueue(tmp_path / ("queue%d" % number), split=3)
    status, result = run(state="stopped", queue_directory=str(tmp_path))
    sentence = "queue_directory: there are 2 queues, each with a qmail-send; name one, as %s/queue1." % tmp_path
    assert (status, result["msg"]) == (1, sentence)
