"""What the hardening of qmail rests on, on the real one: what .qmail files do, who gets mail, what becomes of it."""

import contextlib
import os
import pwd
import re
import signal
import subprocess

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.dot_qmail import effect_of
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.users import Users, parse_assign, parse_cdb
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening import qmail_double_bounces
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.qmail_catchall import manage
from tests.support.real_qmail import RealQmail, qmail_home
from tests.support.running_qmail import RunningQmail
from tests.support.waiting import wait_for
from tests.unit.plugins.module_utils.qmail.config.test_dot_qmail import CASES

LOCAL, VIRTUAL = "mail.example.com", "hard.example.org"
OPTIONS = {"domains": ["*"], "exclude": [], "existing": "spare", "state": "present"}
ASSIGN = """=Exact:alias:%(uid)d:%(gid)d:/home/exact:::
+list-:alias:%(uid)d:%(gid)d:/home/list:-:pre-:
+list-a:alias:%(uid)d:%(gid)d:/home/a:/::
+hard.example.org-:alias:%(uid)d:%(gid)d:%(home)s:-::
.
"""

pytestmark = [
    pytest.mark.skipif(qmail_home() is None, reason="NOT TESTED ON A REAL QMAIL: none in $QMAIL_HOME or /var/qmail"),
    pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED ON A REAL QMAIL: needs root"),
]


@contextlib.contextmanager
def borrowed(kind):
    try:
        context = kind(qmail_home()).__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED ON A REAL QMAIL: %s" % error)
    try:
        yield context
    finally:
        context.__exit__(None, None, None)


def as_alias():
    alias = pwd.getpwnam("alias")
    return {"user": alias.pw_uid, "group": alias.pw_gid, "extra_groups": []}


def qmail_local(home, *options):
    """Deliver a letter to anybody there; return (exit status, what was said)."""
    command = [
        str(qmail_home() / "bin/qmail-local"),
        *options,
        "alias",
        str(home),
        "nobody",
        "-",
        "nobody",
        LOCAL,
        "a@example.net",
        "./Usual",
    ]
    with open(str(home / "letter"), "rb") as letter:
        done = subprocess.run(
            command,
            stdin=letter,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            **as_alias(),
        )
    return done.returncode, done.stdout.decode()


@pytest.fixture
def home(public_path):
    """A home that belongs to the user alias."""
    (public_path / "letter").write_text("Subject: x\n\nbody\n")
    os.chown(str(public_path), pwd.getpwnam("alias").pw_uid, -1)
    return public_path


def write(path, data, mode=0o644):
    path.write_bytes(data)
    path.chmod(mode)


def test_dev_null_puts_off_and_a_comment_discards(home):
    file = home / ".qmail-default"
    write(file, b"/dev/null\n")
    status, said = qmail_local(home, "-N")
    assert (status, effect_of(b"/dev/null\n").does) == (111, "defers")
    assert re.search(r"Unable to write /dev/null: .*\(#4\.3\.0\)", said)
    write(file, b"# nothing\n")
    assert qmail_local(home, "-N") == (0, "did 0+0+0\n")
    write(file, b"")
    assert qmail_local(home, "-n") == (0, "mbox ./Usual\ndid 1+0+0\n")
    file.unlink()
    assert qmail_local(home, "-n")[0] == 100


SAID = {
    "discards": r"did 0\+0\+0\n\Z",
    "delivers": r"(mbox|maildir) ",
    "forwards": r"forward ",
    "default delivery": r"mbox \./Usual\n",
    "runs a program": r"program ",
    "bounces": r"program ",
}


@pytest.mark.parametrize("mode", [0o644, 0o744, 0o646])
def test_what_files_do(home, mode):
    """Programs are not run here: what they do, their line says."""
    for data in CASES:
        write(home / ".qmail-default", data, mode)
        does = effect_of(data, mode).does
        status, said = qmail_local(home, "-n")
        runs = "program " in said
        if does == "defers" and "mbox /dev/null" not in said:
            assert status == 111, (data, said)
        elif does != "defers":
            assert status == 0, (data, said)
            if not (runs and does == "discards"):
                assert re.search(SAID["runs a program" if does.startswith("vdelivermail") else does], said), data


