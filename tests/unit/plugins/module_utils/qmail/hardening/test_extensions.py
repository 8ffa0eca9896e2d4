"""Extensions of users' addresses in made-up homes: found, given a file that discards, and put back."""

import os
import pwd
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config import user_list
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.facts import QmailFacts
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening import extensions
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_catchall import manage
from tests.support.faults import fail_points, kill_points
from tests.support.qmail_home import QmailHome

OURS = b"# mailops.rescue: mail to addresses that nobody has is discarded.\n# Before, there was none.\n"
OPTIONS = {"domains": ["*"], "exclude": [], "existing": "spare", "state": "present", "scope": "users"}
STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3
UID = os.getuid() or 4242
GID = os.getgid() or 4243


class Homes:
    """A qmail with a local domain, a virtual one, and users; `by_name`: entries of the passwd file."""

    def __init__(self, path, **options):
        self.qmail = QmailHome(path / "qmail", **options)
        self.path = self.qmail.path
        self.by_name = []

    def user(self, name, files=(), key=None, mode=0o755, home=None, uid=UID, passwd=False, **fields):
        """Add a home, and the assignment `key` (`+NAME-`) or an entry of the passwd file."""
        path = self.qmail.home(name.lower() if home is None else home, files)
        path.chmod(mode)
        if os.getuid() == 0:
            for one in [path, *path.iterdir()]:
                os.chown(str(one), UID, GID, follow_symlinks=False)
        if passwd:
            self.by_name.append(pwd.struct_passwd((name, "x", uid, GID, "", str(path), "/bin/sh")))
        else:
            self.qmail.assign(key or "+%s-" % name, name, path, **fields)
            key, values = self.qmail.assignments[-1]
            self.qmail.assignments[-1] = (key, (values[0], str(uid), str(GID), *values[3:]))
            self.qmail.rewrite()
        return path

    def without_assignments(self, monkeypatch):
        for name in ("assign", "cdb"):
            (self.path / "users" / name).unlink()
        alias = pwd.struct_passwd(("alias", "x", UID, GID, "", str(self.path / "alias"), "/bin/true"))
        entries = self.by_name + [alias]
        by_name = {}
        for one in entries:
            by_name.setdefault(one.pw_name, one)
        monkeypatch.setattr(pwd, "getpwall", lambda: list(entries))
        monkeypatch.setattr(pwd, "getpwnam", by_name.__getitem__)
        monkeypatch.setattr(extensions, "unlisted", lambda users: None)

    def run(self, check_mode=False, with_diff=False, **given):
        return manage(dict(OPTIONS, home=str(self.path), **given), check_mode, with_diff)

    def found(self, check_mode=True, **given):
        return self.run(check_mode, **given)["extensions"]

    def snapshot(self):
        found = {}
        for folder, _, names in os.walk(str(self.path)):
            for name in names:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                data = os.readlink(path).encode() if os.path.islink(path) else open(path, "rb").read()
                found[os.path.relpath(path, str(self.path))] = (
                    status.st_ino,
                    data,
                    status.st_mode,
                    status.st_uid,
                    status.st_gid,
                    status.st_mtime_ns,
                )
        return found


@pytest.fixture
def homes(tmp_path):
    homes = Homes(tmp_path, virtual=("example.com:example.com", "example.org:joe"))
    homes.qmail.vpopmail("example.com")
    homes.user("joe")
    homes.user("ann")
    homes.user("bob", {".qmail-default": b"./Maildir/\n"})
    homes.user("eve", {".qmail-default": b"|bouncesaying 'No such address.'\n"})
    homes.user("sub", key="+example.com-sub-")
    return homes


def by(entries, key="extension", value="does"):
    return {one[key]: one[value] for one in entries}


def steady(result):
    result = dict(result, seconds=0)
    result["extensions"] = dict(
        result["extensions"], recipients=[one.split("mailopsprobe")[0] for one in result["extensions"]["recipients"]]
    )
    return result


def test_who_bounces(homes):
    """joe's file is the catch-all of example.org, and so none of a user; bob's own delivers."""
    found = homes.found()
    assert by(found["open"]) == {"ann-": "bounces", "eve-": "bounces", "example.com-sub-": "bounces"}
    assert (found["count"], found["open_count"], found["unknown_count"], found["incomplete"]) == (4, 3, 0, None)
    assert by(found["open"], value="path")["ann-"] == str(homes.path / "ann/.qmail-default")
    locals_ = sorted(one.split("mailopsprobe")[0] + "@" + one.split("@")[1] for one in found["recipients"])
    assert locals_ == [
        "ann-@mail.example.com",
        "eve-@mail.example.com",
        "example.com-sub-@mail.example.com",
        "sub-@example.com",
    ]


