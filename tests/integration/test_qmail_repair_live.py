"""Repairing the queue of a real qmail, which then delivers each message once; and the archives of real queues."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.support.archives import unpack
from tests.support.inspecting import queue_info
from tests.support.real_qmail import qmail_home
from tests.support.repairing import contents, queue_repair
from tests.support.running_qmail import RunningQmail
from tests.support.supervised_qmail import SupervisedQmail
from tests.support.waiting import wait_for

SPLIT = 23


def require_qmail():
    if qmail_home() is None:
        pytest.skip("NOT TESTED ON A REAL QMAIL: none in $QMAIL_HOME or /var/qmail")
    if os.getuid() != 0:
        pytest.skip("NOT TESTED ON A REAL QMAIL: needs root")


def borrowed(context):
    try:
        return context.__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED ON A REAL QMAIL: %s" % error)


@pytest.fixture
def qmail():
    require_qmail()
    context = borrowed(RunningQmail(qmail_home()))
    try:
        yield context
    finally:
        # Whatever a test that failed has left: the queue is to be whole again.
        context._stop()
        with tempfile.TemporaryDirectory(dir="/var/tmp") as away:
            queue_repair(context.path, quarantine=away + "/quarantine")
        context.__exit__(None, None, None)


class Queue:
    """The files of the real queue, by message."""

    def __init__(self, path):
        self.root = Path(path)

    def place(self, name, number, at=None):
        if name in ("todo", "intd", "bounce"):
            return self.root / name / str(number)
        return self.root / name / str(number % SPLIT if at is None else at) / str(number)

    def files(self, number):
        names = ("mess", "info", "local", "remote", "todo", "intd", "bounce")
        return [name for name in names if self.place(name, number).exists()]

    def rename(self, number, other):
        for name in self.files(number):
            self.place(name, number).rename(self.place(name, other))

    def misplace(self, number):
        for name in ("mess", "info", "local"):
            self.place(name, number).rename(self.place(name, number, (number + 1) % SPLIT))


def deliver_into(qmail, path):
    """Have what comes for ok@ written to a file: a line with its sender, then the message."""
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    box = path / "box"
    qmail._alias.write_text('|(echo "ENVELOPE $SENDER $RECIPIENT"; cat) >>%s\n' % box)
    return box


def test_each_message_is_delivered_once(qmail, public_path):
    box = deliver_into(qmail, public_path / "box")
    me = (qmail.home / "control" / "me").read_text().strip()
    qmail._stop()
    (qmail.home / "control" / "concurrencylocal").write_text("0\n")
    texts = {"m%d" % number: b"Subject: m%d\n\nbody %d\n" % (number, number) for number in range(8)}
    numbers = {}
    for name in sorted(texts)[:6]:
        sender = b"%s@example.net" % name.encode()
        numbers[name] = qmail.inject(texts[name], sender, [b"ok@" + me.encode()])
    qmail.preprocess()
    for name in sorted(texts)[6:]:
        sender = b"%s@example.net" % name.encode()
        numbers[name] = qmail.inject(texts[name], sender, [b"ok@" + me.encode()])
    queue = Queue(qmail.path)
    assert queue.files(numbers["m0"]) == ["mess", "info", "local"]
    assert queue.files(numbers["m7"]) == ["mess", "todo", "intd"]
    # Ids: two free ones, one before preprocessing, and two messages with each other's.
    queue.rename(numbers["m0"], 10**12 + 1)
    queue.rename(numbers["m6"], 10**12 + 2)
    queue.rename(numbers["m1"], 10**12 + 3)
    queue.rename(numbers["m2"], numbers["m1"])
    queue.rename(10**12 + 3, numbers["m2"])
    queue.misplace(numbers["m3"])
    os.chown(str(queue.place("mess", numbers["m4"])), 0, 0)
    queue.place("local", numbers["m4"]).chmod(0o400)
    os.chown(str(queue.place("info", numbers["m5"])), 0, 0)
    queue.place("info", numbers["m5"]).chmod(0o600)
    # An orphan, junk, and parts that are missing.
    queue.place("info", 10**12 + 4).write_bytes(b"Fx@example.net\0")
    (queue.root / "mess" / "3" / "core").write_bytes(b"core")
    (queue.root / "lock" / "trigger").unlink()
    (queue.root / "lock" / "tcpto").unlink()
    (queue.root / "bounce").rmdir()
    options = {"quarantine": str(public_path / "quarantine")}
    foreseen = queue_repair(qmail.path, True, **options)
    result = queue_repair(qmail.path, **options)
    counts = foreseen["fault_counts"]
    assert counts == result["fault_counts"]
    expected = {"wrong_id": 4, "wrong_split": 1, "missing_file": 2, "missing_directory": 1, "stray": 1}
    assert {name: counts[name] for name in expected} == expected
    assert (result["left"], result["quarantined"]) == ([], 2)
    assert queue_repair(qmail.path, **options)["faults"] == []
    assert queue_info(qmail.path)["counts"]["total"] == 8
    # One after the other: they all write to one file.
    (qmail.home / "control" / "concurrencylocal").write_text("1\n")
    qmail._process = qmail._start()
    wait_for(lambda: not list(queue.root.glob("mess/*/*")))
    text = box.read_bytes()
    for name, message in texts.items():
        envelope = b"ENVELOPE %s@example.net ok@%s\n" % (name.encode(), me.encode())
        assert text.count(envelope) == 1, name
        assert text.partition(envelope)[2].partition(b"ENVELOPE")[0].endswith(message), name
    assert text.count(b"ENVELOPE") == len(texts)
    # The trigger and the new directory are as qmail needs them.
    numbers = qmail.inject(b"Subject: late\n\nx\n", b"late@example.net", [b"ok@" + me.encode()])
    wait_for(lambda: b"Subject: late" in box.read_bytes())


def test_a_sound_queue_of_a_busy_qmail_has_no_faults(qmail):
    me = (qmail.home / "control" / "me").read_text().strip()
    stop, problems, injected = threading.Event(), [], []

    def write():
        try:
            while not stop.is_set():
                for to in ("ok@" + me, "nobody-here@" + me, "r@example.org"):
                    text = b"Subject: busy\n\nbody\n"
                    qmail.program("qmail-inject", "-a", "-f", "ok@" + me, to, input=text)
                    injected.append(to)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=write) for _unused in range(2)]
    for thread in threads:
        thread.start()
    runs, end = 0, time.monotonic() + 8
    try:
        while time.monotonic() < end:
            assert queue_repair(qmail.path, True)["faults"] == []
            runs += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (problems, runs > 1, len(injected) > 10) == ([], True, True)


def test_stopped_and_started(tmp_path):
    require_qmail()
    if shutil.which("supervise") is None:
        pytest.skip("NOT TESTED UNDER daemontools: supervise is not installed here (scripts/supervisors)")
    qmail = borrowed(SupervisedQmail(qmail_home(), "daemontools"))
    try:
        qmail.send("a@example.net", "r@example.org")
        wait_for(lambda: qmail.peer.connections)
        threading.Timer(1, qmail.peer.let_go).start()
        first = qmail.pid()
        path = Path(qmail.path) / "mess" / "3" / "core"
        path.write_bytes(b"core")
        result = queue_repair(qmail.path, quarantine=str(tmp_path / "quarantine"))
        (service,) = result["service"]
        assert (service["supervisor"], service["state_before"], service["state_after"]) == (
            "daemontools",
            "running",
            "running",
        )
        assert qmail.pid() == service["pid"] != first
        assert (result["quarantined"], result["left"], path.exists(), qmail.messages()) == (1, [], False, 1)
    finally:
        qmail.__exit__(None, None, None)


@pytest.mark.parametrize(("name", "total"), [("incident", 2045), ("states", 26)])
def test_archives(tmp_path, name, total):
    root = unpack("qmail-" + name, tmp_path)
    for path in root.glob("*/**/*"):
        # qmail removes what is incomplete 36 hours after it was last read; these were archived before that.
        os.utime(path, (time.time(), path.stat().st_mtime))
    before, kept = shown(root), contents(root)
    foreseen = queue_repair(root, True)
    assert foreseen["fault_counts"] == {"wrong_id": total}
    result = queue_repair(root)
    assert (result["repaired"], result["quarantined"], result["left"], result["changed"]) == (total, 0, [], True)
    again = queue_repair(root)
    assert (again["faults"], again["changed"]) == ([], False)
    assert (shown(root), contents(root)) == (before, kept)
    for path in root.glob("mess/*/*"):
        assert path.name == str(path.stat().st_ino)


def shown(root):
    found = queue_info(root, limit=1000)
    messages = sorted(
        (
            one["arrival_time"],
            one["state"],
            one["queue"],
            str(one["sender"]),
            one["size"],
            str(one["subject"]),
            str(one["recipients"]),
        )
        for one in found["messages"]
    )
    # Of more messages, which ones are returned depends on their ids.
    return found["counts"], found["bounces"], found["damaged_count"], messages if not found["truncated"] else None
