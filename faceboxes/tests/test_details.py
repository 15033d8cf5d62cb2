"""What the report shows of FDDB's figure: every fault, at the cost that a plain computation without it finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import read_facts
from common.report.details import Total
from faceboxes_fddb import faults, fddb, metric
from faceboxes_fddb.details import details
from faceboxes_fddb.fddb import Picture
from faceboxes_fddb.scoring import score
from tests import naive
from tests.conftest import HERE
from tests.test_metric import random_case


def descending(folds, detections):
    """Return a case with the boxes of each picture as FDDB_dets.txt has them, and scores that can be stretched."""
    rows = {stem: found[np.argsort(-found[:, 4], kind="stable")] for stem, found in detections.items()}
    far = Picture("far", np.array([[20, 20, 0, 900, 900.0]]))
    rows["far"] = np.array([[880, 880, 41, 41, 1.0], [0, 900, 9, 9, 0.0]])
    return [[*folds[0], far], *folds[1:]], rows


def average(folds, detections):
    """The average AP, scores taken as they would be if nothing was changed: from 0 to 1."""
    aps = [naive.fold_ap(fold, detections, 0.0, 1.0) for fold in folds]
    return float(np.mean([ap for ap in aps if not math.isnan(ap)]))


def judged(folds, detections):
    return faults.judge(folds, detections, metric.evaluate(folds, detections))


def mended(fault, detections):
    """Return the detections without a fault: with a sure box on the missed face first, or without the false one."""
    stem = fault.judged.picture.stem
    rows = detections[stem]
    if fault.kind == faults.FALSE:
        return {**detections, stem: np.delete(rows, fault.place, axis=0)}
    left, top, right, bottom = fault.judged.picture.boxes[fault.place]
    kept = rows[fault.judged.attempts != fault.place]
    return {**detections, stem: np.vstack(([[left, top, right - left, bottom - top, 1.0]], kept))}


@given(st.integers(0, 10**6))
def test_a_cost_is_what_the_plain_computation_gains_without_the_fault(seed):
    folds, detections = descending(*random_case(seed))
    before = average(folds, detections)
    pictures, found, _ = judged(folds, detections)
    # Of two faces with one box, the plain computation finds the first whatever is added.
    twins = {
        p.picture.stem for p in pictures if len(np.unique(p.picture.boxes, axis=0)) < len(p.picture.boxes)
    }
    for fault in found:
        if fault.judged.picture.stem not in twins:
            gained = average(folds, mended(fault, detections)) - before
            assert fault.cost == pytest.approx(gained, abs=1e-12)


@given(st.integers(0, 10**6))
def test_without_a_whole_kind_the_plain_computation_gains_its_total(seed):
    folds, detections = descending(*random_case(seed))
    _, found, totals = judged(folds, detections)
    false = [fault for fault in found if fault.kind == faults.FALSE]
    rest = dict(detections)
    for fault in reversed(false):  # from the last on, for the places to hold
        rest = mended(fault, rest)
    assert totals[faults.FALSE] == pytest.approx(average(folds, rest) - average(folds, detections), abs=1e-12)


@given(st.integers(0, 10**6))
def test_all_that_is_not_right_is_told_once(seed):
    folds, detections = descending(*random_case(seed))
    pictures, found, _ = judged(folds, detections)
    missed = [fault for fault in found if fault.kind == faults.MISSED]
    false = [fault for fault in found if fault.kind == faults.FALSE]
    matched = sum(score.matched[-1] for score in metric.evaluate(folds, detections))
    assert len(missed) == sum(len(p.picture.faces) for p in pictures) - matched
    attempts = sum(int((p.attempts >= 0).sum()) for p in pictures)
    assert len(false) + attempts == sum(len(p.boxes) for p in pictures) - matched


@pytest.fixture
def golden(cases):
    folds = fddb.read_folds(cases / "fddb_eval_sharp")
    return folds, fddb.read_detections(cases / "fddb_eval_sharp" / "FDDB_dets.txt")


def of(folds, detections, worst=6):
    accuracy = read_facts(HERE).accuracy
    return details(folds, detections, metric.evaluate(folds, detections), None, accuracy, worst)


def test_the_truth_as_predictions_has_no_fault(golden):
    folds, _ = golden
    pictures = [picture for fold in folds for picture in fold]
    truth = {}
    for number, picture in enumerate(pictures):
        corners = picture.boxes.astype(float)
        scores = np.linspace(1, 0.5, len(corners)) - number / 1000
        truth[picture.stem] = np.column_stack((corners[:, :2], corners[:, 2:] - corners[:, :2], scores))
    found = of(folds, truth)
    assert found.cases.cases == ()
    assert found.cases.kinds == {"missed faces": Total(0, 0.0), "false faces": Total(0, 0.0)}
    assert {row[-1] for row in found.rows} == {0.0}


def test_curves_and_rows_are_those_of_the_figure(golden):
    folds, detections = golden
    scores, found = metric.evaluate(folds, detections), of(folds, detections)
    curves, each = found.plots
    assert each.lines[0].y == pytest.approx([score.ap for score in scores], rel=1e-5)
    assert [mark.label for mark in each.marks] == ["mean", "published"]
    assert each.marks[1].y == 0.946
    assert len(curves.lines) == 11
    assert curves.lines[-1].x[-1] == pytest.approx(
        sum(score.matched[-1] for score in scores) / sum(score.faces for score in scores), rel=1e-5
    )
    faces, right, missed, boxes, wrong, false = (sum(row[k] for row in found.rows) for k in range(2, 8))
    assert (faces, right + missed, right + wrong) == (80, 80, boxes)
    assert (missed, false) == tuple(total.count for total in found.cases.kinds.values())
    assert [row[0] for row in found.rows] == [
        picture.name for fold in folds for picture in fold if len(picture.faces)
    ]


def test_the_worst_come_first_and_as_many_as_are_asked_for(golden):
    found = of(*golden, worst=3)
    for kind in found.cases.kinds:
        own = [case for case in found.cases.cases if case.kind == kind]
        assert [case.which for case in own] == ["worst"] * 3 + ["median", "random"]
        costs = [case.cost for case in own]
        assert costs[:3] == sorted(costs, reverse=True)[:3]


@pytest.mark.parametrize(
    ("accuracy", "labels"), [(read_facts(HERE).accuracy, ["mean", "published"]), (None, ["mean"])]
)
def test_the_published_figure_is_marked_where_it_can_be_compared(golden, accuracy, labels):
    plot = score(*golden).details(accuracy, 1).plots[1]
    assert [mark.label for mark in plot.marks] == labels
