"""The real qmail and its double leave the same queue behind for the same messages."""

import os
import pwd
import re
import signal
import stat
import time
from contextlib import nullcontext

import pytest

from tests.support.delivering_double import DeliveringDouble
from tests.support.qmail_double import QmailDouble
from tests.support.qmail_home import QmailHome
from tests.support.qmail_queue import DIRECTORIES
from tests.support.real_qmail import RealQmail, qmail_home
from tests.support.running_qmail import RunningQmail
from tests.support.waiting import wait_for

LETTER = b"Subject: one\n\nbody\n"
# name: content, sender, recipients, origin, where the injection stops
MESSAGES = {
    "both": (LETTER, b"a@example.net", [b"b@example.org", b"Staff@MAIL.example.com", b"c@example.com"], "uid 0", "S4"),
    "bounce": (b"", b"", [b"x y@example.net"], "bounce", "S4"),
    "network": (b"no final newline", b"#@[]", [b"postmaster"], "network", "S4"),
    "alias": (b"a\r\n\0\xff", b"l-@example.org-@[]", [b"only@mail.example.com"], "alias", "S4"),
    "hangs in the envelope": (LETTER, b"d@example.net", [b"e@example.net"], "uid 0", "S3"),
    "hangs in the content": (LETTER, b"d@example.net", [b"e@example.net"], "uid 0", "S2"),
}


@pytest.fixture(params=["real", "double"])
def qmail(request, tmp_path):
    """qmail with an empty queue: the installed one, or its double."""
    if request.param == "double":
        owners = os.getuid() == 0 and any(user.pw_name == "qmailq" for user in pwd.getpwall())
        context = nullcontext(QmailDouble(tmp_path / "queue", owners=owners))
    elif qmail_home() is None:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: none in $QMAIL_HOME or /var/qmail")
    elif os.getuid() != 0:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: needs root")
    else:
        context = RealQmail(qmail_home())
    try:
        qmail = context.__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: %s" % error)
    try:
        yield qmail
    finally:
        context.__exit__(None, None, None)


def inject_all(qmail):
    return {name: qmail.inject(*message) for name, message in MESSAGES.items()}


def files_of(qmail, numbers):
    """Return {message's name: {place: (mode, content)}}, ids as `ID`, pids as `PID` and dates as `DATE`."""
    found = {name: {} for name in numbers}
    for directory, _, files in os.walk(qmail.path):
        for file in files:
            for name, number in numbers.items():
                if file == str(number):
                    path = os.path.join(directory, file)
                    found[name][place(qmail.path, path, number)] = (mode_of(path), content_of(path))
    return found


def place(queue, path, number):
    parts = os.path.relpath(path, queue).split(os.sep)
    return "/".join(["SPLIT" if p == str(number % 23) else "ID" if p == str(number) else p for p in parts])


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def content_of(path):
    with open(path, "rb") as stream:
        content = stream.read()
    content = re.sub(
        rb"\A(Received: \(qmail )\d+( .*\); )\d+ \w{3} \d{4} \d\d:\d\d:\d\d -0000\n", rb"\1PID\2DATE\n", content
    )
    return re.sub(rb"\Au\d+\0p\d+\0", b"uUID\0pPID\0", content)


def received(how, content):
    return b"Received: (qmail PID invoked " + how + b"); DATE\n" + content


def test_injected_messages_wait_in_todo(qmail):
    numbers = inject_all(qmail)
    found = files_of(qmail, numbers)
    envelopes = {
        "both": b"Fa@example.net\0Tb@example.org\0TStaff@MAIL.example.com\0Tc@example.com\0",
        "bounce": b"F\0Tx y@example.net\0",
        "network": b"F#@[]\0Tpostmaster\0",
        "alias": b"Fl-@example.org-@[]\0Tonly@mail.example.com\0",
    }
    origins = {"both": b"by uid 0", "bounce": b"for bounce", "network": b"from network", "alias": b"by alias"}
    for name, envelope in envelopes.items():
        assert found[name] == {
            "mess/SPLIT/ID": (0o644, received(origins[name], MESSAGES[name][0])),
            "intd/ID": (0o644, b"uUID\0pPID\0" + envelope),
            "todo/ID": (0o644, b"uUID\0pPID\0" + envelope),
        }
        links = [os.stat("%s/%s/%d" % (qmail.path, d, numbers[name])).st_ino for d in ("intd", "todo")]
        assert links[0] == links[1]
    assert found["hangs in the envelope"] == {
        "mess/SPLIT/ID": (0o644, received(b"by uid 0", LETTER)),
        "intd/ID": (0o644, b""),
    }
    assert found["hangs in the content"] == {"mess/SPLIT/ID": (0o644, b"")}


def test_ids_are_inodes_of_files_in_mess(qmail):
    for number in inject_all(qmail).values():
        assert os.stat("%s/mess/%d/%d" % (qmail.path, number % 23, number)).st_ino == number