def test_who_gets_mail(home):
    """users/assign as qmail-newu compiles it, and names as qmail-getpw looks them up."""
    alias = pwd.getpwnam("alias")
    with borrowed(RealQmail) as qmail, assigned(qmail.home, home):
        users = qmail.home / "users"
        with open(str(users / "assign"), "rb") as assign, open(str(users / "cdb"), "rb") as cdb:
            assert parse_assign(assign.read()) == parse_cdb(cdb.read())
        found = Users(str(qmail.home))
        assert found.notes == []
        assert found.controller(b"eXact").home == "/home/exact"
        assert found.controller(b"list-x-Y")[3:] == ("/home/list", b"-", b"pre-x-Y")
        assert found.controller(b"list-ab")[3:] == ("/home/a", b"/", b"b")
    with borrowed(RealQmail) as qmail:
        found = Users(str(qmail.home))
        names = [one.pw_name for one in pwd.getpwall()] + ["Alias", "nobody-at-all", "alias-a-b", "x" * 40, "", "-a"]
        for name in names + [name + "-ext" for name in names]:
            done = subprocess.run(
                [str(qmail.home / "bin/qmail-getpw"), name], stdout=subprocess.PIPE, check=True, timeout=30
            )
            one = found.controller(name.encode())
            fields = [one.user.encode(), b"%d" % one.uid, b"%d" % one.gid, one.home.encode(), one.dash, one.extension]
            assert done.stdout.split(b"\0")[:6] == fields, name
        assert found.controller(b"nobody-at-all").home == alias.pw_dir


@contextlib.contextmanager
def assigned(qmail, home):
    """With ASSIGN in force."""
    alias = pwd.getpwnam("alias")
    users = qmail / "users"
    if os.listdir(str(users)):
        pytest.skip("NOT TESTED ON A REAL QMAIL: it has assignments")
    try:
        (users / "assign").write_text(ASSIGN % {"uid": alias.pw_uid, "gid": alias.pw_gid, "home": home})
        subprocess.run([str(qmail / "bin/qmail-newu")], check=True, timeout=30)
        yield
    finally:
        for name in os.listdir(str(users)):
            (users / name).unlink()


class Hardened:
    """A running qmail with a local and a virtual domain, whose user `known` gets mail in `box`."""

    def __init__(self, qmail, home):
        self.qmail = qmail
        self.home = home
        self.alias = qmail.home / "alias"

    @contextlib.contextmanager
    def set_up(self):
        control, before = self.qmail.home / "control", os.listdir(str(self.alias))
        if (control / "virtualdomains").exists() or ".qmail-known" in before:
            pytest.skip("NOT TESTED ON A REAL QMAIL: it has virtual domains, or a user known")
        controls = {path: path.read_bytes() for path in control.iterdir()}
        try:
            (control / "virtualdomains").write_text("%s:%s\n" % (VIRTUAL, VIRTUAL))
            for folder in (self.alias, self.home):
                write(folder / ".qmail-known", b"%s/box\n" % os.fsencode(str(self.home)))
            self.signal(signal.SIGHUP)
            with assigned(self.qmail.home, self.home):
                yield self
        finally:
            for name in set(os.listdir(str(self.alias))) - set(before):
                (self.alias / name).unlink()
            for path in set(control.iterdir()) - set(controls):
                path.unlink()
            for path, data in controls.items():
                path.write_bytes(data)

    def signal(self, number):
        self.qmail._process.send_signal(number)

    def manage(self, **given):
        return manage(dict(OPTIONS, home=str(self.qmail.home), **given), False)

    def said(self):
        # Where qmail-send writes next is where this descriptor stands.
        descriptor = self.qmail.log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def send(self, *recipients, sender="a@example.net"):
        """Inject a message, and wait until each of its recipients was tried; return what was logged meanwhile."""
        start = len(self.said())
        command = [str(self.qmail.home / "bin/qmail-inject"), "-a", "-f", sender, *recipients]
        subprocess.run(command, input=b"Subject: x\n\nbody\n", check=True, timeout=30)
        wait_for(lambda: all(is_tried(one, self.said()[start:]) for one in recipients), 60)
        self.qmail.idle(60)
        return self.said()[start:]

    def queued(self):
        return sorted(int(name) for _, _, names in os.walk(self.qmail.path + "/mess") for name in names)

    def notices(self):
        """To whom failure notices wait in queue/remote."""
        found = []
        for folder, _, names in os.walk(self.qmail.path + "/remote"):
            for name in names:
                with open(os.path.join(folder, name), "rb") as stream:
                    found.append(stream.read())
        return found

    def boxed(self):
        path = self.home / "box"
        return path.read_bytes().count(b"\nDelivered-To: ") if path.exists() else 0


