"""What is selected leaves the queue whole, and nothing else does."""

import hashlib
import json
import os
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.purging import messages, queue_purge, queue_restore, snapshot, whole
from tests.support.qmail_queue import QmailQueue

SPAM = {"subject": "spam"}


def fill(queue, now=None):
    """Return the ids of the spam and of all else."""
    now = time.time() if now is None else now
    spam = [
        queue.add(
            b"Subject: spam 1\n\nx\n",
            b"a@example.net",
            remote=[b"r@example.org", b"s@example.org"],
            done=[b"s@example.org"],
            arrival=now - 9000,
            retry=now + 99,
        ),
        queue.add(b"Subject: spam 2\n\n" + b"x" * 40000, b"", local=[b"l@example.com"]),
        queue.add(
            b"Subject: spam 3\n\n",
            b"#@[]",
            local=[b"l@example.com"],
            remote=[b"\xff@example.org"],
            bounce_text="<x@example.org>:\nno\n\n",
        ),
    ]
    other = [
        queue.add(b"Subject: hello\n\nspam\n", b"b@example.net", remote=[b"r@example.org"]),
        queue.add(b"", b"b@example.net", local=[b"l@example.com"]),
    ]
    return spam, other


@pytest.fixture
def queue(tmp_path):
    return QmailQueue(tmp_path / "queue")


def ids(root):
    return sorted(map(int, messages(root)))


def test_takes_what_is_selected_and_nothing_else(queue):
    spam, other = fill(queue)
    before = whole(queue.path)
    result = queue_purge(queue.path, select=SPAM, label="a test")
    assert (result["changed"], result["matched"], result["purged"]) == (True, 3, 3)
    assert ids(queue.path) == sorted(other)
    (batch,) = result["batches"]
    assert ids(batch["path"] + "/files") == sorted(spam)
    assert whole(queue.path) == before
    assert result["counts_before"]["total"] == 5
    assert (result["counts_after"]["total"], result["counts_after"]["matched"]) == (2, 0)
    assert result["service"] == [] and result["left"] == []


def test_batch_says_who_took_what(queue):
    spam, _ = fill(queue)
    result = queue_purge(queue.path, select=SPAM, exclude={"sender": "<>"}, label="a test")
    path = result["batches"][0]["path"]
    assert os.path.dirname(path) == queue.path + ".quarantine"
    assert os.stat(path).st_mode & 0o777 == os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    manifest = json.load(open(path + "/manifest.json"))
    assert manifest["label"] == "a test" and manifest["select"] == SPAM and manifest["exclude"] == {"sender": "<>"}
    assert manifest["queue_directory"] == os.path.realpath(queue.path)
    assert manifest["batch"] == result["batch"] == os.path.basename(path)
    assert set(manifest) == {
        "format",
        "kind",
        "batch",
        "host",
        "mta",
        "version",
        "instance",
        "split",
        "mode",
        "select",
        "exclude",
        "all",
        "label",
        "created",
        "user",
        "queue_directory",
    }
    lines = [json.loads(line) for line in open(path + "/ledger.jsonl") if line.strip()]
    entries = {line["id"]: line for line in lines if "files" in line}
    assert set(entries) == {str(spam[0]), str(spam[2])}
    first = entries[str(spam[0])]
    assert first["sender"] == "a@example.net"
    assert first["recipients"] == [["r@example.org", False, "remote"], ["s@example.org", True, "remote"]]
    for record in first["files"]:
        status = os.stat(path + "/files/" + record["path"])
        data = open(path + "/files/" + record["path"], "rb").read()
        assert hashlib.sha256(data).hexdigest() == record["sha256"]
        assert (status.st_ino, status.st_mtime_ns, status.st_mode & 0o7777, status.st_size) == (
            record["inode"],
            record["mtime"],
            record["mode"],
            record["size"],
        )
    assert first["sha256"] == first["files"][0]["sha256"]


