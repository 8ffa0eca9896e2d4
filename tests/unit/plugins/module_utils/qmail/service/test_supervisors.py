"""What supervisors say and hear."""

import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service import supervisors
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.supervisors import (
    InitScript,
    NoSupervisor,
    ServiceDirectory,
    Status,
    Systemd,
    parse_status,
)

STAMP = b"@\x00\x00\x00k\x02\r\xd5&\xa9ADO"
# As the programs of Debian 12 wrote them.
S6_UP = STAMP[:12] * 2 + b"\x00\x00\x00\x00\x00\x00i\xe7" + b"\x00\x00\x04"
S6_DOWN = STAMP[:12] * 2 + b"\x00\x00\x00\x00\x00\x00\x00\x00" + b"\x00\x00\x08"


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("daemontools", STAMP[:12] + b"\x4f\x69\x00\x00\x00u", Status(26959, "up")),
        ("daemontools", STAMP[:12] + b"\x4f\x69\x00\x00\x00\x00", Status(26959, "once")),
        ("daemontools", STAMP[:12] + b"\x4f\x69\x00\x00\x00d", Status(26959, "down")),
        ("daemontools", STAMP[:12] + b"\x00\x00\x00\x00\x00d", Status(0, "down")),
        ("daemontools", STAMP[:12] + b"\x00\x00\x00\x00\x00\x00", Status(0, "down")),
        ("daemontools", STAMP[:12] + b"\x00\x00\x00\x00\x00u", Status(0, "up")),
        ("runit", STAMP[:12] + b"\x9b\x69\x00\x00\x00u\x00\x01", Status(27035, "up")),
        ("runit", STAMP[:12] + b"\x9b\x69\x00\x00\x00d\x00\x01", Status(27035, "once")),
        ("runit", STAMP[:12] + b"\x9b\x69\x00\x00\x00d\x01\x01", Status(27035, "down")),
        ("runit", STAMP[:12] + b"\x00\x00\x00\x00\x00d\x00\x00", Status(0, "down")),
        ("s6", S6_UP, Status(27111, "up")),
        ("s6", S6_UP[:-1] + b"\x00", Status(27111, "once")),
        ("s6", S6_DOWN, Status(0, "down")),
        ("s6", S6_UP[:32] + S6_UP[24:32] + S6_UP[32:], Status(27111, "up")),
        ("daemontools", S6_UP, None),
        ("runit", STAMP[:12] + b"\x4f\x69\x00\x00\x00u", None),
        ("s6", b"", None),
        ("daemontools", b"", None),
    ],
)
def test_status(kind, data, expected):
    assert parse_status(kind, data) == expected


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "supervise").mkdir()
    (tmp_path / "supervise" / "status").write_bytes(STAMP[:12] + b"\x4f\x69\x00\x00\x00u")
    os.mkfifo(tmp_path / "supervise" / "control")
    return tmp_path


@pytest.fixture
def listening(directory):
    fd = os.open(directory / "supervise" / "control", os.O_RDWR | os.O_NONBLOCK)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("tell", "letter"),
    [(lambda one: one.stop(None), b"d"), (lambda one: one.start(), b"u"), (lambda one: one.start("up"), b"u")],
)
def test_letters(directory, listening, tell, letter):
    one = ServiceDirectory("daemontools", str(directory))
    one.check()
    tell(one)
    assert os.read(listening, 16) == letter


def test_once_is_said_only_when_the_old_process_has_been_reaped(directory, listening, monkeypatch):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            (directory / "supervise" / "status").write_bytes(STAMP[:12] + b"\x00\x00\x00\x00\x00d")

    monkeypatch.setattr(supervisors.time, "sleep", sleep)
    ServiceDirectory("daemontools", str(directory)).start("once")
    assert (len(looks), os.read(listening, 16)) == (3, b"o")


def refused(call):
    with pytest.raises(RescueError) as caught:
        call()
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_nobody_listens(directory):
    sentence = refused(ServiceDirectory("runit", str(directory)).check)
    assert sentence == "service: no runit is running for %s." % directory


def test_wrong_supervisor(directory, listening):
    sentence = refused(ServiceDirectory("runit", str(directory)).check)
    assert sentence == "supervisor: %s/supervise/status is not written by runit; name the right one." % directory


def test_no_service_directory(tmp_path):
    one = ServiceDirectory("daemontools", str(tmp_path))
    assert "supervise/control cannot be written to: No such file" in refused(one.check)
    assert "supervise/status cannot be read: No such file" in refused(one.wanted)


def test_control_that_is_no_fifo_is_not_written(directory):
    path = directory / "supervise" / "control"
    path.unlink()
    path.write_bytes(b"")
    one = ServiceDirectory("daemontools", str(directory))
    assert refused(lambda: one.stop(None)) == "service: %s is no FIFO." % path
    assert path.read_bytes() == b""
    assert stat.S_ISREG(path.stat().st_mode)


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A systemctl that notes what it is told; `state` says what it shows."""

    class Fake:
        state = tmp_path / "state"

        def said(self):
            return (tmp_path / "said").read_text().splitlines()

    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(
        '#!/bin/sh\necho "$@" >>%s/said\n[ "$1" = show ] && cat %s/state\n[ ! -e %s/fails ] || '
        '{ echo "Access denied." >&2; exit 4; }\n' % ((tmp_path,) * 3)
    )
    program.chmod(0o755)
    monkeypatch.setattr(supervisors, "_PATH", "%s:/usr/bin:/bin" % (tmp_path / "bin"))
    return Fake()


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("active", "up"),
        ("activating", "up"),
        ("reloading", "up"),
        ("deactivating", "down"),
        ("inactive", "down"),
        ("failed", "down"),
    ],
)
def test_systemd(systemctl, state, wanted):
    systemctl.state.write_text("LoadState=loaded\nActiveState=%s\nMainPID=12\n" % state)
    unit = Systemd("qmail")
    unit.check()
    assert (unit.service, unit.wanted()) == ("qmail.service", wanted)
    assert unit.problem() == ("qmail.service has failed" if state == "failed" else None)


def test_systemd_is_told_without_waiting(systemctl):
    systemctl.state.write_text("")
    unit = Systemd("qmail.service")
    unit.stop(None)
    unit.start("up")
    assert systemctl.said() == ["--no-block stop qmail.service", "--no-block start qmail.service"]


def test_systemd_refuses(systemctl, tmp_path):
    systemctl.state.write_text("LoadState=not-found\nActiveState=inactive\n")
    assert refused(Systemd("qmial").check) == "service: systemd has no unit qmial.service that it can load."
    (tmp_path / "fails").touch()
    assert "stop qmail.service failed: Access denied." in refused(lambda: Systemd("qmail").stop(None))


def test_systemctl_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(supervisors, "_PATH", str(tmp_path))
    assert refused(Systemd("qmail").check) == "supervisor: systemctl is not installed here."


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        ("qmail", "service: expected the path of a script, got qmail."),
        ("/absent/qmail", "service: there is no script /absent/qmail."),
        ("/etc/passwd", "service: /etc/passwd may not be executed."),
    ],
)
def test_scripts_that_are_none(service, sentence):
    assert refused(InitScript(service).check) == sentence
    assert refused(NoSupervisor(service, None).check) == sentence
