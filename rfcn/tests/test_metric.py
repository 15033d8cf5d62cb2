"""VOC's average precision: the reference's figures, a slow oracle, and each rule by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_voc import metric
from rfcn_voc.detections import Detections, read_detections, write_detections
from rfcn_voc.voc import CLASSES, Objects, read_objects, read_voc
from tests import naive
from tests.conftest import read_json, reference_detections

DOG = CLASSES.index("dog")


def objects_of(rows):
    """`rows`: picture, class number, box, difficult."""
    picture, category, boxes, difficult = zip(*rows, strict=True) if rows else [()] * 4
    return Objects(
        np.array(picture, np.int64),
        np.array(category, np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(difficult, bool),
    )


def detections_of(rows):
    """`rows`: picture, class number, score, box."""
    picture, category, score, boxes = zip(*rows, strict=True) if rows else [()] * 4
    return Detections(
        np.array(picture, np.int64),
        np.array(category, np.int64),
        np.array(score, np.float64),
        np.array(boxes, np.float64).reshape(-1, 4),
    )


def dogs(objects, found):
    """Score dogs in one picture: objects, each a box and whether it is difficult, and boxes found, of equal scores."""
    truth = objects_of([(0, DOG, box, difficult) for box, difficult in objects])
    return metric.evaluate(truth, detections_of([(0, DOG, 0.5, box) for box in found]))["dog"]


def test_the_reference_detections_give_the_reference_figures(cases, tmp_path):
    data = read_voc(cases / "voc" / "VOCdevkit2007", need_pictures=False)
    write_detections(tmp_path, data, reference_detections(cases, data))
    scores = metric.evaluate(read_objects(data), read_detections(tmp_path, data))
    expected = read_json(cases / "voc" / "expected.json")
    assert list(scores) == list(CLASSES)
    for name, score in scores.items():
        assert score.ap == pytest.approx(expected["ap_11_point"][name], abs=1e-9)
        assert score.objects == expected["easy_objects"][name]
        assert score.detections == expected["final_recall"][name][0]
        if score.objects:
            assert score.ap_all_points == pytest.approx(expected["ap_area"][name], abs=1e-9)
        else:
            # The original's 0 for two such classes without detections is no measurement either.
            assert math.isnan(score.ap_all_points)
            assert expected["ap_area"][name] is None or not score.detections
    assert metric.mean_ap(scores) == pytest.approx(expected["mean_ap_11_point"], abs=1e-9)
    counted = [expected["ap_area"][name] for name, score in scores.items() if score.objects]
    assert metric.mean_ap_all_points(scores) == pytest.approx(sum(counted) / len(counted), abs=1e-9)


# Few places, so that boxes meet, and overlaps and scores tie; two classes, so that most have nothing.
sides = st.integers(0, 6)
boxes = st.tuples(sides, sides, sides, sides).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
loose = st.one_of(boxes, st.tuples(sides, sides, sides, sides), st.tuples(*[st.floats(-2, 9)] * 4))
truths = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([3, 11]), boxes, st.booleans()), max_size=14)
founds = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([3, 11, 19]), st.sampled_from([0.1, 0.5, 0.501, 0.9]), loose
    ),
    max_size=25,
)


def check_against_the_oracle(objects, detections):
    scores = metric.evaluate(objects_of(objects), detections_of(detections))
    assert list(scores) == list(CLASSES)
    for number, name in enumerate(CLASSES):
        truth = {}
        for picture, category, box, difficult in objects:
            if category == number:
                truth.setdefault(picture, []).append((box, difficult))
        rows = [(picture, score, box) for picture, category, score, box in detections if category == number]
        easy, count, ap, ap_all = naive.evaluate_class(truth, rows)
        assert (scores[name].objects, scores[name].detections) == (easy, count)
        assert scores[name].ap == pytest.approx(ap, abs=1e-12)
        assert scores[name].ap_all_points == pytest.approx(ap_all, abs=1e-12, nan_ok=True)


@given(objects=truths, detections=founds)
def test_small_cases_agree_with_the_oracle(objects, detections):
    check_against_the_oracle(objects, detections)


@given(seed=st.integers(0, 10**6), noise=st.integers(0, 30))
def test_larger_cases_agree_with_the_oracle(seed, noise):
    """Detections near objects, with scores of two decimals, so that many are right."""
    rng = np.random.default_rng(seed)
    objects, detections = [], []
    for _ in range(60):
        corner = rng.integers(0, 60, 2)
        box = (*corner.tolist(), *(corner + rng.integers(5, 40, 2)).tolist())
        category = int(rng.integers(0, 20, 2).min())
        objects.append((int(rng.integers(5)), category, box, bool(rng.random() < 0.3)))
    for _ in range(150):
        picture, category, box, _ = objects[rng.integers(len(objects))]
        moved = np.round(np.array(box) + rng.integers(-noise, noise + 1, 4) / 4, 1)
        detections.append((picture, category, round(float(rng.random()), 2), tuple(moved.tolist())))
    check_against_the_oracle(objects, detections)


def test_the_order_of_objects_by_picture_does_not_matter():
    objects = [(0, 3, (1, 1, 9, 9), 0), (1, 3, (1, 1, 9, 9), 0), (0, 3, (5, 5, 19, 19), 1)]
    detections = [(0, 3, 0.5, (1, 1, 9, 9)), (1, 3, 0.4, (2, 2, 9, 9)), (0, 3, 0.3, (5, 5, 18, 18))]
    for turned in (objects, objects[::-1]):
        found = metric.evaluate(objects_of(turned), detections_of(detections))["boat"]
        assert found == metric.ClassScore(2, 3, pytest.approx(1), 1.0)


def test_the_first_of_many_objects_in_one_place_counts():
    objects = [(picture, DOG, BOX, i > 0) for i in range(100) for picture in (2, 0, 1)]
    found = [(picture, DOG, 0.5, BOX) for picture in range(3)]
    score = metric.evaluate(objects_of(objects), detections_of(found))["dog"]
    assert (score.objects, score.ap_all_points) == (3, pytest.approx(1))


def test_nothing_found_and_nothing_there():
    scores = metric.evaluate(objects_of([(0, DOG, (1, 1, 9, 9), 0)]), detections_of([]))
    assert scores["dog"] == metric.ClassScore(1, 0, 0.0, 0.0)
    assert (scores["cat"].objects, scores["cat"].detections, scores["cat"].ap) == (0, 0, 0.0)
    assert math.isnan(scores["cat"].ap_all_points)
    assert (metric.mean_ap(scores), metric.mean_ap_all_points(scores)) == (0, 0)

    scores = metric.evaluate(objects_of([]), detections_of([(7, DOG, 0.5, (1, 1, 9, 9))]))
    assert (scores["dog"].objects, scores["dog"].detections, scores["dog"].ap) == (0, 1, 0.0)
    assert metric.mean_ap(scores) == 0
    assert math.isnan(metric.mean_ap_all_points(scores))


def test_the_mean_counts_classes_without_easy_objects_as_0_and_the_later_one_leaves_them_out():
    objects = [(0, 0, (1, 1, 9, 9), 0), (0, 1, (1, 1, 9, 9), 1)]
    scores = metric.evaluate(objects_of(objects), detections_of([(0, c, 0.5, (1, 1, 9, 9)) for c in (0, 1)]))
    assert metric.mean_ap(scores) == pytest.approx(1 / 20)
    assert metric.mean_ap_all_points(scores) == 1


def test_both_border_pixels_belong_to_a_box():
    # 10 x 10 and 10 x 7 pixels: 0.7 of it; without the border pixels 54/81.
    shared = metric.box_iou(np.array([[1.0, 1, 10, 10]]), np.array([[1.0, 1, 10, 7]]))
    assert shared[0] == 0.7
    assert metric.box_iou(np.array([[1.0, 1, 5, 5]]), np.array([[6.0, 1, 9, 9]]))[0] == 0
    assert metric.box_iou(np.array([[1.0, 1, 5, 5]]), np.array([[5.0, 5, 9, 9]]))[0] == 1 / 49


@pytest.mark.parametrize("box", [(9, 9, 1, 1), (0, 0, -1, -1), (0, 0, -11, 8), (5, 5, 4, 20), (9, 0, 0, 8)])
def test_a_box_that_ends_before_it_begins_is_wrong_without_a_warning(box):
    assert dogs([((0, 0, 9, 9), 0)], [box]) == metric.ClassScore(1, 1, 0.0, 0.0)


BOX, LOWER, FAR = (1, 1, 20, 20), (1, 5, 20, 24), (101, 101, 120, 120)
LEFT, BETWEEN, RIGHT = (1, 1, 10, 12), (2, 1, 11, 12), (3, 1, 12, 12)
EASY, DIFFICULT = 0, 1


@pytest.mark.parametrize(
    ("objects", "found", "expected"),
    [
        # An overlap of exactly half does not suffice.
        ([((1, 1, 10, 10), EASY)], [(1, 1, 10, 5)], (1, 0, 0)),
        ([((1, 1, 10, 10), EASY)], [(1, 1, 10, 5.1)], (1, 1, 1)),
        # A second box on an object is wrong even if it overlaps another object by more than half, too.
        ([(BOX, EASY), (LOWER, EASY)], [BOX, (1, 2, 20, 21)], (2, 6 / 11, 0.5)),
        # Of equal overlaps the first object counts.
        ([(LEFT, DIFFICULT), (RIGHT, EASY)], [BETWEEN], (1, 0, 0)),
        ([(RIGHT, EASY), (LEFT, DIFFICULT)], [BETWEEN], (1, 1, 1)),
        ([(LEFT, EASY), (LEFT, EASY)], [LEFT, LEFT], (2, 6 / 11, 0.5)),
        # Boxes on difficult objects count neither way.
        ([(BOX, EASY), (FAR, DIFFICULT)], [FAR, FAR, BOX], (1, 1, 1)),
        # Equal scores stay in order.
        ([(BOX, EASY)], [BOX, FAR], (1, 1, 1)),
        ([(BOX, EASY)], [FAR, BOX], (1, 0.5, 0.5)),
    ],
)
def test_each_rule_by_hand(objects, found, expected):
    score = dogs(objects, found)
    assert (score.objects, score.ap, score.ap_all_points) == pytest.approx(expected)
    assert score.detections == len(found)


@pytest.mark.parametrize(
    ("found", "points"), [(1, 2), (2, 3), (3, 3), (4, 5), (5, 6), (6, 6), (7, 7), (8, 9), (9, 10)]
)
def test_recalls_of_exactly_3_6_and_7_tenths_miss_their_point(found, points):
    places = [(100 * i, 1, 100 * i + 9, 10) for i in range(10)]
    score = dogs([(place, EASY) for place in places], places[:found])
    assert score.ap == pytest.approx(points / 11)
    assert score.ap_all_points == pytest.approx(found / 10)


@pytest.mark.parametrize(("picture", "category"), [(3, DOG), (5, DOG), (4, DOG - 1), (4, 19)])
def test_only_the_same_class_in_the_same_picture_is_found(picture, category):
    objects, box = objects_of([(4, DOG, (1, 1, 9, 9), 0)]), (1, 1, 9, 9)
    assert metric.evaluate(objects, detections_of([(picture, category, 0.5, box)]))["dog"].ap == 0
    assert metric.evaluate(objects, detections_of([(4, DOG, 0.5, box)]))["dog"].ap == pytest.approx(1)