def test_preprocessing_sorts_recipients_by_channel(qmail):
    numbers = inject_all(qmail)
    qmail.preprocess()
    found = files_of(qmail, numbers)
    expected = {
        "both": (b"Fa@example.net\0", b"TStaff@MAIL.example.com\0", b"Tb@example.org\0Tc@example.com\0"),
        "bounce": (b"F\0", None, b"Tx y@example.net\0"),
        "network": (b"F#@[]\0", b"Tpostmaster@mail.example.com\0", None),
        "alias": (b"Fl-@example.org-@[]\0", b"Tonly@mail.example.com\0", None),
    }
    for name, (info, local, remote) in expected.items():
        found[name].pop("mess/SPLIT/ID")
        wanted = {"info/SPLIT/ID": info, "local/SPLIT/ID": local, "remote/SPLIT/ID": remote}
        assert found[name] == {p: (0o600, content) for p, content in wanted.items() if content is not None}
    assert set(found["hangs in the envelope"]) == {"mess/SPLIT/ID", "intd/ID"}
    assert set(found["hangs in the content"]) == {"mess/SPLIT/ID"}


def test_tree_has_the_same_shape_and_modes(qmail):
    tree = {}
    for directory, subdirectories, files in os.walk(qmail.path):
        for name in subdirectories + (files if os.path.basename(directory) == "lock" else []):
            path = os.path.join(directory, name)
            tree[os.path.relpath(path, qmail.path)] = (stat.S_IFMT(os.lstat(path).st_mode), mode_of(path))
    expected = {name: (stat.S_IFDIR, mode) for name, (_, mode, _) in DIRECTORIES.items()}
    for name, (_, mode, is_split) in DIRECTORIES.items():
        if is_split:
            expected.update({"%s/%d" % (name, n): (stat.S_IFDIR, mode) for n in range(23)})
    expected["lock/sendmutex"] = (stat.S_IFREG, 0o600)
    expected["lock/tcpto"] = (stat.S_IFREG, 0o644)
    expected["lock/trigger"] = (stat.S_IFIFO, 0o622)
    assert tree == expected


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: owners of files need root")
def test_owners(qmail):
    users = {
        "mess": "qmailq",
        "intd": "qmailq",
        "todo": "qmailq",
        "info": "qmails",
        "local": "qmails",
        "remote": "qmails",
        "sendmutex": "qmails",
        "trigger": "qmails",
        "tcpto": "qmailr",
    }
    if isinstance(qmail, QmailDouble) and not qmail.queue.ids:
        pytest.skip("NOT TESTED: qmail's users do not exist here")
    numbers = inject_all(qmail)
    qmail.preprocess()
    names = {str(number) for number in numbers.values()} | {"sendmutex", "trigger", "tcpto"}
    for directory, _, files in os.walk(qmail.path):
        kind = os.path.relpath(directory, qmail.path).split(os.sep)[0]
        for name in names.intersection(files):
            owner = pwd.getpwuid(os.lstat(os.path.join(directory, name)).st_uid).pw_name
            assert owner == users[name if kind == "lock" else kind], (kind, name)


def mark_done(qmail, number, most=9):
    """Overwrite the first `most` pending recipients of a message by done ones, in place."""
    for channel in ("local", "remote"):
        path = "%s/%s/%d/%d" % (qmail.path, channel, number % 23, number)
        if os.path.exists(path):
            with open(path, "r+b") as stream:
                position = 0
                for record in stream.read().split(b"\0")[:-1]:
                    if record[:1] == b"T" and most:
                        stream.seek(position)
                        stream.write(b"D")
                        most -= 1
                    position += len(record) + 1


