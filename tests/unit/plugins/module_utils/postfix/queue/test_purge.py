import fcntl
import os
import shutil
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import purge as engine
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.purge import PostfixRemover
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import from_line
from tests.support.inspecting import deadline
from tests.support.postfix_cases import add_log, small_queue
from tests.support.postfix_purge import (
    check,
    contents,
    digests,
    only_batch,
    purge,
    put_in_order,
    quarantine_of,
    snapshot,
)
from tests.support.postfix_queue import Recipient

SPAM = {"sender": [r"^spam\d@"]}


@pytest.fixture
def small(tmp_path):
    return small_queue(tmp_path / "queue")


def _left(taker):
    return {queue_id: reason for place, queue_id, reason in taker.left.shown}


def _where(queue):
    return contents(queue.path)


class Meddling(PostfixRemover):
    """Does something between what `examine` saw and what `take` finds."""

    meddle = None

    def take(self, entries, chunk):
        type(self).meddle()
        yield from super().take(entries, chunk)


def _meddling(function):
    return type("Remover", (Meddling,), {"meddle": staticmethod(function)})


@pytest.mark.parametrize(
    "options", [{}, {"hash_depth": 0}, {"hash_depth": 2}, {"long_ids": True}], ids=["", "flat", "deep", "long ids"]
)
def test_what_is_selected_goes_with_its_logs_and_nothing_else(tmp_path, options):
    queue, ids = small_queue(tmp_path / "queue", **options)
    before = snapshot(queue.path)
    taker = purge(queue.path, SPAM)
    assert taker.failure is None and not taker.left.count
    assert taker.taken[0][0] == 8
    after = snapshot(queue.path)
    assert sorted(_where(queue)) == sorted([ids["innocent"], ids["resting"]])
    assert {path: before[path] for path in after} == after
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        inside = snapshot(os.path.join(batch.path, "files"))
        gone = {path for path in before if path not in after}
        assert {path: inside[path] for path in gone} == {path: before[path] for path in gone}
        # The log of each, and both others of the second.
        logs = [path for path in gone if path.split("/")[0] in ("defer", "bounce", "trace")]
        assert len(logs) == 4


def test_a_batch_reads_as_a_queue(small):
    queue, ids = small
    purge(queue.path, SPAM)
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        found = check(os.path.join(batch.path, "files"))
        assert found.count == 8
        assert found.by_queue == {"deferred": 4, "hold": 1, "incoming": 1, "active": 1, "maildrop": 1}


def test_the_ledger_has_every_file(small):
    queue, ids = small
    before = snapshot(queue.path)
    purge(queue.path, {"ids": [ids["second"]]})
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        lines = list(batch.ledger())
    assert len(lines) == 1
    entry = from_line(lines[0])
    assert (entry.id, entry.queue, entry.state, entry.sender) == (
        ids["second"],
        "deferred",
        "ready",
        b"spam2@example.net",
    )
    assert [(one.address, one.done, one.channel) for one in entry.recipients] == [
        (b"a@example.org", False, None),
        (b"b@example.org", True, None),
        (b"c@example.org", False, None),
    ]
    assert [one.path.split("/")[0] for one in entry.files] == ["deferred", "defer", "bounce", "trace"]
    for one in entry.files:
        kind, mode, uid, gid, inode, size, digest, mtime = before[one.path]
        assert (one.mode, one.uid, one.gid, one.inode, one.size, one.sha256, one.mtime) == (
            mode,
            uid,
            gid,
            inode,
            size,
            digest,
            mtime,
        )


@pytest.mark.parametrize("running", [False, True])
def test_check_and_run_leave_the_same(small, running):
    queue, ids = small
    ids["draft"] = queue.add("x\n", "spam9@example.net", ["a@example.org"], "incoming", complete=False)
    ids["gone"] = queue.add("x\n", "spam9@example.net", [Recipient("a@example.org", "done")], "active")
    before = snapshot(queue.path)
    predicted = check(queue.path, SPAM, running)
    assert snapshot(queue.path) == before
    taker = purge(queue.path, SPAM, running)
    assert _left(taker) == _left(predicted)
    assert predicted.count == taker.taken[0][0] and predicted.bytes == taker.taken[0][1]
    if running:
        assert _left(taker) == {
            ids["draft"]: engine._INCOMPLETE,
            ids["dropped"]: engine._MAILDROP,
            ids["gone"]: engine._DELIVERED,
        }
    else:
        assert _left(taker) == {ids["draft"]: engine._INCOMPLETE}
    assert all(queue_id in _where(queue) for queue_id in _left(taker))