def test_there_and_back(homes):
    first = homes.snapshot()
    foreseen = homes.run(check_mode=True, with_diff=True)
    assert homes.snapshot() == first
    made = homes.run(with_diff=True)
    assert steady(made) == steady(foreseen)
    assert made["changed"] and made["catchalls"] == [] and made["changed_count"] == 0
    assert {one["after_header"]: one["after"] for one in made["diff"]} == {
        str(homes.path / name / ".qmail-default"): OURS.decode() for name in ("ann", "sub")
    }
    after = homes.snapshot()
    assert set(after) - set(first) == {"ann/.qmail-default", "sub/.qmail-default"}
    assert {path: one for path, one in after.items() if path in first} == first
    for name in ("ann", "sub"):
        inode, data, mode, uid, gid, mtime = after[name + "/.qmail-default"]
        home = (homes.path / name).stat()
        assert (data, stat.S_IMODE(mode), uid, gid) == (OURS, 0o644, home.st_uid, home.st_gid)
    assert not homes.run()["changed"]
    # What a user has is left whatever it does.
    left = homes.found()
    assert by(left["open"]) == {"eve-": "bounces"} and left["left_count"] == 1
    assert any(
        one.startswith("eve-\u2026@mail.example.com: left as it is: .qmail-default is the user's own")
        for one in made["notes"]
    )
    assert homes.run(existing="replace")["changed"] is False
    foreseen = homes.run(True, True, state="absent")
    assert steady(homes.run(with_diff=True, state="absent")) == steady(foreseen)
    assert homes.snapshot() == first
    assert not homes.run(state="absent")["changed"]


def test_only_what_is_meant_changes(homes):
    first = homes.snapshot()
    assert homes.run(scope="domains")["extensions"] is None
    assert {"ann/.qmail-default", "sub/.qmail-default"}.isdisjoint(homes.snapshot())
    homes.run(scope="domains", state="absent")
    homes.run(scope="all")
    assert {"ann/.qmail-default", "sub/.qmail-default", "joe/.qmail-default"} <= set(homes.snapshot())
    homes.run(scope="domains", state="absent")
    left = set(homes.snapshot()) - set(first)
    assert left == {"ann/.qmail-default", "sub/.qmail-default"}
    homes.run(scope="all", state="absent")
    assert homes.snapshot() == first
    homes.run(domains=["example.com"])
    assert set(homes.snapshot()) - set(first) == {"sub/.qmail-default"}
    homes.run(state="absent", exclude=["mail.example.com"])
    assert homes.snapshot() == first
    homes.run(exclude=["mail.example.com"])
    assert set(homes.snapshot()) - set(first) == {"sub/.qmail-default"}


def test_a_call_without_a_scope_is_as_before(homes):
    options = {name: value for name, value in OPTIONS.items() if name != "scope"}
    assert manage(dict(options, home=str(homes.path)), True)["extensions"] is None


def test_a_user_file_that_would_be_the_catch_all_of_a_domain(tmp_path):
    """Mail to a domain falls back on the user's file; a domain that is not meant must not begin to discard."""
    homes = Homes(tmp_path, virtual=("shop.example:joe-shop",))
    home = homes.user("joe")
    for given in ({"exclude": ["shop.example"], "scope": "all"}, {"scope": "users"}):
        result = homes.run(True, **given)
        assert result["extensions"]["changed_count"] == 0
        assert any("it would be the catch-all of shop.example, too" in one for one in result["notes"]), given
    assert homes.found(scope="all")["changed_count"] == 1
    (home / ".qmail-shop-default").write_bytes(b"|exit 100\n")
    assert homes.found(exclude=["shop.example"])["changed_count"] == 1


def test_one_file_inside_the_other(tmp_path):
    """What is foreseen is what comes, though the first file that is made is what the other address falls back on."""
    homes = Homes(tmp_path)
    homes.user("joe")
    homes.user("joe", key="+joe-list-", extension="list-")
    homes.user("joe", key="+a-", extension="x-")
    foreseen = homes.run(True)
    made = homes.run()
    assert steady(made) == steady(foreseen) and made["extensions"]["changed_count"] == 3
    assert not homes.run()["changed"]
    foreseen = homes.run(True, state="absent")
    assert steady(homes.run(state="absent")) == steady(foreseen)
    assert os.listdir(str(homes.path / "joe")) == []


