"""Top lists are exact as long as they can be, and keep their error bound afterwards."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailops.rescue.plugins.module_utils.scan import top_list
from ansible_collections.mailops.rescue.plugins.module_utils.scan.top_list import TopList

KEPT = 8
# Few values that come often among many that come once.
STREAM = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 400)), max_size=400)


@pytest.fixture(scope="module", autouse=True)
def _short_lists():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_list, "_KEPT", KEPT)
        yield


def counted(stream):
    top = TopList()
    for value in stream:
        top.update([value])
    return top


def check_bound(top, truth):
    for value in set(truth) | set(top.counts):
        count = top.counts.get(value, 0)
        assert truth[value] - top.error <= count <= truth[value]
    assert all(count > 0 for count in top.counts.values())
    assert len(top.counts) < 2 * KEPT


@given(STREAM)
def test_counts_stay_within_the_error(stream):
    check_bound(counted(stream), Counter(stream))


@given(STREAM)
def test_error_stays_below_the_share_of_one_kept_value(stream):
    assert counted(stream).error <= len(stream) / (KEPT + 1)


@given(st.lists(STREAM, min_size=1, max_size=4))
def test_merged_counts_stay_within_the_error(streams):
    whole = TopList()
    for stream in streams:
        whole.merge(counted(stream))
    check_bound(whole, Counter(value for stream in streams for value in stream))


def test_exact_while_it_fits():
    top = counted([value for value in range(2 * KEPT - 1) for unused in range(value + 1)])
    assert top.error == 0
    assert top.top(3, str) == ([("14", 15), ("13", 14), ("12", 13)], 0)


def test_frequent_value_survives_a_flood():
    top = counted(value for number in range(1000) for value in (number, "spammer"))
    assert top.top(1, str)[0][0][0] == "spammer"
    assert top.error > 0


def test_values_shown_alike_are_one():
    top = counted([b"A", b"a", b"b"])
    assert top.top(5, lambda value: value.decode().lower()) == ([("a", 2), ("b", 1)], 0)


def test_errors_of_values_shown_alike_add_up():
    top = counted([b"A"] * 5 + [b"a"] * 5 + [b"%d" % number for number in range(2 * KEPT)])
    assert top.error == 1
    assert top.top(1, lambda value: value.decode().lower()) == ([("a", 8)], 2)


def test_equal_counts_come_in_order_of_their_text():
    assert counted([3, 1, 2]).top(2, int) == ([(1, 1), (2, 1)], 0)
