"""The file that `listing` writes."""

import json
import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.scan import scan
from tests.support.inspecting import as_nobody, deadline, queue_info


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def without_age(messages):
    return sorted((dict(one, age=None) for one in messages), key=lambda one: one["id"])


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("select", [None, {"sender": "example.com"}, {"sender": "nobody"}])
def test_one_record_a_line(sample, tmp_path, monkeypatch, workers, select):
    monkeypatch.setattr(scan, "_WORTH_A_PROCESS", 0)
    path = tmp_path / "list.jsonl"
    umask = os.umask(0)
    try:
        result = queue_info(sample.path, listing=str(path), select=select, workers=workers)
    finally:
        os.umask(umask)
    assert result["listing"] == str(path)
    assert without_age(lines(path)) == without_age(result["messages"])
    assert len(lines(path)) == result["counts"]["matched"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["list.jsonl", "queue"]


def test_all_are_listed_where_few_are_returned(sample, tmp_path):
    result = queue_info(sample.path, listing=str(tmp_path / "list"), limit=0, top=0)
    assert (len(lines(tmp_path / "list")), result["messages"]) == (6, [])
    assert lines(tmp_path / "list")[0]["sender"] is not None


def test_check_mode_writes_nothing(sample, tmp_path):
    result = queue_info(sample.path, check_mode=True, listing=str(tmp_path / "list"))
    assert result["listing"] is None
    assert os.listdir(tmp_path) == ["queue"]
    assert result["counts"]["total"] == 6


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", ["list", "mess/list", "deferred/x/../list", "../queue/list"])
def test_inside_the_queue(sample, name, check_mode):
    with pytest.raises(RescueError, match=r"^listing: .* is inside the queue .*; name a file elsewhere\.$"):
        queue_info(sample.path, check_mode, listing=os.path.join(sample.path, name))


def test_inside_the_queue_by_a_link(sample, tmp_path):
    os.symlink(sample.path, tmp_path / "link")
    with pytest.raises(RescueError, match="is inside the queue"):
        queue_info(sample.path, listing=str(tmp_path / "link" / "list"))
    assert not os.path.exists(sample.path / "list")


@pytest.mark.parametrize("check_mode", [False, True])
def test_directory_that_is_not_there(sample, tmp_path, check_mode):
    with pytest.raises(RescueError, match=r"^listing: there is no directory .*absent\.$"):
        queue_info(sample.path, check_mode, listing=str(tmp_path / "absent" / "list"))


def test_name_of_a_directory(sample, tmp_path):
    (tmp_path / "list").mkdir()
    with pytest.raises(RescueError, match="^listing: .* is a directory"):
        queue_info(sample.path, listing=str(tmp_path / "list"))


def test_directory_that_may_not_be_written(public_path, monkeypatch):
    from tests.support.qmail_queue import QmailQueue

    queue = QmailQueue(public_path / "queue", split=1)
    for folder, _, _ in os.walk(queue.path):
        os.chmod(folder, 0o755)
    (public_path / "closed").mkdir(mode=0o555)
    with as_nobody(), pytest.raises(RescueError, match="^listing: cannot write in .*closed: Permission denied"):
        queue_info(queue.path, listing=str(public_path / "closed" / "list"))


def test_what_was_there_is_replaced_by_a_new_file(sample, tmp_path):
    old = tmp_path / "list"
    old.write_text("old")
    old.chmod(0o666)
    os.link(old, tmp_path / "kept")
    queue_info(sample.path, listing=str(old))
    assert (tmp_path / "kept").read_text() == "old"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert len(lines(old)) == 6


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_link_and_fifo_are_replaced_too(sample, tmp_path, kind):
    victim, path = tmp_path / "victim", tmp_path / "list"
    victim.write_text("precious")
    if kind == "link":
        os.symlink(victim, path)
    else:
        os.mkfifo(path)
    with deadline(20):
        queue_info(sample.path, listing=str(path))
    assert victim.read_text() == "precious"
    assert path.is_file()
    assert not path.is_symlink()


def test_nothing_is_left_of_a_failed_run(sample, tmp_path, monkeypatch):
    def broken(*unused):
        raise RescueError("broken")

    monkeypatch.setattr("ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_info.scan", broken)
    (tmp_path / "list").write_text("old")
    with pytest.raises(RescueError, match="broken"):
        queue_info(sample.path, listing=str(tmp_path / "list"))
    assert sorted(os.listdir(tmp_path)) == ["list", "queue"]
    assert (tmp_path / "list").read_text() == "old"
