"""Searches end in time, and find across windows and pieces what they would find in the whole text, no more."""

import re
import signal
import time
import tracemalloc

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import Context
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import OVERLAP, PatternTimeout, TimeLimit

WINDOW = 32768
SPAN = 8192
SECONDS = 0.2


class Reader:
    """Gives a body in pieces."""

    def __init__(self, body, size=1 << 18):
        self.pieces = [body[at : at + size] for at in range(0, len(body), size)]

    def body(self, message):
        return iter(self.pieces)


@pytest.fixture
def limit():
    with TimeLimit(10) as limit:
        limit.begin()
        yield limit


def found(limit, pattern, text, **named):
    return limit.search(re.compile(pattern, re.M | re.I), text, "select.x", **named)


def found_in_body(pattern, body, size=1 << 18):
    with TimeLimit(10) as limit:
        limit.begin()
        patterns = [re.compile(pattern, re.M | re.I)]
        return Context(0, Reader(body, size), limit).search_body(patterns, None, "select.body")


CATASTROPHES = [
    ("nested repeats", r"(a+)+$", "a" * 60 + "b"),
    ("alternatives", r"(a|aa)+$", "a" * 100 + "b"),
    ("alternatives of one", r"(?:a|a)*b", "a" * 60 + "c"),
    ("repeats in a row", r"a*a*a*a*a*a*a*a*b", "a" * 1000 + "c"),
    ("dots in a row", r".*.*.*.*.*x", "a" * 2000),
    ("lazy", r"(.+?)+?!", "a" * 60),
    ("back reference", r"(.*)\1\1x", "a" * 30000),
    ("look-ahead", r"(?=(a+)+$)x", "a" * 60 + "b"),
    ("counted", r"(a{1,30}){1,30}b", "a" * 100 + "c"),
    ("long text", r"(x+x+)+y", "x" * 1000000),
    ("every start", r"a*b", "a" * 1000000),
    ("loops without a look at the time", r"[ab]*[ac]*d", "a" * 8000000),
    ("ignoring case", r"(A+)+$", "a" * 60 + "b"),
]


@pytest.mark.parametrize("pattern, text", [one[1:] for one in CATASTROPHES], ids=[one[0] for one in CATASTROPHES])
def test_catastrophes_are_cut(pattern, text):
    compiled = re.compile(pattern, re.M | re.I)
    began = time.process_time()
    with TimeLimit(SECONDS) as limit:
        limit.begin()
        with pytest.raises(PatternTimeout, match=r"^select\.x: "):
            # One that is quick on one text is not on many.
            while time.process_time() - began < 20:
                limit.search(compiled, text, "select.x")
    assert time.process_time() - began < 5


def test_time_of_one_message_is_counted_together():
    with TimeLimit(SECONDS) as limit:
        limit.begin()
        with pytest.raises(PatternTimeout):
            for _unused in range(10000000):
                limit.search(re.compile("x"), "y" * 1000, "select.x")


def test_each_message_has_its_own_time():
    with TimeLimit(0.1) as limit:
        for _unused in range(20):
            limit.begin()
            end = time.process_time() + 0.05
            while time.process_time() < end:
                assert limit.search(re.compile("y"), "y", "select.x")


def test_time_outside_of_searches_does_not_interrupt():
    with TimeLimit(0.02) as limit:
        limit.begin()
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass


def test_sleep_does_not_count():
    with TimeLimit(0.05) as limit:
        limit.begin()
        time.sleep(0.2)
        assert limit.search(re.compile("y"), "y", "select.x")


