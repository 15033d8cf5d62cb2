"""From three outputs to detections: boxes, suppression, the best hundred."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_voc import postprocessing
from rfcn_voc.postprocessing import decode, detect, nms
from rfcn_voc.preprocessing import Letterbox, placement
from tests import naive_detect
from tests.conftest import read_json


def placed_as(im_info):
    """Placement with the im_info of a stored case, whose scale need not be that of any picture."""
    height, width, scale = np.asarray(im_info, np.float32).tolist()
    return Letterbox(round(width / scale), round(height / scale), scale, int(width), int(height))


def check_golden(outputs, placed, golden):
    """Compare with stored rows of class, box, score, which lie class by class."""
    golden = golden[np.argsort(-golden[:, 5], kind="stable")]
    assert len(np.unique(golden[:, 5])) == len(golden)  # no ties, so the order is one
    found = detect(outputs, placed)
    assert found.dtype == np.float32
    assert found.shape == (len(golden), 6)
    np.testing.assert_array_equal(found[:, 5], golden[:, 0])
    np.testing.assert_array_equal(found[:, 4], golden[:, 5])
    # The exponential function differs in its last bit from one library to the next.
    np.testing.assert_allclose(found[:, :4], golden[:, 1:5], rtol=0, atol=2e-4)


OUTPUTS = ("rois", "cls_prob", "bbox_pred")


@pytest.mark.parametrize("name", ["synthetic_501", "synthetic_502"])
def test_synthetic_outputs_give_the_reference_detections(name, cases):
    stored = np.load(cases / "postprocess_synthetic.npz")
    outputs = [stored[f"{name}_{output}"] for output in OUTPUTS]
    check_golden(outputs, placed_as(stored[f"{name}_im_info"][0]), stored[f"{name}_detections"])


@pytest.mark.parametrize("family", ["", "export_"])
@pytest.mark.parametrize("name", ["astronaut", "china"])
def test_outputs_for_pictures_give_the_reference_detections(name, family, cases):
    height, width, _ = read_json(cases / f"image_{name}.json")["image"]["shape"]
    stored = np.load(cases / f"image_{name}.npz")
    outputs = [stored[f"{family}{output}"] for output in OUTPUTS]
    check_golden(outputs, placement(width, height), stored[f"{family}detections"])


def drawn(seed, count, tied, alike):
    """Draw outputs for `count` regions: rois, probabilities, regressions."""
    rng = np.random.default_rng(seed)
    rois = np.zeros((count, 5), np.float32)
    rois[:, 1:3] = rng.uniform(-50, 500, (count, 2))
    rois[:, 3:] = rois[:, 1:3] + rng.uniform(0, 250, (count, 2))
    rois[rng.integers(0, count + 1) :] = 0  # the filling, which the original takes for regions, too
    if alike == "equal":
        rois[:] = rois[0]
    regressions = rng.normal(0, 0 if alike else 1, (count, 84)).astype(np.float32)
    probabilities = rng.dirichlet(np.full(21, 0.3), count).astype(np.float32)
    if tied:
        probabilities = np.round(probabilities * tied) / np.float32(tied)
    probabilities[:, rng.integers(1, 21)] = 0
    return rois, probabilities, regressions


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 14),
    tied=st.sampled_from([0, 1, 3, 20]),
    alike=st.sampled_from(["", "unmoved", "equal"]),
    size=st.sampled_from([(640, 427), (333, 500), (512, 512), (1400, 300)]),
    block=st.sampled_from([1, 2, 7, 112]),
    most=st.sampled_from([1, 10, 100]),
)
def test_detections_are_those_of_the_plain_way(seed, count, tied, alike, size, block, most):
    outputs = drawn(seed, count, tied, alike)
    placed = placement(*size)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(postprocessing, "BLOCK", block)
        patched.setattr(postprocessing, "DETECTIONS", most)
        found = detect(outputs, placed)
    expected = naive_detect.detect(*outputs, placed.im_info, most)
    np.testing.assert_allclose(found, np.reshape(np.array(expected, np.float32), (-1, 6)), rtol=0, atol=2e-4)


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 120),
    side=st.sampled_from([1, 6, 30, 300]),
    levels=st.sampled_from([2, 10, 100_000]),
    alone=st.booleans(),
)
def test_suppression_is_the_greedy_one_class_by_class(seed, count, side, levels, alone):
    """Whole coordinates and few scores, so that overlaps of exactly 0.3 and ties occur."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, side + 20, (2, 3, count))
    boxes = np.concatenate((low, low + rng.integers(0, side, (2, 3, count)))).astype(np.float32)
    scores = (rng.integers(0, levels, (3, count)) / levels).astype(np.float32)
    if alone:
        scores[1] += 1
    expected = [
        category * count + i
        for category in range(3)
        for i in naive_detect.nms(boxes[:, category].T.tolist(), scores[category].tolist())
    ]
    ranked = sorted(expected, key=lambda i: -scores.ravel()[i])
    bound = scores.ravel()[ranked[99]] if len(ranked) > 100 else 0
    assert nms(boxes, scores).tolist() == [i for i in ranked if scores.ravel()[i] >= bound]


