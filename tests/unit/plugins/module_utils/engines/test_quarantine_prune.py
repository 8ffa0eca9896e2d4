"""What quarantine_prune removes, and what it must not."""

import json
import os
import shutil
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_prune import prune
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.store import Quarantine
from tests.support.quarantined import make_batch

OPTIONS = {
    "mta": "auto",
    "queue_directory": None,
    "config_directory": None,
    "quarantine": None,
    "batch": None,
    "label": None,
    "older_than": None,
}
OLD, MIDDLE, NEW = "20261101T101500Z-0001", "20261120T101500Z-0002", "20261121T202427Z-3fa9"


def quarantine_prune(check_mode=False, **options):
    return prune(dict(OPTIONS, **options), check_mode)


@pytest.fixture
def three(sample):
    """Three batches of a sample's queue; returns options that mean its quarantine."""
    ids, now = list(sample.ids.values()), time.time()
    make_batch(sample.path, ids[:1], name=OLD, created=now - 20 * 86400, label="spam")
    make_batch(sample.path, ids[1:3], name=MIDDLE, created=now - 2 * 86400, label="other")
    make_batch(sample.path, ids[3:], name=NEW, created=now - 60, label="spam")
    return {"queue_directory": str(sample.path)}


def there(options):
    return sorted(os.listdir(options["queue_directory"] + ".quarantine"))


@pytest.mark.parametrize(
    ("meant", "stay"),
    [
        ({"older_than": "1d"}, [NEW]),
        ({"older_than": "3d"}, [MIDDLE, NEW]),
        ({"older_than": "60d"}, [OLD, MIDDLE, NEW]),
        ({"label": ["spam"]}, [MIDDLE]),
        ({"label": ["spam", "other"]}, []),
        ({"label": ["spa"]}, [OLD, MIDDLE, NEW]),
        ({"label": ["spam"], "older_than": "1d"}, [MIDDLE, NEW]),
        ({"batch": [NEW]}, [OLD, MIDDLE]),
        ({"batch": [NEW, OLD], "label": ["spam"], "older_than": "1d"}, [MIDDLE, NEW]),
    ],
)
def test_all_that_is_given_must_hold(three, meant, stay):
    foreseen = quarantine_prune(True, **three, **meant)
    assert there(three) == sorted([OLD, MIDDLE, NEW])
    result = quarantine_prune(**three, **meant)
    assert there(three) == sorted(stay)
    assert sorted(one["batch"] for one in result["pruned"]) == sorted({OLD, MIDDLE, NEW} - set(stay))
    assert result["changed"] is bool({OLD, MIDDLE, NEW} - set(stay)) and result["left"] == []
    assert dict(foreseen, seconds=0) == dict(result, seconds=0)
    again = quarantine_prune(**three, **meant)
    assert again["changed"] is False and again["pruned"] == [] and again["messages"] == 0
    assert there(three) == sorted(stay)


def test_what_was_freed_is_told(three, sample):
    result = quarantine_prune(**three, label=["spam", "other"])
    assert result["messages"] == len(sample.ids) == sum(one["messages"] for one in result["pruned"])
    assert result["bytes"] == sum(one["bytes"] for one in result["pruned"]) > 0
    assert result["pruned_count"] == 3


def test_nothing_is_removed_by_default(three):
    with pytest.raises(RescueError, match="batch: expected which batches to remove, by batch, label or older_than"):
        quarantine_prune(**three)
    assert there(three) == sorted([OLD, MIDDLE, NEW])


@pytest.mark.parametrize(
    ("meant", "option"),
    [
        ({"batch": []}, "batch"),
        ({"label": []}, "label"),
        ({"older_than": "soon"}, "older_than"),
        ({"older_than": ""}, "older_than"),
        ({"batch": ["latest"]}, "batch"),
        ({"batch": ["../x"]}, "batch"),
    ],
)
def test_mistakes_are_refused(three, meant, option):
    with pytest.raises(RescueError, match="^" + option + ": "):
        quarantine_prune(**three, **meant)
    assert there(three) == sorted([OLD, MIDDLE, NEW])


def test_a_batch_that_is_not_there_is_no_failure(three):
    result = quarantine_prune(**three, batch=["20250101T000000Z-0000", NEW])
    assert result["missing"] == ["20250101T000000Z-0000"]
    assert there(three) == sorted([OLD, MIDDLE])


def test_no_quarantine(sample):
    result = quarantine_prune(queue_directory=str(sample.path), older_than="0s")
    assert result["changed"] is False
    assert not os.path.lexists(result["quarantines"][0])


def test_batches_at_work_stay(sample):
    ids = list(sample.ids.values())
    cut_off = make_batch(sample.path, ids[:1], name=OLD, complete=False)
    returning = make_batch(sample.path, ids[1:], name=NEW)
    with open(returning + "/returning.json", "w") as file:
        file.write('{"ids": []}')
    result = quarantine_prune(queue_directory=str(sample.path), batch=[OLD, NEW])
    assert result["changed"] is False
    assert [(one["path"], "at work" in one["reason"] or "on their way" in one["reason"]) for one in result["left"]] == [
        (cut_off, True),
        (returning, True),
    ]
    assert result["missing"] == []


