"""Processes as /proc tells them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Process, Procfs
from tests.support.fake_proc import FakeProc
from tests.support.inspecting import as_nobody


@pytest.fixture
def fake(tmp_path):
    return FakeProc(tmp_path)


@pytest.mark.parametrize("name", ["qmail-send", "a) S 1 (b", "(", ") ", "two words", "caf\u00e9", ""])
def test_names_may_hold_anything(fake, name):
    fake.add(7, name, parent=3, session=2, start=99)
    assert Procfs(fake.root).process(7) == Process(7, 99, 3, 2, name)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_dead_ones_are_none(fake, state):
    fake.add(7, "qmail-send", state=state)
    assert Procfs(fake.root).process(7) is None
    assert Procfs(fake.root).processes() == {}


def test_gone(fake):
    proc = Procfs(fake.root)
    assert (proc.process(7), proc.arguments(7), proc.directory(7), proc.control_groups(7)) == (None, [], None, [])


def test_same_number_is_not_the_same_process(fake):
    fake.add(7, "qmail-send", start=99)
    proc = Procfs(fake.root)
    process = proc.process(7)
    assert proc.same(process)
    fake.add(7, "qmail-send", start=100)
    assert not proc.same(process)


def test_arguments(fake):
    fake.add(7, "qmail-remote", arguments=[b"qmail-remote", b"", b"a\xff b", b""])
    assert Procfs(fake.root).arguments(7) == [b"qmail-remote", b"", b"a\xff b"]


def test_ancestors(fake):
    for pid, parent in ((2, 1), (3, 2), (4, 3), (5, 9)):
        fake.add(pid, "x", parent=parent)
    proc = Procfs(fake.root)
    processes = proc.processes()
    assert [one.pid for one in proc.ancestors(processes[4], processes)] == [3, 2]
    assert proc.ancestors(processes[5], processes) == []


def test_ancestors_in_a_circle(fake):
    fake.add(2, "x", parent=3)
    fake.add(3, "x", parent=2)
    proc = Procfs(fake.root)
    processes = proc.processes()
    assert [one.pid for one in proc.ancestors(processes[2], processes)] == [3, 2]


def test_age(fake):
    fake.add(7, "x", start=50 * os.sysconf("SC_CLK_TCK"))
    proc = Procfs(fake.root)
    assert proc.age(proc.process(7)) == 1000 - 50


def test_locks(fake, tmp_path):
    status = os.stat(tmp_path)
    fake.locks(
        "1: FLOCK  ADVISORY  WRITE 11 fd:01:%d 0 EOF" % status.st_ino,
        "2: FLOCK  ADVISORY  READ  12 fd:01:%d 0 EOF" % status.st_ino,
        "3: POSIX  ADVISORY  WRITE 13 fd:01:%d 0 EOF" % status.st_ino,
        "1: -> FLOCK  ADVISORY  WRITE 14 fd:01:%d 0 EOF" % status.st_ino,
        "4: FLOCK  ADVISORY  WRITE 15 fd:01:1%d 0 EOF" % status.st_ino,
        "10: FLOCK  ADVISORY  WRITE 16 00:2e:%d 0 EOF" % status.st_ino,
    )
    assert Procfs(fake.root).flock_holders(status) == {11, 16}


def test_open_files(fake, tmp_path):
    for name in ("mine", "other"):
        (tmp_path / name).touch()
    fake.add(7, "x", opened=["/absent", tmp_path / "mine"])
    proc = Procfs(fake.root)
    assert proc.has_open(7, os.stat(tmp_path / "mine"))
    assert not proc.has_open(7, os.stat(tmp_path / "other"))
    assert not proc.has_open(8, os.stat(tmp_path / "mine"))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: needs root")
def test_others_may_not_be_looked_at(tmp_path):
    status = os.stat(tmp_path)
    with as_nobody():
        assert (Procfs().has_open(1, status), Procfs().directory(1)) == (None, None)


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_signal(sleeper):
    process = Procfs().process(sleeper.pid)
    assert Procfs().send(process, signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM
    assert not Procfs().send(process, signal.SIGTERM)


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_signal_does_not_hit_another(sleeper, with_pidfd, monkeypatch):
    if not with_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = Procfs().process(sleeper.pid)
    assert not Procfs().send(process._replace(start=process.start - 1), signal.SIGKILL)
    assert not Procfs().send(process, signal.SIGKILL, lambda: False)
    time.sleep(0.1)
    assert sleeper.poll() is None
    assert Procfs().send(process, signal.SIGKILL, lambda: True)
    assert sleeper.wait(10) == -signal.SIGKILL
