"""Catch-alls of made-up homes: found out, replaced, kept aside, and put back."""

import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_catchall import manage
from tests.support.qmail_home import BOUNCING, QmailHome

NONE_BEFORE = b"# mailops.rescue: mail to addresses that nobody has is discarded.\n# Before, there was none.\n"
ONE_BEFORE = NONE_BEFORE.replace(b"none", b".mailops-rescue.before.qmail-default")
KEPT = ".mailops-rescue.before.qmail-default"
OPTIONS = {"domains": ["*"], "exclude": [], "existing": "spare", "state": "present"}


@pytest.fixture
def home(tmp_path):
    """A local domain, one of vpopmail, one of Plesk, and one of a user."""
    home = QmailHome(tmp_path / "qmail", virtual=("example.com:example.com", "example.net:1", "example.org:joe"))
    home.vpopmail("example.com")
    home.home("mailnames/example.net", {".qmail-default": b"|bouncesaying 'No such address.'\n"})
    home.assign("+1-", "popuser", home.path / "mailnames/example.net")
    home.home("joe", {".qmail-default": b"./Maildir/\n"})
    home.assign("+joe-", "joe", home.path / "joe")
    return home


def run(home, check_mode=False, with_diff=False, **given):
    return manage(dict(OPTIONS, home=str(home.path), **given), check_mode, with_diff)


def snapshot(home):
    """Return {path: (inode, bytes, mode, owner, mtime)} of all files and links."""
    found = {}
    for folder, _, names in os.walk(str(home.path)):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            data = os.readlink(path).encode() if os.path.islink(path) else open(path, "rb").read()
            found[os.path.relpath(path, str(home.path))] = (
                status.st_ino,
                data,
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
            )
    return found


def by_domain(result, *keys):
    return {one["domain"]: tuple(one[key] for key in keys) for one in result["catchalls"]}


def steady(result):
    return {key: value for key, value in result.items() if key != "seconds"}


def test_found_out(home):
    result = run(home, check_mode=True)
    path = str(home.path)
    assert by_domain(result, "kind", "user", "path", "exists", "does", "wanted", "changed") == {
        "mail.example.com": ("local", "alias", path + "/alias/.qmail-default", False, "bounces", "discards", True),
        "example.com": (
            "vpopmail",
            "example.com",
            path + "/vpopmail/domains/example.com/.qmail-default",
            True,
            "vdelivermail bounce-no-mailbox",
            "vdelivermail delete",
            True,
        ),
        "example.net": (
            "plesk",
            "popuser",
            path + "/mailnames/example.net/.qmail-default",
            True,
            "bounces",
            "discards",
            True,
        ),
        "example.org": ("virtual", "joe", path + "/joe/.qmail-default", True, "delivers", "delivers", False),
    }
    assert by_domain(result, "reason")["example.org"] == ("left, as existing=spare says: delivers",)
    assert (result["catchall_count"], result["changed_count"], result["left_count"]) == (4, 3, 1)


@pytest.mark.parametrize("existing", ["spare", "replace"])
def test_there_and_back(home, existing):
    first = snapshot(home)
    foreseen = run(home, check_mode=True, with_diff=True, existing=existing)
    assert snapshot(home) == first
    assert steady(run(home, with_diff=True, existing=existing)) == steady(foreseen)
    changed = snapshot(home)
    assert changed["alias/.qmail-default"][1] == NONE_BEFORE
    assert changed["mailnames/example.net/.qmail-default"][1] == ONE_BEFORE
    deleting = (BOUNCING % os.fsencode(str(home.path / "vpopmail"))).replace(b"bounce-no-mailbox", b"delete")
    assert changed["vpopmail/domains/example.com/.qmail-default"][1] == deleting
    assert changed["joe/.qmail-default"][1] == (b"./Maildir/\n" if existing == "spare" else ONE_BEFORE)
    for path in ("mailnames/example.net/", "vpopmail/domains/example.com/"):
        assert changed[path + KEPT] == first[path + ".qmail-default"]
    assert not run(home, existing=existing)["changed"]
    assert snapshot(home) == changed
    foreseen = run(home, check_mode=True, with_diff=True, state="absent")
    assert snapshot(home) == changed
    assert steady(run(home, with_diff=True, state="absent")) == steady(foreseen)
    assert snapshot(home) == first
    assert not run(home, state="absent")["changed"]
    assert snapshot(home) == first


