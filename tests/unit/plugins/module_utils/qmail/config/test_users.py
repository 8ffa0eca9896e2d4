"""Who gets mail for a local part; the real qmail-newu and qmail-getpw are compared in
tests/integration/test_qmail_hardening_live.py."""

import os
from collections import namedtuple

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.users import Users, parse_assign, parse_cdb
from tests.support.qmail_home import QmailHome

Entry = namedtuple("Entry", "pw_name pw_uid pw_gid pw_dir")


@pytest.fixture
def home(tmp_path):
    return QmailHome(tmp_path / "qmail")


def passwd(*entries):
    def found(name):
        return {one.pw_name: one for one in entries}[name]

    return found


def told(users, local):
    found = users.controller(local)
    return None if found is None else (found.user, found.home, found.dash, found.extension)


def test_assigned(home):
    home.assignments.clear()
    home.assign("=Joe", "joe", "/home/joe", "", "")
    home.assign("+joe-", "joe", "/home/joe", "-", "")
    home.assign("+joe-list-", "lists", "/home/lists", "-", "joe-")
    home.assign("+example.com-", "example.com", "/v/domains/example.com")
    home.assign("+x", "x", "/home/x", "/", "z")
    users = Users(str(home.path), passwd=passwd(Entry("alias", 7, 7, "/a")))
    assert told(users, b"JOE") == ("joe", "/home/joe", b"", b"")
    assert told(users, b"joe-Any") == ("joe", "/home/joe", b"-", b"Any")
    assert told(users, b"joe-list-a-b") == ("lists", "/home/lists", b"-", b"joe-a-b")
    assert told(users, b"example.com-me") == ("example.com", "/v/domains/example.com", b"-", b"me")
    assert told(users, b"xy") == ("x", "/home/x", b"/", b"zy")
    assert told(users, b"joey") == ("alias", "/a", b"-", b"joey")
    assert users.notes == []


def test_by_name(tmp_path):
    uid = os.getuid() or 1000
    home = tmp_path / "joe"
    home.mkdir()
    os.chown(str(home), uid, -1)
    entries = [
        Entry("alias", 7, 7, "/a"),
        Entry("joe", uid, 9, str(home)),
        Entry("joe-long", uid, 9, str(home)),
        Entry("root", 0, 0, str(home)),
        Entry("gone", uid, 9, "/nonexistent"),
        Entry("other", uid + 1, 9, str(home)),
        Entry("n" * 32, uid, 9, str(home)),
    ]
    users = Users(str(tmp_path), passwd=passwd(*entries))
    assert told(users, b"Joe") == ("joe", str(home), b"", b"")
    assert told(users, b"joe-A-b") == ("joe", str(home), b"-", b"A-b")
    assert told(users, b"joe-long-x") == ("joe-long", str(home), b"-", b"x")
    for name in (b"root", b"gone", b"other", b"nobody", b"joey", b"n" * 32):
        assert told(users, name) == ("alias", "/a", b"-", name)
    assert told(Users(str(tmp_path), b"+", passwd(*entries)), b"joe+x") == ("joe", str(home), b"-", b"x")
    assert told(Users(str(tmp_path), passwd=passwd()), b"joe") is None


def test_cdb_is_what_counts(home):
    (home.path / "users" / "assign").write_text("=joe:joe:1:1:/home/joe:::\n.\n")
    users = Users(str(home.path))
    assert told(users, b"joe")[0] == "alias"
    assert users.notes == ["users/cdb is not what users/assign says: qmail goes by users/cdb until qmail-newu is run."]
    (home.path / "users" / "cdb").unlink()
    users = Users(str(home.path), passwd=passwd(Entry("alias", 7, 7, "/a")))
    assert told(users, b"joe")[0] == "alias"
    assert len(users.notes) == 1


def test_an_empty_assign_without_cdb_is_in_order(home):
    (home.path / "users" / "cdb").unlink()
    (home.path / "users" / "assign").write_text(".\n")
    assert Users(str(home.path)).notes == []


@pytest.mark.parametrize(
    "text, reason",
    [
        ("=a:b:1:1:/h:::\n", "it does not end by a line with a dot"),
        ("", "it does not end by a line with a dot"),
        ("=a:b:1:1:/h:::", "it does not end by a line with a dot"),
        ("=a:b:1:1:/h:-\n.\n", "line 1 is no assignment"),
        ("=a:b:1:1:/h:::\n\n.\n", "line 2 is no assignment"),
        ("=a:b:1:1:/h:::\n:b:1:1:/h:::\n.\n", "line 2 is no assignment"),
        ("=a:b:1:1:/\0h:::\n.\n", "line 1 is no assignment"),
    ],
)
def test_bad_assign(home, text, reason):
    with pytest.raises(Damaged, match=reason):
        parse_assign(text.encode())
    (home.path / "users" / "assign").write_text(text)
    with pytest.raises(RescueError, match="users/assign: " + reason):
        Users(str(home.path))


def test_damaged_cdb(home):
    whole = (home.path / "users" / "cdb").read_bytes()
    for data in (b"", whole[:100], whole[:2050], whole[:2048]):
        with pytest.raises(Damaged):
            parse_cdb(data)


def test_a_fifo_in_place_of_the_cdb(home):
    (home.path / "users" / "cdb").unlink()
    os.mkfifo(str(home.path / "users" / "cdb"))
    with pytest.raises(RescueError, match="users/cdb"):
        Users(str(home.path))