def test_users_of_the_passwd_file(tmp_path, monkeypatch):
    homes = Homes(tmp_path, local=("mail.example.com", "other.example.com"))
    first = homes.user("qjoe", passwd=True)
    homes.user("Upper", passwd=True)
    homes.user("x" * 32, passwd=True)
    homes.user("john-smith", passwd=True)
    homes.user("toor", passwd=True, uid=0)
    homes.user("foreign", passwd=True, uid=UID + 1)
    homes.by_name.append(pwd.struct_passwd(("gone", "x", UID, GID, "", str(homes.path / "nowhere"), "/bin/sh")))
    homes.by_name.append(pwd.struct_passwd(("qjoe", "x", UID, GID, "", str(homes.path / "second"), "/bin/sh")))
    homes.without_assignments(monkeypatch)
    if os.getuid() == 0:
        os.chown(str(homes.path / "alias"), UID, GID)
    found = homes.found(check_mode=False)
    assert by(found["changed"], value="path") == {
        "qjoe-": str(first / ".qmail-default"),
        "john-smith-": str(homes.path / "john-smith/.qmail-default"),
    }
    assert (found["count"], found["unknown_count"]) == (2, 0)
    assert {one.rpartition("@")[2] for one in found["recipients"]} == {"mail.example.com", "other.example.com"}
    assert (first / ".qmail-default").read_bytes() == OURS


def test_users_whom_an_assignment_for_everything_hides(homes, monkeypatch):
    monkeypatch.setattr(pwd, "getpwall", lambda: pytest.fail("nobody is looked up by name"))
    assert homes.found()["count"] == 4


def test_another_break(tmp_path):
    homes = Homes(tmp_path)
    homes.user("joe", key="+joe+")
    found = homes.found()
    assert by(found["open"], value="path") == {"joe+": str(homes.path / "joe/.qmail-default")}
    assert found["recipients"][0].startswith("joe+mailopsprobe")


@pytest.mark.parametrize(
    "name, options, does, words",
    [
        ("writable", {"mode": 0o777}, "defers", "can be written by others"),
        ("sticky", {"mode": 0o1755}, "defers", "is sticky"),
        ("closed", {"mode": 0o644}, "defers", "cannot be entered"),
        ("root", {"uid": 0}, "defers", "nothing as root"),
    ],
)
def test_what_no_file_can_mend(tmp_path, name, options, does, words):
    homes = Homes(tmp_path)
    homes.user(name, **options)
    first = homes.snapshot()
    result = homes.run()
    assert homes.snapshot() == first and not result["changed"]
    (entry,) = result["extensions"]["open"]
    assert entry["does"] == does and words in entry["reason"]
    assert any(words in note for note in result["notes"])


def test_a_home_that_is_gone(tmp_path):
    homes = Homes(tmp_path)
    homes.user("joe").rmdir()
    (entry,) = homes.found(check_mode=False)["open"]
    assert (entry["does"], "is not there" in entry["reason"]) == ("defers", True)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for homes of several users")
def test_a_home_of_somebody_else_is_left(tmp_path):
    homes = Homes(tmp_path)
    home = homes.user("joe")
    os.chown(str(home), UID + 1, GID)
    found = homes.found(check_mode=False)
    assert found["changed_count"] == 0 and "belongs to somebody else" in found["open"][0]["reason"]
    # As the mail of programs: the home is root's, and what is made there as well.
    os.chown(str(home), 0, 0)
    assert homes.found(check_mode=False)["changed_count"] == 1
    assert (home / ".qmail-default").stat().st_uid == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for homes of several users")
def test_a_home_that_is_exchanged_meanwhile(tmp_path, monkeypatch):
    """Between the look and the change, the user puts somebody else's directory there."""
    homes = Homes(tmp_path)
    home = homes.user("joe")
    look = extensions.Extension.look

    def exchanging(one):
        look(one)
        os.chown(str(home), UID + 1, GID)

    monkeypatch.setattr(extensions.Extension, "look", exchanging)
    result = homes.run()
    assert not result["changed"] and list(home.iterdir()) == []
    assert any("belongs to somebody else" in note for note in result["notes"])


def test_a_link_of_the_user_is_not_followed(tmp_path):
    homes = Homes(tmp_path)
    home = homes.user("joe", home="upper/joe")
    other = homes.path / "other"
    home.rmdir()
    other.mkdir()
    if os.getuid() == 0:
        os.chown(str(other), UID, GID)
    home.symlink_to(other)
    home.parent.chmod(0o777)
    found = homes.found(check_mode=False)
    assert list(other.iterdir()) == []
    assert (found["open_count"], found["unknown_count"]) == (0, 1) and "symbolic link" in found["unknown"][0]


