"""parallel.py: the order, the bound and the end of a run in threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.threads import batches, map_threads


@given(items=st.lists(st.integers()), workers=st.integers(1, 8))
def test_results_come_in_the_order_of_the_items(items, workers):
    assert list(map_threads(lambda item: (item, -item), iter(items), workers)) == [(i, -i) for i in items]


def test_as_many_items_as_there_are_workers_are_computed_at_once():
    together = threading.Barrier(3, timeout=60)
    assert sorted(map_threads(lambda _: together.wait(), range(6), 3)) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("workers", [1, 3])
def test_at_most_two_results_per_worker_wait_for_a_slow_consumer(workers):
    taken = []

    def items():
        for item in range(50):
            taken.append(item)
            yield item

    for used, _ in enumerate(map_threads(lambda item: item, items(), workers), 1):
        assert len(taken) <= used - 1 + 2 * workers
    assert len(taken) == 50


def test_the_first_exception_ends_the_run_after_the_results_before_it():
    done = []

    def function(item):
        done.append(item)
        return 1 // (item - 4)

    results = map_threads(function, range(1000), 2)
    assert [next(results) for _ in range(4)] == [1 // (item - 4) for item in range(4)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(done) < 20
    assert list(results) == []


def test_an_exception_of_the_items_arrives_too():
    def items():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(map_threads(str, items(), 4))


def test_a_consumer_that_stops_leaves_no_thread_behind():
    before = threading.active_count()
    results = map_threads(str, iter(range(1000)), 4)
    assert next(results) == "0"
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(0, 3, []), (2, 3, [2]), (3, 3, [3]), (7, 3, [3, 3, 1])]
)
def test_batches_hold_every_item_in_order_and_the_last_what_is_left(count, size, sizes):
    found = list(batches(iter(range(count)), size))
    assert [len(batch) for batch in found] == sizes
    assert [item for batch in found for item in batch] == list(range(count))


def test_batches_take_no_more_than_they_give():
    items = iter(range(9))
    assert next(batches(items, 2)) == [0, 1]
    assert next(items) == 2
