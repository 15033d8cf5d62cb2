"""From ten maps to detections: anchors, candidates, boxes, suppression."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientdet_coco.postprocessing import anchors, decode, detect, nms, top_candidates
from efficientdet_coco.preprocessing import Letterbox, placement
from efficientdet_coco.task import SAME_OBJECTS
from tests import naive
from tests.conftest import read_json

SIDES = (64, 32, 16, 8, 4)


def sha256(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_anchors_are_the_original_ones():
    assert (anchors().shape, anchors().dtype) == ((49104, 4), np.float32)
    assert sha256(anchors()) == "6a7263e607cad26a1f3ef48812feebee0c329d8f89268f771907d56d91c717b9"


def test_anchors_are_those_of_the_reference(cases):
    assert sha256(anchors()) == read_json(cases / "anchors.json")["sha256"]
    stored = np.load(cases / "anchors.npz")["boxes_yxyx_every_37th"]
    np.testing.assert_array_equal(anchors()[::37], stored)


def synthetic(case):
    """Draw a case's maps as its generator says."""
    rng = np.random.RandomState(case["seed"])
    maps, boxes = [], []
    for side in SIDES:
        maps.append((rng.standard_normal((1, 810, side, side)) * 0.8 - 6.0).astype(np.float32))
        boxes.append((rng.standard_normal((1, 36, side, side)) * 0.25).astype(np.float32))
    if case["kind"] == "few":
        for box in boxes:
            box[:, [i for i in range(36) if i % 4 in (2, 3)]] = 6.0
    for _ in range(40 if case["kind"] == "scene" else 0):
        level = rng.randint(0, 5)
        side = SIDES[level]
        y, x = rng.randint(0, side), rng.randint(0, side)
        channel = rng.randint(0, 9) * 90 + rng.randint(0, 90)
        peak = rng.uniform(3.0, 8.0)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if 0 <= y + dy < side and 0 <= x + dx < side:
                    maps[level][0, channel, y + dy, x + dx] += np.float32(peak - 0.7 * (abs(dy) + abs(dx)))
    return [output[0] for output in (*maps, *boxes)]


@pytest.mark.parametrize("name", ["scene_101", "few_102", "scene_104"])
def test_synthetic_maps_give_the_reference_candidates_and_detections(name, cases):
    (case,) = (c for c in read_json(cases / "postprocess_synthetic.json")["cases"] if c["name"] == name)
    stored = np.load(cases / "postprocess_synthetic.npz")
    maps = synthetic(case)
    assert [sha256(output) for output in maps] == case["outputs_sha256"]
    logits, chosen, classes = top_candidates(maps[:5])
    assert same_candidates(
        logits, chosen, classes, maps[:5], (stored[f"{name}_topk_anchor"], stored[f"{name}_topk_class"])
    )
    if case["img_size_wh"] is None:
        return  # without the picture's size the original clips nothing, which the guide never does
    found = detect(maps, Letterbox(*case["img_size_wh"], case["img_scale"]))
    assert found.shape == (case["nonzero"], 6)
    assert found.dtype == np.float32
    expected = stored[name][: len(found)]
    np.testing.assert_array_equal(found[:, 5], expected[:, 5])
    np.testing.assert_allclose(found[:, :4], expected[:, :4], rtol=0, atol=2e-4)
    np.testing.assert_allclose(found[:, 4], expected[:, 4], rtol=0, atol=1e-6)
    assert not stored[name][len(found) :].any()


def same_candidates(logits, chosen, classes, maps, expected):
    """Whether candidates are the expected ones: the same logits in the same order, equal ones in any order."""
    flat = naive.flat_logits(maps)
    mine, other = (np.asarray(a, np.int64) * 90 + c for a, c in ((chosen, classes), expected))
    last = logits[-1]  # of those that equal the last, any may be in
    return (
        len(set(mine.tolist())) == len(mine) == len(other)
        and np.array_equal(logits, flat[mine])
        and np.array_equal(flat[mine], flat[other])
        and set(mine[logits > last].tolist()) == set(other[flat[other] > last].tolist())
    )


@given(
    seed=st.integers(0, 10_000),
    steps=st.sampled_from([1, 2, 5, 50, 10_000]),
    spread=st.sampled_from([0.0, 1.0, 30.0]),
    level=st.integers(0, 4),
)
def test_candidates_are_the_first_of_a_plain_sort(seed, steps, spread, level):
    rng = np.random.default_rng(seed)
    maps = [rng.integers(-steps, steps, (810, side, side)).astype(np.float32) for side in (8, 4, 2, 2, 1)]
    maps[level] += np.float32(spread * steps)  # one level may hold all of them
    found = top_candidates(maps)
    expected = naive.top(maps)
    np.testing.assert_array_equal(found[0], expected[0])
    assert same_candidates(*found, maps, expected[1:])


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("peaks", [0, 400, 4999, 5001])
def test_candidates_are_found_where_the_sample_misleads(peaks, seen):
    """All are equal but a few that the sampled bound does not see, or that are all that it sees."""
    maps = [np.full((810, side, side), -10, np.float32) for side in SIDES]
    level = maps[0].ravel()
    sampled = np.arange(level.size) % 61 == 0  # these are looked at first
    level[np.flatnonzero(sampled == seen)[:peaks]] = np.linspace(1, 2, peaks, dtype=np.float32)
    logits, chosen, classes = top_candidates(maps)
    assert len(logits) == 5000
    assert (logits > -10).sum() == min(peaks, 5000)
    assert same_candidates(logits, chosen, classes, maps, naive.top(maps)[1:])


