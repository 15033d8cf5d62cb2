"""What the report shows of COCO's figures: every fault, at the cost that measuring again without it finds."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import read_facts
from common.report.details import Total
from efficientdet_coco import metric
from efficientdet_coco.coco import Detections, read_coco, read_detections
from efficientdet_coco.details import COLUMNS, details
from efficientdet_coco.faults import FALSE, INEXACT, MISSED, find
from tests.conftest import HERE, read_json
from tests.test_metric import joined, made

KINDS = (MISSED, FALSE, INEXACT)


def judged_of(coco, found):
    judged = []
    metric.evaluate(coco, found, judged)
    return judged


def plain_ap(right, ignored, total):
    """The average precision of boxes by descending score, one recall after the other."""
    points, found, tried = [], 0, 0
    for hit, left_out in zip(right, ignored, strict=True):
        found, tried = found + hit, tried + (not left_out)
        if hit:
            points.append((found / total, found / tried))
    return np.mean([max((p for r, p in points if r >= wanted), default=0.0) for wanted in metric.RECALLS])


def plain_map(judged):
    """The mAP of what became of the boxes, each limit by itself."""
    aps = []
    for each in judged:
        order = sorted(range(len(each.scores)), key=lambda row: -each.scores[row])
        aps += [
            plain_ap(each.right[limit, order], each.ignored[limit, order], len(each.objects))
            for limit in range(10)
        ]
    return float(np.mean(aps))


def mended(judged, attempts, kind, faults):
    """Return what became of the boxes without some faults of one kind, pairs of a category's and a fault's place."""
    done = []
    for number, each in enumerate(judged):
        own = {place for k, place in faults if k == number}
        right, ignored, scores = each.right.copy(), each.ignored.copy(), each.scores
        for limit in range(10):
            if kind == FALSE:
                gone = [row for row in own if not right[limit, row]]
            elif kind == MISSED:
                gone = [
                    row
                    for row, target in enumerate(attempts[number])
                    if target in own and not right[limit, row]
                ]
            else:
                fits = [row for row in own if not each.found[limit, each.first[row]]]
                right[limit, fits], ignored[limit, fits], gone = True, False, []
            ignored[limit, gone] = True
        if kind == MISSED:  # found first of all, or, at limits where something found it, as it was
            more = np.array([[not hit[place] for place in own] for hit in each.found], bool).reshape(10, -1)
            right, ignored = np.hstack((more, right)), np.hstack((~more, ignored))
            scores = np.concatenate((np.full(len(own), 2.0), scores))
        done.append(replace(each, right=right, ignored=ignored, scores=scores))
    return done


cases = st.tuples(
    st.integers(0, 10**6),
    st.integers(1, 4),
    st.integers(1, 14),
    st.integers(1, 30),
    st.sampled_from([4, 16, 31.7]),
)


@given(case=cases, scores=st.sampled_from([3, 1000]))
def test_a_cost_is_what_the_plain_computation_gains_without_the_fault(case, scores):
    coco, found = made(*case, scores)
    judged = judged_of(coco, found)
    before = plain_map(judged) if judged else 0.0
    faults, attempts = find(coco.objects, found, judged)
    for kind, own in faults.items():
        pairs = list(zip(own.number.tolist(), own.place.tolist(), strict=True))
        for pair, cost in zip(pairs, own.cost.tolist(), strict=True):
            assert cost == pytest.approx(
                plain_map(mended(judged, attempts, kind, [pair])) - before, abs=1e-12
            )
            assert cost >= 0
        gained = plain_map(mended(judged, attempts, kind, pairs)) - before if pairs else 0.0
        assert own.total == pytest.approx(gained, abs=1e-12)


@given(case=cases)
def test_measuring_again_with_the_fault_mended_in_the_boxes_gains_its_cost(case):
    """Where mending it changes nothing else, which is so unless two objects or boxes compete."""
    coco, found = made(*case, 1)
    found = replace(found, score=1 - np.random.default_rng(case[0]).permutation(len(found.score)) / 64)
    judged = judged_of(coco, found)
    before = metric.evaluate(coco, found)[0]["AP"]
    faults, attempts = find(coco.objects, found, judged)

    def gained(changed):
        return metric.evaluate(coco, changed)[0]["AP"] - before

    for kind in (MISSED, FALSE):
        own = faults[kind]
        for number, place, picture, cost in zip(own.number, own.place, own.picture, own.cost, strict=True):
            each = judged[number]
            gone = each.rows[attempts[number] == place] if kind == MISSED else each.rows[[place]]
            is_wrong = not (each.right | each.ignored)[:, np.isin(each.rows, gone)].any()
            rest = found.only(np.setdiff1d(np.arange(len(found.score)), gone))
            if kind == MISSED:
                box = coco.objects.boxes[each.objects[[place]]]
                same = (coco.objects.picture == picture) & (coco.objects.boxes == box).all(axis=1)
                is_wrong &= not each.found[:, place].any() and same.sum() == 1 and box[0, 2:].all()
                rest = joined(
                    Detections(np.array([picture]), np.array([each.category]), box, np.array([2.0])), rest
                )
            if is_wrong and len(rest.score):
                assert cost == pytest.approx(gained(rest), abs=1e-12)


@given(case=cases)
def test_all_that_is_not_right_is_told_once(case):
    coco, found = made(*case, 1000)
    judged = judged_of(coco, found)
    faults, attempts = find(coco.objects, found, judged)
    wrong = sum(int((~each.right[0] & ~each.ignored[0]).sum()) for each in judged)
    assert len(faults[FALSE].cost) + sum(int((near >= 0).sum()) for near in attempts) == wrong
    hits = sum(int(each.right[0].sum()) for each in judged)
    assert len(faults[MISSED].cost) + hits == sum(len(each.objects) for each in judged)
    assert len(faults[INEXACT].cost) <= hits


@pytest.fixture
def golden(cases_folder, tmp_path):
    (tmp_path / "annotations").mkdir()
    shutil.copy(cases_folder / "annotations.json", tmp_path / "annotations/instances_val2017.json")
    return read_coco(tmp_path, need_pictures=False), read_detections(cases_folder / "detections.json")


@pytest.fixture
def cases_folder(reference):
    return reference / "cases" / "coco"


def of(coco, found, worst=6, accuracy=None):
    return details(coco, found, judged_of(coco, found), accuracy, worst)


def test_the_truth_as_predictions_has_no_fault(golden):
    coco, _ = golden
    truth = coco.objects.only(~coco.objects.crowd)
    found = of(
        coco, Detections(truth.picture, truth.category, truth.boxes, np.linspace(1, 0.5, len(truth.area)))
    )
    assert found.cases.cases == ()
    assert found.cases.kinds == dict.fromkeys(KINDS, Total(0, 0.0))
    assert {row[-1] for row in found.rows} == {0.0}
    assert all(set(line.y) == {1.0} for plot in found.plots[:2] for line in plot.lines)


def test_areas_below_the_curves_are_the_figures(golden):
    figures, _ = metric.evaluate(*golden)
    judged = judged_of(*golden)
    limits, sizes, *categories = of(*golden, accuracy=read_facts(HERE).accuracy).plots
    for plot, names in ((limits, ("AP75", "AP50", "AP")), (sizes, ("AP small", "AP medium", "AP large"))):
        for line, name in zip(plot.lines, names, strict=True):
            assert np.mean(line.y) == pytest.approx(figures[name], abs=1e-6)  # of six digits each
            assert line.label.endswith(f" {figures[name]:.3f}")
    aps = {row: x for plot in categories for row, x in zip(plot.rows, plot.lines[1].x, strict=True)}
    assert len(aps) == len(judged)
    assert np.mean(list(aps.values())) == pytest.approx(figures["AP"], abs=1e-6)
    assert [mark.label for mark in categories[0].marks] == ["mean of all", "published"]
    assert [mark.label for mark in of(*golden).plots[-1].marks] == ["mean of all"]


def test_rows_are_the_pictures_and_their_sums_the_totals(golden):
    coco, found = golden
    judged = judged_of(*golden)
    faults, _ = find(coco.objects, found, judged)
    rows = of(*golden).rows
    assert [row[0] for row in rows] == [picture.path.name for picture in coco.pictures.values()]
    sums = dict(zip(COLUMNS[1:], (sum(column) for column in list(zip(*rows, strict=True))[1:]), strict=True))
    assert sums["objects"] == sum(len(each.objects) for each in judged) == sums["found"] + sums["missed"]
    assert sums["boxes"] == sums["found"] + sums["wrong boxes"] + sums["neither way"]
    assert sums["false objects"] == len(faults[FALSE].cost) == of(*golden).cases.kinds[FALSE].count
    assert sums["missed"] == len(faults[MISSED].cost)
    assert sums["cost in mAP"] == pytest.approx(sum(own.cost.sum() for own in faults.values()))


def test_the_worst_come_first_and_as_many_as_are_asked_for(golden):
    found = of(*golden, worst=3)
    for kind in KINDS:
        own = [case for case in found.cases.cases if case.kind == kind]
        assert [case.which for case in own] == ["worst"] * 3 + ["median", "random"]
        costs = [case.cost for case in own]
        assert costs[:3] == sorted(costs, reverse=True)[:3]
        assert all(box.subject for case in own for box in case.pictures[0].boxes[:1])
        assert all(len(case.pictures[0].boxes) <= 40 for case in own)


def test_what_is_wrong_is_said_in_words():
    """Of one picture with a cat, a dog and a crowd: the cat missed, the dog taken for a cat, and so on."""
    coco, _ = made(0, 1, 1, 1, 1, 1)
    objects = replace(
        coco.objects,
        picture=np.array([1, 1, 1, 1]),
        category=np.array([17, 18, 18, 18]),
        boxes=np.array([[0, 0, 50, 50], [200, 0, 60, 40], [400, 0, 60, 40], [0, 300, 100, 100.0]]),
        area=np.array([2500, 2400, 2400, 1e4]),
        crowd=np.array([False, False, False, True]),
    )
    coco = replace(coco, objects=objects, categories=(17, 18))
    rows = [
        (17, [0, 30, 50, 50], 0.9),  # came near the cat
        (17, [200, 0, 60, 40], 0.8),  # a dog
        (18, [400, 0, 60, 37], 0.7),  # found, inexactly
        (18, [400, 0, 60, 36], 0.6),  # once more
        (18, [600, 400, 9, 9], 0.5),
        (18, [10, 310, 50, 50], 0.4),  # in the crowd
    ]
    found = Detections(np.ones(6, int), *(np.array(column) for column in zip(*rows, strict=True)))
    shown = of(coco, found)
    told = {case.text: case for case in shown.cases.cases}
    assert [plot.name for plot in shown.plots] == [
        "precision_recall",
        "categories_1",
    ]  # no curve by size: all are medium
    assert {*told} == {
        "cat, 50 × 50 pixels; the nearest box overlaps it by 0.250 (0.50 counts), score 0.900",  # noqa: RUF001
        "dog, 60 × 40 pixels; taken for: cat, score 0.800, overlap 1.00",  # noqa: RUF001
        "cat where there is: dog, overlap 1.00",
        "dog, a second box on one that is found already",
        "dog, nothing annotated here",
        "dog, 60 × 40 pixels; overlap 0.925: right at 9 of the 10",  # noqa: RUF001
    }
    assert told["dog, nothing annotated here"].score == 0.5
    (shown,) = told["dog, nothing annotated here"].pictures
    assert sorted(box.role for box in shown.boxes) == sorted(["truth"] * 3 + ["ignored"] * 2 + ["found"] * 5)
    assert [box.subject for box in shown.boxes] == [True] + [False] * 9


def test_postprocess_writes_them_twice_the_same_also_without_pictures(golden, cases_folder, tmp_path, run):
    found = []
    for out in ("one", "two"):
        done = run(
            *("postprocess.py", "--detections", cases_folder / "detections.json", "--data", tmp_path),
            *("--out", tmp_path / out, "--worst", "2"),
        )
        assert done.returncode == 0, done.stderr
        found.append({path.name: path.read_bytes() for path in (tmp_path / out / "details").iterdir()})
    assert found[0] == found[1]
    shown = read_json(tmp_path / "one" / "details" / "cases.json")
    assert {kind: sum(c["kind"] == kind for c in shown["cases"]) for kind in KINDS} == dict.fromkeys(KINDS, 4)
    table = list(csv.reader(io.StringIO(found[0]["pictures.csv"].decode())))
    assert table[0] == list(COLUMNS)
    assert len(table) == 1 + len(golden[0].pictures)