def test_second_run_finds_nothing(queue):
    fill(queue)
    queue_purge(queue.path, select=SPAM)
    before = snapshot(os.path.dirname(queue.path))
    again = queue_purge(queue.path, select=SPAM)
    assert (again["changed"], again["purged"], again["batch"]) == (False, 0, None)
    assert snapshot(os.path.dirname(queue.path)) == before


def test_check_mode_foresees_the_run_and_changes_nothing(queue):
    fill(queue)
    queue.add(b"Subject: spam 9\n\n", b"", remote=[b"r@example.org"], state="S4")
    queue.add(b"Subject: spam 8\n\n", b"", remote=[b"r@example.org"], state="S2")
    before = snapshot(os.path.dirname(queue.path))
    foreseen = queue_purge(queue.path, True, select=SPAM)
    assert snapshot(os.path.dirname(queue.path)) == before
    done = queue_purge(queue.path, select=SPAM)
    same = set(done) - {"batch", "batches", "restore_hint", "seconds"}
    assert {name: foreseen[name] for name in same} == {name: done[name] for name in same}
    assert (foreseen["batch"], foreseen["batches"]) == (None, [])
    assert done["purged"] == 3 and done["left_count"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "all=true"),
        ({"select": {}}, "all=true"),
        ({"exclude": {"sender": "x"}}, "all=true"),
        ({"select": {"sender": "("}}, "select.sender"),
        ({"select": {"queue": "deferred"}}, "select.queue"),
        ({"select": SPAM, "max_messages": 2}, "max_messages: 3 messages are selected"),
        ({"select": SPAM, "max_messages": -1}, "max_messages"),
        ({"select": SPAM, "workers": 65}, "workers"),
        ({"select": SPAM, "stop_timeout": -1}, "stop_timeout"),
        ({"select": SPAM, "quarantine": "none"}, "discard"),
        ({"select": SPAM, "quarantine": "relative"}, "absolute"),
        ({"select": SPAM, "quarantine": "/proc/quarantine"}, "another filesystem"),
        ({"select": SPAM, "label": "x" * 201}, "label"),
        ({"select": SPAM, "timeout_per_message": 0}, "timeout_per_message"),
    ],
)
def test_refuses_before_anything_is_touched(queue, options, words):
    fill(queue)
    before = snapshot(os.path.dirname(queue.path))
    with pytest.raises(RescueError, match=words.replace(".", r"\.")):
        queue_purge(queue.path, **options)
    assert snapshot(os.path.dirname(queue.path)) == before


def test_quarantine_must_be_private(queue):
    fill(queue)
    os.mkdir(queue.path + ".quarantine", 0o755)
    with pytest.raises(RescueError, match="mode 0700"):
        queue_purge(queue.path, select=SPAM)


def test_quarantine_inside_the_queue_is_refused(queue):
    fill(queue)
    for inside in ("mess/q", "", "mess/0"):
        with pytest.raises(RescueError, match="inside the queue"):
            queue_purge(queue.path, select=SPAM, quarantine=os.path.join(queue.path, inside))


def test_quarantine_must_not_be_a_link(queue, tmp_path):
    fill(queue)
    (tmp_path / "elsewhere").mkdir(0o700)
    os.symlink(str(tmp_path / "elsewhere"), queue.path + ".quarantine")
    with pytest.raises(RescueError, match="symbolic link"):
        queue_purge(queue.path, select=SPAM)
    assert os.listdir(str(tmp_path / "elsewhere")) == []


def test_what_is_not_preprocessed_is_left_unless_asked(queue):
    number = queue.add(b"Subject: spam\n\n", b"", remote=[b"r@example.org"], state="S4")
    half = queue.add(b"Subject: spam\n\n", b"", remote=[b"r@example.org"], state="S3")
    before = whole(queue.path)
    result = queue_purge(queue.path, select=SPAM)
    assert (result["changed"], result["purged"], result["left_count"]) == (False, 0, 2)
    reasons = {one["id"]: one["reason"] for one in result["left"]}
    assert "unprocessed=true" in reasons[str(number)] and "being injected" in reasons[str(half)]
    result = queue_purge(queue.path, select=SPAM, unprocessed=True)
    assert result["purged"] == 1 and ids(queue.path) == [half]
    assert whole(queue.path) == before
    queue_restore(queue.path)
    assert ids(queue.path) == sorted([number, half])


