"""Regions and detections of two networks side by side."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import GuideError
from rfcn_voc.regions import RegionDifferences, check_regions, compare_regions
from rfcn_voc.task import SAME_OBJECTS


def some_outputs(seed=0):
    generator = np.random.default_rng(seed)
    rois = np.concatenate((np.zeros((300, 1)), generator.integers(0, 1300, (300, 4)) + 0.2), axis=1)
    scores, moves = generator.random((300, 21)), generator.normal(0, 1, (300, 84))
    return [rows.astype(np.float32) for rows in (rois, scores, moves)]


def test_regions_in_another_order_are_the_same():
    wanted = some_outputs()
    order = np.random.default_rng(1).permutation(300)
    largest, share = compare_regions([rows[order] for rows in wanted], wanted)
    assert share == 1
    assert largest.tolist() == [0, 0, 0]


def test_differences_in_equal_regions_alone_are_reported():
    wanted, found = some_outputs(), some_outputs()
    found[0][:30, 1] += 5  # other regions, a tenth
    found[1][:30] += 9
    found[0][40, 3] += 0.03
    found[1][50, 20] += 0.25
    found[2][299, 83] -= 2
    largest, share = compare_regions(found, wanted)
    assert share == 0.9
    np.testing.assert_allclose(largest, [0.03, 0.25, 2], rtol=1e-3)


@pytest.mark.parametrize(("distance", "same"), [(0.049, True), (0.051, False)])
def test_equal_regions_are_within_a_twentieth_of_a_pixel_on_each_side(distance, same):
    for column in range(1, 5):
        wanted, found = some_outputs(), some_outputs()
        found[0][:, column] += distance
        assert (compare_regions(found, wanted)[1] == 1) is same


def test_a_region_that_is_rounded_to_other_cells_counts_but_is_not_compared():
    wanted, found = some_outputs(), some_outputs()
    wanted[0][7, 2], found[0][7, 2] = 100.4999, 100.5001
    found[1][7] += 1
    largest, share = compare_regions(found, wanted)
    assert share == 1
    assert largest.tolist() == [0, 0, 0]


def test_no_equal_region_is_an_infinite_difference_and_nan_is_not_overlooked():
    wanted, found = some_outputs(), some_outputs()
    found[1][5, 5] = np.nan
    assert np.isnan(compare_regions(found, wanted)[0][1])
    found[0][:, 1:] += 2000.3
    largest, share = compare_regions(found, wanted)
    assert share == 0
    assert largest.tolist() == [np.inf] * 3


def test_the_shares_of_all_pictures_are_remembered():
    regions, wanted, found = RegionDifferences(), some_outputs(), some_outputs()
    found[0][:60, 1] += 5
    found[1][100, 3] += 0.25
    assert regions(wanted, wanted).tolist() == [0, 0, 0]
    np.testing.assert_allclose(regions(found, wanted), [0, 0.25, 0], rtol=1e-3)
    assert regions.shares == [1.0, 0.8]
    assert regions.share == pytest.approx(0.9)


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_enough_equal_regions_are_accepted(share):
    check_regions(share, "Nothing.")


@pytest.mark.parametrize("share", [0.8999, 0.0, float("nan")])
def test_too_few_equal_regions_are_refused(share):
    with pytest.raises(GuideError, match="regions are the same, fewer than 90 %. Nothing is kept."):
        check_regions(share, "Nothing is kept.")


OBJECTS = np.array(
    [[10, 20, 110, 220, 0.9, 3], [30, 40, 50, 60, 0.5, 3], [30, 40, 50, 60, 0.5, 7]], np.float32
)


@pytest.mark.parametrize(
    ("column", "change", "count"),
    [(0, 0.49, 3), (0, 0.51, 2), (3, -0.51, 2), (4, 0.0009, 3), (4, -0.0011, 2), (5, 1, 2)],
)
def test_the_same_detections_are_of_a_class_a_place_and_a_score(column, change, count):
    others = OBJECTS[::-1].copy()
    assert SAME_OBJECTS(OBJECTS, others) == 3
    others[2, column] += change
    assert SAME_OBJECTS(OBJECTS, others) == SAME_OBJECTS(others, OBJECTS) == count