def test_an_active_message_in_delivery_stays(small):
    queue, ids = small
    place = os.path.join(queue.path, "active", ids["flying"])
    with open(place, "rb") as file:
        # As delivery agents do.
        fcntl.flock(file, fcntl.LOCK_SH)
        predicted = check(queue.path, SPAM, True)
        taker = purge(queue.path, SPAM, True)
    assert _left(predicted)[ids["flying"]] == _left(taker)[ids["flying"]] == engine._DELIVERING
    assert os.path.exists(place)


def test_a_delivery_that_begins_just_before_the_rename_is_seen_after_it(small, monkeypatch):
    queue, ids = small
    place = os.path.join(queue.path, "active", ids["flying"])
    inode = os.stat(place).st_ino
    answers = []
    with open(place, "rb") as file:

        def locked(found, original=engine.is_locked):
            answers.append(original(found))
            # The first one asks whether to take it at all.
            if len(answers) == 2:
                fcntl.flock(file, fcntl.LOCK_SH)
            return answers[-1]

        monkeypatch.setattr(engine, "is_locked", locked)
        taker = purge(queue.path, {"ids": [ids["flying"]]}, True)
    assert answers == [False, False]
    assert _left(taker) == {ids["flying"]: engine._DELIVERING}
    assert os.stat(place).st_ino == inode


@pytest.mark.parametrize("name", ["plain", "held", "new"])
def test_a_message_locked_in_another_queue_stays(small, name):
    queue, ids = small
    path = _where(queue)[ids[name]][0]
    with open(os.path.join(queue.path, path), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        taker = purge(queue.path, SPAM, True)
    assert _left(taker)[ids[name]] == engine._DELIVERING
    assert _where(queue)[ids[name]] == [path]


def _replace_by_other(queue, ids):
    """Give a message's name to another one, in the same inode, with the same size and mtime."""
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])
    before = os.stat(place)
    with open(place, "r+b") as file:
        data = file.read().replace(b"spam3@example.net", b"nice3@example.net")
        file.seek(0)
        file.write(data)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(place)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def test_an_id_that_was_used_again_before_the_rename(small):
    queue, ids = small
    # Change times are as fine as the kernel's clock ticks.
    taker = purge(
        queue.path,
        {"ids": [ids["plain"]]},
        remover=_meddling(lambda: (time.sleep(0.02), _replace_by_other(queue, ids))),
    )
    assert _left(taker) == {ids["plain"]: engine._CHANGED}
    assert ids["plain"] in _where(queue)


def test_an_id_that_was_used_again_between_selection_and_examination(small, monkeypatch):
    queue, ids = small
    original = PostfixRemover.examine

    def examine(self, message, path):
        _replace_by_other(queue, ids)
        return original(self, message, path)

    monkeypatch.setattr(PostfixRemover, "examine", examine)
    taker = purge(queue.path, {"ids": [ids["plain"]]})
    assert _left(taker) == {ids["plain"]: engine._OTHER}
    assert ids["plain"] in _where(queue)


def test_another_file_of_the_same_name(small):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])

    def swap():
        shutil.copyfile(os.path.join(queue.path, _where(queue)[ids["innocent"]][0]), place + "x")
        os.rename(place + "x", place)

    taker = purge(queue.path, {"ids": [ids["plain"]]}, remover=_meddling(swap))
    assert _left(taker) == {ids["plain"]: engine._OTHER}
    assert ids["plain"] in _where(queue)


def test_another_file_of_the_same_name_while_it_is_examined(small, monkeypatch):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])
    original = engine.examine

    def examine(path, name, dir_fd):
        if name == ids["plain"] and path.startswith("deferred"):
            shutil.copyfile(place, place + "x")
            os.rename(place + "x", place)
        return original(path, name, dir_fd)

    monkeypatch.setattr(engine, "examine", examine)
    taker = purge(queue.path, {"ids": [ids["plain"]]})
    assert _left(taker) == {ids["plain"]: engine._OTHER}
    assert ids["plain"] in _where(queue)


