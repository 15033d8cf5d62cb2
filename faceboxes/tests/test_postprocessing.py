"""From outputs to faces: priors, decoding, suppression."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceboxes_fddb import fddb
from faceboxes_fddb.postprocessing import KEEP, decode, detect, nms, priors
from faceboxes_fddb.prep_file import read_prep
from tests import naive
from tests.conftest import read_json

PRIORS_SHA256 = "a81527a2db31dc471d7ed0a46048f0ef75d1200a59f0219ba2264d2abe897f25"  # the original's, float32


def test_priors_are_the_original_ones():
    assert priors().shape == (21824, 4)
    assert hashlib.sha256(priors().tobytes()).hexdigest() == PRIORS_SHA256


def test_priors_agree_with_the_reference_rows(cases):
    for row, values in read_json(cases / "priors.json")["rows"].items():
        assert priors()[int(row)].tolist() == values


def test_zero_regressions_decode_to_the_priors():
    boxes = decode(np.zeros((21824, 4), np.float32), priors())
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, priors()[:, :2], atol=1e-7)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], priors()[:, 2:], atol=1e-7)


@given(count=st.integers(0, 60), spread=st.integers(1, 200), seed=st.integers(0, 1000))
def test_suppression_is_the_greedy_one(count, spread, seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, spread, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(0, 60, (count, 2))), axis=1).astype(np.float32)
    assert nms(boxes).tolist() == naive.nms(boxes, KEEP)


def test_suppression_at_exactly_the_limit_suppresses():
    # 3x10 of 10x10 pixels, the border counted.
    boxes = np.array([[0, 0, 9, 9], [0, 0, 2, 9]], np.float32)
    assert naive.overlap(boxes[0], boxes[1]) == pytest.approx(0.3)
    assert nms(boxes).tolist() == [0]


def test_suppression_stops_at_750():
    side = np.arange(40, dtype=np.float32) * 10
    x, y = np.meshgrid(side, side)
    boxes = np.stack((x, y, x + 5, y + 5), axis=-1).reshape(-1, 4)
    assert nms(boxes).tolist() == list(range(750))


def outputs(face_scores):
    """Outputs with the given face probabilities by row; every box is its prior."""
    conf = np.zeros((21824, 2), np.float32)
    for row, score in face_scores.items():
        conf[row, 1] = score
    return np.zeros((21824, 4), np.float32), conf


def test_a_score_must_be_above_the_limit():
    limit = np.float32(0.05)
    loc, conf = outputs({0: limit, 21823: np.nextafter(limit, np.float32(1))})
    faces = detect(loc, conf, 1.0)
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0, :4], [704, 704, 1216, 1216])


def test_nothing_found_is_an_empty_array():
    assert detect(*outputs({}), 1.0).shape == (0, 5)


def test_boxes_are_in_pixels_of_the_picture_by_descending_score():
    loc, conf = outputs({21504: 0.3, 21823: 0.9})
    faces = detect(loc, conf, 0.5)
    np.testing.assert_allclose(faces[:, 4], [0.9, 0.3])
    np.testing.assert_allclose(faces[0, :4], np.array([704, 704, 1216, 1216]) / 0.5)


def as_stored(folder, faces):
    fddb.write_detections(folder / "dets.txt", faces)
    return fddb.read_detections(folder / "dets.txt")


@pytest.mark.parametrize("case", ["synth_1", "synth_41"])
def test_synthetic_outputs_give_the_reference_detections(case, cases, tmp_path):
    facts = read_json(cases / "postprocess" / "synthetic.json")[case]
    seed = int(case.partition("_")[2])
    shift = [0, 0, 5.0, 5.0] if seed == 41 else [0, 0, 0.0, 0.0]
    random = np.random.RandomState(seed)
    loc = (random.standard_normal((1, 21824, 4)) * [1.5, 1.5, 1, 1] + shift).astype(np.float32)
    face = ((random.permutation(21824) + 0.5) / 21824).astype(np.float32)
    conf = np.stack([np.float32(1) - face, face], -1)[None]
    assert hashlib.sha256(loc.tobytes()).hexdigest() == facts["loc_sha256"]
    assert hashlib.sha256(conf.tobytes()).hexdigest() == facts["conf_sha256"]
    faces = detect(loc[0], conf[0], float(facts["fddb_txt_line"].split()[-1]))
    assert len(faces) == facts["kept"]
    found = as_stored(tmp_path, {case: faces})[case]
    expected = fddb.read_detections(cases / "postprocess" / facts["dets_file"])[case]
    np.testing.assert_allclose(found[:, :4], expected[:, :4], rtol=0, atol=0.002)
    np.testing.assert_allclose(found[:, 4], expected[:, 4], rtol=0, atol=0.001)


def test_stored_outputs_of_the_published_weights_give_the_reference_detections(cases, tmp_path):
    factors = read_prep(cases / "preprocess" / "FDDB.txt")
    faces = {}
    for stem, factor in factors.items():
        stored = np.load(cases / "real" / f"{stem}.npz")
        loc, conf = np.zeros((21824, 4), np.float32), np.tile(np.float32([1, 0]), (21824, 1))
        loc[stored["index"]], conf[stored["index"]] = stored["loc"], stored["conf"]
        faces[stem] = detect(loc, conf, factor)
    found = as_stored(tmp_path, faces)
    expected = fddb.read_detections(cases / "real" / "FDDB_dets.txt")
    assert list(found) == list(expected)
    for stem, boxes in expected.items():
        np.testing.assert_allclose(found[stem], boxes, rtol=0, atol=0.0011)
