"""FDDB's average precision against a plain step-by-step computation and the original's figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from faceboxes_fddb import fddb, metric
from faceboxes_fddb.ellipses import face_boxes
from faceboxes_fddb.fddb import Picture
from tests import naive
from tests.conftest import read_json

ellipse = st.tuples(
    st.floats(1, 90), st.floats(1, 90), st.floats(-3.2, 3.2), st.floats(-20, 1015), st.floats(-20, 1015)
)


@given(ellipse)
def test_a_face_box_is_that_of_the_ellipse_on_the_whole_mask(face):
    try:
        expected = naive.face_box(face)
    except IndexError:  # nothing of it was drawn
        with pytest.raises(GuideError, match="lies outside"):
            face_boxes(np.array([face]))
    else:
        assert tuple(face_boxes(np.array([face]))[0]) == expected


def test_single_ellipses_are_within_a_pixel_of_either_opencv(cases):
    facts = read_json(cases / "fddb_eval" / "rasterise.json")
    found = face_boxes(np.array(facts["ellipses"]))
    for version in ("opencv_4.6.0_to_4.12.0", "opencv_4.13.0_and_5.0.0"):
        assert np.abs(found - facts[version]).max() <= 1


@pytest.mark.parametrize("case", ["fddb_eval", "fddb_eval_sharp"])
def test_stored_detections_give_the_reference_figures(case, cases):
    facts, boxes = read_json(cases / case / "expected.json"), read_json(cases / case / "gt_boxes.json")
    folds = fddb.read_folds(cases / case)
    scores = metric.evaluate(folds, fddb.read_detections(cases / case / "FDDB_dets.txt"))
    assert [score.ap for score in scores] == pytest.approx(list(facts["per_fold_ap"].values()), abs=1e-9)
    assert np.mean([score.ap for score in scores]) == pytest.approx(facts["average_ap"], abs=1e-9)
    assert sum(score.faces for score in scores) == facts["faces"]
    for score, curve in zip(scores, facts["curves"], strict=True):
        assert score.faces == curve["count_face"]
        assert score.proposals[curve["t"]].tolist() == curve["proposals"]
        assert score.matched[curve["t"]].tolist() == curve["matched"]
    for number, fold in enumerate(folds, 1):
        for picture in fold:
            assert face_boxes(picture.faces).tolist() == boxes[str(number)][picture.stem]


def random_case(seed):
    """Two folds of a few pictures; many scores are equal, out of order or just at the overlap limit."""
    rng = np.random.default_rng(seed)
    folds, detections = [], {}
    for fold in range(2):
        pictures = []
        for number in range(rng.integers(0, 4)):
            count = rng.integers(0, 4)
            centres = rng.uniform(20, 120, (count, 2))
            faces = np.column_stack((rng.uniform(5, 30, (count, 2)), rng.uniform(-3, 3, count), centres))
            picture = Picture(f"{fold}/{number}", faces)
            pictures.append(picture)
            near = [naive.face_box(face) for face in faces for _ in range(rng.integers(0, 3))]
            rows = [(x, y, right - x, bottom - y) for x, y, right, bottom in near]
            rows += rng.uniform(0, 100, (rng.integers(0, 3), 4)).tolist()
            boxes = np.array(rows).reshape(-1, 4) + rng.integers(-6, 7, (len(rows), 4))
            scores = rng.choice([0.05, 0.3, 0.999, 0.9995, 1.0, rng.uniform()], len(rows))
            detections[picture.stem] = np.column_stack((boxes, scores)).reshape(-1, 5)
        folds.append(pictures)
    return folds, detections


@given(st.integers(0, 10**6))
def test_ap_is_that_of_the_step_by_step_computation(seed):
    folds, detections = random_case(seed)
    found = [score.ap for score in metric.evaluate(folds, detections)]
    assert found == pytest.approx(naive.evaluate(folds, detections), abs=1e-12, nan_ok=True)


def test_two_boxes_on_one_face_leave_the_other_face_unfound():
    faces = np.array([[20, 20, 0, 50, 50], [20, 20, 0, 56, 50.0]])
    first = [30, 30, 41, 41]
    rows = np.array([[*first, 0.9], [*first, 0.8], [500, 500, 5, 5, 0.0]])
    (score,) = metric.evaluate([[Picture("a", faces)]], {"a": rows})
    assert score.matched.max() == 1
    assert score.proposals.max() == 3


def test_an_annotated_picture_without_an_entry_is_an_error():
    folds = [[Picture("a/b", np.empty((0, 5))), Picture("a/c", np.empty((0, 5)))]]
    with pytest.raises(GuideError, match="1 annotated pictures have no entry in the detections: a/c"):
        metric.evaluate(folds, {"a_b": np.empty((0, 5))})


def test_entries_of_other_pictures_are_ignored():
    folds = [[Picture("a", np.array([[20, 20, 0, 50, 50.0]]))]]
    own = np.array([[30, 30, 41, 41, 0.9], [0, 0, 5, 5, 0.1]])
    with_others = metric.evaluate(folds, {"a": own, "b": np.array([[0, 0, 9, 9, 1.0]])})
    assert with_others[0].ap == metric.evaluate(folds, {"a": own})[0].ap == 1.0


def test_equal_scores_propose_nothing_as_in_the_original():
    folds = [[Picture("a", np.array([[20, 20, 0, 50, 50.0]]))]]
    (score,) = metric.evaluate(folds, {"a": np.array([[30, 30, 41, 41, 1.0]])})
    assert score.proposals.max() == 0
    assert score.ap == 0.0
