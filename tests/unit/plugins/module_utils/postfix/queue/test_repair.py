"""What is wrong with a Postfix queue: set aside where it belongs to no message, else only named."""

import json
import os
import time
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.repair import PostfixRepairer
from tests.support.faults import kill_points
from tests.support.postfix_queue import PostfixQueue, Recipient
from tests.support.repairing import contents, queue_repair, snapshot

OLD = time.time() - 8 * 86400
LATE = Recipient("b@example.net", reason="host mx.example.net said: 421 busy")


class Broken:
    def __init__(self, path, **options):
        self.queue = PostfixQueue(path, **options)
        self.root = Path(self.queue.path)
        for queue in ("deferred", "hold", "active", "incoming", "maildrop"):
            recipients = [LATE] if queue == "deferred" else ["c@example.net"]
            self.queue.add("Subject: %s\n\nx\n" % queue, "a@example.com", recipients, queue, arrival=OLD)
        self.id = self.add()

    def add(self):
        return self.queue.add("Subject: x\n\nx\n", "a@example.com", [LATE], arrival=OLD)

    def message(self, name=None):
        return next((self.root / "deferred").glob("**/" + (name or self.id)))

    def log(self, name=None):
        return next((self.root / "defer").glob("**/" + (name or self.id)))

    def put(self, path, data=b"x", when=OLD):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
        os.utime(str(path), (when, when))
        return path

    def faults(self, **options):
        result = queue_repair(self.root, True, mta="postfix", **options)
        return {(one["kind"], one["path"]) for one in result["faults"]}

    def relative(self, path):
        return str(path.relative_to(self.root))


@pytest.fixture(
    params=[{}, {"long_ids": True}, {"hash_depth": 0}, {"hash_depth": 2}], ids=["short", "long", "flat", "deep"]
)
def broken(request, tmp_path):
    return Broken(tmp_path / "spool", **request.param)


def test_a_sound_queue_has_no_faults(broken):
    before = snapshot(broken.root)
    result = queue_repair(broken.root)
    assert (result["mta"], result["faults"], result["left"], result["changed"]) == ("postfix", [], [], False)
    assert snapshot(broken.root) == before


def test_orphaned_logs(broken):
    broken.message().unlink()
    orphans = [broken.log()]
    for name in ("bounce", "trace"):
        orphans.append(broken.put("%s/%s" % (name, broken.id)))
    expected = {("orphan", broken.relative(path)) for path in orphans}
    before, kept = snapshot(broken.root), contents(broken.root)
    assert broken.faults() == expected
    assert snapshot(broken.root) == before
    result = queue_repair(broken.root)
    assert {(one["kind"], one["path"]) for one in result["faults"]} == expected
    assert (result["changed"], result["quarantined"], result["repaired"], result["left"]) == (True, 3, 0, [])
    assert contents(broken.root) == kept
    assert not any(path.exists() for path in orphans)
    assert broken.faults() == set()
    again = queue_repair(broken.root)
    assert (again["changed"], again["batch"]) == (False, None)
    batch = Path(result["batches"][0]["path"])
    lines = [json.loads(line) for line in (batch / "ledger.jsonl").read_text().splitlines() if line]
    assert {line["reason"] for line in lines} == {"orphan: there is no message of this id"}
    assert (batch / "files" / expected.pop()[1]).exists()


@pytest.mark.parametrize("queue", ["maildrop", "incoming", "active", "deferred", "hold", "corrupt"])
def test_a_log_of_a_message_in_any_queue_stays(tmp_path, queue):
    broken = Broken(tmp_path / "spool")
    if queue != "deferred":
        broken.message().rename(broken.root / queue / broken.id)
    assert broken.faults() == set()


def test_a_young_log_is_no_orphan(tmp_path):
    broken = Broken(tmp_path / "spool")
    broken.put("trace/ABCDE12345", when=time.time() - 60)
    assert broken.faults() == set()
    broken.put("trace/ABCDE12345", when=time.time() - 400)
    assert broken.faults() == {("orphan", "trace/ABCDE12345")}


def test_a_message_that_appears_at_the_second_look(tmp_path, monkeypatch):
    broken = Broken(tmp_path / "spool")
    away = broken.message().rename(tmp_path / "away")

    def come_back(seconds):
        if away.exists():
            away.rename(broken.root / "active" / broken.id)

    monkeypatch.setattr(time, "sleep", come_back)
    assert broken.faults() == set()
    assert (broken.root / "active" / broken.id).exists()


def test_a_message_that_comes_in_the_last_instant_gets_its_log_back(tmp_path, monkeypatch):
    broken = Broken(tmp_path / "spool")
    log = broken.log()
    data = log.read_bytes()
    away = broken.message().rename(tmp_path / "away")
    real = PostfixRepairer._check_again

    def come_back(self, aside, group):
        away.rename(broken.root / "active" / broken.id)
        real(self, aside, group)

    monkeypatch.setattr(PostfixRepairer, "_check_again", come_back)
    queue_repair(broken.root)
    assert log.read_bytes() == data
    assert log.stat().st_nlink == 1


