"""Files that Postfix did not write so: named, and the rest is still read."""

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from tests.support.inspecting import as_nobody, deadline, meddle, queue_info
from tests.support.postfix_queue import PostfixQueue, Recipient
from tests.support.postfix_records import record
from tests.unit.plugins.module_utils.postfix.paths import place

SENDER = record("S", b"a@example.com")
CONTENT = record("M") + record("N", b"x") + record("X") + record("E")


def only_damaged(queue, path, good, matched=1, **options):
    with deadline(30):
        result = queue_info(queue.path, **options)
    assert [one["path"] for one in result["damaged"]] == [path]
    assert [one["id"] for one in result["messages"]] == [good]
    assert (result["counts"]["total"], result["counts"]["matched"]) == (2, matched)
    return result["damaged"][0]["reason"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it ends too early"),
        (b"\0" * 5000, "a record of impossible type 0"),
        (b"\xde\x05\xbe\xef" * 100, "a record of impossible type 222"),
        (SENDER, "it ends too early"),
        (SENDER + SENDER + CONTENT, "it has two senders"),
        (CONTENT, "no sender in it"),
        (SENDER + record("E"), "it ends before the message"),
        (SENDER + b"R\xff\xff\xff\xff\xff\xff\x01", "a record has an impossible length"),
        (SENDER + b"R\xff\xff\xff\x01", "it ends too early"),
        (record("A", b"0" * 15) + record("p", b"%15d" % 17) + CONTENT, "its pointers lead nowhere"),
        (SENDER + record("p", b"%15d" % 10**11), "it ends too early"),
        (SENDER + record("M") + b"\x02\x00", "a record of impossible type 2"),
        (record("C", b"%15d %15d %15d" % (9999, 0, 5)) + SENDER + CONTENT, "it ends too early"),
    ],
)
def test_damaged_file(queue, data, reason):
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    path = place(queue, queue.add_raw("deferred", data))
    assert only_damaged(queue, path, good) == "not a queue file: " + reason


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_truncated_file(queue, share):
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    path = place(queue, queue.add("x\n" * 10, "a@example.com", ["r%d@example.net" % n for n in range(500)]))
    full = os.path.join(queue.path, path)
    os.truncate(full, int(os.stat(full).st_size * share))
    assert only_damaged(queue, path, good) == "not a queue file: it ends too early"


@pytest.mark.parametrize("queue_name", ["deferred", "hold", "active", "incoming", "maildrop"])
def test_hard_link(queue, queue_name):
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    path = place(queue, queue.add("x\n", "a@example.com", ["b@example.net"], queue_name), queue_name)
    os.link(os.path.join(queue.path, path), os.path.join(queue.path, "link"))
    assert only_damaged(queue, path, good) == "it has 2 links, and Postfix refuses such a file"


def test_unreadable_file(public_path):
    queue = PostfixQueue(public_path / "queue")
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    path = place(queue, queue.add("x\n", "a@example.com", ["b@example.net"]))
    for folder, _, names in os.walk(queue.path):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o744)
    os.chmod(os.path.join(queue.path, path), 0o000)
    with as_nobody():
        assert only_damaged(queue, path, good) == "cannot be read: Permission denied"


def make(kind, path, secret):
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "symbolic link":
        os.symlink(secret, path)
    elif kind == "directory":
        os.mkdir(path)
    else:
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as end:
            end.bind("/proc/self/fd/%d/%s" % (directory, os.path.basename(path)))
        os.close(directory)


@pytest.mark.parametrize("kind", ["FIFO", "symbolic link", "directory", "socket"])
@pytest.mark.parametrize("queue_name", ["deferred", "deferred/A", "maildrop", "active"])
def test_no_file(queue, tmp_path, queue_name, kind):
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    secret = tmp_path / "secret"
    secret.write_bytes(SENDER + CONTENT)
    os.makedirs(os.path.join(queue.path, queue_name), exist_ok=True)
    path = queue_name + "/A123452CA99"
    make(kind, os.path.join(queue.path, path), secret)
    result = queue_info(queue.path)
    assert result["counts"]["by_queue"][queue_name.partition("/")[0]] >= 1
    assert only_damaged(queue, path, good, select={"body": "^"}) == "not a regular file (%s)" % kind


@pytest.mark.parametrize("kind", ["FIFO", "symbolic link", "directory", "socket"])
def test_put_in_place_of_a_file_after_the_listing(queue, tmp_path, monkeypatch, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(SENDER + CONTENT)
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    path = place(queue, queue.add("x\n", "a@example.com", ["b@example.net"]))
    full = os.path.join(queue.path, path)

    def swap(message, part):
        if message.id != good:
            os.unlink(full)
            make(kind, full, secret)

    meddle(monkeypatch, PostfixReader, swap)
    only_damaged(queue, path, good)


@pytest.mark.parametrize("kind", ["FIFO", "symbolic link", "socket"])
def test_log_that_is_no_file(queue, tmp_path, kind):
    good = queue.add("x\n", "good@example.com", ["b@example.net"])
    name = queue.add("x\n", "a@example.com", [Recipient("b@example.net", reason="late")])
    path = place(queue, name, "defer")
    os.unlink(os.path.join(queue.path, path))
    secret = tmp_path / "secret"
    secret.write_bytes(b"recipient=b@example.net\nreason=secret\n")
    make(kind, os.path.join(queue.path, path), secret)
    with deadline(30):
        result = queue_info(queue.path)
    assert "secret" not in str(result["messages"])
    assert good in [one["id"] for one in result["messages"]]
    assert result["counts"]["total"] == 2


def test_linked_hash_directory_is_not_followed(queue, tmp_path):
    other = PostfixQueue(tmp_path / "other", hash_depth=0)
    other.add("x\n", "a@example.com", ["b@example.net"])
    os.symlink(tmp_path / "other" / "deferred", Path(queue.path, "deferred", "F"))
    result = queue_info(queue.path)
    assert result["counts"]["total"] == 0
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [
        ("deferred/F", "not a regular file (symbolic link)")
    ]


@pytest.mark.parametrize("name", ["README.txt", "4F633.tmp", "x" * 120])
def test_stray_file(queue, name):
    Path(queue.path, "deferred", name).write_bytes(b"x")
    result = queue_info(queue.path)
    assert [(one["path"], one["reason"]) for one in result["damaged"]] == [("deferred/" + name, "not a queue id")]
    assert result["counts"]["total"] == 0
