"""Opening files that others write."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import regular_files
from tests.support.inspecting import as_nobody, deadline, queue_info
from tests.support.postfix_queue import PostfixQueue
from tests.support.postfix_queue import Recipient as To
from tests.support.qmail_queue import QmailQueue

LONG_AGO = 1000000000


@pytest.fixture
def directory(tmp_path):
    fd = regular_files.open_directory(str(tmp_path))
    yield fd
    os.close(fd)


def build_qmail(path):
    QmailQueue(path).add(b"Subject: x\n\n" + b"y" * 40000, b"a@b", [b"l@m"], [b"r@s"], bounce_text=b"z")
    QmailQueue(path).add(b"Subject: x\n\n", b"a@b", remote=[b"r@s"], state="S4")


def build_postfix(path):
    queue = PostfixQueue(path)
    queue.add("Subject: x\n\n" + "y\n" * 40000, "a@b", [To("r@s", reason="late")])
    queue.add("Subject: x\n\n", "a@b", ["r@s"], "maildrop")


def accesses(path):
    return {
        os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_atime
        for folder, _, names in os.walk(path)
        for name in names
    }


@pytest.mark.skipif(not regular_files._NOATIME, reason="NOT TESTED: this system has no O_NOATIME")
@pytest.mark.parametrize("build", [build_qmail, build_postfix])
def test_reading_leaves_no_access_times(tmp_path, build):
    path = tmp_path / "queue"
    build(path)
    before = accesses(path)
    for name in before:
        if "/lock/" not in name:
            os.utime(name, (LONG_AGO, os.stat(name).st_mtime))
    before = accesses(path)
    result = queue_info(path, content="message", select={"body": "never|^y|^$"}, content_bytes=16384)
    assert result["counts"]["matched"] == 2
    assert accesses(path) == before
    name = next(name for name in before if "/lock/" not in name)
    with open(name, "rb") as stream:
        stream.read()
    if accesses(path) == before:
        pytest.skip("NOT TESTED: the file system keeps no access times")


def test_files_of_others_are_read_without_that_right(public_path):
    queue = QmailQueue(public_path / "queue", split=1)
    queue.add(b"Subject: x\n\n", b"a@b", remote=[b"r@s"])
    for folder, _, names in os.walk(queue.path):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
    with as_nobody():
        result = queue_info(queue.path)
    assert [one["subject"] for one in result["messages"]] == ["x"]
    assert result["damaged"] == []


def test_absent_file_vanished(directory):
    with pytest.raises(Vanished):
        regular_files.open_file("1", directory)


def test_link_is_not_followed(directory, tmp_path):
    os.symlink("/etc/passwd", tmp_path / "1")
    with pytest.raises(Damaged, match=r"not a regular file \(symbolic link\)"):
        regular_files.open_file("1", directory)


def test_linked_directory_is_not_followed(tmp_path):
    os.symlink("/etc", tmp_path / "1")
    with pytest.raises(OSError):
        regular_files.open_directory(str(tmp_path / "1"))


def test_fifo_is_not_waited_for(directory, tmp_path):
    os.mkfifo(tmp_path / "1")
    with deadline(10):
        assert regular_files.read_all("1", directory, 100) == b""


def test_host_out_of_handles_is_no_damage(directory, monkeypatch):
    def full(*unused, **also_unused):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(RescueError, match="out of file handles or memory: Too many open files"):
        regular_files.open_file("1", directory)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 500000])
def test_whole_file(directory, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "1").write_bytes(data)
    assert regular_files.read_all("1", directory, 600000) == data


def test_file_above_its_limit(directory, tmp_path):
    (tmp_path / "1").write_bytes(b"x" * 100001)
    with pytest.raises(Damaged, match="larger than 100000 bytes"):
        regular_files.read_all("1", directory, 100000)


def test_directory_is_no_file(directory, tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(Damaged, match="cannot be read: Is a directory"):
        regular_files.read_all("1", directory, 100)


def test_entries_by_kind(directory, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    os.symlink("file", tmp_path / "link")
    assert dict(regular_files.entries(directory)) == {
        "file": None,
        "directory": "directory",
        "fifo": "FIFO",
        "link": "symbolic link",
    }


def test_entries_without_scandir_on_descriptors(directory, tmp_path, monkeypatch):
    """As on Python 3.6."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(regular_files, "_SCANDIR_FD", False)
    assert dict(regular_files.entries(directory)) == {"file": None}
