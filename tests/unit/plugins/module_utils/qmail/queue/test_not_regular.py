"""What is no regular file is never opened, never followed."""

import os
import socket
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader
from tests.support.inspecting import deadline, meddle, queue_info

SECRET = b"Subject: secret\n\nsecret\n"


def make(kind, path, secret):
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "symbolic link":
        os.symlink(secret, path)
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "socket":
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as end:
            # A socket's path is short.
            end.bind("/proc/self/fd/%d/%s" % (directory, os.path.basename(path)))
        os.close(directory)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("NOT TESTED: making devices needs root")


@pytest.fixture
def opened(monkeypatch):
    names = []
    original = os.open

    def recording(path, *args, dir_fd=None, **options):
        parent = "" if dir_fd is None else os.readlink("/proc/self/fd/%d" % dir_fd)
        names.append(os.path.join(parent, os.fspath(path)))
        return original(path, *args, dir_fd=dir_fd, **options)

    monkeypatch.setattr(os, "open", recording)
    return names


@pytest.mark.parametrize("kind", ["FIFO", "symbolic link", "directory", "socket", "device"])
@pytest.mark.parametrize("name", ["mess", "info", "local", "remote", "todo", "intd", "bounce"])
def test_in_place_of_a_file(queue, tmp_path, opened, name, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    number = queue.add(b"\n", b"a@example.net", [b"l@mail.example.com"], [b"r@example.org"], bounce_text=b"x")
    good = queue.add(b"\n", b"good@example.net", remote=[b"r@example.org"])
    split = "/%d" % (number % 23) if name in ("mess", "info", "local", "remote") else ""
    relative = "%s%s/%d" % (name, split, number)
    path = os.path.join(queue.path, relative)
    if os.path.exists(path):
        os.unlink(path)
    make(kind, path, secret)
    opened.clear()
    with deadline(20):
        result = queue_info(queue.path, content="message", select={"body": "secret|^"}, workers=2)
    assert os.path.join(queue.path, "mess/%d/%d" % (good % 23, good)) in opened
    assert path not in opened
    assert str(secret) not in opened
    if not (name in ("todo", "intd", "bounce") and kind == "directory"):
        assert {"path": relative, "queue_directory": queue.path, "reason": "not a regular file (%s)" % kind} in (
            result["damaged"]
        )
    assert "secret" not in str(result["messages"])
    assert str(good) in [one["id"] for one in result["messages"]]
    assert result["counts"]["total"] == 2


@pytest.mark.parametrize("kind", ["FIFO", "symbolic link", "directory", "socket"])
@pytest.mark.parametrize("name", ["mess", "info", "remote"])
def test_put_in_place_of_a_file_after_the_listing(queue, tmp_path, monkeypatch, name, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    number = queue.add(b"\n", b"a@example.net", remote=[b"r@example.org"], arrival=1795289067)
    path = os.path.join(queue.path, name, str(number % 23), str(number))

    def swap(message, part):
        os.unlink(path)
        make(kind, path, secret)

    meddle(monkeypatch, QmailReader, swap)
    with deadline(20):
        result = queue_info(queue.path, content="message")
    assert [one["path"] for one in result["damaged"]] == [os.path.relpath(path, queue.path)]
    assert (result["messages"], result["counts"]["total"]) == ([], 1)


def test_linked_numbered_directory_is_not_followed(queue, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    os.rmdir(os.path.join(queue.path, "mess", "3"))
    os.symlink(outside, os.path.join(queue.path, "mess", "3"))
    with pytest.raises(RescueError, match="not a whole qmail queue"):
        queue_info(queue.path)


def test_numbered_directory_that_is_linked_everywhere_is_not_passed_over(queue, tmp_path):
    for name in ("mess", "info", "local", "remote"):
        path = os.path.join(queue.path, name, "3")
        os.rename(path, tmp_path / name)
        os.symlink(tmp_path / name, path)
    with pytest.raises(RescueError, match="not a whole qmail queue: mess has no directory 3"):
        queue_info(queue.path)