def test_another_run_keeps_it_out(three):
    with Quarantine(three["queue_directory"] + ".quarantine", None) as other:
        other.open()
        other.lock()
        with pytest.raises(RescueError, match="another run is at work"):
            quarantine_prune(**three, batch=[NEW])
        assert quarantine_prune(True, **three, batch=[NEW])["pruned_count"] == 1
    assert NEW in there(three)


def test_other_queues_batches_stay(sample, tmp_path):
    place = tmp_path / "shared"
    ids = list(sample.ids.values())
    make_batch(sample.path, ids[:1], quarantine=place, name=NEW)
    other = make_batch(sample.path, ids[1:], quarantine=place, name=NEW + ".2")
    with open(other + "/manifest.json") as file:
        manifest = json.load(file)
    with open(other + "/manifest.json", "w") as file:
        json.dump(dict(manifest, queue_directory="/another"), file)
    quarantine_prune(queue_directory=str(sample.path), quarantine=str(place), batch=[NEW])
    assert os.listdir(place) == [NEW + ".2"]
    quarantine_prune(quarantine=str(place), batch=[NEW])
    assert os.listdir(place) == []


def test_a_batch_that_is_broken_can_go(sample):
    path = make_batch(sample.path, name=NEW)
    shutil.rmtree(path + "/files")
    result = quarantine_prune(queue_directory=str(sample.path), batch=[NEW])
    assert result["pruned"] == [{"batch": NEW, "path": path, "messages": None, "bytes": None}]
    assert not os.path.exists(path)


def test_lost_manifests_are_not_thrown_away(sample):
    path = make_batch(sample.path, name=NEW, complete=False)
    os.unlink(path + "/manifest.json")
    result = quarantine_prune(queue_directory=str(sample.path), older_than="0s", batch=None)
    assert result["changed"] is False
    assert result["left"] == [{"batch": NEW, "path": path, "reason": "has no manifest.json"}]
    assert os.path.exists(path + "/ledger.jsonl")


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def kill_at(monkeypatch, number, after):
    """End the work at the call that changes the disk for the `number`th time; return how many there were, as a list."""
    perform, calls = disk._perform, []

    def perform_or_die(function, *arguments, **keywords):
        calls.append(function)
        if len(calls) == number and not after:
            raise Killed
        value = perform(function, *arguments, **keywords)
        if len(calls) == number:
            raise Killed
        return value

    monkeypatch.setattr(disk, "_perform", perform_or_die)
    return calls


@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_is_cut_off_is_finished_by_the_next_run(sample, monkeypatch, tmp_path, after):
    ids = list(sample.ids.values())
    place = tmp_path / "place"
    make_batch(sample.path, ids[:2], quarantine=place, name=NEW)
    make_batch(sample.path, ids[2:], quarantine=place, name=OLD)
    shutil.copytree(place, tmp_path / "kept", symlinks=True)
    number, finished = 0, False
    while not finished:
        number += 1
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "kept", place)
        os.chmod(place, 0o700)
        with monkeypatch.context() as patch:
            kill_at(patch, number, after)
            try:
                quarantine_prune(quarantine=str(place), batch=[NEW])
                finished = True
            except Killed:
                pass
        whole = os.path.exists(place / NEW / "manifest.json")
        begun = not whole and os.path.exists(place / NEW)
        if whole:
            assert sorted(os.listdir(place / NEW)) == sorted(os.listdir(tmp_path / "kept" / NEW))
        foreseen = quarantine_prune(True, quarantine=str(place), batch=[NEW])
        result = quarantine_prune(quarantine=str(place), batch=[NEW])
        assert dict(foreseen, seconds=0) == dict(result, seconds=0)
        assert os.listdir(place) == [OLD]
        assert result["left"] == []
        assert result["pruned_count"] == whole
        assert result["remains"] == ([str(place / NEW)] if begun else [])
    assert number > 20


def test_a_beginning_that_is_cut_off_is_cleaned_up(sample, monkeypatch, tmp_path):
    number, finished, cleaned = 0, False, 0
    while not finished:
        number += 1
        place = tmp_path / str(number)
        with Quarantine(str(place), str(sample.path)) as quarantine:
            quarantine.create()
            with monkeypatch.context() as patch:
                kill_at(patch, number, True)
                try:
                    quarantine.new_batch(NEW, {"mta": sample.mta, "created": 1, "batch": NEW}, ["a", "a/b"]).close()
                    finished = True
                except Killed:
                    pass
        result = quarantine_prune(quarantine=str(place), older_than="1d")
        if os.listdir(place):
            # Its manifest is there: it is a batch without messages, which the next purge puts in order.
            assert [one["batch"] for one in result["left"]] == [NEW] and "at work" in result["left"][0]["reason"]
        else:
            cleaned += 1
            assert result["remains"] == [str(place / NEW)] and result["changed"] is True
    assert cleaned >= 5
