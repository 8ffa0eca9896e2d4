import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.logical_lines import (
    LogicalLines,
    NamedValues,
)

MAIN = """\
# comment
biff = no

mydestination = a.example,
# inside
    b.example
  , c.example
smtpd_banner=$myhostname x = y
biff = yes
empty =
"""


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a = 1\n", "a = 1\n\n\n", "a = 1\n  b\n  ", "  lost\na = 1\n", "#\n#", "a = 1\r\nb = 2\r\n", MAIN],
)
def test_the_text_comes_back_as_it_was(text):
    assert LogicalLines(text).text() == text


def test_values():
    main = NamedValues(MAIN)
    names = ("biff", "mydestination", "smtpd_banner", "empty", "smtpd", "comment")
    assert [main.get(name) for name in names] == [
        "yes",
        "a.example, b.example , c.example",
        "$myhostname x = y",
        "",
        None,
        None,
    ]


def test_comments_and_order_stay():
    main = NamedValues(MAIN)
    main.set("mydestination", "x")
    main.set("biff", "no")
    main.set("new", "1")
    assert main.text() == (
        "# comment\nbiff = no\n\nmydestination = x\nsmtpd_banner=$myhostname x = y\nbiff = no\nempty =\nnew = 1\n"
    )


def test_an_empty_value_is_not_a_missing_one():
    main = NamedValues("a = 1\n")
    main.set("a", "")
    assert (main.text(), main.get("a")) == ("a =\n", "")
    main.set("a", None)
    assert (main.text(), main.get("a")) == ("", None)


@pytest.mark.parametrize("value", [None, "x", ""])
@pytest.mark.parametrize("name", ["biff", "mydestination", "smtpd_banner", "empty", "new"])
def test_what_was_there_comes_back_to_its_place(name, value):
    main = NamedValues(MAIN)
    before = main.before(name)
    was = main.get(name)
    main.set(name, value)
    assert main.get(name) == value
    main.restore(name, before)
    assert (main.text(), main.get(name)) == (MAIN, was)


def test_neighbours_come_back_in_the_opposite_order():
    main = NamedValues(MAIN)
    before = []
    for name in ("smtpd_banner", "biff", "empty"):
        before.append((name, main.before(name)))
        main.set(name, None)
    for name, one in reversed(before):
        main.restore(name, one)
    assert main.text() == MAIN


def test_a_place_that_is_gone_is_the_end():
    main = NamedValues("# here\na = 1\nb = 2\n")
    before = main.before("a")
    main.set("a", None)
    main.lines.blocks.remove("# here\n")
    main.restore("a", before)
    assert main.text() == "b = 2\na = 1\n"


def test_a_last_line_without_a_newline():
    main = NamedValues("a = 1")
    main.set("b", "2")
    assert main.text() == "a = 1\nb = 2\n"


def test_aliases_have_the_first_entry_in_any_case_and_quotes():
    aliases = NamedValues('Root: a\nroot: b\n"abuse":\tc,\n\td\n', ":", 0)
    assert (aliases.get("root"), aliases.get("abuse")) == ("a", "c, d")
    aliases.set("ROOT", "/dev/null")
    assert aliases.text() == 'ROOT: /dev/null\nroot: b\n"abuse":\tc,\n\td\n'
