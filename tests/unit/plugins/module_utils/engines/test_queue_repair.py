"""What queue_repair does around the repair: which queues, their service, the quarantine, and what it refuses."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail import adapter
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import repair_tree
from tests.support.fake_service import FakeService
from tests.support.purging import queue_purge, queue_restore
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import queue_repair, snapshot, with_owners


@pytest.fixture
def queue(tmp_path):
    return QmailQueue(tmp_path / "queue", split=3, owners=with_owners())


@pytest.fixture
def fake(tmp_path, monkeypatch):
    # Its files belong to whoever runs the test.
    monkeypatch.setattr(repair_tree.pwd, "getpwnam", _nobody)
    with FakeService(tmp_path) as fake:
        yield fake


def _nobody(name):
    raise KeyError(name)


def stray(path, name="core"):
    path = Path(str(path)) / "mess" / "1" / name
    path.write_bytes(b"core")
    return path


def test_stopped_only_where_there_is_something_to_repair(fake):
    fake.supervise()
    first = fake.pid()
    assert queue_repair(fake.queue)["service"] == []
    stray(fake.queue)
    assert queue_repair(fake.queue, True)["service"] == []
    assert (fake.pid(), fake.letters()) == (first, "")
    result = queue_repair(fake.queue)
    (service,) = result["service"]
    assert (service["supervisor"], service["state_before"], service["state_after"]) == (
        "daemontools",
        "running",
        "running",
    )
    assert (service["pid"], fake.letters(), result["left"]) == (fake.pid(), "du", [])
    assert fake.pid() != first
    assert (queue_repair(fake.queue)["changed"], fake.letters()) == (False, "du")


def test_comes_back_where_the_repair_fails(fake, monkeypatch):
    from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import set_aside

    fake.supervise()
    stray(fake.queue)
    path = stray(fake.queue, "core2")
    monkeypatch.setattr(set_aside.Aside, "_take", _fail)
    result = queue_repair(fake.queue)
    assert [one["reason"] for one in result["left"]] == ["Input/output error"] * 2
    assert (result["changed"], result["quarantined"], path.exists()) == (False, 0, True)
    assert (fake.letters(), result["service"][0]["pid"]) == ("du", fake.pid())


def _fail(self, groups):
    raise OSError(5, "Input/output error")


def test_what_is_in_flight_holds_it_up(fake):
    fake.hold_up(1)
    fake.supervise()
    path = stray(fake.queue)
    with pytest.raises(RescueError, match="^stop_timeout: qmail-send did not stop within 0 s") as caught:
        queue_repair(fake.queue, stop_timeout=0)
    assert (caught.value.result["changed"], caught.value.result["repaired"], path.exists()) == (False, 0, True)


def test_runs_without_its_lock(fake):
    fake.by_hand()
    os.unlink(os.path.join(fake.queue, "lock", "sendmutex"))
    # The real one works in its queue.
    process = subprocess.Popen([str(fake.bin / "qmail-remote")], cwd=fake.queue)
    try:
        os.rename(str(fake.bin / "qmail-remote"), str(fake.bin / "gone"))
        other = subprocess.Popen(["qmail-send", "60"], executable=shutil.which("sleep"), cwd=fake.queue)
        try:
            with pytest.raises(RescueError, match="^queue_directory: qmail-send .process %d. runs on" % other.pid):
                queue_repair(fake.queue)
        finally:
            other.kill()
            other.wait()
    finally:
        process.kill()
        process.wait()
        os.rename(str(fake.bin / "gone"), str(fake.bin / "qmail-remote"))


def test_owners_are_not_checked_without_qmails_users(queue, monkeypatch):
    monkeypatch.setattr(repair_tree.pwd, "getpwnam", _nobody)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    os.chown(queue.path + "/mess", os.getuid(), os.getgid())
    result = queue_repair(queue.path)
    assert result["faults"] == []
    assert result["notes"] == ["Owners and groups were not checked: this host has no user qmailq."]


def test_what_is_made_in_a_copy_belongs_to_its_neighbours(queue, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root")
    monkeypatch.setattr(repair_tree.pwd, "getpwnam", _nobody)
    os.chown(queue.path + "/info", 4711, 4712)
    os.rmdir(queue.path + "/info/1")
    os.unlink(queue.path + "/lock/sendmutex")
    assert queue_repair(queue.path)["repaired"] == 2
    for name in ("info/1", "lock/sendmutex"):
        found = os.stat(os.path.join(queue.path, name))
        assert (found.st_uid, found.st_gid) == (4711, 4712)


def test_several_queues(tmp_path):
    names = ["queue1", "queue2"]
    for name in names:
        stray(QmailQueue(tmp_path / name, split=3, owners=with_owners()).path)
    result = queue_repair(tmp_path)
    assert [one["queue_directory"] for one in result["queues"]] == [str(tmp_path / name) for name in names]
    assert (result["fault_count"], result["quarantined"], len(result["service"])) == (2, 2, 2)
    assert [os.path.basename(one["path"]) for one in result["batches"]] == [result["batch"], result["batch"] + ".2"]
    assert [one["files"] for one in result["batches"]] == [1, 1]
    with pytest.raises(RescueError, match="^service: there are 2 queues, each with its own; name one by"):
        queue_repair(tmp_path, service="qmail")


def test_a_queue_that_lacks_parts_is_found(queue, tmp_path, monkeypatch):
    for name in ("todo", "bounce"):
        os.rmdir(os.path.join(queue.path, name))
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    monkeypatch.setattr(adapter, "QUEUES", (str(tmp_path / "absent"), queue.path))
    for options in ({}, {"mta": "qmail"}):
        result = queue_repair(queue.path, True, **options)
        assert result["fault_counts"] == {"missing_directory": 2}
        from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_repair import repair
        from tests.support.repairing import OPTIONS

        assert repair(dict(OPTIONS, **options), True)["queue_directory"] == queue.path
    for place in (str(tmp_path), str(tmp_path / "absent")):
        with pytest.raises(RescueError, match="^queue_directory: "):
            queue_repair(place)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stop_timeout": -1}, "stop_timeout: expected 0 to 86400 seconds, got -1."),
        ({"start_timeout": 86401}, "start_timeout: expected 0 to 86400 seconds, got 86401."),
        ({"label": "x" * 201}, "label: expected at most 200 characters, got 201."),
        ({"quarantine": "beside"}, "quarantine: expected an absolute path or discard, got beside."),
        ({"quarantine": "/proc/quarantine"}, "quarantine: /proc/quarantine is on another filesystem than the queue"),
        ({"config_directory": "/etc/postfix"}, "config_directory: expected either it or queue_directory, got both."),
    ],
)
def test_refused(queue, options, sentence):
    stray(queue.path)
    before = snapshot(queue.path)
    with pytest.raises(RescueError) as caught:
        queue_repair(queue.path, **options)
    assert str(caught.value).startswith(sentence)
    assert snapshot(queue.path) == before


def test_quarantine_that_others_may_write_in(queue, tmp_path):
    (tmp_path / "away").mkdir()
    (tmp_path / "away").chmod(0o777)
    path = stray(queue.path)
    with pytest.raises(RescueError, match="^quarantine: expected .*/away to be root's .* mode 0700, found") as caught:
        queue_repair(queue.path, quarantine=str(tmp_path / "away"))
    assert (caught.value.result["changed"], path.exists()) == (False, True)


def test_no_quarantine_without_need(queue):
    os.rmdir(queue.path + "/pid")
    result = queue_repair(queue.path)
    assert (result["repaired"], result["batch"], result["batches"]) == (1, None, [])
    assert not os.path.exists(queue.path + ".quarantine")


def test_the_batch_of_an_interrupted_repair_is_put_in_order(queue):
    path = stray(queue.path)
    result = queue_repair(queue.path)
    batch = Path(result["batches"][0]["path"])
    (batch / "complete.json").unlink()
    path.hardlink_to(batch / "files" / "mess" / "1" / "core")
    again = queue_repair(queue.path)
    assert again["notes"][-1:] == ["The batch %s of an interrupted repair was put in order." % batch.name]
    assert (again["quarantined"], batch.exists(), path.exists()) == (1, False, False)
    assert len(list(Path(queue.path + ".quarantine").iterdir())) == 1


def test_results_are_bounded(queue):
    for number in range(300):
        os.mkdir(os.path.join(queue.path, "mess", "1", "x" * 240 + "\x1b%03d" % number))
    result = queue_repair(queue.path, True)
    assert (result["fault_count"], result["left_count"], 100 < len(result["left"]) <= 200) == (300, 300, True)
    assert len(json.dumps(result)) < 256 * 1024


def test_a_purge_that_was_cut_off_is_put_in_order_first(tmp_path):
    queue = QmailQueue(tmp_path / "queue", owners=with_owners())
    queue.add(b"Subject: spam\n\n", b"a@example.net", remote=[b"r@example.org"])
    batch = queue_purge(queue.path, all=True)["batches"][0]["path"]
    os.unlink(batch + "/complete.json")
    stray(queue.path)
    with pytest.raises(RescueError, match="run queue_purge or queue_restore"):
        queue_repair(queue.path)
    assert queue_restore(queue.path)["restored"] == 1
    assert queue_repair(queue.path)["changed"]
