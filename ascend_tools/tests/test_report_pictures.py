"""report/pictures.py: what part of a picture is shown, and where its boxes are then."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.report import pictures
from ascend_tools.report.pictures import Drawn, draw, window
from common.report.details import Box, Shown

size = st.tuples(st.integers(1, 900), st.integers(1, 900))


@given(size, st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=3))
def test_the_window_is_in_the_picture_and_holds_what_it_is_about(size, shares):
    width, height = size
    boxes = [
        (min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height)
        for a, b, c, d in shares
    ]
    left, top, right, bottom = window(boxes, size)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    for box in boxes:
        assert left <= box[0] + 1
        assert top <= box[1] + 1
        assert box[2] - 1 <= right
        assert box[3] - 1 <= bottom


def test_a_small_face_in_a_large_picture_is_shown_with_what_is_around_it():
    left, top, right, bottom = window([(500, 400, 530, 440)], (1600, 1200))
    assert (right - left, bottom - top) == pytest.approx((660, 660), abs=1)
    assert (left + right) / 2 == pytest.approx(515, abs=1)


def test_without_anything_it_is_about_the_whole_picture_is_shown():
    assert window([], (30, 20)) == (0, 0, 30, 20)


@pytest.fixture
def path(tmp_path):
    image = np.zeros((200, 400, 3), np.uint8)
    image[50:90, 300:340] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    return str(tmp_path / "a.png")


def decoded(drawn):
    import base64

    data = base64.b64decode(drawn.uri.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_a_box_stays_on_what_it_was_around(path):
    (drawn,) = draw([Shown(path, (Box("truth", (300, 50, 340, 90), subject=True),))])
    assert isinstance(drawn, Drawn)
    image = decoded(drawn)
    assert image.shape[:2] == (drawn.height, drawn.width) == (120, 120)
    xmin, ymin, xmax, ymax = (round(value) for value in drawn.boxes[0].corners)
    red = image[..., 2].astype(int) - image[..., 0]
    assert red[ymin + 3 : ymax - 3, xmin + 3 : xmax - 3].min() > 150
    red[ymin - 3 : ymax + 3, xmin - 3 : xmax + 3] = 0
    assert red.max() < 60


@pytest.mark.parametrize(
    "corners", [(1e308, 0, -1e308, 5), (500, 500, 600, 600), (5, 5, 5, 9), (-9, -9, 0, 0), (340, 90, 300, 50)]
)
def test_a_box_that_is_not_in_the_picture_is_left_out(path, corners):
    (drawn,) = draw([Shown(path, (Box("found", corners, subject=True),))])
    assert drawn.boxes == ()
    assert (drawn.width, drawn.height) == (400, 200)


def test_a_picture_that_is_no_file_is_taken_from_its_bytes(path, tmp_path):
    from_file, from_bytes, absent, damaged = draw(
        [
            Shown(path),
            Shown(None, data=(tmp_path / "a.png").read_bytes()),
            Shown(None),
            Shown(None, caption="picture 7", data=b"none"),
        ]
    )
    assert from_bytes == from_file
    assert absent.startswith("The picture is not at hand: ")
    assert damaged.startswith("picture 7: ")


def test_no_more_pictures_than_a_page_holds_are_read(path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 2)
    found = draw([Shown(path)] * 4)
    assert [isinstance(each, Drawn) for each in found] == [True, True, False, False]


def test_pictures_become_smaller_until_all_fit(path, monkeypatch):
    (large,) = draw([Shown(path)])
    monkeypatch.setattr(pictures, "BUDGET", len(large.uri) - 1)
    (small,) = draw([Shown(path)])
    assert len(small.uri) < len(large.uri)
    assert (small.width, small.height) == (large.width, large.height)