def test_signal_is_as_before_afterwards():
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(ZeroDivisionError), TimeLimit(1):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.parametrize("length", [2, 100, 4095, 4096, 4097, SPAN])
@pytest.mark.parametrize("border", [WINDOW, WINDOW - OVERLAP, 2 * WINDOW - OVERLAP, WINDOW - SPAN])
def test_match_across_the_border_of_windows(limit, length, border):
    wanted = "<" + "-" * (length - 2) + ">"
    for start in {border - length, border - length // 2, border - 1, border}:
        text = "x" * start + wanted + "x" * 60000
        assert found(limit, "<-*>", text), start
        assert found(limit, "(?<=x)<-*>(?=x)", text), start


def test_empty_match_of_the_end(limit):
    assert found(limit, r"\Z", "x" * 100000)
    assert found(limit, r"x\Z", "x" * 100000)
    assert not found(limit, r"y\Z", "y" + "x" * 100000)


@pytest.mark.parametrize(
    "pattern",
    [r"x\Z", r"x$", r"x\b", r"x(?!x)", r"x(?![x\n])", r"(?<!x)x(?=x{20})z", r"x(?:\Z|y)", r"\Bx(?=\Z)", r"xx(?!xx)"],
)
def test_no_false_match_at_the_end_of_a_window(pattern):
    text = "x" * 100000
    # At its own end the text does match, so what is asked is whether it does before.
    expected = re.search(pattern, text + "é", re.M | re.I) is not None
    with TimeLimit(1) as limit:
        limit.begin()
        try:
            assert found(limit, pattern, text + "é") is expected
        except PatternTimeout:
            pytest.fail("the time was up")


@pytest.mark.parametrize("pattern", [r"\A(?![\s\S]*wanted)", r"start(?![\s\S]*wanted)"])
def test_text_without_a_word_is_not_told_from_its_first_window(limit, pattern):
    assert not found(limit, pattern, "start" + "x" * 40000 + "wanted")
    assert found(limit, pattern, "start" + "x" * 40000)


def test_line_ends_at_any_place(limit):
    text = "a line of text\n" * 20000 + "the last"
    assert found(limit, "^the last$", text)
    assert found(limit, "text$", text)
    assert found(limit, r"\Aa line", text)
    assert not found(limit, "^line", text)
    assert not found(limit, "a$", text)
    assert not found(limit, r"text\Z", text)


@pytest.mark.parametrize("size", [1000, 10000, 65536, 1 << 18])
@pytest.mark.parametrize("place", [0, 8191, 20000, 65530, 300000, 1048570, 1050000])
def test_body_match_across_pieces(size, place):
    filler = (b"line of text\n" * 90000)[:place]
    assert found_in_body("one\ntwo", filler + b"one\ntwo\n" + b"more\n" * 40000, size)


@pytest.mark.parametrize("size", [10000, 1 << 18])
def test_body_match_of_8_kib_across_pieces(size):
    wanted = b"<" + b"line\n" * 1638 + b">"
    assert len(wanted) == SPAN
    held = 1 << 20
    for start in (size - 4000, held - 12289, held - 12000, held - 8192, held - 4000, held - 1, held):
        filler = (b"y\n" * held)[:start]
        assert found_in_body("<(?:line\n)+>", filler + wanted + b"y\n" * held, size)


def test_match_from_the_start_of_a_body_in_a_script_of_long_characters():
    body = "始{}終\n".format("\n".join(["中" * 40] * 70)).encode("utf-8")
    assert found_in_body("始[中\n]+終", body + b"x" * (2 << 20), 8400)


@pytest.mark.parametrize("size", [16000, 1 << 18])
def test_body_without_a_word_is_not_told_from_its_first_piece(size):
    body = b"start\n" + b"x\n" * 200000
    assert not found_in_body(r"\A(?![\s\S]*wanted)", body + b"wanted\n", size)
    assert found_in_body(r"\A(?![\s\S]*wanted)", body, size)


@pytest.mark.parametrize("size", [10000, 1 << 18])
@pytest.mark.parametrize("pattern", ["^x", r"\Ax", r"(?<![xy])x", r"\bx"])
def test_start_of_a_piece_is_no_start(pattern, size):
    assert found_in_body(pattern, b"y" + b"x" * 3000000, size) is False


def test_start_of_a_line_at_the_start_of_a_piece():
    body = b"yyyyyyyyy\n" * 150000
    for size in (10000, 100000):
        assert found_in_body("^z", body + b"z\n" + body, size)
        assert not found_in_body(r"\Ayyy\nz", body + b"z\n" + body, size)


def test_start_of_the_body():
    assert found_in_body(r"\Ax", b"x" + b"y\n" * 900000)
    assert found_in_body(r"^x", b"x" + b"y\n" * 900000)


def test_end_of_the_body():
    assert found_in_body(r"y\n\Z", b"x\n" * 900000 + b"y\n")
    assert not found_in_body(r"x\n\Z", b"x\n" * 900000 + b"y\n")
    assert found_in_body(r"xy$", b"x" * 3000000 + b"y")


def test_empty_body():
    assert found_in_body("x", b"") is False
    assert found_in_body(r"\A\Z", b"") is True


@pytest.mark.parametrize("start", [b"", b"a line\n", b"a line\n" * 2000], ids=["none", "short", "long"])
def test_body_without_line_ends_takes_bounded_memory(start):
    class Endless:
        def body(self, message):
            yield start
            for _unused in range(120):
                yield b"x" * (1 << 18)

    with TimeLimit(60) as limit:
        limit.begin()
        tracemalloc.start()
        assert not Context(0, Endless(), limit).search_body([re.compile("y")], None, "select.body")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12 << 20


def test_match_larger_than_what_is_held_is_told():
    with pytest.raises(PatternTimeout, match=r"^select\.body: .* matches more text"):
        found_in_body(r"a[\s\S]*", b"a" + b"x\n" * 900000)
