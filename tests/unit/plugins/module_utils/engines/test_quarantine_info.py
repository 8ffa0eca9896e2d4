"""What quarantine_info says of batches, made here by plain renames."""

import json
import os
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import list_batches
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.quarantined import make_batch

OPTIONS = {
    "mta": "auto",
    "queue_directory": None,
    "config_directory": None,
    "quarantine": None,
    "batch": None,
    "select": None,
    "exclude": None,
    "timeout_per_message": 1.0,
    "limit": 100,
    "content": "none",
    "content_bytes": 2048,
    "top": 10,
    "verify": False,
    "workers": 1,
}
OLD, NEW = "20261120T101500Z-0001", "20261121T202427Z-3fa9"


def quarantine_info(**options):
    return list_batches(dict(OPTIONS, **options))


def tree(path):
    found = {}
    for directory, _names, files in os.walk(path):
        for name in files + ["."]:
            status = os.lstat(os.path.join(directory, name))
            found[os.path.join(directory, name)] = status.st_mode, status.st_ino, status.st_mtime_ns, status.st_atime_ns
    return found


def test_batches_are_listed_newest_first(sample):
    ids = list(sample.ids.values())
    now = time.time()
    old = make_batch(
        sample.path,
        ids[:2],
        name=OLD,
        created=now - 86400,
        label="spam",
        user="eve",
        host="mx1",
        select={"bounce": True},
        exclude={"ids": "1"},
    )
    new = make_batch(sample.path, ids[2:3], name=NEW, created=now - 60, all=True)
    before = tree(old), tree(new)
    result = quarantine_info(queue_directory=str(sample.path))
    assert [one["batch"] for one in result["batches"]] == [NEW, OLD]
    assert [one["path"] for one in result["batches"]] == [new, old]
    assert [one["messages"] for one in result["batches"]] == [1, 2]
    told = result["batches"][1]
    assert 86400 <= told["age"] < 86500
    assert {name: told[name] for name in ("label", "user", "host", "select", "exclude", "all", "state", "mta")} == {
        "label": "spam",
        "user": "eve",
        "host": "mx1",
        "select": {"bounce": True},
        "exclude": {"ids": "1"},
        "all": False,
        "state": "complete",
        "mta": sample.mta,
    }
    assert told["queue_directory"] == os.path.realpath(sample.path)
    assert told["bytes"] > 0 and result["counts"]["bytes"] == sum(one["bytes"] for one in result["batches"])
    assert result["counts"]["total"] == result["counts"]["matched"] == 3
    assert result["mta"] == sample.mta
    assert result["messages"] == [] and result["top"] == {}
    assert result["quarantines"] == [os.path.realpath(sample.path) + ".quarantine"]
    assert result["changed"] is False and result["unreadable"] == [] and result["damaged_count"] == 0
    assert (tree(old), tree(new)) == before


def test_no_quarantine_is_an_empty_list(sample):
    result = quarantine_info(queue_directory=str(sample.path))
    assert result["batches"] == [] and result["batch_count"] == 0 and result["counts"]["total"] == 0
    assert not os.path.lexists(result["quarantines"][0])


def test_select_looks_through_all_batches(sample):
    ids = list(sample.ids.values())
    make_batch(sample.path, ids[:3], name=OLD)
    make_batch(sample.path, ids[3:], name=NEW)
    result = quarantine_info(queue_directory=str(sample.path), select={"bounce": True}, content="message")
    assert sample.names(result) == ["notice"]
    at = [OLD, NEW][ids.index(sample["notice"]) >= 3]
    assert result["messages"][0]["batch"] == at
    assert result["messages"][0]["queue_directory"] == os.path.realpath(sample.path)
    assert "Sorry" in result["messages"][0]["content"]
    assert [one["matched"] for one in result["batches"]] == ([1, 0] if at == NEW else [0, 1])
    assert result["counts"]["matched"] == 1 and result["counts"]["total"] == len(ids)
    assert result["top"]["subject"][0]["count"] == 1
    assert result["bounces"] == 1 and result["truncated"] is False


@pytest.mark.parametrize("name", [OLD, "latest"])
def test_one_batch_by_name(sample, name):
    ids = list(sample.ids.values())
    make_batch(sample.path, ids[:2], name=OLD, created=time.time() + (50 if name == "latest" else -50))
    make_batch(sample.path, ids[2:], name=NEW)
    result = quarantine_info(queue_directory=str(sample.path), batch=name, limit=1)
    assert [one["batch"] for one in result["batches"]] == [OLD]
    assert result["counts"]["total"] == 2 and len(result["messages"]) == 1 and result["truncated"] is True
    assert sum(one["count"] for one in result["top"]["sender"]) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("20261121T202427Z-ffff", "batch: there is no batch 20261121T202427Z-ffff in .*; the newest is " + NEW),
        ("../../etc", "batch: expected a batch such as 20261121T192427Z-3fa9, got ../../etc"),
    ],
)
def test_a_batch_that_is_none(sample, name, reason):
    make_batch(sample.path, list(sample.ids.values())[:1], name=NEW)
    with pytest.raises(RescueError, match=reason):
        quarantine_info(queue_directory=str(sample.path), batch=name)