def test_diff(home):
    diff = {one["after_header"]: (one["before"], one["after"]) for one in run(home, with_diff=True)["diff"]}
    path = str(home.path)
    assert diff[path + "/alias/.qmail-default"] == ("", NONE_BEFORE.decode())
    assert diff[path + "/mailnames/example.net/.qmail-default"] == (
        "|bouncesaying 'No such address.'\n",
        ONE_BEFORE.decode(),
    )
    back = {
        one["after_header"]: (one["before"], one["after"]) for one in run(home, with_diff=True, state="absent")["diff"]
    }
    assert back == {name: (after, before) for name, (before, after) in diff.items()}


def test_mode_and_owner(home):
    file = home.path / "vpopmail/domains/example.com/.qmail-default"
    file.chmod(0o600)
    if os.getuid() == 0:
        os.chown(str(file), 4242, 4243)
        os.chown(str(home.path / "alias"), 4244, 4245)
    old = os.umask(0)
    try:
        run(home)
    finally:
        os.umask(old)
    found = file.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    made = (home.path / "alias/.qmail-default").stat()
    assert stat.S_IMODE(made.st_mode) == 0o644
    if os.getuid() == 0:
        assert (found.st_uid, found.st_gid, made.st_uid, made.st_gid) == (4242, 4243, 4244, 4245)


def test_chosen_by_pattern(home):
    result = run(home, domains=["example.*", "mail.example.com"], exclude=["/net$/", "mail.example.com"])
    assert set(by_domain(result)) == {"example.com", "example.org"}
    assert not (home.path / "alias/.qmail-default").exists()
    run(home, domains=["example.net"])
    run(home, state="absent", domains=["example.com"])
    assert (home.path / "vpopmail/domains/example.com/.qmail-default").read_bytes().endswith(b"bounce-no-mailbox\n")
    assert (home.path / "mailnames/example.net/.qmail-default").read_bytes() == ONE_BEFORE


@pytest.mark.parametrize("option", ["domains", "exclude"])
@pytest.mark.parametrize("state", ["present", "suspended"])
def test_a_domain_that_is_not_served(home, option, state):
    first = snapshot(home)
    with pytest.raises(RescueError, match="^%s: else.example is not a domain that this qmail delivers for" % option):
        run(home, state=state, **{"domains": ["*"], option: ["mail.example.com", "else.example"]})
    assert snapshot(home) == first


def test_what_is_no_domain_any_more_does_not_keep_others_from_being_undone(home):
    run(home)
    result = run(home, state="absent", domains=["*", "gone.example"])
    assert result["changed"]
    assert "gone.example is not a domain that this qmail delivers for." in result["notes"]


@pytest.mark.parametrize(
    "data, mode, changed",
    [
        (b"# mine\n", 0o644, False),
        (b"|true\n", 0o644, False),
        (b"", 0o644, False),
        (b"&joe@example.com\n", 0o644, False),
        (b"| fastforward -d /etc/aliases.cdb\n", 0o644, False),
        (b"/dev/null\n", 0o644, True),
        (b"|exit 100\n", 0o644, True),
        (b"# mine\n", 0o666, True),
    ],
)
def test_what_is_spared(home, data, mode, changed):
    file = home.path / "alias/.qmail-default"
    file.write_bytes(data)
    file.chmod(mode)
    before = snapshot(home)["alias/.qmail-default"]
    assert by_domain(run(home), "changed")["mail.example.com"] == (changed,)
    assert file.read_bytes() == (ONE_BEFORE if changed else data)
    assert by_domain(run(home, existing="replace"), "changed")["mail.example.com"] == (
        not changed and data not in (b"# mine\n", b"|true\n"),
    )
    run(home, state="absent")
    assert snapshot(home)["alias/.qmail-default"] == before


def test_mailboxes_of_vpopmail_are_never_cut_off(home):
    file = home.path / "vpopmail/domains/example.com/.qmail-default"
    mailbox = b"| /v/bin/vdelivermail '' /v/domains/example.com/boss\n"
    for data, after in ((mailbox, mailbox.replace(b"/v/domains/example.com/boss", b"delete")), (mailbox * 2, None)):
        file.write_bytes(data)
        result = run(home, existing="replace", domains=["example.com"])
        assert file.read_bytes() == (after or data)
        assert result["changed"] is (after is not None)
        run(home, state="absent")
        assert file.read_bytes() == data
    assert "by hand" in result["catchalls"][0]["reason"]
    file.unlink()
    entry = run(home, existing="replace", domains=["example.com"])["catchalls"][0]
    assert not entry["changed"]
    assert "it is missing" in entry["reason"]
    assert not file.exists()


