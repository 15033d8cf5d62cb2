"""images/planes.py: channels apart, with what each value becomes."""

from __future__ import annotations

import numpy as np
import pytest

from common.images.planes import planes


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)


def test_each_channel_has_its_own_values(image):
    values, before = np.random.default_rng(1).random((3, 256), np.float32), image.copy()
    found = planes(image, values)
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (3, 7, 5), True)
    for channel in range(3):
        np.testing.assert_array_equal(found[channel], values[channel][image[..., channel]])
    np.testing.assert_array_equal(image, before)


def test_a_fourth_channel_is_left_out_and_a_part_of_a_canvas_is_written_to(image):
    values, canvas = np.random.default_rng(1).random((3, 256), np.float32), np.zeros((3, 9, 9), np.float32)
    found = planes(np.dstack((image, image[..., 0])), values, canvas[:, :7, :5])
    assert np.shares_memory(found, canvas)
    np.testing.assert_array_equal(canvas[:, :7, :5], planes(image, values))
    assert not canvas[:, 7:].any()
    assert not canvas[:, :, 5:].any()


def test_one_table_serves_all_channels(image):
    values = np.arange(256, dtype=np.float32) / 255 - 0.5
    np.testing.assert_array_equal(planes(image, values), values[image].transpose(2, 0, 1))


def test_a_picture_whose_rows_are_not_in_memory_order_is_taken(image):
    values = np.arange(256, dtype=np.float32)
    np.testing.assert_array_equal(
        planes(image[::-1, :, ::-1], values), image[::-1, :, ::-1].transpose(2, 0, 1)
    )
