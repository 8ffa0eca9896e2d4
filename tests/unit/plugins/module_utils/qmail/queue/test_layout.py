"""What qmail's files mean, as pure functions of bytes."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue import layout
from tests.support.inspecting import as_nobody
from tests.support.qmail_queue import QmailQueue


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1", True),
        ("4408954", True),
        ("9" * 20, True),
        ("0", False),
        ("01", False),
        ("9" * 21, False),
        ("", False),
        ("12\n", False),
        ("1a", False),
        ("-1", False),
        ("\u0661", False),
    ],
)
def test_is_id(name, expected):
    assert layout.is_id(name) is expected


@pytest.mark.parametrize(
    ("data", "sender"),
    [(b"F\0", b""), (b"Fa@example.net\0", b"a@example.net"), (b"F#@[]\0", b"#@[]"), (b"F\xff \n\0", b"\xff \n")],
)
def test_info(data, sender):
    assert layout.parse_info(data) == sender


def test_channel():
    assert layout.parse_channel(b"Ta@b\0Dc d@e\0T\0", "local") == [
        Recipient(b"a@b", False, "local"),
        Recipient(b"c d@e", True, "local"),
        Recipient(b"", False, "local"),
    ]


@pytest.mark.parametrize(
    ("data", "uid"), [(b"u33\0", 33), (b"u12345678901\0", None), (b"ux\0", None), (b"u-1\0", None), (b"", None)]
)
def test_todo(data, uid):
    found = layout.parse_todo(data + b"p1\0Fa@b\0Tc@d\0T\0")
    assert found == (uid, b"a@b", (Recipient(b"c@d", False, None), Recipient(b"", False, None)))


@pytest.mark.parametrize("name", ["bounce", "info", "intd", "local", "remote", "todo"])
def test_queue_without_a_part_is_being_rebuilt(queue, name):
    os.rename(os.path.join(queue.path, name), os.path.join(queue.path, "old"))
    expected = r"%s is not a whole qmail queue: %s: No such.*being rebuilt\?" % (queue.path, name)
    with pytest.raises(RescueError, match=expected):
        layout.find_queues(queue.path)


@pytest.mark.parametrize("name", ["info", "local", "remote"])
def test_parts_that_are_split_differently(queue, name):
    os.rmdir(os.path.join(queue.path, name, "22"))
    with pytest.raises(RescueError, match=r"mess is split in 23 and %s in 22; is it being rebuilt\?" % name):
        layout.find_queues(queue.path)


def test_mess_without_numbered_directories(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=1)
    os.rmdir(os.path.join(queue.path, "mess", "0"))
    with pytest.raises(RescueError, match="mess has no numbered directories"):
        layout.find_queues(queue.path)


@pytest.mark.parametrize("name", ["bounce", "info", "intd", "local", "mess", "remote", "todo"])
def test_part_that_may_not_be_read(public_path, name):
    queue = QmailQueue(public_path / "queue", split=2)
    for directory, _, _ in os.walk(queue.path):
        os.chmod(directory, 0o755)
    os.chmod(os.path.join(queue.path, name), 0o311)
    with as_nobody(), pytest.raises(RescueError, match=r"%s cannot be read: run as root \(become: true\)" % name):
        layout.find_queues(queue.path)


def test_no_queue(tmp_path):
    assert layout.find_queues(str(tmp_path)) == []
    assert layout.find_queues(str(tmp_path / "absent")) == []


def test_odd_names_beside_numbered_directories(queue):
    for name in ("007", "x", "100000"):
        os.mkdir(os.path.join(queue.path, "mess", name))
    assert layout.splits(queue.path, "mess") == list(range(23))
