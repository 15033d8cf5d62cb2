"""images/strip.py: the query, a gap, the matches from left to right."""

from __future__ import annotations

import numpy as np
import pytest

from common.images.strip import strip


@pytest.mark.parametrize("size", [(112, 112), (384, 128)])
def test_each_picture_stands_in_its_place_and_a_missing_one_is_grey(size):
    pictures = [np.full((*size, 3), value, np.uint8) for value in (10, 20, 30)]
    drawn = strip(pictures[0], [(pictures[1], "1: 0.000"), (None, "2: 0.100"), (pictures[2], "3: 0.200")])
    height, width = size
    assert drawn.shape == (height + 50, 4 * (width + 10) + 30, 3)
    lefts = [10, *(width + 40 + i * (width + 10) for i in range(3))]
    for left, value in zip(lefts, (10, 20, 200, 30), strict=True):
        assert (drawn[10 : 10 + height, left : left + width] == value).all()
        below = drawn[10 + height :, left : left + width]
        assert 0 < (below < 128).sum() < below.size / 4  # the label
    assert (drawn[:10] == 255).all()
