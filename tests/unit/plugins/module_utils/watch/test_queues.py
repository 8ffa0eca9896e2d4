import os
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_info import inspect
from ansible_collections.mailops.rescue.plugins.module_utils.host import birth as births
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import counts
from ansible_collections.mailops.rescue.plugins.module_utils.watch import queues
from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue, failure_notice
from tests.unit.plugins.module_utils.watch.conftest import SETTINGS

NOTICE = failure_notice(b"a@example.net", [(b"b@example.com", b"Sorry")], b"Subject: spam\n\n")


def described(mta, *paths):
    return {"name": mta, "mta": mta, "directories": [str(path) for path in paths]}


def read(queue, memory=None, **settings):
    return queues.read(queue, dict(SETTINGS, wall=time.time(), **settings), {} if memory is None else memory)


def test_postfix_is_counted_in_all_its_queues(tmp_path):
    for depth, longs in ((0, False), (1, True), (2, False)):
        path = tmp_path / str(depth)
        queue = PostfixQueue(path, hash_depth=depth, long_ids=longs)
        for number, name in enumerate(("deferred", "hold", "active", "incoming", "maildrop"), 1):
            for _ in range(number):
                queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], name)
        assert read(described("postfix", path)).total == 15


def test_large_directories_are_counted_without_a_list(tmp_path, monkeypatch):
    queue = PostfixQueue(tmp_path)
    for _ in range(40):
        queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"])
    monkeypatch.setattr(counts, "_LISTED", -1)
    monkeypatch.setattr(os, "listdir", None)
    assert counts.PostfixCounts().count(str(tmp_path)) == 40


def test_several_qmail_queues_are_one(tmp_path):
    for name in ("queue1", "queue2"):
        queue = QmailQueue(tmp_path / name, split=7)
        for _ in range(3):
            queue.add("Subject: x\n\n", b"a@example.com", remote=[b"b@example.net"])
    assert read(described("qmail", tmp_path / "queue1", tmp_path / "queue2")).total == 6


def test_counts_agree_with_those_of_queue_info(sample):
    done = inspect(
        {
            "mta": "auto",
            "queue_directory": str(sample.path),
            "config_directory": None,
            "select": None,
            "exclude": None,
            "limit": 0,
            "content": "none",
            "content_bytes": 1,
            "top": 0,
            "listing": None,
            "timeout_per_message": 1.0,
            "workers": 1,
        }
    )
    assert read(described(sample.mta, sample.path)).total == done["counts"]["total"] == 6


def test_age_of_qmail_is_that_of_its_oldest_message(tmp_path):
    queue, now = QmailQueue(tmp_path, split=7), time.time()
    for age in (10, 90000, 500):
        queue.add("Subject: x\n\n", b"a@example.com", remote=[b"b@example.net"], arrival=now - age)
    assert 90000 <= read(described("qmail", tmp_path), age=60).age < 90060


def test_age_of_postfix_by_long_ids(tmp_path):
    queue, now = PostfixQueue(tmp_path, long_ids=True), time.time()
    for age in (10, 90000, 500):
        queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], arrival=now - age, retry=now + 600)
    assert 90000 <= read(described("postfix", tmp_path), age=60).age < 90060


def test_age_of_postfix_by_the_birth_of_the_file(tmp_path):
    queue, now = PostfixQueue(tmp_path), time.time()
    # Its time of change is that of the next attempt, or that of the last.
    queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], arrival=now - 5, retry=now - 90000)
    if births._statx() is None or births._statx()(str(tmp_path)) is None:
        pytest.skip("this file system keeps no time of birth")
    assert queues.oldest(described("postfix", tmp_path), now + 100, {}) <= 101


def test_without_births_a_message_is_as_old_as_its_other_times_say(tmp_path, monkeypatch):
    monkeypatch.setattr(births, "_statx", lambda: None)
    (tmp_path / "x").touch()
    os.utime(tmp_path / "x", (5, 5))
    assert births.birth(str(tmp_path / "x")) == 5
    assert births.birth(str(tmp_path / "nothing")) is None


