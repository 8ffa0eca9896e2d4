"""A user's home is opened, and no link that a user could have made is followed."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.homes import open_home


def opened(path):
    fd = open_home(str(path))
    try:
        return os.path.samestat(os.fstat(fd), os.stat(str(path)))
    finally:
        os.close(fd)


def test_opened(tmp_path):
    (tmp_path / "home" / "joe").mkdir(parents=True)
    assert opened(tmp_path / "home" / "joe")
    assert opened(str(tmp_path) + "//home/./joe/")


def test_links_of_the_administrator_are_followed(tmp_path):
    (tmp_path / "srv" / "joe").mkdir(parents=True)
    (tmp_path / "home").symlink_to("srv")
    (tmp_path / "absolute").symlink_to(tmp_path / "home")
    assert opened(tmp_path / "home" / "joe")
    assert opened(tmp_path / "absolute" / "joe")


def test_links_where_others_write_are_not(tmp_path):
    (tmp_path / "secret").mkdir()
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "joe").symlink_to(tmp_path / "secret")
    shared.chmod(0o1777)
    with pytest.raises(Damaged, match="joe on the way to it is a symbolic link"):
        open_home(str(shared / "joe"))


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: links of other users need root")
def test_links_of_users_are_not(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "joe").symlink_to("secret")
    os.chown(str(tmp_path / "joe"), 4242, 4242, follow_symlinks=False)
    with pytest.raises(Damaged, match="symbolic link"):
        open_home(str(tmp_path / "joe"))


def test_what_cannot_be_opened(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for name, reason in (("loop", "too many"), ("file", "Not a directory"), ("none/joe", "No such file")):
        with pytest.raises(Damaged, match=reason):
            open_home(str(tmp_path / name))
