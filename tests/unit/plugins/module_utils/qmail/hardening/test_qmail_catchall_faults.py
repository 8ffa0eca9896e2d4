"""The change of a catch-all and its undoing, ended or failing at each call that changes the disk."""

import os
import shutil

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_catchall import manage
from tests.support.faults import fail_points, kill_points
from tests.support.qmail_home import QmailHome

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3
OPTIONS = {"domains": ["*"], "exclude": [], "existing": "spare"}
OLD = {"alias": None, "joe": b"|exit 100\n", "vpopmail/domains/example.com": b"|/v/vdelivermail '' bounce-no-mailbox\n"}


def run(home, state):
    return manage(dict(OPTIONS, home=str(home.path), state=state), False)


def prepared(tmp_path, *states):
    path = tmp_path / "qmail"
    shutil.rmtree(str(path), ignore_errors=True)
    home = QmailHome(path, virtual=("example.com:example.com", "example.org:joe"))
    home.vpopmail("example.com", OLD["vpopmail/domains/example.com"])
    home.home("joe", {".qmail-default": OLD["joe"]})
    home.assign("+joe-", "joe", home.path / "joe")
    for name in ("joe", "vpopmail/domains/example.com"):
        os.utime(str(home.path / name / ".qmail-default"), (1000, 1000))
    home.files = files(home)
    for state in states:
        run(home, state)
    return home


def files(home):
    """Return {path: (inode, bytes, mtime)} of what is in the homes."""
    found = {}
    for folder in OLD:
        for name in os.listdir(str(home.path / folder)):
            status = (home.path / folder / name).stat()
            found[folder, name] = (status.st_ino, (home.path / folder / name).read_bytes(), status.st_mtime)
    return found


def in_force(home):
    found = {}
    for folder in OLD:
        path = home.path / folder / ".qmail-default"
        found[folder] = path.read_bytes() if path.exists() else None
    return found


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """What is in force where all is done."""
    home = prepared(tmp_path_factory.mktemp("new"), "present")
    assert all(data and data != OLD[folder] for folder, data in in_force(home).items())
    return in_force(home)


def checked(new, state, point):
    """Whatever happened, each catch-all is the old or the new one, whole; the next run finishes it or undoes it."""

    def check(home, at):
        for folder, data in in_force(home).items():
            assert data in (OLD[folder], new[folder]), (point, at, folder)
        run(home, state)
        if state == "absent":
            assert files(home) == home.files, (point, at)
        else:
            assert in_force(home) == new, (point, at)
            names = {name for unused, name in files(home)}
            assert names == {".qmail-default", ".mailops-rescue.before.qmail-default"}, (point, at)
            assert not run(home, state)["changed"], (point, at)
            run(home, "absent")
            assert files(home) == home.files, (point, at)

    return check


# What came before, what is ended.
RUNS = [
    ((), "present"),
    (("present",), "absent"),
    (("present",), "suspended"),
    (("present", "suspended"), "resumed"),
    (("present", "suspended"), "absent"),
    (("present", "suspended"), "present"),
]


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize("before, state", RUNS)
def test_killed(tmp_path, new, before, state, after):
    count = kill_points(
        lambda: prepared(tmp_path, *before), lambda home: run(home, state), checked(new, after, state), STEP
    )
    assert count >= 12 // STEP


@pytest.mark.parametrize("before, state", RUNS[:2])
def test_suspended_after_a_kill(tmp_path, new, before, state):
    """A run that would see what the SMTP server says finds the same, and what is resumed is whole."""

    def verify(home, point):
        run(home, "suspended")
        assert in_force(home) == OLD, point
        run(home, "resumed")
        checked(new, "present", "resumed")(home, point)

    assert kill_points(lambda: prepared(tmp_path, *before), lambda home: run(home, state), verify, STEP)


@pytest.mark.parametrize("before, state", RUNS[:2])
def test_the_disk_fails(tmp_path, new, before, state):
    def failing(home):
        try:
            run(home, state)
        except RescueError as error:
            assert "run it again to finish" in str(error)

    errors = ("ENOSPC", "EACCES", "SHORT")
    count = fail_points(lambda: prepared(tmp_path, *before), failing, checked(new, state, "failed"), errors, step=STEP)
    assert count >= 12 // STEP
