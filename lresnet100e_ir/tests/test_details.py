"""What the report shows of LFW's figure: every wrong pair, at the cost that a plain computation without it finds."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import read_facts
from common.report import details as stored
from common.report.details import Total
from lresnet_lfw import lfw, metric
from lresnet_lfw.details import TAKEN_FOR_ONE, TAKEN_FOR_TWO, details
from tests import naive
from tests.conftest import HERE
from tests.test_metric import pairs


def of(distances, same, faces=None, accuracy=None, worst=100):
    return details(distances, same, metric.verify(distances, same), faces or {}, accuracy, worst)


def random_pairs(seed, count=200):
    """Squared distances of pairs, of which some are told wrongly, and which are one person's."""
    random = np.random.Generator(np.random.PCG64(seed))
    same = random.random(count) < 0.5
    distances = np.clip(random.normal(np.where(same, 0.9, 1.9), 0.4), 0, 4).astype(np.float32)
    return distances, same


def accuracy_at(thresholds, distances, same):
    """The mean accuracy over the folds, pair by pair, at the thresholds of the folds."""
    folds = np.array_split(np.arange(len(same)), 10)
    each = [
        sum((float(distances[k]) < threshold) == same[k] for k in fold) / len(fold)
        for fold, threshold in zip(folds, thresholds, strict=True)
    ]
    return sum(each) / 10


@given(pairs())
def test_a_cost_is_what_the_plain_computation_gains_with_the_pair_told_rightly(drawn):
    distances, same = drawn
    thresholds = naive.verify(distances, same)[1]
    before = accuracy_at(thresholds, distances, same)
    found = of(distances, same)
    for case in found.cases.cases:
        pair = int(case.key.split()[1].rstrip(","))
        mended = distances.copy()
        mended[pair] = -1 if same[pair] else 5
        assert case.cost == pytest.approx(accuracy_at(thresholds, mended, same) - before, abs=1e-12)


@given(pairs())
def test_totals_and_rows_are_what_accuracy_lacks(drawn):
    distances, same = drawn
    found, accuracy = of(distances, same), metric.verify(distances, same).accuracy
    totals = found.cases.kinds
    assert list(totals) == [TAKEN_FOR_TWO, TAKEN_FOR_ONE]
    assert sum(total.cost for total in totals.values()) == pytest.approx(1 - accuracy, abs=1e-12)
    assert sum(row[-1] for row in found.rows) == pytest.approx(1 - accuracy, abs=1e-12)
    assert sum(total.count for total in totals.values()) == sum(not row[-2] for row in found.rows)
    assert [row[0] for row in found.rows] == list(range(len(same)))


@pytest.mark.parametrize("count", [10, 6000])
def test_the_truth_as_predictions_has_no_wrong_pair(count):
    same = np.arange(count) % 600 < 300
    found = of(np.where(same, 0.5, 2.0).astype(np.float32), same)
    assert found.cases.cases == ()
    assert found.cases.kinds == {TAKEN_FOR_TWO: Total(0, 0.0), TAKEN_FOR_ONE: Total(0, 0.0)}
    assert {row[-1] for row in found.rows} == {0.0}


def test_pairs_furthest_beyond_their_threshold_come_first():
    distances, same = random_pairs(0)
    found = of(distances, same, worst=3)
    thresholds = metric.verify(distances, same).best_thresholds
    for kind in found.cases.kinds:
        own = [case for case in found.cases.cases if case.kind == kind]
        assert [case.which for case in own] == ["worst"] * 3 + ["median", "random"]
        places = [[int(word.rstrip(",")) for word in case.key.split()[1::2]] for case in own]
        beyond = [abs(float(distances[pair]) - thresholds[fold - 1]) for pair, fold in places]
        assert beyond[:3] == sorted(beyond, reverse=True)[:3]
        assert all(same[pair] == (kind == TAKEN_FOR_TWO) for pair, _ in places)


@given(st.integers(0, 10**6))
def test_the_area_below_the_curve_is_the_figure(seed):
    distances, same = random_pairs(seed)
    fpr, tpr = metric.roc_curve(distances, same)
    area = float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum())
    assert metric.roc_figures(distances, same)["AUC"] == pytest.approx(area, abs=1e-9)
    # What is drawn is thinned, to six digits, and begins where no pair of two persons is accepted.
    drawn = of(distances, same).plots[0].lines[-1]
    x, y = np.array(drawn.x), np.array(drawn.y)
    assert (np.diff(x) * (y[1:] + y[:-1]) / 2).sum() == pytest.approx(area, abs=0.01)
    assert set(y.tolist()) <= {float(f"{value:.6g}") for value in tpr}


def test_plots_are_those_of_the_figures():
    distances, same = random_pairs(3)
    verification, accuracy = metric.verify(distances, same), read_facts(HERE).accuracy
    roc, histogram, folds = of(distances, same, accuracy=accuracy).plots
    assert roc.log == "x"
    assert roc.marks[0].y == metric.roc_figures(distances, same)["TAR at FAR 0.001"]
    assert [sum(each.y) for each in histogram.lines] == [(~same).sum(), same.sum()]
    assert {mark.x for mark in histogram.marks} == set(verification.best_thresholds.tolist())
    assert folds.lines[0].y == pytest.approx(verification.accuracies, rel=1e-5)
    assert [(mark.label, mark.y) for mark in folds.marks] == [
        ("mean", verification.accuracy),
        ("published", 0.998),
    ]
    assert [mark.label for mark in of(distances, same).plots[2].marks] == ["mean"]


def test_pairs_of_one_kind_have_no_curve():
    distances, same = random_pairs(1)
    assert [plot.name for plot in of(distances, same | True).plots] == ["distances", "folds"]


@pytest.fixture
def in_a_bin(lfw_bin):
    """The pairs of an lfw.bin, with distances by which all are told wrongly in their fold."""
    known = lfw.read_pairs(lfw_bin)
    return known, np.where(known.same, 3.0, 0.5).astype(np.float32)


def test_pictures_of_an_lfw_bin_are_shown_from_their_bytes(in_a_bin, tmp_path):
    known, distances = in_a_bin
    found = of(distances, known.same, known.faces)
    stored.write(tmp_path, found)
    cases = stored.read_cases(tmp_path).cases
    assert cases == found.cases.cases
    assert len(cases) == 10
    for case in cases:
        pair = int(case.key.split()[1].rstrip(","))
        faces = [known.faces[str(number)] for number in (2 * pair, 2 * pair + 1)]
        assert [shown.data for shown in case.pictures] == [face.data for face in faces]
        assert [shown.caption for shown in case.pictures] == [
            f"picture {2 * pair}",
            f"picture {2 * pair + 1}",
        ]


def test_pictures_that_are_files_or_are_absent_are_named(in_a_bin, tmp_path):
    known, distances = in_a_bin
    faces = {"0": lfw.Face(tmp_path / "Ann_Lee_0001.jpg")}
    (first,) = (
        case for case in of(distances, known.same, faces).cases.cases if case.key.startswith("pair 0,")
    )
    own, absent = first.pictures
    assert (own.path, own.caption) == (str(tmp_path / "Ann_Lee_0001.jpg"), "Ann_Lee_0001")
    assert (absent.path, absent.data, absent.caption) == (None, None, "picture 1")


def test_the_same_figures_are_the_same_bytes():
    distances, same = random_pairs(2)
    first, second = (msgspec.json.encode(of(distances, same, worst=2)) for _ in range(2))
    assert first == second