@pytest.mark.parametrize("discard", [False, True])
def test_a_name_that_is_taken_between_the_look_and_the_rename(small, monkeypatch, discard):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])

    def lock(fd, original=engine.try_lock):
        with open(place + "x", "wb") as file:
            file.write(b"an innocent")
        os.rename(place + "x", place)
        return original(fd)

    monkeypatch.setattr(engine, "try_lock", lock)
    taker = purge(queue.path, {"ids": [ids["plain"]]}, discard=discard)
    assert _left(taker) == {ids["plain"]: engine._OTHER}
    with open(place, "rb") as file:
        assert file.read() == b"an innocent"


@pytest.mark.parametrize("to", ["active", "incoming", None])
def test_a_message_that_moves_on_is_left(small, to):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])

    def move_on():
        if to is None:
            os.unlink(place)
        else:
            os.rename(place, os.path.join(queue.path, to, ids["plain"]))

    taker = purge(queue.path, {"ids": [ids["plain"]]}, remover=_meddling(move_on))
    assert _left(taker) == {ids["plain"]: engine._GONE}
    assert _where(queue).get(ids["plain"]) == (None if to is None else ["%s/%s" % (to, ids["plain"])])
    # The ledger knows it, the batch has none of it.
    assert put_in_order(queue.path) == [(0, 0)]


def test_a_message_that_vanishes_between_the_lock_and_the_rename(small, monkeypatch):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])

    def lock(fd, original=engine.try_lock):
        os.rename(place, os.path.join(queue.path, "active", ids["plain"]))
        return original(fd)

    monkeypatch.setattr(engine, "try_lock", lock)
    taker = purge(queue.path, {"ids": [ids["plain"]]})
    assert _left(taker) == {ids["plain"]: engine._GONE}
    assert _where(queue)[ids["plain"]] == ["active/" + ids["plain"]]


def test_a_second_link_is_left_alone(small, tmp_path):
    queue, ids = small
    place = os.path.join(queue.path, _where(queue)[ids["plain"]][0])
    taker = purge(
        queue.path, {"ids": [ids["plain"]]}, remover=_meddling(lambda: os.link(place, str(tmp_path / "link")))
    )
    assert _left(taker) == {ids["plain"]: engine._LINKED % 2}
    assert os.path.exists(place)


@pytest.mark.parametrize("kind", ["link", "link to a directory", "fifo", "directory", "socket"])
@pytest.mark.parametrize("discard", [False, True])
def test_what_a_user_puts_into_maildrop_instead(small, tmp_path, kind, discard):
    queue, ids = small
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    place = os.path.join(queue.path, "maildrop", ids["dropped"])

    def swap():
        os.unlink(place)
        if kind == "link":
            os.symlink(str(outside / "secret"), place)
        elif kind == "link to a directory":
            os.symlink(str(outside), place)
        elif kind == "fifo":
            os.mkfifo(place)
        elif kind == "directory":
            os.mkdir(place)
        else:
            os.mknod(place, 0o140600)

    before = snapshot(outside)
    with deadline(10):
        taker = purge(queue.path, SPAM, discard=discard, remover=_meddling(swap))
    assert list(_left(taker)) == [ids["dropped"]]
    assert os.path.lexists(place)
    assert snapshot(outside) == before
    assert taker.taken[0][0] == 7


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_swap_between_the_look_and_the_rename_in_maildrop(small, tmp_path, monkeypatch, kind):
    queue, ids = small
    secret = tmp_path / "secret"
    secret.write_text("secret")
    place = os.path.join(queue.path, "maildrop", ids["dropped"])

    def lock(fd, original=engine.try_lock):
        os.unlink(place)
        os.symlink(str(secret), place) if kind == "link" else os.mkfifo(place)
        return original(fd)

    monkeypatch.setattr(engine, "try_lock", lock)
    with deadline(10):
        taker = purge(queue.path, {"ids": [ids["dropped"]]})
    assert _left(taker) == {ids["dropped"]: engine._OTHER}
    assert os.path.lexists(place) and secret.read_text() == "secret"


def test_a_queue_directory_that_becomes_a_link(small, tmp_path):
    queue, ids = small
    away = tmp_path / "away"

    def swap():
        os.rename(os.path.join(queue.path, "maildrop"), str(away))
        os.symlink(str(away), os.path.join(queue.path, "maildrop"))

    # Before anything has opened it.
    class Remover(PostfixRemover):
        def examine(self, message, path):
            swap()
            return super().examine(message, path)

    taker = purge(queue.path, {"ids": [ids["dropped"]]}, remover=Remover)
    assert taker.taken == [[0, 0]] and taker.left.count == 1
    assert os.listdir(str(away)) == [ids["dropped"]]