@pytest.mark.parametrize("trap", ["link", "name", "fifo", "directory", "large"])
def test_traps_in_a_home(tmp_path, trap):
    homes = Homes(tmp_path)
    home = homes.user("joe")
    file, secret = home / ".qmail-default", homes.path / "secret"
    secret.write_bytes(b"secret\n")
    {
        "link": lambda: file.symlink_to(secret),
        "name": lambda: os.link(str(secret), str(file)),
        "fifo": lambda: os.mkfifo(str(file)),
        "directory": file.mkdir,
        "large": lambda: file.write_bytes(b"#" * 100000),
    }[trap]()
    for state in ("present", "absent"):
        result = homes.run(state=state, with_diff=True)
        assert not result["changed"] and result["extensions"]["unknown_count"] == 1
        assert "secret\n" not in str(result)
    assert secret.read_bytes() == b"secret\n"


def test_one_user_cannot_keep_the_others_from_being_changed(tmp_path):
    """A directory of the name that the file has while it is made cannot be removed as a file."""
    homes = Homes(tmp_path)
    (homes.user("eve") / ".mailops-rescue.new.qmail-default").mkdir()
    homes.user("joe")
    result = homes.run()
    assert [one["extension"] for one in result["extensions"]["changed"]] == ["joe-"]
    assert result["extensions"]["left_count"] == 1
    assert any("eve-" in note and "the disk failed" in note for note in result["notes"])


def test_a_home_that_fails_hides_no_other(tmp_path, monkeypatch):
    homes = Homes(tmp_path)
    homes.user("eve")
    homes.user("joe")
    look = extensions.Extension._look_in

    def failing(one, fd):
        if one.beginning == b"eve-":
            raise OSError(116, "Stale file handle")
        look(one, fd)

    monkeypatch.setattr(extensions.Extension, "_look_in", failing)
    found = homes.found()
    assert (found["open_count"], found["unknown"]) == (1, ["eve-: the disk failed (Stale file handle)"])
    assert _facts(homes)["extensions"]["unknown_count"] == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a file that its user may not read")
def test_a_file_that_its_user_cannot_read_puts_off(tmp_path):
    homes = Homes(tmp_path)
    file = homes.user("joe", {".qmail-default": b"./Maildir/\n"}) / ".qmail-default"
    assert homes.found()["open_count"] == 0
    os.chown(str(file), 0, 0)
    file.chmod(0o600)
    assert by(homes.found()["open"]) == {"joe-": "defers"}