@given(seed=st.integers(0, 10_000), chosen=st.lists(st.integers(0, 49103), min_size=1, max_size=20))
def test_boxes_are_the_anchors_moved_and_scaled(seed, chosen):
    rng = np.random.default_rng(seed)
    maps = [rng.normal(0, 0.5, (36, side, side)).astype(np.float32) for side in SIDES]
    found = decode(maps, np.array(chosen))
    expected = [naive.decode(maps, index) for index in chosen]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@given(
    count=st.integers(0, 150),
    classes=st.integers(1, 3),
    spread=st.integers(1, 60),
    whole=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_suppression_is_the_greedy_one_class_by_class(count, classes, spread, whole, seed):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, spread, (count, 4))
    boxes[:, 2:] += boxes[:, :2]
    boxes = np.floor(boxes / 4).astype(np.float32) if whole else boxes.astype(np.float32)
    kinds = rng.integers(0, classes, count)
    assert nms(boxes, kinds).tolist() == naive.nms(boxes.tolist(), kinds)


def test_an_overlap_of_exactly_a_half_is_no_reason():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 5.01]], np.float32)
    assert nms(boxes, np.zeros(3)).tolist() == [0, 1]
    assert nms(boxes[[0, 2]], np.zeros(2)).tolist() == [0]
    assert nms(boxes[[0, 2]], np.array([0, 1])).tolist() == [0, 1]


def test_boxes_without_area_stay():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [5, 0, 5, 9], [0, 0, 9, 9]], np.float32)
    assert nms(boxes, np.zeros(4)).tolist() == [0, 1, 2, 3]


def flat_maps(logit=-10):
    logits = [np.full((810, side, side), logit, np.float32) for side in SIDES]
    return logits + [np.zeros((36, side, side), np.float32) for side in SIDES]


@functools.cache
def background():
    """Logits between -12 and -10: unlike equal ones, they need not all be sorted."""
    rng = np.random.default_rng(0)
    return [rng.uniform(-12, -10, (810, side, side)).astype(np.float32) for side in SIDES]


@given(
    peaks=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 3), st.floats(0, 1), st.floats(0, 1)),
        max_size=90,
    ),
    size=st.sampled_from([(640, 480), (333, 500), (512, 512), (41, 700)]),
    seed=st.integers(0, 1000),
)
def test_detections_are_those_of_the_plain_way(peaks, size, seed):
    rng = np.random.default_rng(seed)
    maps = [level.copy() for level in background()]
    maps += [rng.normal(0, 0.3, (36, side, side)).astype(np.float32) for side in SIDES]
    scores = rng.permutation(len(peaks))  # no ties
    for (level, kind, category, y, x), score in zip(peaks, scores.tolist(), strict=True):
        last = SIDES[level] - 1
        maps[level][90 * kind + 30 * category - (category > 2), int(y * last), int(x * last)] = score / 16 - 2
    found = detect(maps, placement(*size))
    expected = naive.detect(maps, *size, above=-10)
    assert len(found) == 100 >= len(expected)  # the rest fills up
    if expected:
        np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=2e-3)
    assert (found[len(expected) :, 4] < 1e-4).all()


def test_no_more_than_100_detections_the_best_ones():
    maps = flat_maps()
    maps[0][5, ::4, ::4] = np.arange(256).reshape(16, 16) / 64
    found = detect(maps, placement(512, 512))
    assert found.shape == (100, 6)
    assert set(found[:, 5]) == {6}
    np.testing.assert_allclose(found[:, 4], 1 / (1 + np.exp(-np.arange(255, 155, -1) / 64)), atol=1e-6)


def test_boxes_are_clipped_to_the_picture_before_suppression():
    maps = flat_maps()
    maps[4][7, 3, 3], maps[4][90 * 1 + 7, 3, 3] = 5, 4  # both far below a picture 512 wide and 100 high
    (first, second, *_) = detect(maps, placement(1024, 200))
    assert first[[1, 3]].tolist() == second[[1, 3]].tolist() == [200, 200]
    assert first[[0, 2]].tolist() == [pytest.approx(2 * 192), 1024]
    assert (first[5], second[5]) == (8, 8)  # without height neither suppresses the other


def test_extreme_outputs_give_boxes_inside_the_picture_without_a_warning():
    maps = flat_maps(logit=-110)
    for level in maps[5:]:
        level[2::4] = level[3::4] = 200
    found = detect(maps, placement(640, 480))
    assert np.isfinite(found).all()
    assert found[0, :4].tolist() == [0, 0, 640, 480]
    assert (found[:, 4] == 0).all() or found[0, 4] < 1e-30


def test_equal_objects_are_of_one_class_within_half_a_pixel_and_a_thousandth():
    objects = np.array([[0, 0, 10, 10, 0.9, 3], [50, 50, 60, 60, 0.8, 3]], np.float32)
    assert SAME_OBJECTS(objects, objects + np.float32([0.4, 0, 0, 0, 0.0005, 0])) == 2
    for other in ([0.6, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0.002, 0]):
        assert SAME_OBJECTS(objects, objects + np.float32(other)) == 0
