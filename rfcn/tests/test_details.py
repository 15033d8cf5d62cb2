"""What the report shows of VOC's figure: every fault, at the cost that a plain computation without it finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import read_facts
from common.report import details as written
from common.report.details import Total
from rfcn_voc import faults, metric
from rfcn_voc.details import COLUMNS, details
from rfcn_voc.detections import Detections
from rfcn_voc.voc import CLASSES, Objects, Picture, Voc
from tests import naive
from tests.conftest import HERE
from tests.test_units import made


def case(seed):
    """Return a made-up case whose scores differ, with boxes far from any object and of other classes among them."""
    data, objects, near = made(seed, pictures=5)
    rng = np.random.default_rng(seed)
    count = len(near.score)
    category = np.where(rng.random(count) < 0.2, rng.integers(0, 20, count), near.category)
    boxes = near.boxes + np.where(rng.random((count, 1)) < 0.2, 20, 0)
    return data, objects, Detections(near.picture, category, rng.permutation(count) / 64 + 0.001, boxes)


def mean_ap(objects, detections):
    """The mean AP at eleven recalls, step by step."""
    aps = []
    for number in range(len(CLASSES)):
        truth = {}
        for row in np.flatnonzero(objects.category == number).tolist():
            one = (tuple(objects.boxes[row]), bool(objects.difficult[row]))
            truth.setdefault(int(objects.picture[row]), []).append(one)
        found = [
            (int(detections.picture[row]), float(detections.score[row]), tuple(detections.boxes[row]))
            for row in np.flatnonzero(detections.category == number).tolist()
        ]
        aps.append(naive.evaluate_class(truth, found)[2])
    return sum(aps) / len(aps)


def judged(data, objects, detections):
    return faults.judge(len(data.pictures), objects, detections, metric.evaluate(objects, detections))


def mended(objects, detections, missed, gone):
    """Return the detections with sure boxes on missed objects first, each where no other object is, and without others."""
    kept = np.ones(len(detections.score), bool)
    kept[gone] = False
    objects = Objects(objects.picture, objects.category, objects.boxes.copy(), objects.difficult)
    for number, place in enumerate(missed):  # far from all others, for the box to be on it alone
        objects.boxes[place] = (10_000 + 100 * number, 1, 10_050 + 100 * number, 50)
    return objects, Detections(
        np.concatenate((objects.picture[missed], detections.picture[kept])),
        np.concatenate((objects.category[missed], detections.category[kept])),
        np.concatenate((np.full(len(missed), 9.0), detections.score[kept])),
        np.concatenate((objects.boxes[missed], detections.boxes[kept])),
    )


@given(st.integers(0, 10**6))
def test_a_cost_is_what_the_plain_computation_gains_without_the_fault(seed):
    data, objects, detections = case(seed)
    found, before = judged(data, objects, detections), mean_ap(objects, detections)
    for place in np.flatnonzero(found.missed).tolist():
        after = mended(objects, detections, [place], np.flatnonzero(found.attempts == place))
        assert found.missed_costs[place] == pytest.approx(mean_ap(*after) - before, abs=1e-12)
    for box in np.flatnonzero(~found.right & ~found.ignored & (found.attempts < 0)).tolist():
        after = mended(objects, detections, [], [box])
        assert found.false_costs[box] == pytest.approx(mean_ap(*after) - before, abs=1e-12)
        assert found.false[box] == (found.false_costs[box] >= faults.LEAST)


@given(st.integers(0, 10**6))
def test_without_a_whole_kind_or_a_pictures_faults_the_plain_computation_gains_their_costs(seed):
    data, objects, detections = case(seed)
    found, before = judged(data, objects, detections), mean_ap(objects, detections)
    every = mended(objects, detections, np.flatnonzero(found.missed), np.flatnonzero(found.attempts >= 0))
    assert found.missed_cost == pytest.approx(mean_ap(*every) - before, abs=1e-12)
    every = mended(objects, detections, [], np.flatnonzero(found.false))
    assert found.false_cost == pytest.approx(mean_ap(*every) - before, abs=1e-12)
    wrong = ~found.right & ~found.ignored
    for picture in range(len(data.pictures)):
        missed = np.flatnonzero(found.missed & (objects.picture == picture))
        gone = np.flatnonzero(wrong & (detections.picture == picture))
        after = mended(objects, detections, missed, gone)
        assert found.picture_costs[picture] == pytest.approx(mean_ap(*after) - before, abs=1e-12)


@given(st.integers(0, 10**6))
def test_rows_and_cases_add_up_to_the_metrics_counts(seed):
    data, objects, detections = case(seed)
    scores = metric.evaluate(objects, detections)
    found = details(data, objects, detections, scores, None, worst=100)
    sums = {name: sum(row[k] for row in found.rows) for k, name in enumerate(COLUMNS[1:], 1)}
    easy = int((~objects.difficult).sum())
    right = sum(int(score.right.sum()) for score in scores.values())
    counted = sum(int(score.counted.sum()) for score in scores.values())
    assert (sums["objects"], sums["found"], sums["missed"]) == (easy, right, easy - right)
    assert (sums["boxes"], sums["wrong boxes"]) == (len(detections.score), counted - right)
    assert sums["boxes on difficult objects"] == len(detections.score) - counted
    assert sums["objects"] + sums["difficult objects"] == len(objects.category)
    kinds = found.cases.kinds
    assert (kinds["missed objects"].count, kinds["false objects"].count) == (
        sums["missed"],
        sums["false objects"],
    )
    shown = [each.kind for each in found.cases.cases]
    assert [shown.count(kind) for kind in kinds] == [total.count for total in kinds.values()]


@given(st.integers(0, 10**6))
def test_the_mean_of_the_eleven_points_is_the_figure_and_each_class_stands_in_its_row(seed):
    data, objects, detections = case(seed)
    scores = metric.evaluate(objects, detections)
    curves, classes, _ = details(data, objects, detections, scores, read_facts(HERE).accuracy, 6).plots
    assert np.mean([mark.y for mark in curves.marks]) == pytest.approx(metric.mean_ap(scores), abs=1e-12)
    assert [mark.x for mark in curves.marks] == list(metric.RECALLS)
    (points,) = classes.lines
    assert points.x == pytest.approx([score.ap for score in scores.values()], rel=1e-5, abs=1e-12)
    assert classes.rows[3] == "boat"
    assert points.y == tuple(range(20))
    assert [(mark.label, mark.x) for mark in classes.marks] == [
        ("mAP", metric.mean_ap(scores)),
        ("published", 0.6986),
    ]


def test_curves_by_size_are_of_objects_of_that_size():
    sides = (20, 60, 200)
    boxes = np.array([(1, 1, side, side) for side in sides], float)
    objects = Objects(np.arange(3), np.zeros(3, int), boxes, np.zeros(3, bool))
    # The small one is found after a wrong box of middle size; the middle one is missed.
    found = Detections(
        np.array([1, 0, 2]), np.zeros(3, int), np.array([0.9, 0.8, 0.7]), boxes[[1, 0, 2]] + [[300], [0], [0]]
    )
    data = Voc(HERE, {str(k): Picture(str(k), HERE / f"{k}.jpg") for k in range(3)})
    plot = details(data, objects, found, metric.evaluate(objects, found), None, 6).plots[2]
    assert [line.label for line in plot.lines] == ["small", "medium", "large"]
    assert [set(line.y) for line in plot.lines] == [{1.0}, {0.0}, {1.0}]
    assert "1 small, AP 1.000; 1 medium, AP 0.000; 1 large, AP 1.000" in plot.note


DOG, CAT = CLASSES.index("dog"), CLASSES.index("cat")
PLACES = [(1, 1, 100, 100), (201, 1, 300, 100), (1, 201, 100, 300), (201, 201, 300, 300)]


def told(objects, found):
    """The cases of one picture: objects are class, box, difficult; found are class, box, score. By kind and text."""
    category, boxes, difficult = (np.array(column) for column in zip(*objects, strict=True))
    truth = Objects(np.zeros(len(objects), int), category, boxes.astype(float), difficult.astype(bool))
    category, boxes, score = (np.array(column) for column in zip(*found, strict=True))
    detections = Detections(np.zeros(len(found), int), category, score, boxes.astype(float))
    data = Voc(HERE, {"a": Picture("a", HERE / "none.jpg")})
    return details(data, truth, detections, metric.evaluate(truth, detections), None, 6).cases.cases


def test_each_case_says_what_is_wrong_and_shows_it():
    left, right, lower, far = PLACES
    shifted, off = (51, 1, 150, 100), (1, 1, 100, 51)
    cases = told(
        [(DOG, left, 0), (CAT, right, 0), (DOG, lower, 0), (CAT, far, 1)],
        [
            (DOG, shifted, 0.9),  # near the first dog
            (DOG, right, 0.8),  # where the cat is
            (DOG, far, 0.7),  # where the difficult cat is
            (CAT, (400, 400, 450, 450), 0.6),  # nowhere
            (CAT, right, 0.5),
            (CAT, (203, 1, 300, 100), 0.4),  # the same cat again
            (DOG, lower, 0.3),
            (CAT, off, 0.2),  # on the first dog, of which it covers a little more than half
        ],
    )
    assert {(each.kind, each.text) for each in cases} == {
        (
            "missed objects",
            (
                "dog, 100 × 100 pixels; the nearest dog box overlaps it by 0.333 (more than 0.5 counts), score 0.900; "  # noqa: RUF001
                "cat is found in its place, score 0.200"
            ),
        ),
        ("false objects", "dog; cat is annotated here, overlap 1.000"),
        ("false objects", "dog; a difficult cat is annotated here, overlap 1.000"),
        ("false objects", "cat; no annotated object here"),
    }
    (shown,) = cases[0].pictures
    assert [(box.role, box.label, box.corners) for box in shown.boxes if box.subject] == [
        ("truth", "dog", (0, 0, 100, 100)),
        ("found", "dog", (50, 0, 150, 100)),
        ("found", "cat", (0, 0, 100, 51)),
    ]
    assert [box.corners for box in shown.boxes if box.role == "ignored"] == [(200, 200, 300, 300)]
    # Of the other boxes, those that score at least one half.
    assert sum(box.role == "found" and not box.subject for box in shown.boxes) == 4
    assert shown.path == str(HERE / "none.jpg")


def test_a_second_box_and_one_beside_a_found_object_are_told_apart():
    left, right = PLACES[:2]
    second, beside = (3, 1, 102, 100), (51, 1, 150, 100)
    cases = told(
        [(DOG, left, 0), (DOG, right, 0), (DOG, PLACES[2], 1)],
        [
            (DOG, left, 0.9),
            (DOG, second, 0.8),
            (DOG, beside, 0.7),
            (DOG, (51, 201, 150, 300), 0.65),
            (DOG, right, 0.6),
        ],
    )
    assert {each.text for each in cases} == {
        "dog; a second box on a dog that is found already",
        "dog; overlaps an annotated dog by 0.333 (more than 0.5 counts)",
        "dog; overlaps an annotated difficult dog by 0.333 (more than 0.5 counts)",
    }


@given(st.integers(0, 10**6))
def test_the_truth_as_predictions_has_no_fault(seed):
    data, objects, _ = made(seed, pictures=30)
    _, first = np.unique(
        np.column_stack((objects.picture, objects.category, objects.boxes)), axis=0, return_index=True
    )
    objects = Objects(
        *(getattr(objects, name)[first] for name in ("picture", "category", "boxes", "difficult"))
    )
    scores = 1 - np.arange(len(first)) / 100
    found = Detections(objects.picture, objects.category, scores, objects.boxes)
    shown = details(data, objects, found, metric.evaluate(objects, found), None, 6)
    assert shown.cases.cases == ()
    assert shown.cases.kinds == {"missed objects": Total(0, 0.0), "false objects": Total(0, 0.0)}
    assert {row[-1] for row in shown.rows} == {0.0}


def test_the_same_figures_are_the_same_bytes(tmp_path):
    read = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        data, objects, detections = case(4)
        written.write(
            folder, details(data, objects, detections, metric.evaluate(objects, detections), None, 2)
        )
        read.append({path.name: path.read_bytes() for path in sorted((folder / "details").iterdir())})
    assert read[0] == read[1]
    assert list(read[0]) == ["cases.json", "pictures.csv", "plots.json"]


def test_nothing_found_and_nothing_there():
    data, objects, detections = made(0)
    nothing = Detections(*(each[:0] for each in vars(detections).values()))
    shown = details(data, objects, nothing, metric.evaluate(objects, nothing), None, 6)
    assert shown.cases.kinds["missed objects"].count == (~objects.difficult).sum()
    none = Objects(*(each[:0] for each in vars(objects).values()))
    shown = details(data, none, detections, metric.evaluate(none, detections), None, 6)
    assert {total.count for total in shown.cases.kinds.values()} == {0}