def is_tried(recipient, log):
    """Tell whether a recipient was put off, or its message has ended; before that, notices of it are on their way."""
    begun = re.search(r"(?m)^starting delivery (\d+): msg (\d+) to local \S*%s$" % re.escape(recipient), log)
    ended = begun and re.search(r"(?m)^delivery %s: (\w+)" % begun.group(1), log)
    return ended and (ended.group(1) == "deferral" or "end msg %s\n" % begun.group(2) in log)


@pytest.fixture
def hardened(home):
    with borrowed(RunningQmail) as qmail, Hardened(qmail, home).set_up() as one:
        yield one


MADE_UP = ["made-up@" + LOCAL, "Made.Up-too@" + VIRTUAL]
KNOWN = ["known@" + LOCAL, "Known@" + VIRTUAL]


def test_before_after_and_back(hardened):
    log = hardened.send(*MADE_UP)
    assert log.count("failure: Sorry,_no_mailbox_here_by_that_name") == 2
    assert "bounce msg" in log
    wait_for(lambda: hardened.notices() == [b"Ta@example.net\0"], 60)
    wait_for(lambda: len(hardened.queued()) == 1, 60)
    waiting = hardened.queued()

    result = hardened.manage()
    assert sorted((one["domain"], one["does"], one["wanted"]) for one in result["catchalls"]) == [
        (VIRTUAL, "bounces", "discards"),
        (LOCAL, "bounces", "discards"),
    ]
    log = hardened.send(*MADE_UP)
    assert log.count("success: did_0+0+0/") == 2
    assert "end msg" in log
    assert "bounce msg" not in log
    wait_for(lambda: hardened.queued() == waiting, 60)
    log = hardened.send(*KNOWN)
    assert log.count("success: did_1+0+0/") == 2
    assert hardened.boxed() == 2
    wait_for(lambda: hardened.queued() == waiting, 60)

    hardened.manage(state="absent")
    assert not (hardened.alias / ".qmail-default").exists()
    assert not (hardened.home / ".qmail-default").exists()
    assert "bounce msg" in hardened.send(*MADE_UP)


def test_a_recipe_that_does_not_work(hardened):
    file = hardened.alias / ".qmail-default"
    write(file, b"/dev/null\n")
    log = hardened.send(MADE_UP[0])
    assert re.search(r"deferral: Unable_to_write_/dev/null:_\S*_\(#4\.3\.0\)/", log)
    assert len(hardened.queued()) == 1
    entry = [one for one in hardened.manage()["catchalls"] if one["domain"] == LOCAL][0]
    assert (entry["does"], entry["wanted"], entry["kept"]) == (
        "defers",
        "discards",
        ".mailops-rescue.before.qmail-default",
    )
    hardened.signal(signal.SIGALRM)
    wait_for(lambda: hardened.queued() == [], 60)
    assert "success: did_0+0+0/" in hardened.said()
    hardened.manage(state="absent")
    assert file.read_bytes() == b"/dev/null\n"


def _double_bounces(hardened, **given):
    params = {"home": str(hardened.qmail.home), "to": None, "state": "present"}
    return qmail_double_bounces.manage(dict(params, **given), False, run=str(hardened.home))


def _restart(hardened):
    hardened.qmail._stop()
    hardened.qmail._process = hardened.qmail._start()