def test_a_catch_all_that_a_shorter_address_has(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=("example.com:shop",))
    shared = home.path / "alias/.qmail-default"
    shared.write_bytes(b"| fastforward -d /etc/aliases.cdb\n")
    own = home.path / "alias/.qmail-shop-default"
    entry = run(home, domains=["example.com"])["catchalls"][0]
    assert (entry["exists"], entry["in_force"], entry["does"]) == (False, str(shared), "runs a program")
    assert entry["reason"] == "left, as existing=spare says: runs a program, by .qmail-default"
    assert not own.exists()
    shared.write_bytes(b"# all gone\n")
    assert not run(home, domains=["example.com"])["changed"]
    shared.write_bytes(b"|exit 100\n")
    assert run(home, domains=["example.com"])["changed"]
    assert own.read_bytes() == NONE_BEFORE
    # Ours for the local domain is taken away by itself, so it does not count.
    run(home, state="absent")
    assert run(home)["changed_count"] == 2
    foreseen = run(home, True, state="absent")
    path = str(home.path) + "/alias/.qmail-"
    assert by_domain(foreseen, "wanted", "in_force", "in_force_after") == {
        "mail.example.com": ("bounces", path + "default", path + "default"),
        "example.com": ("discards", path + "shop-default", path + "default"),
    }


def test_one_catch_all_of_several_domains(tmp_path):
    home = QmailHome(tmp_path / "qmail", ("mail.example.com", "localhost"))
    result = run(home, domains=["localhost"])
    assert result["catchalls"][0]["domain"] == "localhost"
    assert result["catchalls"][0]["domains"] == ["mail.example.com", "localhost"]
    assert "%s/alias/.qmail-default is the catch-all of mail.example.com, too." % home.path in result["notes"]


def test_postmaster(tmp_path):
    home = QmailHome(tmp_path / "qmail")
    said = "postmaster@mail.example.com is nobody, so mail to it is discarded, too."
    assert said in run(home, True)["notes"]
    (home.path / "alias/.qmail-postmaster").write_bytes(b"&root\n")
    assert said not in run(home)["notes"]


@pytest.mark.parametrize("now", [b"./Maildir/\n", b"|exit 100\n", None])
def test_what_somebody_changed_since_is_left(home, now):
    run(home)
    file = home.path / "mailnames/example.net/.qmail-default"
    file.unlink()
    if now is not None:
        file.write_bytes(now)
    before = snapshot(home)
    entry = [one for one in run(home, state="absent")["catchalls"] if one["domain"] == "example.net"][0]
    assert not entry["changed"]
    assert entry["reason"].startswith("somebody %s" % ("removed it" if now is None else "changed it since"))
    assert KEPT in entry["reason"]
    after = snapshot(home)
    for name in (".qmail-default", KEPT):
        assert after.get("mailnames/example.net/" + name) == before.get("mailnames/example.net/" + name)
    entry = [one for one in run(home)["catchalls"] if one["domain"] == "example.net"][0]
    assert entry["changed"] is (now is None)
    assert snapshot(home)["mailnames/example.net/" + KEPT] == before["mailnames/example.net/" + KEPT]


@pytest.mark.parametrize("path", ["mailnames/example.net/", "vpopmail/domains/example.com/"])
def test_written_anew_as_it_was_before(home, path):
    """As vpopmail's and Plesk's tools do when settings of a domain change."""
    first = snapshot(home)
    run(home)
    ours = {name: one[1] for name, one in snapshot(home).items()}
    file = home.path / path / ".qmail-default"
    for state, wanted in (("suspended", first), ("absent", first)):
        file.unlink()
        file.write_bytes(first[path + ".qmail-default"][1])
        run(home, state=state)
        assert file.read_bytes() == wanted[path + ".qmail-default"][1]
        if state == "suspended":
            run(home, state="resumed")
            assert run(home, True)["changed_count"] == 1
            run(home)
            assert {name: one[1] for name, one in snapshot(home).items()} == ours
    assert snapshot(home) == first


def test_what_was_kept_is_gone(home):
    run(home)
    (home.path / "mailnames/example.net" / KEPT).unlink()
    entry = [one for one in run(home, state="absent")["catchalls"] if one["domain"] == "example.net"][0]
    assert (entry["changed"], entry["reason"]) == (False, "what was there before is gone: %s is missing" % KEPT)
    assert (home.path / "mailnames/example.net/.qmail-default").read_bytes() == ONE_BEFORE


