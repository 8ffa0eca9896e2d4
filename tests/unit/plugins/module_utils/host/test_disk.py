"""A new file appears whole and private, or not at all."""

import contextlib
import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.disk import NewFile, scratch_file
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory
from tests.support.purging import snapshot


def write(path, data=b"new"):
    with NewFile(str(path), "listing") as new:
        new.file.write(data)
        new.commit()


def test_written_whole_with_mode_0600(tmp_path):
    old = os.umask(0)
    try:
        write(tmp_path / "list", b"x" * 1000000)
    finally:
        os.umask(old)
    assert (tmp_path / "list").read_bytes() == b"x" * 1000000
    assert stat.S_IMODE((tmp_path / "list").stat().st_mode) == 0o600


def test_replaces_what_was_there_with_its_mode(tmp_path):
    (tmp_path / "list").write_bytes(b"old")
    (tmp_path / "list").chmod(0o644)
    write(tmp_path / "list")
    assert (tmp_path / "list").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "list").stat().st_mode) == 0o600


def test_readers_see_the_old_file_until_it_is_complete(tmp_path):
    (tmp_path / "list").write_bytes(b"old")
    with NewFile(str(tmp_path / "list"), "listing") as new:
        new.file.write(b"half")
        new.file.flush()
        assert (tmp_path / "list").read_bytes() == b"old"
        new.commit()
    assert (tmp_path / "list").read_bytes() == b"half"


def test_no_trace_without_commit(tmp_path):
    (tmp_path / "list").write_bytes(b"old")
    with NewFile(str(tmp_path / "list"), "listing") as new:
        new.file.write(b"half")
    assert os.listdir(tmp_path) == ["list"]
    assert (tmp_path / "list").read_bytes() == b"old"


def test_no_trace_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), NewFile(str(tmp_path / "list"), "listing") as new:
        new.file.write(b"half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_no_trace_when_commit_fails(tmp_path, monkeypatch, step):
    def fail(*unused):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk.os, step, fail)
    with pytest.raises(RescueError, match="^listing: cannot write .*/list: No space left on device"):
        write(tmp_path / "list")
    assert os.listdir(tmp_path) == []


def test_full_disk(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with pytest.raises(RescueError, match="^listing: "), NewFile(str(tmp_path / "list"), "listing") as new:
        new.file.close()
        new.file = open("/dev/full", "wb")
        new.file.write(b"x")
        new.commit()
    assert os.listdir(tmp_path) == []


def test_planted_link_is_replaced_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "list").symlink_to(victim)
    write(tmp_path / "list")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "list").is_symlink()
    assert (tmp_path / "list").read_bytes() == b"new"


def test_planted_link_to_nowhere_makes_nothing_there(tmp_path):
    (tmp_path / "list").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "list")
    assert os.listdir(tmp_path) == ["list"]


def test_draft_is_made_where_nothing_can_have_been_planted(tmp_path, monkeypatch):
    flags = []
    real = os.open

    def spy(path, flag, *rest, **named):
        flags.append(flag)
        return real(path, flag, *rest, **named)

    monkeypatch.setattr(os, "open", spy)
    write(tmp_path / "list")
    assert flags[0] & (os.O_EXCL | os.O_CREAT | os.O_NOFOLLOW) == os.O_EXCL | os.O_CREAT | os.O_NOFOLLOW


@pytest.mark.parametrize("name", ["missing/list", "."])
def test_bad_place_names_the_option(tmp_path, name):
    with pytest.raises(RescueError, match="^listing: "):
        NewFile(str(tmp_path / name), "listing")


def test_long_name(tmp_path):
    write(tmp_path / ("n" * 255))
    assert os.listdir(tmp_path) == ["n" * 255]


def test_append(tmp_path):
    with NewFile(str(tmp_path / "list"), "listing") as new, scratch_file(str(tmp_path)) as scratch:
        scratch.write(b"second\n")
        new.file.write(b"first\n")
        new.append(scratch)
        new.commit()
    assert (tmp_path / "list").read_bytes() == b"first\nsecond\n"


def test_scratch_file_leaves_no_name(tmp_path):
    with scratch_file(str(tmp_path)) as scratch:
        scratch.write(b"x")
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda fd: disk.make_directory("new", None),
        lambda fd: disk.make_symlink("/", "new", None),
        lambda fd: disk.make_fifo("new", None),
        lambda fd: disk.remove_directory("directory", None),
        lambda fd: disk.link("file", fd, "new", None),
        lambda fd: disk.link("file", None, "new", fd),
        lambda fd: disk.move("file", fd, "new", None),
        lambda fd: disk.move("file", None, "new", fd),
        lambda fd: disk.replace("file", fd, "new", None),
        lambda fd: disk.replace("file", None, "new", fd),
        lambda fd: disk.unlink("file", None),
        lambda fd: disk.rewrite("file", None, b"new"),
        lambda fd: disk.write_new("new", None, b"new"),
        lambda fd: disk.copy("file", fd, "new", None, b"new"),
        lambda fd: disk.set_mode("file", None, 0),
        lambda fd: disk.set_times("file", None, (0, 0)),
    ],
)
def test_a_directory_that_is_missing_does_not_stand_for_the_working_directory(tmp_path, monkeypatch, change):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    before = snapshot(tmp_path)
    monkeypatch.chdir(tmp_path)
    with opened_directory(str(tmp_path)) as fd, contextlib.suppress(FileNotFoundError):
        change(fd)
    assert snapshot(tmp_path) == before
