"""Purging and restoring on a real qmail, while it runs and while it is stopped."""

import os
import shutil
import threading
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.purging import messages, queue_purge, queue_restore, snapshot
from tests.support.real_qmail import qmail_home
from tests.support.running_qmail import RunningQmail
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(qmail_home() is None, reason="no qmail is installed (set QMAIL_HOME)")
SPAM = {"subject": "^spam"}
MESSAGES = int(os.environ.get("RESCUE_LIVE_MESSAGES", "600"))


@pytest.fixture
def qmail():
    with RunningQmail(qmail_home()) as running:
        yield running
        shutil.rmtree(running.path + ".quarantine", ignore_errors=True)


def inject(qmail, subject, sender=b"a@example.net", recipients=(b"r@example.org",)):
    return qmail.inject(b"Subject: %s\n\nx\n" % subject, sender, list(recipients))


def there(qmail):
    return set(map(int, messages(qmail.path)))


def log(qmail):
    qmail.log.seek(0)
    return qmail.log.read().decode("utf-8", "replace")


def test_online_drops_what_is_selected(qmail):
    spam = [inject(qmail, b"spam %d" % number, recipients=[b"r@example.org", b"s@example.org"]) for number in range(20)]
    ham = [inject(qmail, b"hello %d" % number) for number in range(5)]
    qmail.idle()
    foreseen = queue_purge(qmail.path, True, select=SPAM, mode="online")
    result = queue_purge(qmail.path, select=SPAM, mode="online", watch_timeout=60)
    assert (foreseen["purged"], result["purged"], result["left"]) == (20, 20, [])
    assert result["service"] == []
    assert there(qmail) == set(ham)
    batch = messages(result["batches"][0]["path"] + "/files")
    assert set(map(int, batch)) == set(spam)
    assert all(one["remote"].count(b"T") == 2 and one["info"] == b"Fa@example.net\0" for one in batch.values())
    assert "bounce msg" not in log(qmail) and "trouble" not in log(qmail)
    assert queue_purge(qmail.path, select=SPAM, mode="online")["changed"] is False


def test_online_sends_no_failure_notice(qmail):
    number = inject(qmail, b"spam", recipients=[b"r@example.org", b"nobody-here@" + me(qmail)])
    wait_for(lambda: "bounce" in messages(qmail.path).get(str(number), {}) or "did_" in log(qmail))
    # One recipient has failed for good, and the notice waits for the other one.
    wait_for(lambda: messages(qmail.path)[str(number)].get("bounce"))
    before = log(qmail).count("new msg")
    result = queue_purge(qmail.path, select=SPAM, mode="online", watch_timeout=60)
    assert result["purged"] == 1 and result["left"] == []
    assert there(qmail) == set()
    assert log(qmail).count("new msg") == before
    assert "triple bounce: discarding" in log(qmail)


def me(qmail):
    return (qmail.home / "control" / "me").read_bytes().strip()


def test_online_needs_a_running_qmail(qmail):
    inject(qmail, b"spam")
    qmail.idle()
    qmail._process.terminate()
    qmail._process.wait(30)
    with pytest.raises(RescueError, match="mode=offline"):
        queue_purge(qmail.path, select=SPAM, mode="online")
    qmail._process = qmail._start()


def test_online_then_restored_is_delivered_once(qmail):
    recipient = b"ok@" + me(qmail)
    (qmail.home / "control" / "concurrencylocal").write_text("0\n")
    restart(qmail)
    number = inject(qmail, b"spam", recipients=[recipient, b"r@example.org"])
    qmail.idle()
    before = messages(qmail.path)[str(number)]
    (qmail.home / "control" / "concurrencylocal").write_text("5\n")
    queue_purge(qmail.path, select=SPAM, mode="online", watch_timeout=3)
    # No local slot is free, so it is marked and still there; it goes when qmail-send is started anew.
    restart(qmail)
    wait_for(lambda: not there(qmail))
    stop(qmail)
    assert queue_restore(qmail.path)["restored"] == 1
    assert messages(qmail.path)[str(number)] == before
    qmail._process = qmail._start()
    wait_for(lambda: "did_0+0+0" in log(qmail))
    time.sleep(0.5)
    assert log(qmail).count("did_0+0+0") == 1


def stop(qmail):
    qmail._process.terminate()
    qmail._process.wait(30)


def restart(qmail):
    stop(qmail)
    qmail._process = qmail._start()


