"""Anchors, region proposals and position-sensitive pooling in torch, against recorded values and a naive kernel."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rfcn_voc import proposals
from rfcn_voc.anchors import anchors, base_anchors, centres_and_sizes
from rfcn_voc.proposals import bins, decode, pool, probability, propose
from tests.conftest import read_json
from tests.vendor import edges, psroi, suppress

IM_INFO = torch.tensor([[512.0, 683, 1.3653333]])
# The published form, which has im_info, and the guide's.
FORMS = pytest.mark.parametrize("family", ["rois", "export_rois"])
PICTURES = pytest.mark.parametrize("name", ["astronaut", "china"])


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def by_channel(rows):
    """Rows of all anchors, 63504xK, as maps, 1x(9*K)x84x84."""
    return np.ascontiguousarray(rows.reshape(84, 84, -1).transpose(2, 0, 1)[None], dtype=np.float32)


def probabilities(foreground):
    """Foreground probabilities of all anchors, 63504, as `propose` takes them."""
    maps = by_channel(np.asarray(foreground, np.float32))
    return torch.from_numpy(np.concatenate((1 - maps, maps), axis=1))


def deltas_to(boxes):
    """Deltas, as maps, that make these boxes, 63504x4, of the anchors."""
    centres, sizes = (rows.astype(float) for rows in centres_and_sizes())
    middle, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return torch.from_numpy(
        by_channel(np.concatenate(((middle - centres) / sizes, np.log(extent / sizes)), axis=1))
    )


def test_base_anchors_are_the_published_ones(cases):
    facts = read_json(cases / "anchors.json")
    np.testing.assert_array_equal(base_anchors(), facts["anchors_x1y1x2y2"])
    assert base_anchors().dtype == np.float32


def test_anchors_go_by_row_column_and_shape_and_their_sides_count_both_ends():
    every = anchors()
    assert (every.shape, every.dtype) == ((63504, 4), np.float32)
    for y, x, a in ((0, 0, 0), (0, 1, 3), (1, 0, 8), (83, 82, 5)):
        shift = np.array([x, y, x, y], np.float32) * 16
        np.testing.assert_array_equal(every[(y * 84 + x) * 9 + a], base_anchors()[a] + shift)
    centres, sizes = centres_and_sizes()
    np.testing.assert_array_equal(sizes[:3], [[184, 96], [368, 192], [736, 384]])
    np.testing.assert_array_equal(centres[:3], [[8, 8]] * 3)
    np.testing.assert_array_equal(centres[(2 * 84 + 5) * 9 + 4], [88, 40])


def test_probability_pairs_channel_a_with_a_plus_nine():
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (1, 18, 84, 84)).astype(np.float32))
    found = probability(logits)
    foreground = 1 / (1 + torch.exp(logits[:, :9] - logits[:, 9:]))
    torch.testing.assert_close(found[:, 9:], foreground, rtol=0, atol=1e-6)
    torch.testing.assert_close(found[:, :9], 1 - foreground, rtol=0, atol=1e-6)


def test_a_delta_of_zero_gives_the_anchor_one_pixel_longer():
    centres, sizes = map(torch.from_numpy, centres_and_sizes())
    found = decode(torch.zeros(63504, 4), centres, sizes).numpy()
    np.testing.assert_array_equal(found, anchors() + np.array([0, 0, 1, 1], np.float32))


def test_deltas_move_by_sides_and_grow_by_powers():
    centres, sizes = torch.tensor([[100.0, 50]]), torch.tensor([[20.0, 10]])
    found = decode(torch.tensor([[0.5, -1, float(np.log(2)), float(np.log(0.5))]]), centres, sizes)
    torch.testing.assert_close(found, torch.tensor([[90.0, 37.5, 130, 42.5]]))


def check_regions(found, expected, scores, deltas, im_info=None):
    """The same anchors in the same order, and coordinates as equal as two libraries' exp lets them be.

    exp is the one step that libraries and processors round differently: each is within a unit in the last place of the
    truth, so two are at most two apart. Times a side that is at most four units of half a side, and the product and
    the sum, rounded on both sides, add one each: six units in the last place of a box's largest coordinate, before
    clipping. One unit is what has been measured between two processors.
    """
    best = np.argsort(-scores, kind="stable")[:6000]
    centres, sizes = (rows[best].astype(np.float64) for rows in centres_and_sizes())
    moves = deltas[best].astype(np.float64)
    middle, half = moves[:, :2] * sizes + centres, np.exp(moves[:, 2:]) * sizes / 2
    exact = np.concatenate((middle - half, middle + half), axis=1)
    units = np.spacing(np.abs(exact).max(axis=1).astype(np.float32))
    if im_info is not None:
        height, width, _ = im_info
        exact = exact.clip(0, [width - 1, height - 1] * 2)
    anchors_found, anchors_expected = (
        np.abs(exact[:, None] - rows[None, :, 1:]).max(axis=2).argmin(axis=0) for rows in (found, expected)
    )
    assert found.shape == expected.shape == (300, 5)
    np.testing.assert_array_equal(anchors_found, anchors_expected)
    assert not found[:, 0].any()
    assert (np.abs(found - expected).max(axis=1) <= 6 * units[anchors_expected]).all()


@pytest.fixture(scope="module", params=[0, 1])
def synthetic(request, cases):
    """Facts about drawn maps, and the maps: probabilities and deltas."""
    facts = read_json(cases / "rpn_synthetic.json")["cases"][request.param]
    r = np.random.RandomState(facts["seed"])
    lg = r.standard_normal((1, 18, 84, 84)).astype(np.float32)
    foreground = 1 / (1 + np.exp(-(np.float64(lg[:, 9:]) - lg[:, :9])))
    made = np.concatenate([1 - foreground, foreground], 1).astype(np.float32)
    deltas = (r.standard_normal((1, 36, 84, 84)) * 0.3).astype(np.float32)
    assert sha256(deltas) == facts["delta_sha256"]
    if sha256(made) != facts["prob_sha256"]:
        pytest.skip("this machine's exp gives other probabilities")
    return facts, made, deltas


@FORMS
def test_synthetic_maps_give_the_reference_regions(family, synthetic, cases):
    facts, made, deltas = synthetic
    im_info = facts["im_info"] if family == "rois" else None
    found = propose(torch.from_numpy(made), torch.from_numpy(deltas), im_info and torch.tensor([im_info]))
    expected = np.load(cases / "rpn_synthetic.npz")[f"{facts['seed']}_{family}"]
    scores, rows = made[0, 9:].transpose(1, 2, 0).reshape(-1), deltas[0].transpose(1, 2, 0).reshape(-1, 4)
    check_regions(found[0].numpy(), expected, scores, rows, im_info)


@PICTURES
@FORMS
def test_recorded_candidates_give_the_recorded_regions(name, family, cases):
    stored = np.load(cases / f"proposals_{name}.npz")
    index = stored["anchor_index"]
    scores, deltas = np.zeros(63504, np.float32), np.zeros((63504, 4), np.float32)
    scores[index], deltas[index] = stored["score"], stored["delta"]
    facts = read_json(cases / f"image_{name}.json")["preprocess"]
    im_info = facts["im_info"] if family == "rois" else None
    maps = probabilities(scores), torch.from_numpy(by_channel(deltas))
    found = propose(*maps, im_info and torch.tensor([im_info]))[0].numpy()
    check_regions(found, stored[family], scores, deltas, im_info)


@PICTURES
def test_recorded_candidates_are_decoded_as_recorded(name, cases):
    stored = np.load(cases / f"proposals_{name}.npz")
    centres, sizes = (torch.from_numpy(rows[stored["anchor_index"]]) for rows in centres_and_sizes())
    found = decode(torch.from_numpy(stored["delta"]), centres, sizes).numpy()[::25]
    units = np.spacing(np.abs(stored["decoded"]).max(axis=1, keepdims=True))
    assert (np.abs(found - stored["decoded"]) <= 6 * units).all()  # see `check_regions`


@FORMS
def test_regions_are_those_of_a_naive_suppression(family):
    generator = np.random.default_rng(5)
    scores = generator.permutation(np.linspace(0.01, 0.99, 63504)).astype(np.float32)
    deltas = generator.normal(0, 0.4, (63504, 4)).astype(np.float32)
    best = np.argsort(-scores, kind="stable")[:6000]
    centres, sizes = (torch.from_numpy(rows[best]) for rows in centres_and_sizes())
    boxes = measured = decode(torch.from_numpy(deltas[best]), centres, sizes).numpy()
    im_info = None
    if family == "rois":
        im_info = IM_INFO
        boxes = np.clip(boxes, 0, [682, 511, 682, 511]).astype(np.float32)
        measured = boxes + np.array([0, 0, 1, 1], np.float32)
    found = propose(probabilities(scores), torch.from_numpy(by_channel(deltas)), im_info)[0, :, 1:].numpy()
    np.testing.assert_array_equal(found, boxes[suppress(measured, scores[best], 0, 0.7, 300)])


def row_of_boxes(boxes, scores):
    """Maps whose first anchors are these boxes with these scores; all others have probability 0 and a far box."""
    every = np.tile([3000.0, 3000, 3100, 3100], (63504, 1))
    every[: len(boxes)] = np.reshape(boxes, (-1, 4))
    values = np.zeros(63504)
    values[: len(scores)] = scores
    return probabilities(values), deltas_to(every)


def kept(found):
    return found[0, found[0, :, 3] > 0, 1:].numpy()


@pytest.mark.parametrize(
    ("boxes", "left"),
    [
        ([[200 * k, 10, 200 * k + 90, 90] for k in (3, 0, 4, 1, 2)], 5),
        ([[10, 10, 110, 90], [10, 10, 111, 90]], 1),  # in the same place the first stays
    ],
)
def test_equal_scores_come_in_the_order_of_the_anchors(boxes, left):
    found = kept(propose(*row_of_boxes(boxes, [0.5] * len(boxes))))
    np.testing.assert_allclose(found, boxes[:left], atol=1e-2)


def test_of_equal_scores_at_the_end_of_the_candidates_the_first_anchors_are_taken():
    places = np.arange(63504)
    boxes = np.stack((places % 252, places // 252, places % 252 + 1, places // 252 + 1), axis=1) * 100.0
    found = kept(propose(probabilities(np.full(63504, 0.5)), deltas_to(boxes)))
    assert len(found) == 300
    np.testing.assert_allclose(found[1:], boxes[1:300], rtol=1e-4, atol=0.5)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_survivors_are_followed_by_rows_of_zeros(count):
    boxes = [[150 * k, 20, 150 * k + 100, 90] for k in range(count)]
    found = propose(*row_of_boxes(boxes, np.linspace(0.9, 0.5, count)))
    assert found.shape == (1, 300, 5)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[0, :count, 1:], np.reshape(boxes, (-1, 4)), atol=1e-2)
    assert not found[0, count:].any()


def test_the_published_form_alone_keeps_probability_zero_and_clips_to_the_picture():
    boxes = [[-50, -60, 100, 90], [600, 400, 800, 700]]
    maps = row_of_boxes(boxes, [0.9, 0.8])
    np.testing.assert_allclose(kept(propose(*maps)), boxes, atol=1e-2)
    published = propose(*maps, IM_INFO)[0, :, 1:]
    clipped = [[0, 0, 100, 90], [600, 400, 682, 511], [682, 511, 682, 511]]  # the far ones: a pixel
    np.testing.assert_allclose(published[:3], clipped, atol=1e-2)
    assert not published[3:].any()


@pytest.fixture(scope="module")
def psroi_case(cases):
    facts = read_json(cases / "psroi_synthetic.json")["cases"][0]
    features = np.random.RandomState(facts["seed"]).standard_normal((1, 245, 84, 84)).astype(np.float32)
    assert sha256(features) == facts["features_sha256"]
    stored = np.load(cases / "psroi_synthetic.npz")
    return features, {name: stored[f"{facts['seed']}_{name}"] for name in ("rois", "pooled", "bins")}


def test_synthetic_regions_have_the_reference_bins_exactly(psroi_case):
    starts, ends = (cells.numpy() for cells in bins(torch.from_numpy(psroi_case[1]["rois"][:, 1:])))
    expected = psroi_case[1]["bins"]  # row, column: hstart hend wstart wend
    np.testing.assert_array_equal(starts[:, 1], expected[:, :, 0, 0])
    np.testing.assert_array_equal(ends[:, 1], expected[:, :, 0, 1])
    np.testing.assert_array_equal(starts[:, 0], expected[:, 0, :, 2])
    np.testing.assert_array_equal(ends[:, 0], expected[:, 0, :, 3])


def test_synthetic_regions_are_pooled_as_in_the_reference_by_the_naive_kernel_too(psroi_case):
    features, stored = psroi_case
    found = pool(torch.from_numpy(features), torch.from_numpy(stored["rois"][None])).numpy()
    np.testing.assert_allclose(found, stored["pooled"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(psroi(features, stored["rois"]), stored["pooled"], rtol=0, atol=1e-6)


coordinate = st.one_of(
    st.floats(-3000, 4500, width=32),
    st.floats(-32, 1380, width=32),
    st.integers(-700, 2800).map(lambda twice: twice / 2),
    st.sampled_from([0.0, -0.0, -0.5, 0.49999997, 0.5, 1.5, 2.5, 1343.5, 8388609.0, 2.0**30, -(2.0**30)]),
)
some_regions = st.lists(st.tuples(*[coordinate] * 4), min_size=1, max_size=40)


@given(some_regions)
@example([(0.0, 0.0, 0.0, 0.0)])
@example([(-0.5, 0.5, 1.5, 2.5), (100.5, 99.5, 100.5, 99.5)])
@example([(500.0, 400.0, 100.0, 50.0), (2000.0, -900.0, 2400.0, -300.0)])
@example([(0.49999997, -0.49999997, 16.0, 8.0)])
def test_bins_are_those_of_the_naive_kernel(rows):
    regions = np.array(rows, np.float32)
    starts, ends = (cells.numpy() for cells in bins(torch.from_numpy(regions)))
    for n, region in enumerate(regions):
        for axis in (0, 1):
            expected = edges(region[axis], region[axis + 2])
            found = list(zip(starts[n, axis].tolist(), ends[n, axis].tolist(), strict=True))
            assert found == expected, (region, axis)


FEATURES = np.random.default_rng(1).standard_normal((1, 98, 84, 84)).astype(np.float32)


@given(some_regions)
@example([(0.0, 0.0, 0.0, 0.0)])
@example([(2000.0, -900.0, 2400.0, -300.0)])
def test_pooling_is_that_of_the_naive_kernel(rows):
    regions = np.concatenate((np.zeros((len(rows), 1)), rows), axis=1).astype(np.float32)
    found = pool(torch.from_numpy(FEATURES), torch.from_numpy(regions)[None]).numpy()
    np.testing.assert_allclose(found, psroi(FEATURES, regions), rtol=0, atol=2e-6)


def test_a_region_of_zeros_takes_the_first_cell_and_one_outside_nothing():
    regions = torch.tensor([[[0.0, 0, 0, 0, 0], [0, 1400, 10, 1500, 20]]])
    found = pool(torch.from_numpy(FEATURES), regions).numpy()
    np.testing.assert_allclose(found[0], FEATURES[0, :, 0, 0].reshape(2, 7, 7), rtol=0, atol=1e-7)
    assert not found[1].any()


@given(seed=st.integers(0, 10**6), overlap=st.sampled_from([0.3, 0.5, 0.7]))
def test_boxes_are_suppressed_as_one_by_one(seed, overlap):
    """Few places, so that overlaps are equal to the limit, and boxes to each other; some have no area."""
    low = np.random.default_rng(seed).integers(0, 6, (40, 4))
    boxes = np.concatenate((low[:, :2], low[:, :2] + low[:, 2:]), axis=1).astype(np.float32)
    areas, kept = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1), []
    for i, box in enumerate(boxes):
        for k in kept:
            width, height = np.minimum(box[2:], boxes[k, 2:]) - np.maximum(box[:2], boxes[k, :2])
            shared = max(width, np.float32(0)) * max(height, np.float32(0))
            if shared and shared / (areas[i] + areas[k] - shared) > np.float32(overlap):
                break
        else:
            kept.append(i)
    assert proposals.suppress(torch.from_numpy(boxes), overlap).tolist() == kept
