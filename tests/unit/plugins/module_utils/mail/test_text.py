"""Text from strangers is decoded whatever it is, and shown without harm."""

import unicodedata

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible
from tests.unit.plugins.module_utils.cases import cases, raw_bytes

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize("case", cases("decode"))
def test_decode(case):
    assert decode(raw_bytes(case)) == case.get("expect", case.get("text"))


@pytest.mark.parametrize("character", CONTROLS, ids=ascii)
def test_controls_become_escapes(character):
    assert visible("a%sb" % character) == "a\\x%02xb" % ord(character)


@pytest.mark.parametrize("character", BIDI, ids=ascii)
def test_bidi_controls_become_escapes(character):
    assert visible("a%sb" % character) == "a\\u%04xb" % ord(character)


def test_nothing_invisible_is_left_of_all_unicode():
    left = visible("".join(map(chr, range(0x110000))))
    hidden = {character for character in left if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")}
    assert not hidden
    assert not {c for c in left if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")}


def test_tags_beyond_the_basic_plane_become_escapes():
    assert visible("x\U000e0041") == "x\\U000e0041"


def test_lines_keep_tabs_and_newlines_only():
    assert visible("a\tb\nc\rd\x1b\u202e", lines=True) == "a\tb\nc\\x0dd\\x1b\\u202e"


@pytest.mark.parametrize("text", ["plain", "Grüße 請求書", "🎁", "a\\x1b", "naïve – “x”"])
def test_visible_leaves_the_rest(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    "text, length, expected",
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, ""), ("請求書です", 3, "請求…")],
)
def test_shorten(text, length, expected):
    assert shorten(text, length) == expected
