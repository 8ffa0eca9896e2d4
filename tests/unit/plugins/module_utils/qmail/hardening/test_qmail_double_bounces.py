"""Where double bounces go: control files and an alias of a made-up qmail."""

import os
import shutil

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_double_bounces import manage
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.restart_note import RestartNote
from tests.support.faults import fail_points, kill_points
from tests.support.qmail_home import QmailHome

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3
ALIAS = "alias/.qmail-mailops_double_bounces"


def run(home, to="discard", state="present", check_mode=False, running=lambda: None):
    params = {"home": str(home.path), "to": to if state == "present" else None, "state": state}
    return manage(params, check_mode, True, running, str(home.path / "run"))


def prepared(path):
    home = QmailHome(path, ("localhost", "mail.example.com"))
    home.control("doublebounceto", "root")
    (home.path / "run").mkdir()
    os.utime(str(home.path / "control/doublebounceto"), (1000, 1000))
    return home


@pytest.fixture
def home(tmp_path):
    return prepared(tmp_path / "qmail")


def files(home):
    found = {}
    for folder in ("control", "alias"):
        for name in os.listdir(str(home.path / folder)):
            path = home.path / folder / name
            found["%s/%s" % (folder, name)] = (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime)
    return found


def first_line(home, name):
    path = home.path / "control" / name
    return path.read_text().splitlines()[0] if path.exists() else None


def test_discarded_and_back(home):
    before = files(home)
    foreseen = run(home, check_mode=True)
    assert files(home) == before
    result = run(home)
    assert result == foreseen
    assert result["changed"]
    assert result["address"] == "mailops_double_bounces@mail.example.com"
    assert first_line(home, "doublebounceto") == "mailops_double_bounces"
    assert first_line(home, "doublebouncehost") == "mail.example.com"
    assert (home.path / ALIAS).read_text() == "# mailops.rescue: double bounces are discarded.\n"
    after = files(home)
    assert not run(home)["changed"]
    assert files(home) == after
    foreseen = run(home, state="absent", check_mode=True)
    assert files(home) == after
    assert run(home, state="absent") == foreseen
    assert foreseen["changed"]
    assert foreseen["address"] == "root@mail.example.com"
    assert files(home) == before
    assert not run(home, state="absent")["changed"]


def test_to_a_mailbox_and_another(home):
    before = files(home)
    run(home)
    result = run(home, "a.b+c@lists.example.org")
    assert result["address"] == "a.b+c@lists.example.org"
    assert (first_line(home, "doublebounceto"), first_line(home, "doublebouncehost")) == ("a.b+c", "lists.example.org")
    assert not (home.path / ALIAS).exists()
    run(home, state="absent")
    assert files(home) == before


@pytest.mark.parametrize(
    "to",
    [
        "",
        "postmaster",
        "a b@example.com",
        "@example.com",
        "a@",
        "a@b@c d",
        "a\n@example.com",
        "a@example..com",
        "a@-;x",
    ],
)
def test_no_address(home, to):
    before = files(home)
    with pytest.raises(RescueError, match="^to: expected discard or an address"):
        run(home, to)
    assert files(home) == before


def test_discarding_needs_a_domain(home):
    home.control("locals")
    home.control("virtualdomains", ".example.net:n", "a.example.org:")
    before = files(home)
    with pytest.raises(RescueError, match="^to: discard needs a domain"):
        run(home)
    assert files(home) == before
    home.control("virtualdomains", ".example.net:n", "Lists.example.org:lists.example.org")
    home.assign("+lists.example.org-", "alias", home.path / "alias")
    before = files(home)
    assert run(home)["address"] == "mailops_double_bounces@lists.example.org"
    assert (home.path / ALIAS).exists()
    assert not run(home)["changed"]
    # It stays where it is when there are local domains again.
    home.control("locals", "localhost")
    assert not run(home)["changed"]
    home.control("locals")
    run(home, state="absent")
    assert {path: one[:2] for path, one in files(home).items()} == {path: one[:2] for path, one in before.items()}