@pytest.mark.parametrize(
    ("boxes", "left"),
    [
        # An overlap of exactly 0.3 suppresses, both border pixels counted: 46 of 154 pixels, 47 of 153; 30 of 100.
        ([(0, 0, 99, 0), (54, 0, 153, 0)], [0, 1]),
        ([(0, 0, 99, 0), (53, 0, 152, 0)], [0]),
        ([(0, 0, 9, 9), (0, 0, 9, 2)], [0]),
        ([(0, 0, 9, 9), (0, 0, 9, 1.99)], [0, 1]),
        # What is suppressed suppresses nothing.
        ([(0, 0, 9, 9), (5, 0, 14, 9), (10, 0, 19, 9)], [0, 2]),
    ],
)
def test_boxes_of_a_class_suppress_those_behind_them(boxes, left):
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)[None]
    assert nms(np.array(boxes, np.float32).T[:, None], scores).tolist() == left


def test_boxes_of_different_classes_do_not_meet():
    boxes = np.full((4, 2, 1), 5, np.float32)
    assert nms(boxes, np.array([[0.5], [0.9]], np.float32)).tolist() == [1, 0]


def flat_outputs(count=300):
    """Regions 20 pixels apart that do not overlap, no class likely."""
    rois = np.zeros((count, 5), np.float32)
    rois[:, 1], rois[:, 2] = np.arange(count) % 24 * 20, np.arange(count) // 24 * 20
    rois[:, 3:] = rois[:, 1:3] + 9
    return rois, np.zeros((count, 21), np.float32), np.zeros((count, 84), np.float32)


def test_the_best_hundred_are_kept_over_all_classes_but_the_background():
    rois, probabilities, regressions = flat_outputs()
    probabilities[:, 0] = 1
    assert detect((rois, probabilities, regressions), placement(512, 512)).shape == (0, 6)
    scores = np.random.default_rng(0).permutation(6000).astype(np.float32) / 8192 + np.float32(0.1)
    probabilities[:, 1:] = scores.reshape(300, 20)
    found = detect((rois, probabilities, regressions), placement(512, 512))
    assert found[:, 4].tolist() == sorted(scores.tolist(), reverse=True)[:100]
    best = np.argsort(-scores)[:100]
    assert found[:, 5].tolist() == (best % 20 + 1).tolist()
    np.testing.assert_array_equal(found[:, 0], rois[best // 20, 1])


@pytest.mark.parametrize(
    ("better", "tied", "expected"), [(99, 1, 100), (99, 80, 179), (40, 260, 300), (100, 9, 100)]
)
def test_what_equals_the_hundredth_is_kept_too(better, tied, expected):
    rois, probabilities, regressions = flat_outputs()
    probabilities[:, 4] = np.float32(0.1)
    probabilities[:better, 4] = 0.75
    probabilities[better : better + tied, 4] = 0.5
    found = detect((rois, probabilities, regressions), placement(512, 512))
    assert len(found) == expected
    np.testing.assert_array_equal(found[:, 0], rois[:expected, 1])  # equal ones in the order of the regions


def test_boxes_are_clipped_to_the_resized_picture_then_scaled_back():
    rois, probabilities, regressions = flat_outputs(2)
    rois[:, 1:] = [(-30, -20, 900, 1000), (2000, 2000, 2100, 2100)]
    probabilities[0, 7], probabilities[1, 7] = 0.9, 0.8
    found = detect((rois, probabilities, regressions), placement(500, 333))  # 769x512
    end = np.array([768, 511], np.float32) / np.float32(512 / 333)
    np.testing.assert_array_equal(found[0], [0, 0, *end, np.float32(0.9), 7])
    np.testing.assert_array_equal(found[1], [*end, *end, np.float32(0.8), 7])


def test_boxes_of_a_cropped_picture_may_lie_beyond_the_canvas():
    rois, probabilities, regressions = flat_outputs(1)
    rois[0, 1:] = 1000, 100, 1343, 200
    regressions[0, 4 * 3 : 4 * 3 + 4] = 2, 0, 0, 0
    probabilities[0, 3] = 0.5
    (found,) = detect((rois, probabilities, regressions), placement(2048, 512))
    np.testing.assert_allclose(found[[0, 2]], [1068.8, 1412.8], atol=1e-3)


def test_each_class_has_its_own_regressions():
    rois, _, regressions = flat_outputs(2)
    regressions[1, 4 * 20 : 4 * 20 + 4] = 10, -5, 5 * np.log(2), 0
    boxes = decode(rois, regressions, placement(512, 512))
    assert boxes.shape == (4, 20, 2)
    assert boxes.dtype == np.float32
    # 10x10 pixels from 20, 0: centre 25, 5 moved by 10, -5, twice as wide; the upper half is outside.
    np.testing.assert_allclose(boxes[:, 19, 1], [25, 0, 45, 5], atol=1e-4)
    np.testing.assert_array_equal(boxes[:, :19, 1], np.repeat([[20], [0], [30], [10]], 19, axis=1))


def test_extreme_regressions_give_boxes_inside_the_picture_without_a_warning():
    rois, probabilities, regressions = flat_outputs()
    probabilities[:, 1:] = 0.5
    regressions[:, 2::4] = regressions[:, 3::4] = 3e38
    found = detect((rois, probabilities, regressions), placement(512, 512))
    assert found[:, :4].tolist() == [[0, 0, 511, 511]] * 20
    assert found[:, 5].tolist() == list(range(1, 21))
    regressions[:, 2::4] = regressions[:, 3::4] = -3e38
    assert np.isfinite(detect((rois, probabilities, regressions), placement(512, 512))).all()


def test_the_outputs_are_left_as_they_are():
    outputs = drawn(0, 40, 0, "")
    for output in outputs:
        output.flags.writeable = False  # so that a change would be an error
    detect(outputs, placement(640, 427))