def test_logs_at_several_depths(tmp_path):
    queue, ids = small_queue(tmp_path / "queue", hash_depth=2)
    flat = add_log(queue, "defer", ids["plain"], 0)
    shallow = add_log(queue, "defer", ids["plain"], 1)
    bounced = add_log(queue, "bounce", ids["plain"], 2)
    purge(queue.path, {"ids": [ids["plain"]]})
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        for path in (flat, shallow, bounced):
            assert not os.path.exists(path)
            assert batch.status(os.path.relpath(path, queue.path)) is not None


def test_a_log_that_is_no_file_stays(small, tmp_path):
    queue, ids = small
    place = os.path.join(queue.path, "trace", ids["plain"])
    os.symlink(str(tmp_path), place)
    taker = purge(queue.path, {"ids": [ids["plain"]]})
    assert not taker.left.count and os.path.lexists(place)


def test_a_log_that_grows_under_an_active_message(small):
    queue, ids = small
    add_log(queue, "defer", ids["flying"], 1)
    taker = purge(
        queue.path, {"ids": [ids["flying"]]}, True, remover=_meddling(lambda: add_log(queue, "bounce", ids["flying"]))
    )
    assert _left(taker) == {ids["flying"]: engine._CHANGED}
    assert _where(queue)[ids["flying"]] == ["active/" + ids["flying"]]


def test_corrupt_is_taken_where_it_can_be_read(small):
    queue, ids = small
    os.rename(
        os.path.join(queue.path, _where(queue)[ids["plain"]][0]), os.path.join(queue.path, "corrupt", ids["plain"])
    )
    assert purge(queue.path, {"queue": ["corrupt"]}).taken[0][0] == 1
    assert ids["plain"] not in _where(queue)


@pytest.mark.parametrize("running", [False, True])
def test_discard_removes_for_good(small, running):
    queue, ids = small
    taker = purge(queue.path, SPAM, running, discard=True)
    stay = ["innocent", "resting"] + (["dropped"] if running else [])
    assert sorted(_where(queue)) == sorted(ids[name] for name in stay)
    assert taker.taken[0][0] == 10 - len(stay)
    logs = [path for path in snapshot(queue.path) if path.startswith(("defer/", "bounce/", "trace/"))]
    assert sorted(path for path in logs if ids["innocent"] not in path) == sorted(
        path for path in logs if len(os.path.basename(path)) == 1
    )
    assert not os.path.exists(queue.path + ".quarantine")


def test_a_second_run_finds_nothing(small):
    queue, ids = small
    purge(queue.path, SPAM)
    again = purge(queue.path, SPAM)
    assert again.taken == [[0, 0]] and not again.left.count


def test_the_ledger_is_on_disk_before_the_first_message_goes(small, monkeypatch):
    queue, ids = small
    calls = []

    def perform(function, *arguments, **keywords):
        calls.append((function.__name__, arguments))
        return function(*arguments, **keywords)

    monkeypatch.setattr(engine.disk, "_perform", perform)
    purge(queue.path, SPAM)
    names = [name for name, unused in calls]
    first = names.index("rename")
    written = [at for at, call in enumerate(calls) if call[0] == "write" and b'"chunk"' in bytes(call[1][1])]
    assert len(written) == 1 and written[0] < first
    # The ledger itself, right after it was written; and no directory is made later without being synced before.
    assert names[written[0] + 1] == "fsync"
    assert "mkdir" not in names[first:] and "fsync" in names[first:]


def test_recovery_moves_logs_that_a_killed_run_has_left(small):
    queue, ids = small
    before = digests(queue.path)
    purge(queue.path, SPAM, complete=False)
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        path = "defer/%s/%s" % (ids["second"][0], ids["second"])
        os.rename(os.path.join(batch.path, "files", path), os.path.join(queue.path, path))
    found = put_in_order(queue.path)
    assert found == put_in_order(queue.path) and found[0][0] == 8
    assert not os.path.exists(os.path.join(queue.path, path))
    assert digests(queue.path) == before