def test_discard_removes_for_good(queue):
    _, other = fill(queue)
    result = queue_purge(queue.path, select=SPAM, quarantine="discard")
    assert (result["purged"], result["discarded"], result["batch"], result["restore_hint"]) == (3, True, None, None)
    assert ids(queue.path) == sorted(other)
    assert not os.path.exists(queue.path + ".quarantine")


def test_all_must_be_said(queue):
    fill(queue)
    assert queue_purge(queue.path, all=True)["purged"] == 5
    assert ids(queue.path) == []


def test_big_todo(tmp_path):
    queue = QmailQueue(tmp_path / "queue", big_todo=True)
    queue.add(b"Subject: spam\n\n", b"", remote=[b"r@example.org"], state="S4")
    before = snapshot(queue.path)
    assert queue_purge(queue.path, select=SPAM, unprocessed=True)["purged"] == 1
    assert messages(queue.path) == {}
    queue_restore(queue.path)
    assert snapshot(queue.path) == before


def test_several_queues_have_a_batch_each(tmp_path):
    queues = [QmailQueue(tmp_path / ("queue%d" % number)) for number in (1, 2)]
    before = []
    for queue in queues:
        fill(queue)
        before.append(snapshot(queue.path))
    result = queue_purge(tmp_path, select=SPAM)
    assert result["purged"] == 6 and [one["messages"] for one in result["batches"]] == [3, 3]
    assert result["batches"][1]["path"] == queues[1].path + ".quarantine/" + result["batch"] + ".2"
    assert queue_restore(tmp_path, batch=result["batch"])["restored"] == 6
    assert [snapshot(queue.path) for queue in queues] == before


def test_several_processes_take_and_restore_the_same(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=5)
    for number in range(5000):
        name = b"spam" if number % 10 else b"hello"
        queue.add(b"Subject: %s %d\n\n" % (name, number), b"", remote=[b"r@example.org"])
    before = snapshot(queue.path)
    result = queue_purge(queue.path, select=SPAM, workers=3)
    assert (result["purged"], result["counts_after"]["total"]) == (4500, 500)
    assert queue_restore(queue.path)["restored"] == 4500
    assert snapshot(queue.path) == before


def test_newcomers_are_left_where_ids_or_a_number_were_agreed(queue, monkeypatch):
    spam, _ = fill(queue)
    from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_purge as engine

    original = engine._Run.act

    def act(run):
        # What comes now has the id of what was counted, or is one more.
        number = spam[0]
        path = "%s/info/%d/%d" % (queue.path, number % 23, number)
        with open(path, "wb") as file:
            file.write(b"Finnocent@example.org\0")
        queue.add(b"Subject: spam 5\n\n", b"", remote=[b"r@example.org"])
        original(run)

    monkeypatch.setattr(engine._Run, "act", act)
    result = queue_purge(queue.path, select={"ids": [str(one) for one in spam]})
    assert result["purged"] == 2
    assert [(one["id"], one["reason"]) for one in result["left"]] == [
        (str(spam[0]), "another message has this id by now")
    ]
    assert spam[0] in ids(queue.path)


def test_max_messages_holds_for_newcomers_too(queue, monkeypatch):
    fill(queue)
    from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_purge as engine

    original = engine._Run.act

    def act(run):
        queue.add(b"Subject: spam 5\n\n", b"", remote=[b"r@example.org"])
        original(run)

    monkeypatch.setattr(engine._Run, "act", act)
    result = queue_purge(queue.path, select=SPAM, max_messages=3)
    assert (result["purged"], result["left_count"]) == (3, 1)
    assert "max_messages" in result["left"][0]["reason"]
    assert queue_purge(queue.path, select=SPAM)["purged"] == 2


