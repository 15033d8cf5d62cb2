"""From pictures to the network's input: resizing, what does not fit, the values."""

from __future__ import annotations

import hashlib
import platform

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ascend_tools.testing import pictures
from rfcn_voc.preprocessing import SIZE, network_input, note_cropped, placement
from rfcn_voc.task import prepare, prepare_picture
from rfcn_voc.voc import Picture
from tests.conftest import read_json

OPENCV = int(cv2.__version__.split(".")[0])
MEAN = 50.674869


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def drawn(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def plainly(pixels):
    """The input as the facts describe it, of the whole picture in every step."""
    values = pixels[:, :, ::-1].astype(np.float32)
    values -= np.full((1, 1, 3), MEAN)
    scale = 512 / min(pixels.shape[:2])
    resized = cv2.resize(values, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((SIZE, SIZE, 3), np.float32)
    fits = resized[:SIZE, :SIZE]
    canvas[: fits.shape[0], : fits.shape[1]] = fits
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)), resized.shape


def check(image, case, digest):
    """Compare with the recorded values, and all of it with what float64 gives; on the recording's processor exactly.

    Where OpenCV mixes pixels with fused operations, as on ARM, the last bits are others. Beside the two products and
    sums each way, in float32, its place in the row is rounded: a few units in the last place of 255, the widest step.
    """
    placed, found = placement(image.width, image.height), network_input(np.asarray(image)[..., ::-1])
    assert [placed.resized_height, placed.resized_width] == case["resized_hw"]
    assert placed.scale == case["scale_float64"]
    assert placed.im_info.dtype == np.float32
    assert placed.im_info.tolist() == case["im_info"]
    for place, value in case["samples"].items():
        assert found[tuple(map(int, place.split(",")))] == pytest.approx(value, abs=1e-5)
    exact = bilinear(np.asarray(image)[..., ::-1] - MEAN, placed).transpose(2, 0, 1)
    _, height, width = exact.shape
    assert np.abs(found[:, :height, :width] - exact).max() <= 8 * np.spacing(np.float32(255))
    assert not found[:, height:].any()
    assert not found[:, :, width:].any()
    if platform.machine() in ("x86_64", "AMD64") and digest:
        assert sha256(found) == digest


def bilinear(values, placed):
    """Resize in float64, as far as the canvas reaches: pixel centres half a pixel in, borders repeated."""
    for axis, length in ((0, placed.resized_height), (1, placed.resized_width)):
        last = values.shape[axis] - 1
        place = (np.arange(min(length, SIZE)) + 0.5) / placed.scale - 0.5
        low = np.floor(place).astype(int)
        share = np.expand_dims(place - low, [k for k in range(3) if k != axis])
        before, after = (values.take((low + k).clip(0, last), axis) for k in (0, 1))
        values = before * (1 - share) + after * share
    return values


@pytest.mark.parametrize("number", range(6))
def test_random_pictures_become_the_reference_inputs(number, cases):
    case = read_json(cases / "preprocess.json")[number]
    assert f"RandomState({3000 + number})" in case["image"]
    shape = [(375, 500, 3), (500, 333, 3), (333, 500, 3), (500, 190, 3), (400, 300), (512, 700, 3)][number]
    pixels = np.random.RandomState(3000 + number).randint(0, 256, shape).astype(np.uint8)
    assert sha256(pixels) == case["image_sha256"]
    check(Image.fromarray(pixels).convert("RGB"), case, case.get(f"sha256_opencv{OPENCV}"))


@pytest.mark.parametrize("name", ["astronaut", "china"])
def test_library_pictures_become_the_reference_inputs(name, cases, library_pictures):
    facts, image = read_json(cases / f"image_{name}.json"), library_pictures[name]
    if sha256(np.asarray(image)) != facts["image"]["sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    case = facts["preprocess"]
    known = OPENCV == 4 or (OPENCV == 5 and case["same_with_opencv5"])
    check(image, case, case["input_float32_1x3x1344x1344_sha256_opencv4"] if known else None)


def check_plainly(height, width, seed):
    pixels = drawn(height, width, seed)
    expected, resized = plainly(pixels)
    found = network_input(pixels[..., ::-1])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)
    placed = placement(width, height)
    assert (placed.width, placed.height) == (width, height)
    assert (placed.resized_height, placed.resized_width) == resized[:2]
    assert placed.cropped == (max(resized) > SIZE)


