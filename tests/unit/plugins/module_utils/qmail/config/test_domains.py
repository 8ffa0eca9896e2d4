"""Which domains there are, which are meant, and by which files mail for nobody goes."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.control import Control, find_home
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.domains import (
    Domains,
    Patterns,
    default_names,
)
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.users import Users
from tests.support.qmail_home import QmailHome

VIRTUAL = (
    "# comment",
    "Example.com:joe",
    "example.com:example.com  ",
    "user@example.net:joe",
    "mail.example.com:joe",
    ".sub.example.org:subs",
    "not.sub.example.org:",
    "shop.example.org:alias-Shop.org",
)


def domains(tmp_path, *virtual, local=("Mail.example.com", "# no", "localhost ")):
    return Domains(Control(str(QmailHome(tmp_path / "qmail", local, virtual).path)))


def test_all(tmp_path):
    found = domains(tmp_path, *VIRTUAL)
    assert [tuple(one) for one in found.all()] == [
        ("mail.example.com", True, b""),
        ("localhost", True, b""),
        (".sub.example.org", False, b"subs-"),
        ("example.com", False, b"example.com-"),
        ("shop.example.org", False, b"alias-Shop.org-"),
    ]
    assert found.notes == []


@pytest.mark.parametrize(
    "name, by",
    [
        ("EXAMPLE.com", "example.com"),
        ("localhost", "localhost"),
        ("mail.example.com", "mail.example.com"),
        ("a.b.sub.example.org", ".sub.example.org"),
        ("sub.example.org", None),
        ("not.sub.example.org", None),
        ("example.net", None),
        ("x.example.com", None),
    ],
)
def test_serving(tmp_path, name, by):
    assert domains(tmp_path, *VIRTUAL).serving(name) == by


def test_an_entry_for_all_other_domains(tmp_path):
    found = domains(tmp_path, ":rest", "not.example.com:")
    assert found.all()[-1] == ("*", False, b"rest-")
    assert found.serving("anything.example") == "*"
    assert found.serving("not.example.com") is None


def test_without_locals_it_is_me(tmp_path):
    home = QmailHome(tmp_path / "qmail")
    (home.path / "control" / "locals").unlink()
    assert Domains(Control(str(home.path))).local == ["mail.example.com"]
    home.control("locals")
    assert Domains(Control(str(home.path))).local == []
    (home.path / "control" / "me").unlink()
    with pytest.raises(RescueError, match="control/me is missing"):
        Domains(Control(str(home.path)))


def test_a_line_without_colon_is_said(tmp_path):
    assert domains(tmp_path, "a.example:a", "b.example").notes == [
        "control/virtualdomains: line 2 has no colon, so qmail-send ignores it."
    ]


def test_a_file_with_a_nul(tmp_path):
    with pytest.raises(RescueError, match="control/virtualdomains: it holds a NUL"):
        domains(tmp_path, "a\0b:c")


def test_home(tmp_path):
    with pytest.raises(RescueError, match="home: .* is not the home of a qmail"):
        find_home(str(tmp_path))


@pytest.mark.parametrize(
    "patterns, expected",
    [
        (["*"], ["mail.example.com", "example.com", ".sub.example.org", "*"]),
        (["*.example.org"], [".sub.example.org"]),
        (["MAIL.*"], ["mail.example.com"]),
        (["x.sub.example.org", "example.com"], ["example.com", ".sub.example.org"]),
        (["/^[^.]+[.]COM$/"], ["example.com"]),
        (["/[*]/"], ["*"]),
        (["else.example"], ["*"]),
        ([], []),
    ],
)
def test_patterns(tmp_path, patterns, expected):
    found = domains(tmp_path, "example.com:e", ".sub.example.org:s", ":r", local=("mail.example.com",))
    meant = Patterns(patterns, "domains")
    assert meant.resolve(found) == []
    names = ["mail.example.com", "example.com", ".sub.example.org", "*"]
    assert [name for name in names if meant.match(name)] == expected


@pytest.mark.parametrize("pattern", ["", " a", "a b", "user@example.com", "/(/", "a..b", "-; rm"])
def test_what_is_no_pattern(pattern):
    with pytest.raises(RescueError, match="^exclude: "):
        Patterns([pattern], "exclude")


def test_files_tried_for_nobody(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=("Shop.example.org:alias-Shop.org-EU", "example.com:example.com"))
    home.assign("+alias-", "alias", home.path / "alias")
    home.assign("+example.com-", "example.com", "/v/example.com", "-", "pre-")
    users = Users(str(home.path))
    found = {one.name: default_names(users, one) for one in Domains(Control(str(home.path))).all()}
    assert found["mail.example.com"][1] == [".qmail-default"]
    assert found["shop.example.org"][1] == [".qmail-shop:org-eu-default", ".qmail-shop:org-default", ".qmail-default"]
    assert found["example.com"][1] == [".qmail-pre-default", ".qmail-default"]
    assert found["example.com"][0].home == "/v/example.com"
