import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import file_bytes

DATA = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield file_bytes.FileBytes(fd)
    os.close(fd)


@pytest.mark.parametrize("at", [0, 1, 65535, 65536, 65537, 200000, len(DATA) - 1])
def test_as_bytes(file, at):
    assert file[at] == DATA[at]
    for first, last in ((at, at + 3), (max(0, at - 70000), at), (at, len(DATA) + 9), (at, at)):
        assert file[first:last] == DATA[first:last]


def test_end(file):
    assert len(file) == len(DATA)
    with pytest.raises(IndexError):
        file[len(DATA)]


def test_file_cut_short_meanwhile(file, tmp_path):
    assert file[0] == 0
    os.truncate(tmp_path / "file", 100)
    with pytest.raises(IndexError):
        file[200000]
    assert file[199990:200000] == b""
