import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs as commands
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import hashing, layout
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_locked, is_running
from tests.support.postfix_queue import PostfixQueue


@pytest.fixture
def postfix(tmp_path, monkeypatch):
    """Return a function that puts a postconf, and a postmulti, in place of those that are installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(commands, "PATH", str(programs))

    def write(name, text):
        path = programs / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def install(instances, **more):
        cases = ""
        for directory, values in instances:
            lines = "".join("echo '%s = %s'\n" % pair for pair in dict(values, config_directory=directory).items())
            cases += "%s)\n%s;;\n" % (directory, lines)
        write("postconf", '[ "$1" = -c ] || set -- -c %s\ncase $2 in\n%sesac\n' % (instances[0][0], cases))
        if len(instances) > 1:
            write(
                "postmulti",
                "".join(
                    "echo 'name%d  -  y  %s'\n" % (number, directory)
                    for number, (directory, unused) in enumerate(instances)
                ),
            )

    install.write = write
    return install


def _values(queue, names="deferred, defer", depth="1"):
    return {"queue_directory": queue, "hash_queue_names": names, "hash_queue_depth": depth}


def test_the_configuration_of_the_instance_that_has_the_queue(postfix, tmp_path):
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    os.mkdir(one)
    os.mkdir(two)
    os.symlink(two, str(tmp_path / "link"))
    postfix([("/etc/postfix", _values(one)), ("/etc/postfix-out", _values(two, "Hold deferred,defer", "2"))])
    assert hashing.find_configuration(two) == hashing.find_configuration(str(tmp_path / "link")) == "/etc/postfix-out"
    assert hashing.find_configuration(one) == "/etc/postfix"
    assert hashing.find_configuration(str(tmp_path)) is None
    found = hashing.find_hashing(two, True)
    assert [found.place(queue, "AB123") for queue in ("hold", "deferred", "bounce")] == [
        "hold/A/B/AB123",
        "deferred/A/B/AB123",
        "bounce/AB123",
    ]
    assert hashing.find_hashing(one, True).place("hold", "AB123") == "hold/AB123"


def test_one_instance_without_postmulti(postfix, tmp_path):
    postfix([("/etc/postfix", _values(str(tmp_path), "deferred", "3"))])
    assert hashing.find_hashing(str(tmp_path), True).place("deferred", "AB123") == "deferred/A/B/1/AB123"


def test_long_ids_are_hashed_by_their_microseconds(postfix, tmp_path):
    postfix([("/etc/postfix", _values(str(tmp_path)))])
    queue_id = PostfixQueue(tmp_path / "q", long_ids=True).add(
        "x\n", "a@example.com", ["b@example.com"], arrival=1790000000.5
    )
    assert hashing.find_hashing(str(tmp_path), True).place("deferred", queue_id) == "deferred/7/" + queue_id
    assert os.path.exists(str(tmp_path / "q" / "deferred" / "7" / queue_id))


@pytest.mark.parametrize("depth, shown", [(0, "deferred/AB123"), (1, "deferred/A/AB123"), (2, "deferred/A/B/AB123")])
def test_a_copy_tells_by_its_directories(postfix, tmp_path, depth, shown):
    # What is configured here is about another queue.
    postfix([("/etc/postfix", _values(str(tmp_path / "elsewhere"), "deferred hold", "5"))])
    queue = PostfixQueue(tmp_path / "queue", hash_depth=depth)
    queue.add("x\n", "a@example.com", ["b@example.com"])
    for running in (False, True):
        found = hashing.find_hashing(queue.path, running)
        assert found.place("deferred", "AB123") == shown
        assert found.place("defer", "AB123") == shown.replace("deferred", "defer")
        assert found.place("hold", "AB123") == "hold/AB123"


def test_where_no_postfix_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "PATH", str(tmp_path))
    assert hashing.find_configuration(str(tmp_path)) is None
    assert hashing.find_hashing(str(tmp_path), True).place("hold", "AB123") == "hold/AB123"


def test_a_postconf_that_fails(postfix, tmp_path):
    postfix.write("postconf", "echo 'fatal: bad main.cf' >&2\nexit 1\n")
    with pytest.raises(RescueError, match="postconf .* failed: fatal: bad main.cf"):
        hashing.find_hashing(str(tmp_path), True)


def test_a_depth_that_is_no_number(postfix, tmp_path):
    postfix([("/etc/postfix", _values(str(tmp_path), depth="deep"))])
    with pytest.raises(RescueError, match="hash_queue_depth = deep"):
        hashing.find_hashing(str(tmp_path), True)


def test_the_depth_of_what_is_there(tmp_path):
    queue = PostfixQueue(tmp_path / "queue", hash_depth=3)
    assert layout.existing_depth(queue.path, "deferred") == 0
    queue.add("x\n", "a@example.com", ["b@example.com"])
    assert layout.existing_depth(queue.path, "deferred") == 3
    os.symlink(str(tmp_path), os.path.join(queue.path, "hold", "A"))
    assert layout.existing_depth(queue.path, "hold") == 0
    assert layout.existing_depth(queue.path, "none") == 0


LOCKS = """1: POSIX  ADVISORY  WRITE 77 00:1a:111 0 EOF
2: FLOCK  ADVISORY  READ  78 00:1a:222 0 EOF
3: FLOCK  ADVISORY  WRITE 79 00:1a:333 0 EOF
3: -> FLOCK  ADVISORY  WRITE 80 00:1a:444 0 EOF
"""


@pytest.mark.parametrize("inode, locked", [(111, False), (222, True), (333, True), (444, False), (22, False)])
def test_which_inodes_are_locked(tmp_path, inode, locked):
    (tmp_path / "locks").write_text(LOCKS)
    assert is_locked(inode, str(tmp_path)) is locked


def test_postfix_runs_where_its_master_holds_the_lock(tmp_path):
    queue = PostfixQueue(tmp_path / "queue")
    assert not is_running(queue.path)
    pid_file = os.path.join(queue.path, "pid", "master.pid")
    with open(pid_file, "w") as file:
        file.write("77\n")
    (tmp_path / "locks").write_text("1: FLOCK  ADVISORY  READ 77 00:1a:%d 0 EOF\n" % os.stat(pid_file).st_ino)
    assert not is_running(queue.path, str(tmp_path))
    (tmp_path / "locks").write_text("1: FLOCK  ADVISORY  WRITE 77 00:1a:%d 0 EOF\n" % os.stat(pid_file).st_ino)
    assert is_running(queue.path, str(tmp_path))
