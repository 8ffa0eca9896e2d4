import os
import shutil

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import restore as engine
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.hashing import Hashing
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer
from tests.support.postfix_cases import add_log, small_queue
from tests.support.postfix_purge import contents, digests, only_batch, purge, quarantine_of, restore, snapshot

SPAM = {"sender": [r"^spam\d@"]}
DEEP = Hashing({"deferred": 2, "defer": 2, "hold": 1})


@pytest.fixture
def small(tmp_path):
    return small_queue(tmp_path / "queue")


def _reasons(done):
    return {queue_id: reason for queue_id, reason in done if reason is not None}


def _in_batch(queue, path):
    names = os.listdir(queue.path + ".quarantine")
    assert len(names) == 1
    return os.path.join(queue.path + ".quarantine", names[0], "files", path)


@pytest.mark.parametrize(
    "options", [{}, {"hash_depth": 0}, {"hash_depth": 2}, {"long_ids": True}], ids=["", "flat", "deep", "long ids"]
)
def test_a_copy_of_a_queue_is_exactly_what_it_was(tmp_path, options):
    queue, ids = small_queue(tmp_path / "queue", **options)
    before = snapshot(queue.path)
    purge(queue.path, SPAM)
    assert snapshot(queue.path) != before
    assert not _reasons(restore(queue.path, release=True))
    assert snapshot(queue.path) == before
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        assert not list(batch.entries()) and batch.returning() is None


def test_hash_directories_that_are_gone_are_made_as_postfix_makes_them(small):
    queue, ids = small
    before = snapshot(queue.path)
    purge(queue.path)
    for log in ("deferred", "defer"):
        shutil.rmtree(os.path.join(queue.path, log))
        os.mkdir(os.path.join(queue.path, log), 0o700)
        os.chown(os.path.join(queue.path, log), 123, -1)
    hashing = Hashing({"deferred": 1, "defer": 1})
    assert not _reasons(restore(queue.path, release=True, hashing=hashing))
    after = snapshot(queue.path)
    hashed = [path for path in before if path.startswith("defer") and len(path.split("/")[-1]) == 1]
    assert hashed
    for path in hashed:
        if path in after:
            assert after[path][1:4] == (0o700, 123, os.getgid())
    assert {path: what for path, what in after.items() if path not in hashed and "/" in path} == {
        path: what for path, what in before.items() if path not in hashed and "/" in path
    }


def test_without_release_it_goes_on_hold(small):
    queue, ids = small
    before = snapshot(queue.path)
    purge(queue.path, SPAM)
    done = restore(queue.path)
    assert _reasons(done) == {ids["dropped"]: engine._MAILDROP}
    found = contents(queue.path)
    for name in ("first", "second", "plain", "held", "new", "flying", "big"):
        assert found[ids[name]] == ["hold/" + ids[name]]
        old = [what for path, what in before.items() if path.endswith("/" + ids[name])]
        assert snapshot(queue.path)["hold/" + ids[name]] in old
    # Logs are where Postfix looks for them.
    logs = ("defer/%s/%s" % (ids["second"][0], ids["second"]), "bounce/" + ids["second"], "trace/" + ids["second"])
    assert {path: snapshot(queue.path)[path] for path in logs} == {path: before[path] for path in logs}


def test_where_postfix_runs_only_it_puts_mail_into_active_and_incoming(small):
    queue, ids = small
    before = snapshot(queue.path)
    purge(queue.path, SPAM)
    assert not _reasons(restore(queue.path, release=True, running=True, hashing=DEEP))
    found, after = contents(queue.path), snapshot(queue.path)
    for name, was in (("new", "incoming"), ("flying", "active")):
        one = ids[name]
        assert found[one] == ["deferred/%s/%s/%s" % (one[0], one[1], one)]
        assert after[found[one][0]] == before["%s/%s" % (was, one)]
    assert found[ids["dropped"]] == ["maildrop/" + ids["dropped"]]
    # It was held before it was taken, and hold is hashed here.
    one = ids["held"]
    assert found[one] == ["hold/%s/%s" % (one[0], one)]
    one = ids["second"]
    assert after["defer/%s/%s/%s" % (one[0], one[1], one)] == before["defer/%s/%s" % (one[0], one)]