def test_latest_where_there_is_none(sample):
    with pytest.raises(RescueError, match="batch: there is no batch in /"):
        quarantine_info(queue_directory=str(sample.path), batch="latest")


@pytest.mark.parametrize("options", [{"limit": 1001}, {"top": -1}, {"timeout_per_message": 0}, {"select": {"x": 1}}])
def test_options_are_checked_first(sample, options):
    with pytest.raises(RescueError, match=next(iter(options))):
        quarantine_info(queue_directory=str(sample.path), **options)


def test_the_queue_may_be_gone(sample, tmp_path):
    place = tmp_path / "elsewhere"
    make_batch(sample.path, quarantine=place, name=NEW)
    queue = os.path.realpath(sample.path)
    os.rename(queue, queue + ".gone")
    assert quarantine_info(quarantine=str(place))["counts"]["total"] == len(sample.ids)
    assert quarantine_info(quarantine=str(place), mta=sample.mta)["counts"]["total"] == len(sample.ids)
    other = {"qmail": "postfix", "postfix": "qmail"}[sample.mta]
    assert quarantine_info(quarantine=str(place), mta=other)["batch_count"] == 0
    assert quarantine_info(quarantine=str(place), queue_directory=queue)["batch_count"] == 1
    assert quarantine_info(quarantine=str(place), queue_directory=queue + "x")["batch_count"] == 0


def test_a_shared_quarantine_shows_one_queues_batches(sample, tmp_path):
    place = tmp_path / "shared"
    ids = list(sample.ids.values())
    make_batch(sample.path, ids[:1], quarantine=place, name=NEW)
    path = make_batch(sample.path, ids[1:2], quarantine=place, name=NEW + ".2")
    manifest = json.loads(open(path + "/manifest.json").read())
    with open(path + "/manifest.json", "w") as file:
        json.dump(dict(manifest, queue_directory="/another/queue"), file)
    mine = quarantine_info(queue_directory=str(sample.path), quarantine=str(place))
    assert [one["path"] for one in mine["batches"]] == [str(place / NEW)]
    both = quarantine_info(quarantine=str(place), batch=NEW)
    assert sorted(one["path"] for one in both["batches"]) == [str(place / NEW), str(place / (NEW + ".2"))]
    assert {one["batch"] for one in both["messages"]} == {NEW}
    assert {one["queue_directory"] for one in both["messages"]} == {os.path.realpath(sample.path), "/another/queue"}


def test_states(sample):
    ids = list(sample.ids.values())
    make_batch(sample.path, ids[:1], name=OLD, complete=False)
    path = make_batch(sample.path, ids[1:], name=NEW)
    with open(path + "/returning.json", "w") as file:
        file.write('{"ids": []}')
    result = quarantine_info(queue_directory=str(sample.path))
    assert {one["batch"]: one["state"] for one in result["batches"]} == {OLD: "unfinished", NEW: "returning"}


def test_what_cannot_be_read_is_named_and_stops_nothing(sample, tmp_path):
    ids = list(sample.ids.values())
    place = tmp_path / "q"
    lost = make_batch(sample.path, ids[:1], quarantine=place, name="20261120T101500Z-0002")
    os.unlink(lost + "/manifest.json")
    gone = make_batch(sample.path, ids[1:2], quarantine=place, name="20261120T101500Z-0003")
    os.rename(gone + "/files", gone + "/filez")
    half = place / "20261120T101500Z-0004"
    (half / "files" / "mess").mkdir(parents=True)
    (half / "ledger.jsonl").touch()
    make_batch(sample.path, ids[2:], quarantine=place, name=NEW)
    result = quarantine_info(quarantine=str(place))
    assert [one["batch"] for one in result["batches"]] == [NEW]
    reasons = {one["path"]: one["reason"] for one in result["unreadable"]}
    assert set(reasons) == {lost, gone, str(half)} and result["unreadable_count"] == 3
    assert reasons[lost] == "has no manifest.json"
    assert "quarantine_prune cleans it up" in reasons[str(half)]


