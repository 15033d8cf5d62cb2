"""From pictures to the network's input: the letterbox, and preprocess.py with its files."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import preprocess
from ascend_tools.testing import pictures
from common.errors import GuideError
from efficientdet_coco.coco import Picture
from efficientdet_coco.preprocessing import letterbox, network_input, placement
from efficientdet_coco.task import prepare, prepare_picture
from tests.conftest import read_json, write_data

FILL = (124, 116, 104)


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def on_canvas(scaled):
    """Put a scaled picture on the mean colour, as the original does before it normalises."""
    canvas = np.full((512, 512, 3), FILL, np.uint8)
    canvas[: scaled.shape[0], : scaled.shape[1]] = scaled[..., :3]
    return canvas


def normalised(canvas):
    """Normalise in float32, in the original's order."""
    mean, deviation = (
        np.array([value * 255 for value in channel], np.float32)[:, None, None]
        for channel in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return (canvas.transpose(2, 0, 1).astype(np.float32) - mean) / deviation


def check_case(image, case):
    """Compare the canvas, the input and the scale with the stored ones, bit for bit."""
    scaled, placed = letterbox(image)
    assert sha256(on_canvas(scaled).transpose(2, 0, 1)) == case["padded_uint8_chw_sha256"]
    assert sha256(network_input(scaled)) == case["input_float32_nchw_sha256"]
    assert placed.scale == case["img_scale"]
    assert [*scaled.shape[1::-1]] == case["resized_wh"]


@pytest.mark.parametrize("number", range(8))
def test_random_pictures_become_the_reference_inputs(number, cases):
    case = read_json(cases / "preprocess.json")[number]
    pixels = np.random.RandomState(1000 + number).randint(0, 256, (*case["hw"], 3)).astype(np.uint8)
    assert f"RandomState({1000 + number})" in case["rgb"]
    assert sha256(pixels) == case["rgb_sha256"]
    check_case(pixels, case)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china"])
def test_library_pictures_become_the_reference_inputs(name, cases, library_pictures):
    facts = read_json(cases / f"image_{name}.json")
    pixels = np.asarray(library_pictures[name])
    if sha256(pixels) != facts["image"]["sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    check_case(pixels, facts["preprocess"])


def test_longer_sides_are_truncated_as_in_the_original():
    lengths = [n for n in range(1, 4001) if int(n * min(512 / n, 512 / n)) == 511]
    assert len(lengths) == 483
    assert {49, 98, 479, 509, 685} <= set(lengths)
    for length in (*lengths[:20], 685, 3999, 640, 500):
        scaled, placed = letterbox(np.full((length, length, 3), (1, 2, 3), np.uint8))
        covered = 511 if length in lengths else 512
        assert scaled.shape[:2] == (covered, covered)
        assert (scaled[..., :3] == (1, 2, 3)).all()
        assert placed == placement(length, length)


@given(width=st.integers(1, 900), height=st.integers(1, 900), seed=st.integers(0, 9))
def test_the_input_is_the_scaled_picture_on_the_mean_colour_normalised(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    scale = min(512 / height, 512 / width)
    size = int(width * scale), int(height * scale)
    if not all(size):
        with pytest.raises(GuideError, match=f"the picture is too narrow: {width}x{height} pixels"):
            letterbox(pixels)
        return
    scaled, placed = letterbox(pixels)
    canvas = Image.new("RGB", (512, 512), FILL)
    canvas.paste(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(on_canvas(scaled), np.asarray(canvas))
    found = network_input(scaled)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(found, normalised(np.asarray(canvas)))
    assert placed == placement(width, height)
    assert (placed.width, placed.height, placed.scale) == (width, height, 1 / scale)


def test_values_are_computed_in_float32_in_the_originals_order():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    np.testing.assert_array_equal(network_input(pixels), normalised(on_canvas(pixels)))


def test_any_picture_is_prepared_as_one_of_coco_is(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 40), (1, 2, 3)).save(path)
    inputs, placed = prepare_picture(path)
    assert inputs["x.1"].shape == (3, 512, 512)
    found, same = prepare(Picture(1, path, 64, 40))
    assert placed == same == placement(64, 40)
    np.testing.assert_array_equal(found["x.1"], inputs["x.1"])


def test_another_data_set_with_the_same_names_is_not_taken_for_the_first(data, tmp_path, capsys):
    picture = np.full((50, 50, 3), 7, np.uint8)
    other = write_data(tmp_path / "other", [(1, "tall.b.c.jpg", picture)])
    out = tmp_path / "prep"
    assert preprocess.main(["--data", str(data), "--out", str(out)]) == 0
    assert preprocess.main(["--data", str(other), "--out", str(out)]) == 0
    assert len(np.unique(np.fromfile(out / "tall.bin", np.float32))) == 3
    printed = capsys.readouterr().out
    assert "note: 4 more .bin files there belong to other pictures: 000000000009, COCO_val2014" in printed


def test_a_damaged_picture_is_refused_in_a_data_set_and_noted_as_ones_own(tmp_path, capsys):
    note = pictures.check_damaged(
        tmp_path, lambda path: prepare(Picture(1, path, 200, 150)), prepare_picture, (200, 150)
    )
    assert note in capsys.readouterr().out


def test_ones_own_picture_is_turned_upright(tmp_path):
    pictures.check_turned(tmp_path, prepare_picture, (200, 150))