def test_corrupt_goes_back_to_corrupt(small):
    queue, ids = small
    old = os.path.join(queue.path, contents(queue.path)[ids["plain"]][0])
    os.rename(old, os.path.join(queue.path, "corrupt", ids["plain"]))
    purge(queue.path, {"queue": ["corrupt"]})
    restore(queue.path)
    assert contents(queue.path)[ids["plain"]] == ["corrupt/" + ids["plain"]]


def test_a_part_of_a_batch(small):
    queue, ids = small
    before = digests(queue.path)
    purge(queue.path, SPAM)
    wanted = {ids["first"], ids["held"]}
    assert restore(queue.path, ids=wanted) == [(one, None) for one in sorted(wanted, key=list(ids.values()).index)]
    assert set(contents(queue.path)) == wanted | {ids["innocent"], ids["resting"]}
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        assert len(list(batch.entries())) == 6
    assert digests(queue.path) == before


def _spoil(kind, place):
    if kind == "content":
        with open(place, "r+b") as file:
            file.write(b"X")
    elif kind == "size":
        with open(place, "ab") as file:
            file.write(b"X")
    elif kind == "mode":
        os.chmod(place, 0o640)
    elif kind == "owner":
        os.chown(place, 123, 456)
    elif kind == "mtime":
        os.utime(place, (1, 1))
    elif kind == "copy":
        shutil.copy2(place, place + "x")
        os.rename(place + "x", place)
    elif kind == "link":
        os.rename(place, place + "x")
        os.symlink(place + "x", place)
    elif kind == "fifo":
        os.unlink(place)
        os.mkfifo(place)
    elif kind == "gone":
        os.unlink(place)


@pytest.mark.parametrize("log", [False, True], ids=["message", "log"])
@pytest.mark.parametrize(
    "kind, said",
    [
        ("content", "(mtime, sha256)"),
        ("size", "(size, mtime, sha256)"),
        ("mode", "(mode)"),
        ("owner", "(uid, gid)"),
        ("mtime", "(mtime)"),
        ("copy", "method=reinject"),
        ("link", "symbolic link"),
        ("fifo", "FIFO"),
        ("gone", "is missing"),
    ],
)
def test_nothing_comes_back_that_is_not_what_it_was(small, kind, said, log):
    queue, ids = small
    path = ("defer/%s/%s" if log else "deferred/%s/%s") % (ids["second"][0], ids["second"])
    purge(queue.path, SPAM)
    _spoil(kind, _in_batch(queue, path))
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        restorer = PostfixRestorer(queue.path, batch, True, False)
        problems = {entry.id: restorer.problem(entry) for entry in batch.entries()}
        restorer.finish()
    if kind == "gone" and not log:
        assert ids["second"] not in problems
    else:
        assert path in problems[ids["second"]] and said in problems[ids["second"]]
    assert [one for one, reason in problems.items() if reason] in ([ids["second"]], [])


@pytest.mark.parametrize("place", ["hold/%s", "active/%s", "deferred/%s", "corrupt/%s", "incoming/F/%s"])
def test_nothing_is_overwritten(small, place):
    queue, ids = small
    one = ids["second"]
    os.mkdir(os.path.join(queue.path, "incoming", "F"))
    purge(queue.path, SPAM)
    other = os.path.join(queue.path, place.replace("?", one[0]).replace("/F/", "/%s/" % one[0]) % one)
    os.makedirs(os.path.dirname(other), exist_ok=True)
    with open(other, "w") as file:
        file.write("other")
    reasons = _reasons(restore(queue.path, release=True))
    assert list(reasons) == [one] and "is in the queue" in reasons[one]
    with open(other) as file:
        assert file.read() == "other"
    assert os.path.exists(_in_batch(queue, "deferred/%s/%s" % (one[0], one)))
    assert os.path.exists(_in_batch(queue, "bounce/" + one))