def test_an_alias_of_somebody_else(home):
    (home.path / ALIAS).write_text("&joe\n")
    before = files(home)
    with pytest.raises(RescueError, match="^to: .* is there already"):
        run(home)
    run(home, "joe@example.com")
    run(home, state="absent")
    assert files(home) == before


def test_changed_since(home):
    run(home)
    path = home.path / "control/doublebounceto"
    path.write_text(path.read_text().replace("mailops_double_bounces\n", "joe\n", 1))
    before = path.read_bytes()
    result = run(home, state="absent")
    assert [one["reason"] is not None for one in result["files"]] == [True, False, False]
    assert path.read_bytes() == before
    with pytest.raises(RescueError, match="doublebounceto: somebody changed it since"):
        run(home)


def test_restart_is_needed_until_it_was_restarted(home):
    me = Procfs().process(os.getpid())
    assert run(home, check_mode=True, running=lambda: me)["restart_needed"]
    assert run(home, running=lambda: me)["restart_needed"]
    # That run was killed before anybody restarted it.
    assert run(home, check_mode=True, running=lambda: me)["restart_needed"]
    again = run(home, running=lambda: me)
    assert (again["changed"], again["restart_needed"]) == (False, True)
    other = me._replace(start=me.start - 1)
    (note,) = (home.path / "run").iterdir()
    note.write_text("%d %d\n" % (other.pid, other.start))
    assert not run(home, running=lambda: me)["restart_needed"]
    assert not note.exists()


def test_a_restart_that_was_killed_is_finished(home):
    run(home)
    note = RestartNote(home.path / "queue", str(home.path / "run"))
    note.write()
    assert run(home, check_mode=True)["restart_needed"]
    assert run(home)["restart_needed"]
    # It was started meanwhile; what stops it later is somebody else.
    me = Procfs().process(os.getpid())
    assert not run(home, running=lambda: me)["restart_needed"]
    assert not note.exists()
    assert not run(home)["restart_needed"]


def test_no_restart_where_it_is_down(home):
    result = run(home)
    assert (result["changed"], result["restart_needed"]) == (True, False)


RUNS = {"present": (), "absent": ("present",)}


def _prepared(tmp_path, state):
    shutil.rmtree(str(tmp_path / "qmail"), ignore_errors=True)
    home = prepared(tmp_path / "qmail")
    home.files = files(home)
    for one in RUNS[state]:
        run(home, state=one)
    return home


def _verify(after):
    def verify(home, point):
        assert first_line(home, "doublebounceto") in ("root", "mailops_double_bounces"), point
        if first_line(home, "doublebounceto") != "root":
            assert first_line(home, "doublebouncehost") == "mail.example.com", point
            assert (home.path / ALIAS).exists(), point
        me = Procfs().process(os.getpid())
        run(home, state=after, running=lambda: me)
        if after == "present":
            assert first_line(home, "doublebounceto") == "mailops_double_bounces", point
            assert run(home, running=lambda: me)["changed"] is False, point
            run(home, state="absent", running=lambda: me)
        assert files(home) == home.files, point

    return verify


def _running():
    return Procfs().process(os.getppid())


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize("state", RUNS)
def test_killed(tmp_path, state, after):
    count = kill_points(
        lambda: _prepared(tmp_path, state), lambda home: run(home, state=state, running=_running), _verify(after), STEP
    )
    assert count >= 12 // STEP


@pytest.mark.parametrize("state", RUNS)
def test_the_disk_fails(tmp_path, state):
    def failing(home):
        try:
            run(home, state=state, running=_running)
        except RescueError as error:
            assert "run it again to finish" in str(error)

    count = fail_points(lambda: _prepared(tmp_path, state), failing, _verify(state), ("ENOSPC", "SHORT"), step=STEP)
    assert count >= 8 // STEP