def there(qmail):
    """Return the messages in the queue as (id, mtime): qmail gives an id of a message that is gone to the next one."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(qmail.path + "/mess") for name in names]
    return {(int(os.path.basename(path)), os.stat(path).st_mtime_ns) for path in paths}


def dropped_by(qmail, drain):
    """Return which messages are gone, and to whom failures were reported: of one that is done, one that is half done,
    one with a failure whose sender is that of a double bounce, and one whose sender is anybody."""
    users = ["%s@example.org" % name for name in "ab"]
    names = ("done", "half done", "double bounce", "reported")
    numbers = {}
    for name in names:
        sender = b"#@[]" if name == "double bounce" else b"returns@example.org"
        numbers[name] = qmail.inject(LETTER, sender, [one.encode() for one in users], "uid 0", "S4")
    qmail.settle()
    for name in names:
        mark_done(qmail, numbers[name], 1 if name == "half done" else 9)
        if name in ("double bounce", "reported"):
            path = "%s/bounce/%d" % (qmail.path, numbers[name])
            with open(path, "wb") as stream:
                stream.write(b"<c@example.org>:\nno\n\n")
            info = os.stat("%s/info/%d/%d" % (qmail.path, numbers[name] % 23, numbers[name]))
            os.chown(path, info.st_uid, info.st_gid)
            os.chmod(path, 0o600)
    messages = {name: one for name, number in numbers.items() for one in there(qmail) if one[0] == number}
    reported = drain(messages)
    return {name for name in names if messages[name] not in there(qmail)}, reported


def test_drops_what_is_done(tmp_path):
    """The double against what is expected; the real one against the same."""
    double = QmailDouble(tmp_path / "queue")
    double.settle = double.preprocess

    def drain(messages):
        assert double.drain() == sorted(messages[name][0] for name in ("done", "double bounce", "reported"))
        return len(double.notices)

    expected = {"done", "double bounce", "reported"}, 1
    assert dropped_by(double, drain) == expected
    if qmail_home() is None or os.getuid() != 0:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: none in $QMAIL_HOME or /var/qmail, or not root")
    context = RunningQmail(qmail_home())
    try:
        real = context.__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: %s" % error)
    try:
        (real.home / "control" / "concurrencyremote").write_text("5\n")
        real.settle = real.idle

        def drain_real(messages):
            def is_drained():
                # After a deferral it takes a second one; each has the whole backlog tried, which needs its time.
                real._process.send_signal(signal.SIGALRM)
                time.sleep(0.5)
                return not {messages[name] for name in expected[0]} & there(real)

            wait_for(is_drained)
            return len(there(real) - set(messages.values()))

        assert dropped_by(real, drain_real) == expected
    finally:
        context.__exit__(None, None, None)


HOME_FILES = {
    ".qmail-known": b"./box\n",
    ".qmail-gone": b"# nothing\n",
    ".qmail-null": b"/dev/null\n",
    ".qmail-no-default": b"|bouncesaying 'No such address.'\n",
}
# What is logged of a delivery to each, and whether a failure notice is sent.
DELIVERIES = {
    "Known": ("success: did_1+0+0/", False),
    "gone": ("success: did_0+0+0/", False),
    "null": ("deferral: Unable_to_write_/dev/null:_", False),
    "no-any.body": ("failure: No_such_address./", True),
    "nobody": ("failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/", True),
}


def delivered_by(alias, send):
    """Return {local part: (what is logged of its delivery, whether a notice is sent, whether the message ended)}."""
    before = {name: alias / name for name in HOME_FILES if (alias / name).exists()}
    assert not before
    try:
        for name, data in HOME_FILES.items():
            (alias / name).write_bytes(data)
        found = {}
        for local in DELIVERIES:
            address = "%s@mail.example.com" % local
            log = send(address)
            number, said = delivery_of(address, log)
            found[local] = (said, "bounce msg %s " % number in log, "end msg %s\n" % number in log)
        assert (alias / "box").read_bytes().count(b"\nDelivered-To: Known@mail.example.com\n") == 1
        return found
    finally:
        for name in [*HOME_FILES, "box"]:
            if (alias / name).exists():
                (alias / name).unlink()


def delivery_of(address, log):
    """Return (message's id, what is logged of its delivery) or None; a notice for another one may be logged, too."""
    begun = re.search(r"^starting delivery (\d+): msg (\d+) to local %s$" % re.escape(address), log, re.MULTILINE)
    ended = begun and re.search(r"^delivery %s: (.*)$" % begun.group(1), log, re.MULTILINE)
    return ended and (begun.group(2), ended.group(1))


def check_deliveries(found):
    for local, (said, is_bounced) in DELIVERIES.items():
        assert found[local][0].startswith(said), local
        assert found[local][1:] == (is_bounced, not said.startswith("deferral")), local


def test_delivers_to_homes(tmp_path, monkeypatch):
    """The double against what is expected; the real one against the same."""
    home = QmailHome(tmp_path / "qmail")
    # Who else there is here does not matter.
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    double = DeliveringDouble(str(home.path))

    def send(recipient):
        start = len(double.log)
        double.inject(LETTER, b"returns@example.org", [recipient.encode()])
        double.settle()
        return double.log[start:]

    check_deliveries(delivered_by(home.path / "alias", send))
    assert double.waiting("remote") == [b"returns@example.org"] * 2
    monkeypatch.undo()
    if qmail_home() is None or os.getuid() != 0:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: none in $QMAIL_HOME or /var/qmail, or not root")
    try:
        with RunningQmail(qmail_home()) as real:
            check_deliveries(delivered_by(real.home / "alias", lambda recipient: sent_by(real, recipient)))
    except RuntimeError as error:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: %s" % error)


def sent_by(real, recipient):
    """Return what the real one logs of a message until all is done that it does at once."""

    def said():
        # Where it writes next is where this descriptor stands.
        return os.pread(real.log.fileno(), 1 << 20, 0).decode()

    start = len(said())
    real.program("qmail-inject", "-a", "-f", "returns@example.org", recipient, input=LETTER)

    def is_done():
        log = said()[start:]
        found = delivery_of(recipient, log)
        return found and (found[1].startswith("deferral") or "end msg %s\n" % found[0] in log) and log

    return wait_for(is_done, 60)