def test_verify_finds_nothing_where_all_is_as_it_was(sample):
    make_batch(sample.path)
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    assert (result["verified"], result["corrupt"], result["corrupt_count"]) == (len(sample.ids), [], 0)
    assert quarantine_info(queue_directory=str(sample.path))["verified"] is None


def message_file(batch, queue_id):
    """Path of the message's own text, or of a file of it."""
    with open(batch + "/ledger.jsonl") as file:
        for line in map(json.loads, filter(str.strip, file)):
            if line.get("id") == queue_id:
                return line["files"][0]["path"]
    raise AssertionError(queue_id)


def _change(path):
    status = os.stat(path)
    with open(path, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy(path):
    status = os.stat(path)
    with open(path, "rb") as file:
        data = file.read()
    os.rename(path, path + ".old")
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.unlink(path + ".old")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_change, "sha256"),
        (lambda path: os.chmod(path, 0o640 if os.stat(path).st_mode & 0o777 != 0o640 else 0o600), "mode"),
        (lambda path: os.utime(path, (1, 1)), "mtime"),
        (lambda path: os.truncate(path, os.path.getsize(path) - 1), "size, sha256, mtime"),
        (_copy, "inode"),
    ],
)
def test_verify_names_what_is_different(sample, spoil, reason):
    batch = make_batch(sample.path)
    path = message_file(batch, sample["web"])
    spoil(os.path.join(batch, "files", path))
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    assert result["corrupt"] == [{"batch_path": batch, "path": path, "reason": "differs from the ledger in " + reason}]
    assert result["corrupt_count"] == 1 and result["verified"] == len(sample.ids) - 1


def test_verify_misses_no_file_of_a_message(sample):
    batch = make_batch(sample.path)
    with open(batch + "/ledger.jsonl") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    line = next(one for one in lines if len(one.get("files", ())) > 1)
    os.unlink(os.path.join(batch, "files", line["files"][1]["path"]))
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    assert result["corrupt"] == [{"batch_path": batch, "path": line["files"][1]["path"], "reason": "is missing"}]


def test_what_was_put_back_is_no_fault(sample):
    batch = make_batch(sample.path)
    with open(batch + "/ledger.jsonl") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    for record in lines[0]["files"]:
        os.rename(os.path.join(batch, "files", record["path"]), os.path.join(sample.path, record["path"]))
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    assert result["corrupt"] == []
    assert result["verified"] == result["batches"][0]["messages"] == len(sample.ids) - 1


def test_a_ledger_without_a_message_that_is_there(sample):
    batch = make_batch(sample.path)
    with open(batch + "/ledger.jsonl") as file:
        lines = [line for line in file if line.strip()]
    with open(batch + "/ledger.jsonl", "w") as file:
        file.writelines(lines[1:] + ['{"files": 7}\n', "torn"])
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    assert [one["reason"] for one in result["corrupt"]] == [
        "holds a line that is none",
        "does not know 1 of the messages",
    ]


def test_the_result_stays_small(sample, tmp_path):
    place = tmp_path / "many"
    template = make_batch(
        sample.path,
        quarantine=place,
        name=NEW,
        label="x" * 5000,
        select={"ids": [str(number) for number in range(2000)]},
    )
    manifest = json.loads(open(template + "/manifest.json").read())
    for number in range(400):
        name = "20261119T101500Z-%04x" % number
        (place / name).mkdir()
        with open(place / name / "manifest.json", "w") as file:
            json.dump(dict(manifest, batch=name), file)
    result = quarantine_info(quarantine=str(place), batch=None, verify=True)
    assert len(json.dumps(result)) < 256 * 1024
    assert result["unreadable_count"] == 400 and 50 < len(result["unreadable"]) < 400
    one = result["batches"][0]
    assert one["select"]["left_out"].endswith("bytes; see manifest.json") and len(one["label"]) == 500


def test_what_a_repair_set_aside_is_counted_though_it_is_no_queue(sample):
    batch = make_batch(sample.path, kind="repair")
    for name in os.listdir(batch + "/files"):
        if not any(files for _path, _names, files in os.walk(os.path.join(batch, "files", name))):
            os.rename(os.path.join(batch, "files", name), os.path.join(batch, "no-" + name))
    result = quarantine_info(queue_directory=str(sample.path), verify=True)
    (one,) = result["batches"]
    assert (one["kind"], one["messages"], one["matched"]) == ("repair", len(sample.ids), len(sample.ids))
    assert one["bytes"] > 0 and result["verified"] == len(sample.ids) and result["corrupt"] == []
    result = quarantine_info(queue_directory=str(sample.path), select={"bounce": True})
    assert result["counts"]["matched"] == 0 and result["messages"] == [] and result["unreadable"] == []
