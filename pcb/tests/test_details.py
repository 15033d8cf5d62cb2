"""What the report shows of Market-1501's figures: every query that went wrong, at the cost that plain steps find."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.facts import read_facts
from common.report.details import Total
from pcb_market import metric
from pcb_market.details import FAILED, LATE, details
from pcb_market.market import Market
from tests import naive
from tests.conftest import HERE
from tests.test_metric import pictures, points, synthetic

QUERIES, GALLERY = 5, 40
SURE = np.float32(1000)


def random_case(seed, dim=3):
    """Features, queries and gallery; the first query has a match in any case. Many distances are equal."""
    random = np.random.Generator(np.random.PCG64(seed))
    query, gallery = (random.integers(-3, 4, (n, dim)).astype(np.float32) for n in (QUERIES, GALLERY))
    people, cameras = random.integers(1, 6, QUERIES), random.integers(0, 3, QUERIES)
    found = pictures(random.integers(0, 6, GALLERY), random.integers(0, 3, GALLERY))
    people[0], cameras[0] = 1, 7
    found["0"] = type(found["0"])(Path("0.jpg"), 1, 0)
    return query, gallery, pictures(people, cameras), found


def of(case, accuracy=None, worst=100):
    _, _, asked, found = case
    scores = metric.evaluate(*case)
    return details(Market(asked, found, {}), scores, accuracy, worst), scores


def mended(case, key):
    """Return the features with all matches of a query first, and all other distances by as much larger.

    In one more dimension the query lies with its matches, all other queries halfway between these and the other pictures.
    """
    query, gallery, asked, found = case
    own = [name == key.removesuffix(".jpg") for name in asked]
    person = asked[key.removesuffix(".jpg")].person
    with_it = [picture.person == person for picture in found.values()]
    return (
        np.column_stack((query, np.where(own, SURE, SURE / 2))),
        np.column_stack((gallery, np.where(with_it, SURE, 0))),
        asked,
        found,
    )


@pytest.mark.parametrize("seed", range(25))  # few: the plain steps take their time
def test_a_cost_is_what_the_plain_steps_gain_with_the_matches_first(seed):
    case = random_case(seed)
    shown = of(case)[0].cases.cases
    if shown:
        each = shown[seed % len(shown)]
        gained = naive.evaluate(*mended(case, each.key))[0] - naive.evaluate(*case)[0]
        assert each.cost == pytest.approx(gained, abs=1e-12)


@given(st.integers(0, 10**6))
def test_totals_and_rows_are_what_the_figure_lacks(seed):
    shown, scores = of(random_case(seed))
    totals = shown.cases.kinds
    assert list(totals) == [FAILED, LATE]
    assert totals[FAILED].count == round((1 - scores.top(1)) * scores.counted)
    assert sum(total.cost for total in totals.values()) == pytest.approx(1 - scores.mean_ap, abs=1e-12)
    assert sum(row[-1] for row in shown.rows) == pytest.approx(1 - scores.mean_ap, abs=1e-12)
    assert sum(total.count for total in totals.values()) == sum(row[-1] > 0 for row in shown.rows)


@given(st.integers(0, 10**6))
def test_a_ranking_is_that_of_all_distances_sorted(seed):
    query, gallery, asked, found = case = random_case(seed)
    scores = metric.evaluate(*case)
    for place, rank, ranking in zip(scores.queries, scores.ranks, scores.rankings, strict=True):
        wanted = list(asked.values())[place]
        lengths = ((gallery.astype(float) - query[place]) ** 2).sum(axis=1)
        left_out = [(p.person, p.camera) == (wanted.person, wanted.camera) for p in found.values()]
        right = np.array([p.person == wanted.person for p in found.values()])
        counted = [k for k in np.argsort(lengths, kind="stable") if not left_out[k]][: metric.BEST]
        assert ranking.places[ranking.counted].tolist() == counted
        among = [k for k in range(GALLERY) if left_out[k] and lengths[k] <= lengths[counted[-1]]]
        assert sorted(ranking.places[~ranking.counted]) == among
        assert ranking.distances.tolist() == lengths[ranking.places].tolist()
        assert (np.diff(ranking.distances) >= 0).all()
        others = lengths[~right]
        assert ranking.match == lengths[right & ~np.array(left_out)].min()
        assert ranking.other == (others.min() if len(others) else np.inf)
        if rank < metric.BEST:
            assert right[counted].argmax() == rank


def test_the_truth_as_predictions_has_no_failed_query():
    people = np.arange(30) % 6
    found = pictures(people, np.arange(30) // 6)
    shown, _ = of((points(1, 2), points(*people), pictures([1, 2], [7, 7]), found))
    assert shown.cases.cases == ()
    assert shown.cases.kinds == {FAILED: Total(0, 0.0), LATE: Total(0, 0.0)}
    assert [row[3:5] for row in shown.rows] == [(1.0, 1), (1.0, 1)]


def test_a_ranking_tells_right_wrong_and_ignored():
    """The query of person 1 and camera 1; nearest are its own camera's, a distractor, another person and a match."""
    found = pictures([1, 0, 2, 1], [0, 1, 2, 3])
    shown, _ = of((points(0), points(1, 2, 3, 4), pictures([1], [0]), found))
    (case,) = shown.cases.cases
    assert case.kind == FAILED
    assert [(each.mark, each.caption) for each in case.pictures] == [
        ("", "query: person 1, camera 1"),
        ("", "ignored: the same camera; 1.000"),
        ("wrong", "1: wrong; a distractor, camera 2; 4.000"),
        ("wrong", "2: wrong; person 2, camera 3; 9.000"),
        ("right", "3: right; camera 4; 16.000"),
    ]
    assert case.text == "average precision 0.3333, first match at rank 3"
    assert shown.rows == [("0.jpg", 1, 1, pytest.approx(1 / 3), 3, 16.0, 4.0, "1.jpg", pytest.approx(2 / 3))]


def test_a_gallery_of_the_person_alone_has_no_other_person():
    shown, scores = of((points(0), points(1, 2), pictures([1], [0]), pictures([1, 1], [1, 2])))
    assert shown.rows[0][6] is None
    assert scores.rankings[0].other == np.inf
    assert shown.cases.cases == ()


def test_plots_are_those_of_the_figures():
    case = synthetic(3, 60, 500, 16, 2.0)
    shown, scores = of(case, read_facts(HERE).accuracy)
    cmc, precisions, distances = shown.plots
    assert cmc.lines[0].y == pytest.approx(scores.cmc[:50], rel=1e-5)
    assert [(mark.x, mark.y) for mark in cmc.marks] == [(1, 0.921), (5, 0.969), (10, 0.981)]
    assert {mark.label for mark in cmc.marks} == {"published"}
    assert of(case)[0].plots[0].marks == ()
    assert sum(precisions.lines[0].y) == scores.counted
    assert precisions.marks[0].x == scores.mean_ap
    assert [sum(each.y) for each in distances.lines] == [scores.counted, scores.counted]


def test_the_worst_come_first_with_eleven_pictures_each():
    shown, _ = of(synthetic(3, 200, 500, 64, 1.3), worst=3)
    for kind in shown.cases.kinds:
        own = [case for case in shown.cases.cases if case.kind == kind]
        assert [case.which for case in own] == ["worst"] * 3 + ["median", "random"]
        costs = [case.cost for case in own]
        assert costs[:3] == sorted(costs, reverse=True)[:3]
        assert {len(case.pictures) for case in own} == {11}


def test_the_same_figures_are_the_same_bytes():
    first, second = (msgspec.json.encode(of(random_case(1), worst=2)[0]) for _ in range(2))
    assert first == second
