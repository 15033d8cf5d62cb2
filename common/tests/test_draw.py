"""images/draw.py: boxes and labels, inside the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.images.draw import GREEN, colour_of, draw_boxes

BLACK = np.zeros((100, 120, 3), np.uint8)


def has(drawn, colour):
    return int((drawn == np.array(colour)).all(axis=2).sum())


def test_categories_have_colours_of_their_own():
    colours = {colour_of(category) for category in range(100)}
    assert len(colours) == 100
    assert all(0 <= value <= 255 for colour in colours for value in colour)
    assert all(max(colour) > 200 for colour in colours)
    assert colour_of(5) == colour_of(5)


def test_a_box_is_drawn_on_a_copy_with_its_label_above_it():
    boxes = np.array([[20.4, 40.6, 80, 90]], np.float32)
    drawn = draw_boxes(BLACK, boxes, ["0.90"], [GREEN])
    assert (drawn.shape, drawn.dtype) == (BLACK.shape, np.uint8)
    assert not BLACK.any()
    for x, y in ((20, 60), (80, 60), (50, 41), (50, 90)):
        assert drawn[y, x].tolist() == list(GREEN)
    assert not drawn[60, 50].any()
    assert has(drawn[:40], GREEN) > 50
    assert not drawn[:20].any()


def test_a_label_is_inside_its_box_where_there_is_no_room_above():
    drawn = draw_boxes(BLACK, np.array([[10, 2, 110, 95]], np.float32), ["cat 0.75"], [(1, 2, 250)])
    assert has(drawn[3:30, 12:100], (1, 2, 250)) > 200


@given(
    box=st.tuples(*[st.floats(-300, 300, width=32)] * 4),
    label=st.sampled_from(["0.9", "a very long name of a category 0.12"]),
)
def test_every_box_can_be_drawn_and_its_label_is_seen(box, label):
    drawn = draw_boxes(BLACK, np.array([box], np.float32), [label], [GREEN])
    assert drawn.shape == BLACK.shape
    if box[1] < 80 and box[0] < 100:
        assert has(drawn, GREEN) > 30


def test_the_first_lies_on_top():
    boxes = np.array([[20, 40, 80, 90]] * 2, np.float32)
    drawn = draw_boxes(BLACK, boxes, ["", ""], [(1, 2, 250), (250, 2, 1)])
    assert has(drawn, (1, 2, 250)) > 100
    assert has(drawn, (250, 2, 1)) == 0


def test_without_boxes_the_picture_is_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    np.testing.assert_array_equal(draw_boxes(image, np.zeros((0, 4), np.float32), [], []), image)
    with pytest.raises(ValueError, match="zip"):
        draw_boxes(BLACK, np.zeros((2, 4)), ["a label too few"], [GREEN, GREEN])


@pytest.mark.parametrize(("side", "least", "most"), [(40, 1, 1), (2000, 5, 7)])
def test_lines_grow_with_the_picture(side, least, most):
    image = np.zeros((side, side, 3), np.uint8)
    drawn = draw_boxes(image, np.array([[5, side / 2, side - 6, side - 6]], np.float32), ["x"], [GREEN])
    line = has(drawn[-side // 4 :, side // 2 : side // 2 + 1], GREEN)
    assert least <= line <= most
