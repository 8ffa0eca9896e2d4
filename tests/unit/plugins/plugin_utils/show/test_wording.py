from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.show import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "in the future"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (7505, "2 h 5 min"),
        (86400, "1 d"),
        (100000, "1 d 3 h"),
        (100000000, "1,157 d 9 h"),
    ],
)
def test_age(seconds, text):
    assert wording.age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1048575, "1.0 MiB"),
        (2694410, "2.6 MiB"),
        (1 << 60, "1,048,576.0 TiB"),
    ],
)
def test_size(count, text):
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (1, 100000, "1 %"),
        (1996, 2045, "98 %"),
        (99999, 100000, "99 %"),
        (5, 5, "100 %"),
    ],
)
def test_percent(part, whole, text):
    assert wording.percent(part, whole) == text


@pytest.mark.parametrize("width", [10, 40])
@pytest.mark.parametrize("text", ["short", "x" * 500, "日本語" * 100, "z" + "\u0301" * 5000, "\x1b" * 50, "a b " * 100])
def test_fit_and_wrap_stay_in_their_width(text, width):
    assert wording.cells(wording.fit(text, width)) <= width
    assert len(wording.fit(text, width)) <= 2 * width + 1
    assert wording.cells(wording.pad(text, width)) == width
    lines = wording.wrap(text, width, "  ")
    assert max(map(wording.cells, lines)) <= width
    assert all(line.startswith("  ") for line in lines[1:])


def test_wrap_loses_no_word_and_keeps_the_first_indentation():
    lines = wording.wrap("  ! one two three " + "x" * 30, 12, "    ")
    assert lines[0] == "  ! one two"
    assert "".join("".join(lines).split()) == "!onetwothree" + "x" * 30


class Text(str):
    def __str__(self):
        raise AssertionError("asked to render itself")


@pytest.mark.parametrize("value", [Text("a"), None, 5, True, "a", b"b", ["\x1b"], {"a": "\n"}])
def test_harmless_takes_anything(value):
    assert not set(wording.harmless(value)) & set("\x1b\n")


def test_an_indent_need_not_be_blank():
    assert wording.wrap("# one two threefour", 6, "# ") == ["# one", "# two", "# thre", "# efou", "# r"]