def test_strays(tmp_path):
    broken = Broken(tmp_path / "spool")
    strays = [
        broken.put("deferred/core.123"),
        broken.put("hold/.nfs000001"),
        broken.put("defer/A/x y"),
        broken.put("maildrop/123456.789"),
    ]
    link = broken.root / "active" / "ABCDE54321"
    link.symlink_to("/etc/passwd")
    fifo = broken.root / "incoming" / "ABCDE54322"
    os.mkfifo(str(fifo))
    # Young ones may be what somebody is about to write.
    broken.put("hold/new.file", when=time.time())
    broken.put("maildrop/654321.987", when=time.time() - 86400)
    kept = contents(broken.root)
    expected = {("stray", broken.relative(path)) for path in [*strays, link, fifo]}
    assert broken.faults() == expected
    result = queue_repair(broken.root)
    assert (result["quarantined"], result["left"], broken.faults()) == (6, [], set())
    assert contents(broken.root) == kept
    files = Path(result["batches"][0]["path"]) / "files"
    assert os.readlink(str(files / "active" / "ABCDE54321")) == "/etc/passwd"


def wrong_id(broken):
    name = broken.id[:5] + "1234ABC"
    return broken.message().rename(broken.message().with_name(name))


def wrong_directory(broken):
    path = broken.message()
    other = broken.root / "deferred" / ("0" if path.parent.name != "0" else "1")
    other.mkdir(exist_ok=True)
    return path.rename(other / broken.id)


def other_depth(broken):
    for _number in range(3):
        broken.add()
    return broken.message().rename(broken.root / "deferred" / broken.id)


def mode(broken):
    broken.message().chmod(0o744)
    return broken.message()


def incomplete(broken):
    broken.message().chmod(0o600)
    return broken.message()


def interrupted_fix(broken):
    return broken.put("deferred/%s#FIX" % broken.id)


def directory(broken):
    path = broken.root / "hold" / "backup"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("seed", "kind", "advice"),
    [
        (wrong_id, "wrong_id", "postsuper -s"),
        (wrong_directory, "wrong_directory", "postsuper -s"),
        (other_depth, "wrong_directory", "postsuper -s"),
        (mode, "mode", "postfix check"),
        (incomplete, "incomplete", "postsuper -p"),
        (interrupted_fix, "interrupted_fix", "postsuper -s"),
        (directory, "stray", "move it away"),
    ],
)
def test_only_named(tmp_path, seed, kind, advice):
    broken = Broken(tmp_path / "spool")
    path = broken.relative(seed(broken))
    if seed is wrong_id:
        (broken.log()).rename(broken.log().with_name(path.rpartition("/")[2]))
    before = snapshot(broken.root)
    for check_mode in (True, False):
        result = queue_repair(broken.root, check_mode)
        assert [(one["kind"], one["path"], one["repair"]) for one in result["faults"]] == [(kind, path, "none")]
        assert [(one["kind"], one["path"]) for one in result["left"]] == [(kind, path)]
        assert advice in result["left"][0]["reason"]
        assert (result["changed"], result["repaired"], result["quarantined"]) == (False, 0, 0)
    assert snapshot(broken.root) == before


def test_owner_is_only_named(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root")
    broken = Broken(tmp_path / "spool")
    os.chown(str(broken.message()), 4711, -1)
    assert broken.faults() == {("owner", broken.relative(broken.message()))}
    # In maildrop, files are their senders'.
    os.chown(str(broken.message()), 0, -1)
    for path in (broken.root / "maildrop").iterdir():
        os.chown(str(path), 4711, -1)
    assert broken.faults() == set()


def test_second_links_are_named_when_they_last(tmp_path, monkeypatch):
    broken = Broken(tmp_path / "spool")
    os.link(str(broken.message()), str(tmp_path / "second"))
    assert broken.faults() == set()
    later = time.time() + 120
    monkeypatch.setattr(time, "time", lambda: later)
    assert broken.faults() == {("links", broken.relative(broken.message()))}


def test_killed(tmp_path):
    def prepare():
        import shutil

        shutil.rmtree(str(tmp_path / "state"), ignore_errors=True)
        broken = Broken(tmp_path / "state" / "spool")
        broken.message().unlink()
        broken.put("hold/stray.file")
        broken.kept = contents(broken.root)
        return broken

    def verify(broken, point):
        assert contents(broken.root) == broken.kept, point
        queue_repair(broken.root)
        assert contents(broken.root) == broken.kept, point
        assert broken.faults() == set(), point

    assert kill_points(prepare, lambda broken: queue_repair(broken.root), verify, step=2) > 10


def test_split_is_refused(tmp_path):
    broken = Broken(tmp_path / "spool")
    with pytest.raises(Exception, match="^split: it is for qmail"):
        broken.faults(split=23)