def test_double_bounces(hardened):
    """A notice that cannot be delivered goes to postmaster; then to nobody, once qmail-send was restarted."""
    write(hardened.alias / ".qmail-postmaster", b"%s/box\n" % os.fsencode(str(hardened.home)))
    log = hardened.send(MADE_UP[0], sender="")
    wait_for(lambda: hardened.boxed() == 1 and hardened.queued() == [], 60)
    result = _double_bounces(hardened, to="discard")
    assert (result["changed"], result["restart_needed"]) == (True, True)
    hardened.signal(signal.SIGHUP)
    hardened.send(MADE_UP[0], sender="")
    wait_for(lambda: hardened.boxed() == 2 and hardened.queued() == [], 60)
    assert _double_bounces(hardened, to="discard")["restart_needed"]
    _restart(hardened)
    again = _double_bounces(hardened, to="discard")
    assert (again["changed"], again["restart_needed"]) == (False, False)
    start = len(hardened.said())
    hardened.send(MADE_UP[0], sender="")
    wait_for(lambda: "mailops_double_bounces@" + LOCAL in hardened.said()[start:] and hardened.queued() == [], 60)
    log = hardened.said()[start:]
    assert log.count("bounce msg") == 1
    assert log.count("success: did_0+0+0/") == 1
    assert hardened.boxed() == 2

    result = _double_bounces(hardened, to="known@" + VIRTUAL)
    assert result["restart_needed"]
    _restart(hardened)
    hardened.send(MADE_UP[0], sender="")
    wait_for(lambda: hardened.boxed() == 3 and hardened.queued() == [], 60)
    assert _double_bounces(hardened, state="absent")["changed"]
    control = os.listdir(str(hardened.qmail.home / "control"))
    assert not [name for name in control if name.startswith("doublebounce") or ".before." in name]


USERS_ASSIGN = """=qjoe:alias:%(uid)d:%(gid)d:%(home)s/qjoe:::
+qjoe-:alias:%(uid)d:%(gid)d:%(home)s/qjoe:-::
+list=:alias:%(uid)d:%(gid)d:%(home)s/lists:-:l-:
+hard.example.org-:alias:%(uid)d:%(gid)d:%(home)s:-::
+hard.example.org-ann-:alias:%(uid)d:%(gid)d:%(home)s/ann:-::
+writable-:alias:%(uid)d:%(gid)d:%(home)s/writable:-::
+gone-:alias:%(uid)d:%(gid)d:%(home)s/gone:-::
+root-:root:0:0:%(home)s/root:-::
+:alias:%(uid)d:%(gid)d:%(alias)s:-::
.
"""
EXTENSIONS = ["qjoe-nosuch@" + LOCAL, "list=No.Such@" + LOCAL, "Ann-nosuch@" + VIRTUAL]
PUT_OFF = ["writable-nosuch@" + LOCAL, "gone-nosuch@" + LOCAL, "root-nosuch@" + LOCAL]


@pytest.fixture
def with_users(hardened):
    """`hardened`, whose domains have users: everything has an assignment, so no user of this machine is looked at."""
    alias, users = pwd.getpwnam("alias"), hardened.qmail.home / "users"
    for name in ("qjoe", "lists", "ann", "writable", "root"):
        (hardened.home / name).mkdir()
        os.chown(str(hardened.home / name), alias.pw_uid, -1)
    (hardened.home / "writable").chmod(0o777)
    write(hardened.home / "qjoe/.qmail-list", b"%s/box\n" % os.fsencode(str(hardened.home)))
    write(hardened.home / "qjoe/.qmail-no-default", b"|bouncesaying 'No such thing.'\n")
    (users / "assign").write_text(
        USERS_ASSIGN % {"uid": alias.pw_uid, "gid": alias.pw_gid, "home": hardened.home, "alias": hardened.alias}
    )
    subprocess.run([str(hardened.qmail.home / "bin/qmail-newu")], check=True, timeout=30)
    hardened.manage()
    return hardened


def homes(hardened):
    found = {}
    for folder, _, names in os.walk(str(hardened.home)):
        for name in names:
            path = os.path.join(folder, name)
            if name not in ("box", "Mailbox", "letter"):
                with open(path, "rb") as stream:
                    status = os.stat(path)
                    found[path] = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, stream.read())
    return found