def test_nothing_is_overwritten_that_comes_after_the_check(small):
    queue, ids = small
    one = ids["second"]
    purge(queue.path, SPAM)
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        restorer = PostfixRestorer(queue.path, batch, True, False)
        entries = [entry for entry in batch.entries() if restorer.problem(entry) is None]
        open(os.path.join(queue.path, "deferred", one[0], one), "w").close()
        done = {entry.id: reason for entry, reason in restorer.give_back(entries)}
        restorer.finish()
    assert [key for key, reason in done.items() if reason] == [one]
    # Whole, and where it was.
    for file in ("deferred/%s/%s" % (one[0], one), "defer/%s/%s" % (one[0], one), "bounce/" + one, "trace/" + one):
        assert os.path.exists(_in_batch(queue, file))


def test_a_log_that_qmgr_wrote_when_it_missed_the_message_stays_and_keeps_nothing_out(small):
    queue, ids = small
    one = ids["second"]
    purge(queue.path, SPAM)
    log = os.path.join(queue.path, "defer", one[0], one)
    with open(log, "w") as file:
        file.write("other")
    assert _reasons(restore(queue.path, release=True)) == {}
    with open(log) as file:
        assert file.read() == "other"
    assert os.path.exists(os.path.join(queue.path, "deferred", one[0], one))
    assert os.path.exists(_in_batch(queue, "defer/%s/%s" % (one[0], one)))


def test_an_orphaned_log_of_a_message_that_had_none_does_not_keep_it_out(small):
    queue, ids = small
    purge(queue.path, SPAM)
    # What qmgr writes when it defers mail that it has in memory.
    add_log(queue, "defer", ids["flying"], 1)
    assert not _reasons(restore(queue.path, release=True))
    assert contents(queue.path)[ids["flying"]] == ["active/" + ids["flying"]]


def test_a_message_that_is_back_already_is_no_entry_any_more(small):
    queue, ids = small
    purge(queue.path, SPAM)
    assert len(restore(queue.path, release=True)) == 8
    assert restore(queue.path, release=True) == []


def test_purged_again_after_it_came_back(small):
    queue, ids = small
    before = snapshot(queue.path)
    for _unused in range(2):
        purge(queue.path, SPAM)
        restore(queue.path, release=True)
    assert snapshot(queue.path) == before


def test_recovery_takes_back_the_logs_of_what_stays(small):
    queue, ids = small
    one = ids["second"]
    purge(queue.path, SPAM)
    paths = ("defer/%s/%s" % (one[0], one), "bounce/" + one, "trace/" + one)
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        batch.begin_return([one])
        os.rename(_in_batch(queue, paths[0]), os.path.join(queue.path, paths[0]))
        # Not that of another message that has the id by now.
        add_log(queue, "trace", one, data=b"other")
        os.rename(_in_batch(queue, paths[2]), _in_batch(queue, paths[2]) + ".x")
        restorer = PostfixRestorer(queue.path, batch, True, False)
        restorer.recover()
        restorer.recover()
        restorer.finish()
        assert batch.returning() is None
    assert [os.path.exists(_in_batch(queue, path)) for path in paths] == [True, True, False]
    assert os.path.exists(os.path.join(queue.path, paths[2]))


def test_what_came_back_before_the_disk_failed_is_told(small, monkeypatch):
    queue, ids = small
    before = snapshot(queue.path)
    purge(queue.path, SPAM)
    renames = []

    def perform(function, *arguments, **keywords):
        if function is os.rename:
            renames.append(arguments)
            if len(renames) == 4:
                raise OSError(28, "No space left on device")
        return function(*arguments, **keywords)

    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        restorer = PostfixRestorer(queue.path, batch, True, False)
        entries = list(batch.entries())
        monkeypatch.setattr(disk, "_perform", perform)
        done = []
        with pytest.raises(OSError, match="No space"):
            for entry, reason in restorer.give_back(entries):
                assert reason is None
                done.append(entry.id)
        monkeypatch.undo()
        assert set(done) == set(contents(queue.path)) - {ids["innocent"], ids["resting"]} != set()
        restorer.recover()
        restorer.finish()
    restore(queue.path, release=True)
    assert snapshot(queue.path) == before
