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
    return Objects(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[3] for row in rows], bool),
    )


def detections_of(rows):
    """`rows`: picture, class number, score, box."""
    return Detections(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.float64).reshape(-1, 4),
    )


def dogs(objects, detections):
    """Score dogs in one picture: (box, difficult) and (score, box)."""
    truth = objects_of([(0, DOG, box, difficult) for box, difficult in objects])
    found = detections_of([(0, DOG, score, box) for score, box in detections])
    return metric.evaluate(truth, found)["dog"]


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
    """Detections near objects, with scores of three decimals, so that many are right."""
    rng = np.random.default_rng(seed)
    objects = []
    for _ in range(60):
        corner = rng.integers(0, 60, 2)
        box = (*corner.tolist(), *(corner + rng.integers(5, 40, 2)).tolist())
        objects.append(
            (int(rng.integers(5)), int(rng.integers(0, 20, 2).min()), box, bool(rng.random() < 0.3))
        )
    detections = []
    for _ in range(150):
        picture, category, box, _ = objects[rng.integers(len(objects))]
        moved = np.round(np.array(box) + rng.integers(-noise, noise + 1, 4) / 4, 1)
        detections.append((picture, category, round(float(rng.random()), 2), tuple(moved.tolist())))
    check_against_the_oracle(objects, detections)


def test_the_order_of_objects_by_picture_does_not_matter():
    objects = [(0, 3, (1, 1, 9, 9), 0), (1, 3, (1, 1, 9, 9), 0), (0, 3, (5, 5, 19, 19), 1)]
    detections = [(0, 3, 0.5, (1, 1, 9, 9)), (1, 3, 0.4, (2, 2, 9, 9)), (0, 3, 0.3, (5, 5, 18, 18))]
    expected = metric.evaluate(objects_of(objects), detections_of(detections))["boat"]
    turned = metric.evaluate(objects_of(objects[::-1]), detections_of(detections))["boat"]
    assert turned == expected == metric.ClassScore(2, 3, pytest.approx(1), 1.0)


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
    assert dogs([((0, 0, 9, 9), 0)], [(0.5, box)]) == metric.ClassScore(1, 1, 0.0, 0.0)


def test_an_overlap_of_exactly_half_does_not_suffice():
    assert dogs([((1, 1, 10, 10), 0)], [(0.5, (1, 1, 10, 5))]).ap == 0
    assert dogs([((1, 1, 10, 10), 0)], [(0.5, (1, 1, 10, 5.1))]).ap == pytest.approx(1)


def test_a_second_box_on_an_object_is_wrong_even_if_another_object_is_near():
    objects = [((1, 1, 20, 20), 0), ((1, 5, 20, 24), 0)]
    found = [
        (0.9, (1, 1, 20, 20)),
        (0.8, (1, 2, 20, 21)),
    ]  # overlaps the second object by more than half, too
    assert dogs(objects, found) == metric.ClassScore(2, 2, pytest.approx(6 / 11), 0.5)


def test_of_equal_overlaps_the_first_object_counts():
    left, right = (1, 1, 10, 12), (3, 1, 12, 12)
    between = (2, 1, 11, 12)
    assert dogs([(left, 1), (right, 0)], [(0.9, between)]).ap == 0
    assert dogs([(right, 0), (left, 1)], [(0.9, between)]).ap == pytest.approx(1)
    assert dogs([(left, 0), (left, 0)], [(0.9, left), (0.8, left)]).ap_all_points == 0.5


def test_the_first_of_many_objects_in_one_place_counts():
    box = (1, 1, 20, 20)
    objects = [(picture, DOG, box, i > 0) for i in range(100) for picture in (2, 0, 1)]
    found = [(picture, DOG, 0.5, box) for picture in range(3)]
    score = metric.evaluate(objects_of(objects), detections_of(found))["dog"]
    assert (score.objects, score.ap_all_points) == (3, pytest.approx(1))


def test_boxes_on_difficult_objects_count_neither_way():
    easy, hard = (1, 1, 20, 20), (101, 101, 120, 120)
    alone = dogs([(easy, 0)], [(0.5, easy)])
    found = dogs([(easy, 0), (hard, 1)], [(0.9, hard), (0.8, hard), (0.5, easy)])
    assert (found.objects, found.ap, found.ap_all_points) == (1, alone.ap, alone.ap_all_points)


def test_equal_scores_stay_in_order():
    box, beside = (1, 1, 20, 20), (101, 101, 120, 120)
    assert dogs([(box, 0)], [(0.5, box), (0.5, beside)]).ap == pytest.approx(1)
    assert dogs([(box, 0)], [(0.5, beside), (0.5, box)]).ap == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("found", "points"), [(1, 2), (2, 3), (3, 3), (4, 5), (5, 6), (6, 6), (7, 7), (8, 9), (9, 10)]
)
def test_recalls_of_exactly_3_6_and_7_tenths_miss_their_point(found, points):
    places = [(100 * i, 1, 100 * i + 9, 10) for i in range(10)]
    score = dogs([(place, 0) for place in places], [(0.5, place) for place in places[:found]])
    assert score.ap == pytest.approx(points / 11)
    assert score.ap_all_points == pytest.approx(found / 10)


def test_only_the_same_class_in_the_same_picture_is_found():
    objects = objects_of([(4, DOG, (1, 1, 9, 9), 0)])
    elsewhere = detections_of(
        [(c, d, 0.5, (1, 1, 9, 9)) for c, d in ((3, DOG), (5, DOG), (4, DOG - 1), (4, 19))]
    )
    assert metric.evaluate(objects, elsewhere)["dog"].ap == 0
    there = detections_of([(4, DOG, 0.5, (1, 1, 9, 9))])
    assert metric.evaluate(objects, there)["dog"].ap == pytest.approx(1)
