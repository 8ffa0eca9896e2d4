import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from tests.support import faults


def _directory(tmp_path):
    path = tmp_path / str(len(os.listdir(str(tmp_path))))
    path.mkdir()
    return path


def _write_two(path):
    fd = os.open(str(path), os.O_RDONLY)
    try:
        disk.make_directory("one", fd)
        disk.write_new("two", fd, b"data")
    finally:
        os.close(fd)


def test_killed_before_and_after_every_call(tmp_path):
    seen = []

    def verify(path, point):
        seen.append((point.number, point.fault, sorted(os.listdir(path))))

    # mkdir, open, write, fchmod, fsync
    assert faults.kill_points(lambda: _directory(tmp_path), _write_two, verify) == 10
    assert seen[:4] == [(0, "before", []), (0, "after", ["one"]), (1, "before", ["one"]), (1, "after", ["one", "two"])]


def test_killed_after_a_call_that_failed(tmp_path):
    def run(path):
        (path / "one").mkdir()
        _write_two(path)

    assert faults.kill_points(lambda: _directory(tmp_path), run, lambda path, point: None) == 10


def test_a_sample_of_the_calls(tmp_path):
    numbers = []
    faults.kill_points(lambda: _directory(tmp_path), _write_two, lambda path, point: numbers.append(point.number), 2, 1)
    assert numbers == [1, 1, 3, 3]


def test_a_run_that_fails_by_itself_is_told(tmp_path, capfd):
    def run(path):
        raise RuntimeError("by itself")

    with pytest.raises(AssertionError, match="failed by itself"):
        faults.kill_points(lambda: _directory(tmp_path), run, lambda path, point: None)
    assert "by itself" in capfd.readouterr().err


def _tolerant(path):
    try:
        _write_two(path)
    except OSError as error:
        (path / "error").write_text(error.strerror)


def test_every_call_fails_in_every_way(tmp_path):
    points = []
    count = faults.fail_points(
        lambda: _directory(tmp_path), _tolerant, lambda *found: points.append(found[::-1]), ("EIO", "SHORT"), (False,)
    )
    assert count == len(points) == 6
    assert [(point.number, point.fault) for point, path in points] == [(n, "EIO") for n in range(5)] + [(2, "SHORT")]
    assert [point.call.partition("(")[0] for point, path in points[:5]] == ["mkdir", "open", "write", "fchmod", "fsync"]
    assert all((path / "error").read_text() == os.strerror(5) for point, path in points[:5])
    # The other half was written by the next call.
    assert (points[5][1] / "two").read_bytes() == b"data"


def test_a_disk_that_stays_full(tmp_path):
    states = []
    faults.fail_points(
        lambda: _directory(tmp_path), _tolerant, lambda path, point: states.append(path), ("SHORT",), (True,)
    )
    assert [sorted(os.listdir(path)) for path in states] == [["error", "one", "two"]]
    assert (states[0] / "two").read_bytes() == b"da"


def test_the_hook_is_gone_afterwards(tmp_path):
    before = disk._perform
    faults.fail_points(lambda: _directory(tmp_path), _tolerant, lambda path, point: None, ("EIO",), (False,))
    assert disk._perform is before