@given(
    shorter=st.one_of(st.integers(1, 20), st.integers(20, 600)),
    ratio=st.one_of(st.floats(1, 2.7), st.floats(2.5, 8)),
    step=st.sampled_from([1, 8, "shorter"]),
    upright=st.booleans(),
    seed=st.integers(0, 9),
)
def test_the_canvas_is_the_resized_picture_on_zeros_whatever_is_left_out_before(
    shorter, ratio, step, upright, seed
):
    """Sides whose resized length is whole, too: OpenCV resizes those in another way."""
    step = shorter if step == "shorter" else step
    longer = -int(-shorter * ratio // step) * step
    check_plainly(*((longer, shorter) if upright else (shorter, longer)), seed)


# Height and width.
BORDERS = """1x1 1x2 1x8 8x1 3x700 60x180 180x60 700x40 448x1456 384x1473 1092x384 1024x2800 1024x1027 1025x1024
512x1344 512x1345 2000x512 511x1347 1536x4500"""


@pytest.mark.parametrize("size", BORDERS.split())
def test_sizes_at_the_borders_become_the_plain_input(size):
    check_plainly(*map(int, size.split("x")), seed=1)


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (60_000, 3), (3, 60_000), (60_000, 512), (7, 30_000)])
def test_no_more_is_resized_than_the_canvas_can_show(size, monkeypatch):
    """A line of 5000 pixels, resized as a whole, would be 16 gigabytes."""
    lengths = []

    def resize(*arguments, **options):
        resized = cv2_resize(*arguments, **options)
        lengths.append(max(resized.shape))
        return resized

    cv2_resize = cv2.resize
    monkeypatch.setattr(cv2, "resize", resize)
    pixels = drawn(size[1], size[0])
    found = network_input(pixels[..., ::-1])
    assert max(lengths) <= SIZE + 64 + 4 * 512
    # The first pixel is repeated up to its centre.
    assert found[:, 0, 0].tolist() == (pixels[0, 0, ::-1] - MEAN).astype(np.float32).tolist()
    along = found if size[0] > size[1] else found.transpose(0, 2, 1)
    assert (along[:, :512, -1] != 0).any()
    assert not along[:, 512:].any()


def test_values_are_subtracted_in_float64_and_kept_in_float32():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(512, axis=0).repeat(2, axis=1)
    pixels = np.concatenate((ramp, 255 - ramp, ramp // 2), axis=2)  # 512x512, nothing is resized
    expected = (pixels[:, :, ::-1].astype(np.float64) - MEAN).astype(np.float32)
    found = network_input(pixels[..., ::-1])
    np.testing.assert_array_equal(found[:, :512, :512], expected.transpose(2, 0, 1))
    assert not found[:, 512:].any()
    assert not found[:, :, 512:].any()


@pytest.mark.parametrize(
    ("size", "resized", "cropped"),
    [
        ((640, 427), (767, 512), False),
        ((333, 500), (512, 769), False),
        ((1000, 1000), (512, 512), False),
        ((1024, 1025), (512, 512), False),  # halves become even
        ((1024, 1027), (512, 514), False),
        ((512, 1344), (512, 1344), False),
        ((1344, 512), (1344, 512), False),
        ((200, 525), (512, 1344), False),
        ((200, 526), (512, 1347), True),
        ((512, 1345), (512, 1345), True),
        ((1345, 512), (1345, 512), True),
        ((190, 500), (512, 1347), True),
        ((1, 3), (512, 1536), True),
        ((1, 5000), (512, 2_560_000), True),
    ],
)
def test_resized_sides_are_rounded_and_cropped_where_they_do_not_fit(size, resized, cropped):
    placed = placement(*size)
    assert (placed.resized_width, placed.resized_height) == resized
    assert placed.scale == 512 / min(size)
    assert placed.im_info.tolist() == [*resized[::-1], np.float32(512 / min(size))]
    assert placed.cropped == cropped


def test_cropped_pictures_are_told_in_one_note(capsys):
    note_cropped({})
    note_cropped({"000001": placement(500, 375)})
    sizes = {"000001": (500, 375), "000002": (500, 190), "000003": (190, 500), "000004": (525, 200)}
    note_cropped({name: placement(*size) for name, size in sizes.items()})
    assert capsys.readouterr().out == (
        "note: 2 of 4 pictures are cut on the right or at the bottom, beyond 1344 resized pixels, because one side is "
        "over 2.625 times the other: 000002, 000003. The original cuts them, too, without a word.\n"
    )
    note_cropped({f"{number:06}": placement(100, 300) for number in range(5)})
    assert ": 000000, 000001, 000002 and 2 more. " in capsys.readouterr().out


def test_a_damaged_picture_is_refused_in_a_data_set_and_noted_as_ones_own(tmp_path, capsys):
    note = pictures.check_damaged(
        tmp_path, lambda path: prepare(Picture("damaged", path)), prepare_picture, (200, 150)
    )
    assert note in capsys.readouterr().out


def test_ones_own_picture_is_turned_upright(tmp_path):
    pictures.check_turned(tmp_path, prepare_picture, (200, 150))
