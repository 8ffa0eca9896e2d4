"""Files that are not what their place says: named, and the rest is still read."""

import os

import pytest

from tests.support.inspecting import as_nobody, queue_info
from tests.support.qmail_queue import QmailQueue


def place(queue, name, number):
    split = "%d/" % (number % queue.split) if name in ("mess", "info", "local", "remote") else ""
    return "%s/%s%d" % (name, split, number)


def overwrite(queue, path, data):
    with open(os.path.join(queue.path, path), "wb") as stream:
        stream.write(data)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("info", b"", "not an info file: no sender in it"),
        ("info", b"Fa@example.net", "not an info file: no sender in it"),
        ("info", b"a@example.net\0", "not an info file: no sender in it"),
        ("info", b"Fa@example.net\0Fb@example.net\0", "not an info file: no sender in it"),
        ("remote", b"", "not a remote file: it ends within a recipient"),
        ("remote", b"Tr@example.org\0Ts@exam", "not a remote file: it ends within a recipient"),
        ("remote", b"Tr@example.org\0Xs@example.org\0", "not a remote file: a recipient is neither pending nor done"),
        ("local", b"\0", "not a local file: a recipient is neither pending nor done"),
        ("todo", b"", "not a todo file: it ends within a record"),
        ("todo", b"u0\0p1\0Fa@example.net\0Tr@exa", "not a todo file: it ends within a record"),
        ("todo", b"u0\0p1\0Tr@example.org\0", "not a todo file: no sender in it"),
        ("todo", b"u0\0\xff\xfe\0Fa@example.net\0", "not a todo file: it has a record of unknown kind"),
    ],
)
def test_garbage(queue, name, data, reason):
    state = "S4" if name == "todo" else "S5"
    number = queue.add(b"\n", b"a@example.net", [b"l@mail.example.com"], [b"r@example.org"], state=state)
    good = queue.add(b"\n", b"good@example.net", remote=[b"r@example.org"])
    path = place(queue, name, number)
    overwrite(queue, path, data)
    result = queue_info(queue.path)
    assert result["damaged"] == [{"path": path, "queue_directory": queue.path, "reason": reason}]
    assert result["damaged_count"] == 1
    assert [one["id"] for one in result["messages"]] == [str(good)]
    assert (result["counts"]["total"], result["counts"]["matched"], result["vanished"]) == (2, 1, 0)
    assert result["counts"]["by_queue"]["todo" if name == "todo" else "local"] == 1


@pytest.mark.parametrize("name", ["remote", "todo"])
def test_envelope_of_impossible_size(queue, name):
    number = queue.add(b"\n", b"a@example.net", remote=[b"r@example.org"], state="S4" if name == "todo" else "S5")
    path = place(queue, name, number)
    os.truncate(os.path.join(queue.path, path), 70 << 20)
    result = queue_info(queue.path)
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [(path, "larger than %d bytes" % (64 << 20))]


@pytest.mark.parametrize("name", ["info", "remote", "mess", "todo"])
def test_unreadable_file(public_path, name):
    queue = QmailQueue(public_path / "queue")
    number = queue.add(b"\n", b"a@example.net", remote=[b"r@example.org"], state="S4" if name == "todo" else "S5")
    good = queue.add(b"\n", b"good@example.net", remote=[b"r@example.org"])
    for directory, _, files in os.walk(queue.path):
        os.chmod(directory, 0o755)
        for file in files:
            os.chmod(os.path.join(directory, file), 0o644)
    path = place(queue, name, number)
    os.chmod(os.path.join(queue.path, path), 0)
    with as_nobody():
        result = queue_info(queue.path)
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [(path, "cannot be read: Permission denied")]
    assert [one["id"] for one in result["messages"]] == [str(good)]
    assert result["counts"]["total"] == 2


@pytest.mark.parametrize("name", ["info", "local", "remote"])
def test_file_without_a_message(queue, name):
    queue.add(b"\n", b"good@example.net", remote=[b"r@example.org"])
    overwrite(queue, name + "/7/7", b"Fa@example.net\0")
    result = queue_info(queue.path)
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [
        (name + "/7/7", "there is no message of this id")
    ]
    assert result["counts"]["total"] == 1


@pytest.mark.parametrize(
    "stray", ["mess/0/README", "mess/1/007", "info/2/12x", "todo/core", "bounce/-1", "mess/3/0", "mess/4/%d" % 10**21]
)
def test_file_that_is_no_message(queue, stray):
    queue.add(b"\n", b"good@example.net", remote=[b"r@example.org"])
    overwrite(queue, stray, b"x")
    result = queue_info(queue.path)
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [(stray, "not a queue id")]
    assert result["counts"]["total"] == 1


def test_stray_name_with_terminal_escapes_is_shown_harmless(queue):
    overwrite(queue, "mess/0/\x1b[2J\udcff", b"x")
    (found,) = queue_info(queue.path)["damaged"]
    assert found["path"].startswith("mess/0/\\x1b[2J")
    assert found["path"].isprintable()


def test_more_damage_than_is_listed_is_counted(queue):
    for number in range(60):
        overwrite(queue, "mess/0/x%d" % number, b"")
    result = queue_info(queue.path)
    assert (len(result["damaged"]), result["damaged_count"]) == (50, 60)
