import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import layout
from tests.support.inspecting import as_nobody
from tests.support.postfix_queue import PostfixQueue
from tests.support.postfix_records import long_id, short_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("4F63352CA99", True),
        ("4jX3Z01N6pzmt2n", True),
        ("a_b", True),
        ("", False),
        ("A", False),
        ("g", True),
        ("..", False),
        ("4F633.1", False),
        ("4F633\n", False),
        ("x" * 100, True),
        ("x" * 101, False),
    ],
)
def test_is_id(name, expected):
    assert layout.is_id(name) is expected


@pytest.mark.parametrize("microseconds", [0, 1, 703711, 999999])
def test_hash_names_are_the_digits_of_the_microseconds(microseconds):
    digits = "%05X" % microseconds
    assert "".join(layout.hash_names(long_id(1795292616, microseconds, 4711))) == digits
    assert "".join(layout.hash_names(short_id(microseconds, 0x52CA99))) == digits + "52C"


def test_no_hash_names_out_of_letters_that_no_long_id_has():
    assert layout.hash_names("4jX3Z0AAAAzmt2n") == ()


@pytest.mark.parametrize("names", [["incoming"], ["active"], ["deferred"], ["incoming", "active"]])
def test_directory_without_a_needed_queue(tmp_path, names):
    queue = PostfixQueue(tmp_path)
    for name in names:
        os.rmdir(tmp_path / name)
    expected = r"%s is not a whole Postfix queue directory: %s is missing; is it being rebuilt\?"
    with pytest.raises(RescueError, match=expected % (queue.path, " and ".join(names))):
        layout.check(queue.path)


@pytest.mark.parametrize("name", ["maildrop", "hold", "corrupt"])
def test_copy_without_the_other_queues(tmp_path, name):
    queue = PostfixQueue(tmp_path)
    os.rmdir(tmp_path / name)
    assert layout.check(queue.path) is None


@pytest.mark.parametrize("name", layout.QUEUES)
def test_queue_that_may_not_be_read(public_path, name):
    queue = PostfixQueue(public_path)
    for folder, _, _ in os.walk(queue.path):
        os.chmod(folder, 0o755)
    os.chmod(public_path / name, 0o311)
    with as_nobody(), pytest.raises(RescueError, match=r"/%s cannot be read: run as root \(become: true\)" % name):
        layout.check(queue.path)
