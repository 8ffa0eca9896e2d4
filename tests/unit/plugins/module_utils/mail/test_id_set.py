"""Ids are found again, on either side of the size at which the set becomes a table of hashes."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailops.rescue.plugins.module_utils.mail import id_set
from ansible_collections.mailops.rescue.plugins.module_utils.mail.id_set import IdSet

SIZES = [0, 1, 49999, 50000, 50001, 87381, 87382, 200000]


def ids(count, first=0):
    return ["%X" % number for number in range(first, first + count)]


def filled(names):
    found = IdSet()
    for name in names:
        found.add(name)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [False, True], ids=["add", "update"])
def test_holds_what_was_added(size, batch):
    found = IdSet()
    if batch:
        found.update(ids(size))
    else:
        found = filled(ids(size))
    assert len(found) == size
    assert all(name in found for name in ids(size))
    assert not any(name in found for name in ids(1000, size))


@pytest.mark.parametrize("size", [10, 60000])
def test_adding_twice_counts_once(size):
    found = filled(ids(size) + ids(size))
    found.update(ids(size))
    assert len(found) == size


@pytest.mark.parametrize("size", [10, 60000])
def test_container_answers_alike(size):
    container = filled(ids(size)).container()
    assert all(name in container for name in ids(size))
    assert "absent" not in container


def test_update_across_the_limit():
    found = filled(ids(49000))
    found.update(ids(2000, 48000))
    assert len(found) == 50000
    found.update(ids(10000, 50000))
    assert len(found) == 60000
    assert all(name in found for name in ids(60000))


@given(st.lists(st.text(max_size=4)), st.lists(st.text(max_size=4)))
def test_like_a_set_when_small_and_when_large(added, asked):
    for small in (id_set._SMALL, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(id_set, "_SMALL", small)
            found = filled(added)
        assert len(found) == len(set(added))
        assert [name in found for name in asked] == [name in set(added) for name in asked]


def test_memory_stays_below_24_bytes_each():
    names = ids(150000)
    tracemalloc.start()
    found = filled(names)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(found) == 150000
    assert held < 24 * len(found)