def test_a_large_queue_is_looked_through_in_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(queues, "_AGES", 5)
    queue, now = QmailQueue(tmp_path, split=7), time.time()
    for age in range(100, 120):
        queue.add("Subject: x\n\n", b"a@example.com", remote=[b"b@example.net"], arrival=now - age)
    memory, ages = {}, []
    for _ in range(12):
        ages.append(queues.oldest(described("qmail", tmp_path), now, memory))
    # Once found, it is not lost from sight; and after as many turns as there are parts, it is found.
    assert ages == sorted(ages)
    assert ages[4] == ages[-1] == 119


def late(monkeypatch, after):
    """Have the time that a measurement may take be over once the clock was looked at `after` times."""
    looks = iter([0] * after)
    monkeypatch.setattr(queues, "monotonic", lambda: next(looks, 100))


def test_an_age_that_takes_too_long_is_that_of_what_was_seen(tmp_path, monkeypatch):
    queue, now = QmailQueue(tmp_path, split=7), time.time()
    for age in range(100, 150):
        queue.add("Subject: x\n\n", b"a@example.com", remote=[b"b@example.net"], arrival=now - age)
    memory, ages = {}, []
    for number in range(50):
        late(monkeypatch, 1)
        assert memory.get("next", 0) == number
        ages.append(queues.oldest(described("qmail", tmp_path), now, memory, 10))
    # Each run sees one, and so all are seen after some.
    assert ages == sorted(ages) and ages[-1] == 149
    monkeypatch.undo()
    # In time again, the rest is looked at, and then all.
    for _ in range(2):
        assert queues.oldest(described("qmail", tmp_path), now, memory) == 149
    assert memory["next"] == 0


@pytest.mark.parametrize("mta", ["qmail", "postfix"])
def test_a_share_that_takes_too_long(tmp_path, monkeypatch, mta):
    queue = QmailQueue(tmp_path, split=3) if mta == "qmail" else PostfixQueue(tmp_path)
    for _ in range(120):
        if mta == "qmail":
            queue.add(NOTICE, b"", remote=[b"a@example.net"], origin="bounce")
        else:
            queue.add(NOTICE, "", ["a@example.net"])
    late(monkeypatch, 80)
    assert queues.notices(described(mta, tmp_path), 10) == 100
    late(monkeypatch, 10)
    reading, problems = queues.measure(
        described(mta, tmp_path),
        queues.Reading(120, None, 7, None),
        dict(SETTINGS, bounce_share=10, bounce_minimum=1),
        {},
        10,
    )
    # Too few to tell: then what was known stays.
    assert reading.notices == 7
    assert len(problems) == 1 and "in time" in problems[0]


@pytest.mark.parametrize("mta", ["qmail", "postfix"])
def test_share_of_failure_notices(tmp_path, mta):
    queue = QmailQueue(tmp_path, split=3) if mta == "qmail" else PostfixQueue(tmp_path)
    for number in range(40):
        if mta == "qmail" and number % 4:
            queue.add(NOTICE, b"", remote=[b"a@example.net"], origin="bounce")
        elif mta == "qmail":
            queue.add("Subject: x\n\n", b"a@example.com", remote=[b"b@example.net"])
        elif number % 4:
            queue.add(NOTICE, "", ["a@example.net"])
        else:
            queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"])
    share = read(described(mta, tmp_path), bounce_share=10, bounce_minimum=39).notices
    assert 60 <= share <= 90
    assert read(described(mta, tmp_path), bounce_share=10, bounce_minimum=40).notices is None


def test_what_cannot_be_read_says_why(tmp_path):
    assert "nowhere" in read(described("postfix", tmp_path / "nowhere")).error
    QmailQueue(tmp_path / "queue", split=3)
    os.rename(tmp_path / "queue" / "mess", tmp_path / "queue" / "mass")
    assert read(described("qmail", tmp_path / "queue")).error
