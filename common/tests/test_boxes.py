"""compare/boxes.py: how many detections two networks have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.compare.boxes import same_boxes

BOX = [10.0, 20.0, 30.0, 40.0, 0.9]


def count(found, wanted, pixels=0.05, score=1e-3):
    shape = (-1, len((found or wanted or [BOX])[0]))
    return same_boxes(
        np.array(found, np.float32).reshape(shape), np.array(wanted, np.float32).reshape(shape), pixels, score
    )


def moved(column, by):
    return [value + by * (position == column) for position, value in enumerate(BOX)]


@pytest.mark.parametrize("column", range(5))
def test_every_side_and_the_score_may_be_a_little_apart(column):
    allowed = 0.05 if column < 4 else 1e-3
    for factor, same in ((0.9, 1), (-0.9, 1), (1.1, 0), (-1.1, 0)):
        assert count([BOX], [moved(column, factor * allowed)]) == same


def test_one_that_is_of_another_category_or_alone_is_not_the_same():
    assert count([[*BOX, 3]], [[*BOX, 3]]) == 1
    assert count([[*BOX, 3]], [[*BOX, 4]]) == 0
    for found, wanted in (([], []), ([BOX], []), ([], [BOX])):
        assert count(found, wanted) == 0


def test_one_that_is_like_two_counts_once():
    assert count([BOX, BOX], [BOX]) == count([BOX], [BOX, BOX]) == 1


def test_the_order_does_not_matter():
    others = [moved(0, 10 * k) for k in range(5)]
    assert count(others, others[::-1]) == 5
    assert count(others[:3], others[2:]) == 1


@given(st.lists(st.integers(0, 30), max_size=12), st.lists(st.integers(0, 30), max_size=12))
def test_distinct_boxes_are_counted_as_sets_are(found, wanted):
    both = count([moved(0, 10 * k) for k in set(found)], [moved(0, 10 * k) for k in set(wanted)])
    assert both == len(set(found) & set(wanted))