def test_offline_and_back_is_exact_and_delivered_once(qmail):
    recipient = b"ok@" + me(qmail)
    stop(qmail)
    numbers = [inject(qmail, b"spam %d" % number, recipients=[recipient]) for number in range(30)]
    numbers += [inject(qmail, b"hello %d" % number, recipients=[recipient]) for number in range(30)]
    before = snapshot(qmail.path)
    result = queue_purge(qmail.path, select=SPAM, unprocessed=True)
    assert result["purged"] == 30 and len(there(qmail)) == 30
    assert queue_restore(qmail.path)["restored"] == 30
    assert snapshot(qmail.path) == before
    qmail._process = qmail._start()
    wait_for(lambda: not there(qmail))
    assert log(qmail).count("did_0+0+0") == 60


def test_reinjected_is_delivered_once(qmail):
    recipient = b"ok@" + me(qmail)
    stop(qmail)
    inject(qmail, b"spam", recipients=[recipient])
    queue_purge(qmail.path, select=SPAM, unprocessed=True)
    result = queue_restore(qmail.path, method="reinject")
    assert (result["restored"], result["remaining"], result["left"]) == (1, 0, [])
    qmail._process = qmail._start()
    wait_for(lambda: "did_0+0+0" in log(qmail))
    wait_for(lambda: not there(qmail))
    assert log(qmail).count("did_0+0+0") == 1


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_nothing_else_is_touched_while_it_injects_and_delivers(qmail, mode):
    recipient = b"ok@" + me(qmail)
    injected = []
    end = threading.Event()

    def feed():
        count = 0
        while not end.is_set() and count < MESSAGES:
            kind = b"spam" if count % 2 else b"hello"
            # Half of each cannot be delivered and stays.
            to = recipient if count % 4 < 2 else b"r@example.org"
            text = b"Subject: %s %d\n\nx\n" % (kind, count)
            qmail.program("qmail-inject", "-fa@example.net", to.decode(), input=text)
            injected.append(to)
            count += 1

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        time.sleep(1)
        batches = []
        while thread.is_alive() or not batches:
            if mode == "offline":
                stop(qmail)
            result = queue_purge(qmail.path, select=SPAM, mode=mode, watch_timeout=20)
            batches += result["batches"]
            if mode == "offline":
                qmail._process = qmail._start()
            time.sleep(0.2)
    finally:
        end.set()
        thread.join()
    qmail.idle(60 + MESSAGES // 20)
    queue_purge_again(qmail, mode, batches)
    kept = [one for batch in batches for one in messages(batch["path"] + "/files").values()]
    subjects = [subject(one["mess"]) for one in kept]
    assert subjects and all(one.startswith(b"spam") for one in subjects)
    assert len(set(subjects)) == len(subjects)
    # What was to be delivered was, unless it was taken before; what was not selected was, or still is there.
    waiting = {subject(one["mess"]) for one in messages(qmail.path).values()}
    assert waiting == {b"hello %d" % n for n, one in enumerate(injected) if n % 2 == 0 and one != recipient}
    undeliverable = {b"spam %d" % n for n, one in enumerate(injected) if n % 2 and one != recipient}
    assert undeliverable <= set(subjects)
    delivered = log(qmail).count("did_0+0+0")
    deliverable = injected.count(recipient)
    # A qmail-send that ends may leave a delivered message to be dropped at its next start: that may be in a batch too.
    pending = {subject(one["mess"]) for one in kept if is_pending(one)}
    taken = len(pending - undeliverable)
    assert delivered + taken == deliverable
    assert "trouble" not in log(qmail)


def queue_purge_again(qmail, mode, batches):
    """What came last is selected too; wait for what is to be delivered first."""

    def settled():
        pending = [one for one in messages(qmail.path).values() if b"Tok@" in one.get("local", b"")]
        return not pending and not any("todo" in one for one in messages(qmail.path).values())

    wait_for(settled, 60 + MESSAGES // 20)
    if mode == "offline":
        stop(qmail)
    batches += queue_purge(qmail.path, select=SPAM, mode=mode, watch_timeout=20)["batches"]
    if mode == "offline":
        qmail._process = qmail._start()


def is_pending(files):
    records = (files.get("local", b"") + files.get("remote", b"")).split(b"\0")
    return any(one[:1] == b"T" for one in records)


def subject(text):
    return next(line[9:] for line in text.splitlines() if line.startswith(b"Subject: "))