def test_a_user_whose_home_cannot_be_asked_for(tmp_path, monkeypatch):
    """As upon a stale NFS handle: qmail-getpw puts off the mail then."""
    homes = Homes(tmp_path)
    home = homes.user("joe", passwd=True)
    homes.without_assignments(monkeypatch)
    original = os.stat

    def stale(path, *arguments, **keywords):
        if path == str(home):
            raise OSError(116, "Stale file handle", path)
        return original(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", stale)
    found = homes.found()
    assert (found["unknown_count"], found["unknown"]) == (1, ["%s: Stale file handle" % home])


def test_a_suspension(homes):
    homes.run()
    ours = homes.snapshot()
    found = homes.run(state="suspended")["extensions"]
    assert found["changed_count"] == 2
    assert {one.split("mailopsprobe")[0] for one in found["recipients"]} >= {"ann-", "sub-"}
    assert {"ann/.qmail-default", "sub/.qmail-default"}.isdisjoint(homes.snapshot())
    homes.run(state="resumed")
    assert homes.snapshot() == ours


def test_ours_stays_ours_where_the_file_becomes_a_catch_all_of_a_domain(tmp_path):
    homes = Homes(tmp_path)
    homes.user("joe")
    homes.run()
    homes.qmail.control("virtualdomains", "shop.example:joe")
    assert homes.found()["count"] == 0
    homes.run(scope="domains", state="absent", domains=["shop.example"])
    assert os.listdir(str(homes.path / "joe")) == []


def test_many_users(tmp_path):
    homes = Homes(tmp_path)
    for number in range(400):
        name = "user%03d-%s" % (number, "x" * 100)
        homes.qmail.home(name)
        homes.qmail.assignments.append(("+u%d-" % number, (name, str(UID), str(GID), str(homes.path / name), "-", "")))
    homes.qmail.rewrite()
    if os.getuid() == 0:
        for path in homes.path.iterdir():
            os.chown(str(path), UID, GID)
    result = homes.run(True, with_diff=True, scope="all")
    found = result["extensions"]
    assert (found["count"], found["open_count"], found["changed_count"]) == (400, 400, 400)
    assert 10 < len(found["open"]) <= 50 and len(found["recipients"]) == 3
    assert len(str(result)) < 250 * 1024
    facts = _facts(homes)["extensions"]
    assert (facts["open_count"], facts["count"]) == (400, 400)


def _facts(homes):
    return QmailFacts().find({"home": str(homes.path), "double_bounces": "unchanged"}, [], None)


def test_facts(homes):
    (homes.path / "ann/.qmail-default").write_bytes(b"/dev/null\n")
    found = _facts(homes)
    assert by(found["extensions"]["open"]) == {"ann-": "defers", "eve-": "bounces", "example.com-sub-": "bounces"}
    assert found["null_lines"] == [str(homes.path / "ann/.qmail-default")]
    assert {one["domain"] for one in found["bouncing"]} == {"mail.example.com", "example.com", "example.org"}


@pytest.mark.parametrize(
    "line, words",
    [
        ("passwd: files systemd", None),
        ("passwd:\tcompat\t# nis", None),
        ("group: ldap", None),
        ("passwd: files [NOTFOUND=continue] ldap", "ldap (nsswitch.conf) does not list its users"),
        ("passwd: files sss", None),
        ("passwd: sss running files", "sss, running (nsswitch.conf)"),
    ],
)
def test_whether_all_users_are_listed(tmp_path, line, words):
    (tmp_path / "switch").write_text("# x\n%s\n" % line)
    (tmp_path / "passwd").write_text("root:x:0:0::/:\njoe:x:1:1::/:\n")
    sockets = {"sss": str(tmp_path / ("switch" if "running" in line else "nowhere"))}

    class Listed:
        names = {"root", "joe"}

    said = user_list.unlisted(Listed, str(tmp_path / "switch"), str(tmp_path / "passwd"), sockets)
    assert said is None if words is None else said.startswith(words)
    Listed.names = {"root", "joe", "of-ldap"}
    assert user_list.unlisted(Listed, str(tmp_path / "switch"), str(tmp_path / "passwd"), sockets) is None


def test_a_list_that_is_not_all_is_told(tmp_path, monkeypatch):
    homes = Homes(tmp_path)
    homes.user("joe", passwd=True)
    homes.without_assignments(monkeypatch)
    monkeypatch.setattr(extensions, "unlisted", lambda users: "sss does not list its users")
    result = homes.run(True)
    assert result["extensions"]["incomplete"] == "sss does not list its users"
    assert "sss does not list its users." in result["notes"]


def _prepared(tmp_path, *states):
    path = tmp_path / ("%d" % len(list(tmp_path.iterdir())))
    path.mkdir()
    homes = Homes(path)
    for name in ("joe", "ann"):
        homes.user(name, {".qmail-list": b"./list\n"})
    homes.first = homes.snapshot()
    for state in states:
        homes.run(state=state)
    return homes


def _checked(state):
    """Whatever happened, each has nothing or ours, whole; the next run finishes it or undoes it."""

    def check(homes, point):
        for name in ("joe", "ann"):
            file = homes.path / name / ".qmail-default"
            assert not file.exists() or file.read_bytes() == OURS, point
        homes.run(state=state)
        if state == "present":
            assert {path for path in homes.snapshot() if path not in homes.first} == {
                "joe/.qmail-default",
                "ann/.qmail-default",
            }, point
            assert not homes.run()["changed"], point
            homes.run(state="absent")
        assert homes.snapshot() == homes.first, point

    return check


RUNS = [((), "present"), (("present",), "absent"), (("present",), "suspended"), (("present", "suspended"), "resumed")]


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize("before, state", RUNS)
def test_killed(tmp_path, before, state, after):
    assert (
        kill_points(lambda: _prepared(tmp_path, *before), lambda homes: homes.run(state=state), _checked(after), STEP)
        >= 4 // STEP
    )


@pytest.mark.parametrize("before, state", RUNS[:2])
def test_the_disk_fails(tmp_path, before, state):
    def failing(homes):
        try:
            homes.run(state=state)
        except RescueError as error:
            assert "run it again to finish" in str(error)
            assert set(error.result) == {"changed", "extensions"}

    assert (
        fail_points(
            lambda: _prepared(tmp_path, *before), failing, _checked(state), ("ENOSPC", "EACCES", "SHORT"), step=STEP
        )
        >= 4 // STEP
    )