def test_another_run_at_work_is_waited_for_by_nobody(queue):
    fill(queue)
    queue_purge(queue.path, select={"sender": "<>"})
    import fcntl

    fd = os.open(queue.path + ".quarantine", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        with pytest.raises(RescueError, match="another run is at work"):
            queue_purge(queue.path, select=SPAM)
    finally:
        os.close(fd)
    assert queue_purge(queue.path, select=SPAM)["purged"] == 2


def test_restore_in_check_mode_foresees_the_run_and_changes_nothing(queue):
    fill(queue)
    queue.add(b"Subject: spam 9\n\n", b"", remote=[b"r@example.org"], state="S4")
    before_all = snapshot(queue.path)
    queue_purge(queue.path, select=SPAM, unprocessed=True)
    before = snapshot(os.path.dirname(queue.path))
    foreseen = queue_restore(queue.path, True)
    assert snapshot(os.path.dirname(queue.path)) == before
    done = queue_restore(queue.path)
    # What other runs did of late is said ahead of a change alone.
    alike = set(done) - {"seconds", "finished_runs"}
    assert {name: foreseen[name] for name in alike} == {name: done[name] for name in alike}
    assert (done["restored"], done["counts_after"]["by_queue"]["todo"]) == (4, 1)
    assert snapshot(queue.path) == before_all


def test_several_queues_may_share_a_quarantine(tmp_path):
    queues = [QmailQueue(tmp_path / ("queue%d" % number)) for number in (1, 2)]
    for queue in queues:
        fill(queue)
    before = [snapshot(queue.path) for queue in queues]
    shared = str(tmp_path / "shared")
    result = queue_purge(tmp_path, select=SPAM, quarantine=shared)
    assert result["purged"] == 6 and sorted(os.listdir(shared)) == [result["batch"], result["batch"] + ".2"]
    assert queue_restore(tmp_path, quarantine=shared)["restored"] == 6
    assert [snapshot(queue.path) for queue in queues] == before


def test_what_may_have_been_delivered_comes_back_only_when_that_is_said(queue):
    spam, _ = fill(queue)
    batch = queue_purge(queue.path, select=SPAM)["batches"][0]["path"]
    with open(batch + "/ledger.jsonl", "a") as file:
        file.write(json.dumps({"unsure": [str(spam[0])]}) + "\n")
    result = queue_restore(queue.path)
    assert (result["restored"], result["remaining"]) == (2, 1)
    assert [one["id"] for one in result["left"]] == [str(spam[0])] and "unsure" in result["left"][0]["reason"]
    assert queue_restore(queue.path, unsure=True)["restored"] == 1


def test_many_recipients_are_taken_in_small_chunks(queue, monkeypatch):
    from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import removal

    many = [b"r%d@example.org" % number for number in range(1500)]
    for _ in range(30):
        queue.add(b"Subject: spam\n\n", b"", remote=many)
    sizes = []
    original = removal.Taker._take

    def take(taker, place):
        sizes.append(len(taker._chunks[place]))
        original(taker, place)

    monkeypatch.setattr(removal.Taker, "_take", take)
    before = snapshot(queue.path)
    result = queue_purge(queue.path, select=SPAM)
    assert sizes == [21, 9]
    lines = [json.loads(line) for line in open(result["batches"][0]["path"] + "/ledger.jsonl") if line.strip()]
    assert {(len(line["recipients"]), line["recipient_count"]) for line in lines} == {(1000, 1500)}
    queue_restore(queue.path)
    assert snapshot(queue.path) == before


def test_restore_names_what_takes_too_long_to_match(queue):
    queue.add(b"Subject: x\n\n" + b"a" * 40 + b"!\n", b"", remote=[b"r@example.org"])
    queue_purge(queue.path, all=True)
    result = queue_restore(queue.path, select={"body": "^(a+)+$"}, timeout_per_message=0.05)
    assert (result["restored"], result["undecided_count"], len(result["undecided"])) == (0, 1, 1)
    assert result["undecided"][0]["queue_directory"] == os.path.realpath(queue.path)