def test_absent_without_ours_changes_nothing(home):
    (home.path / "alias/.qmail-default").write_bytes(b"# mine\n")
    before = snapshot(home)
    assert not run(home, state="absent")["changed"]
    assert snapshot(home) == before


def test_suspended_and_resumed(home):
    first = snapshot(home)
    assert not run(home, state="suspended")["changed"]
    assert snapshot(home) == first
    run(home)
    ours = snapshot(home)
    assert steady(run(home, True, state="suspended")) == steady(run(home, state="suspended"))
    away = snapshot(home)
    assert {path: one for path, one in away.items() if ".held." not in path} == first
    assert not run(home, state="suspended")["changed"]
    assert snapshot(home) == away
    assert steady(run(home, True, state="resumed")) == steady(run(home, state="resumed"))
    assert snapshot(home) == ours
    assert not run(home, state="resumed")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_suspension_ends(home, state):
    first = snapshot(home)
    run(home)
    ours = {path: one[1:-1] for path, one in snapshot(home).items()}
    run(home, state="suspended")
    assert run(home, state=state)["changed"]
    if state == "absent":
        assert snapshot(home) == first
    else:
        assert {path: one[1:-1] for path, one in snapshot(home).items()} == ours


def test_what_is_shown_of_a_suspension_that_became_for_good(home):
    run(home)
    expected = run(home, True, True, state="absent")["diff"]
    run(home, state="suspended")
    found = run(home, with_diff=True, state="absent")["diff"]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert len(found) == 3


def test_changed_while_suspended(home):
    run(home)
    run(home, state="suspended")
    (home.path / "alias/.qmail-default").write_bytes(b"&joe@example.org\n")
    entry = [one for one in run(home, state="resumed")["catchalls"] if one["domain"] == "mail.example.com"][0]
    assert entry["reason"] == "somebody changed it meanwhile"
    assert (home.path / "alias/.qmail-default").read_bytes() == b"&joe@example.org\n"
    assert not [name for name in os.listdir(str(home.path / "alias")) if "held" in name]


def _link(folder, name):
    (folder / "secret").write_bytes(b"secret\n")
    (folder / name).symlink_to("secret")


def _second_name(folder, name):
    (folder / "secret").write_bytes(b"secret\n")
    os.link(str(folder / "secret"), str(folder / name))


def _fifo(folder, name):
    os.mkfifo(str(folder / name))


def _directory(folder, name):
    (folder / name).mkdir()


def _large(folder, name):
    (folder / name).write_bytes(b"#" * 100000)


@pytest.mark.parametrize(
    "make, name",
    [(make, ".qmail-default") for make in (_link, _second_name, _fifo, _directory, _large)]
    + [(make, KEPT) for make in (_link, _fifo, _directory, _large)],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_traps_in_a_home(tmp_path, make, name, state):
    home = QmailHome(tmp_path / "qmail")
    make(home.path / "alias", name)
    before = sorted(os.listdir(str(home.path / "alias")))
    result = run(home, state=state, existing="replace", with_diff=True)
    assert not result["changed"]
    assert result["catchalls"][0]["reason"]
    assert "secret" not in str(result["diff"])
    assert sorted(os.listdir(str(home.path / "alias"))) == before


def test_a_home_behind_a_link(tmp_path):
    home = QmailHome(tmp_path / "qmail")
    (home.path / "alias").rmdir()
    (home.path / "other").mkdir()
    (home.path / "alias").symlink_to("other")
    (home.path).chmod(0o777)
    entry = run(home)["catchalls"][0]
    assert "symbolic link" in entry["reason"]
    assert os.listdir(str(home.path / "other")) == []


def test_bad_input(home):
    with pytest.raises(RescueError, match="^home: "):
        manage(dict(OPTIONS, home="/nonexistent"), False)
    first = snapshot(home)
    home.control("virtualdomains", "a\0b")
    with pytest.raises(RescueError, match="holds a NUL"):
        run(home)
    (home.path / "users/assign").write_text("nonsense\n.\n")
    home.control("virtualdomains", "example.com:example.com")
    with pytest.raises(RescueError, match="users/assign: line 1 is no assignment"):
        run(home)
    changed = {path for path, one in snapshot(home).items() if one != first.get(path)}
    assert changed == {"control/virtualdomains", "users/assign"}


def test_a_result_stays_small(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=["d%d.%s.example:d%d" % (n, "x" * 50, n) for n in range(1500)])
    result = run(home, True, with_diff=True)
    assert result["catchall_count"] == 1501
    assert len(str(result)) < 250 * 1024
