"""Directories of a queue are opened and made below it, and nowhere else."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree


@pytest.fixture
def tree(tmp_path, monkeypatch):
    (tmp_path / "queue").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    opened = Tree(str(tmp_path / "queue"))
    yield opened
    opened.close()


def test_made_with_all_above_it(tmp_path, tree):
    fd = tree.make("deferred/A/B")
    assert os.path.samestat(os.fstat(fd), os.stat(tmp_path / "queue" / "deferred" / "A" / "B"))


@pytest.mark.parametrize("path", ["deferred", "deferred/A", "deferred/A/B"])
def test_a_file_in_place_of_a_directory_is_refused(tmp_path, tree, path):
    (tmp_path / "queue" / "deferred").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        tree.make(path)
    assert os.listdir(".") == []


def test_a_link_in_place_of_a_directory_is_refused(tmp_path, tree):
    (tmp_path / "queue" / "deferred").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        tree.make("deferred/A")
    assert os.listdir(".") == []
