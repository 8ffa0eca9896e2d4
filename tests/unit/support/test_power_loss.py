"""Which states a loss of power leaves, of a file that another one takes the place of."""

import os
from types import SimpleNamespace

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from tests.support.power_loss import losses


@pytest.fixture
def prepare(tmp_path):
    directory = tmp_path / "disk"

    def prepare():
        directory.mkdir(exist_ok=True)
        for path in directory.iterdir():
            path.unlink()
        (directory / "file").write_bytes(b"old")
        return SimpleNamespace(directory=directory)

    return prepare


def _replace(state, sync=True):
    fd = os.open(str(state.directory), os.O_RDONLY)
    try:
        disk.write_new("new", fd, b"new", sync=sync)
        assert os.stat("new", dir_fd=fd).st_nlink == os.stat("file", dir_fd=fd).st_nlink == 1
        disk.replace("new", fd, "file", fd)
        assert os.stat("file", dir_fd=fd).st_nlink == 1
    finally:
        os.close(fd)


def _contents(prepare, run):
    """Return what `file` has in the states."""
    seen = set()
    losses(prepare, run, lambda state, loss: seen.add((state.directory / "file").read_bytes()))
    return seen


def test_a_synced_file_is_the_old_or_the_new_one(prepare):
    assert _contents(prepare, _replace) == {b"old", b"new"}


def test_an_unsynced_file_may_be_empty(prepare):
    assert _contents(prepare, lambda state: _replace(state, sync=False)) == {b"old", b"new", b""}


def test_states_have_the_same_files(prepare, tmp_path):
    numbers = []

    def prepared():
        state = prepare()
        numbers.append(os.stat(str(tmp_path / "disk" / "file")).st_ino)
        return state

    def verify(state, loss):
        if (state.directory / "file").read_bytes() == b"old":
            assert os.stat(str(state.directory / "file")).st_ino == numbers[-1], loss

    assert losses(prepared, _replace, verify) > 4