def test_extensions_of_users_before_after_and_back(with_users):
    """All domains discard, and mail to made-up extensions of their users bounces until that is asked for."""
    log = with_users.send(*MADE_UP)
    assert log.count("success: did_0+0+0/") == 2
    log = with_users.send(*EXTENSIONS)
    assert log.count("failure: Sorry,_no_mailbox_here_by_that_name") == 3
    assert "bounce msg" in log
    before = homes(with_users)

    result = with_users.manage(scope="users")
    found = result["extensions"]
    assert (found["count"], found["open_count"], found["changed_count"]) == (6, 6, 3), found
    assert {one["extension"] for one in found["changed"]} == {"qjoe-", "list=", VIRTUAL + "-ann-"}
    assert {one["extension"]: one["does"] for one in found["open"]} == {
        "qjoe-": "bounces",
        "list=": "bounces",
        VIRTUAL + "-ann-": "bounces",
        "writable-": "defers",
        "gone-": "defers",
        "root-": "defers",
    }
    assert result["catchalls"] == []
    log = with_users.send(*EXTENSIONS)
    assert log.count("success: did_0+0+0/") == 3
    assert "bounce msg" not in log
    # What the user has a file for goes where it went, and bounces where he said so.
    log = with_users.send("qjoe-list@" + LOCAL, "qjoe@" + LOCAL)
    assert log.count("success: did_1+0+0/") == 2
    assert (with_users.home / "qjoe/Mailbox").stat().st_size and with_users.boxed() == 1
    assert "failure: No_such_thing." in with_users.send("qjoe-no-way@" + LOCAL)
    again = with_users.manage(scope="users")
    assert (again["changed"], again["extensions"]["open_count"]) == (False, 3)

    with_users.manage(scope="users", state="absent")
    assert homes(with_users) == before
    assert with_users.send(*EXTENSIONS).count("failure: Sorry,_no_mailbox_here_by_that_name") == 3


def test_what_is_put_off_because_of_its_home_is_called_so(with_users):
    log = with_users.send(*PUT_OFF)
    assert log.count("deferral: ") == 3, log
    assert "Uh-oh:_home_directory_is_writable" in log
    assert "Not_allowed_to_perform_deliveries_as_root" in log


def test_a_home_that_others_may_write_to_discards_nothing(hardened):
    """A domain's catch-all of ours is there, and qmail-local does not look at it."""
    hardened.manage()
    hardened.home.chmod(0o777)
    assert "Uh-oh:_home_directory_is_writable" in hardened.send("made-up@" + VIRTUAL)
    entry = [one for one in hardened.manage()["catchalls"] if one["domain"] == VIRTUAL][0]
    assert (entry["does"], entry["wanted"]) == ("defers", "defers")
    hardened.home.chmod(0o755)
    (hardened.home / ".qmail-default").chmod(0o600)
    os.chown(str(hardened.home / ".qmail-default"), 0, 0)
    assert "Unable_to_open_.qmail-default" in hardened.send("made-up@" + VIRTUAL)
    entry = [one for one in hardened.manage()["catchalls"] if one["domain"] == VIRTUAL][0]
    assert entry["does"] == "defers"


def test_users_of_this_machine_are_found_as_qmail_getpw_finds_them(home):
    """Each whose extensions reach a home of its own, and nobody else."""
    with borrowed(RealQmail) as qmail:
        found = Users(str(qmail.home)).listed()
        ours = {beginning: found.controller(beginning + b"x") for beginning in found.beginnings()}
        for name in {one.pw_name for one in pwd.getpwall()} | {"Alias"}:
            done = subprocess.run(
                [str(qmail.home / "bin/qmail-getpw"), name + "-x"], stdout=subprocess.PIPE, check=True, timeout=30
            )
            user, place, dash, extension = (done.stdout.split(b"\0")[at] for at in (0, 3, 4, 5))
            one = ours.get(name.lower().encode() + b"-")
            if extension == b"x":
                assert (one.user.encode(), one.home.encode(), one.dash) == (user, place, dash), name
            else:
                assert one is None, name
