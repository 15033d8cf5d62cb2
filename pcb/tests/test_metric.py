"""Mean average precision and match curve against the reference figures and the plain steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from pcb_market import metric
from pcb_market.market import Picture
from tests import naive
from tests.conftest import read_json


def pictures(people, cameras):
    rows = zip(people, cameras, strict=True)
    return {str(i): Picture(Path(f"{i}.jpg"), int(p), int(c)) for i, (p, c) in enumerate(rows)}


def synthetic(seed, queries, size, dim, noise):
    """The reference's sets, as its recipe says: 40 persons, 6 cameras, 3 persons in one camera only, distractors."""
    rs = np.random.RandomState(seed)
    centres = rs.standard_normal((40, dim))
    shift = 0.5 * rs.standard_normal((6, dim))
    qid, qcam = rs.randint(1, 41, queries), rs.randint(0, 6, queries)
    gid, gcam = rs.randint(0, 41, size), rs.randint(0, 6, size)
    qid[:3] = gid[:3] = [901, 902, 903]
    gcam[:3] = qcam[:3]
    qf, gf = rs.standard_normal((queries, dim)), rs.standard_normal((size, dim))

    def place(features, person, camera):
        known = (person > 0) & (person < 41)
        centre = centres[np.where(known, person - 1, 0)] * known[:, None]
        features = noise * features + shift[camera] + centre
        return (features / np.sqrt((features**2).sum(1, keepdims=True))).astype(np.float32)

    return place(qf, qid, qcam), place(gf, gid, gcam), pictures(qid, qcam), pictures(gid, gcam)


@pytest.mark.parametrize("name", ["q60_g500", "q41_g300"])
def test_reference_sets_give_the_reference_figures(name, cases):
    stored = read_json(cases / "reid_eval" / "synthetic.json")["sets"][name]
    sizes = [stored[key] for key in ("seed", "queries", "gallery", "dim", "noise")]
    scores = metric.evaluate(*synthetic(*sizes))
    assert scores.counted == stored["queries_counted"]
    assert scores.mean_ap == pytest.approx(stored["mAP"], abs=1e-9)
    for rank, share in stored["market1501_cmc"].items():
        assert scores.top(int(rank)) == pytest.approx(share, abs=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 3), block=st.integers(1, 400), many=st.integers(0, 9)
)
def test_the_plain_steps_give_the_same_also_with_equal_distances(seed, dim, block, many):
    rng = np.random.default_rng(seed)
    # Small whole numbers: many distances are equal, and exact in float32.
    query, gallery = (rng.integers(-2, 3, (n, dim)).astype(np.float32) for n in (7, 40))
    asked = pictures(rng.integers(1, 6, 7), rng.integers(0, 3, 7))
    found = pictures(rng.integers(0, 6, 40), rng.integers(0, 3, 40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric, "BLOCK", block)
        patch.setattr(metric, "MANY", many)
        scores = metric.evaluate(query, gallery, asked, found)
    mean_ap, cmc, counted = naive.evaluate(query, gallery, asked, found)
    assert scores.counted == counted
    assert scores.mean_ap == pytest.approx(mean_ap, abs=1e-12)
    np.testing.assert_allclose(scores.cmc, cmc, atol=1e-12)


def points(*values):
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("asked", "found", "places", "mean_ap", "first", "counted"),
    [  # persons and cameras of the queries, all at 0 and 1, and of the gallery; where the latter lie
        pytest.param(([1], [0]), ([1, 2, 1], [0, 1, 1]), (0, 1, 2), 0.5, 0, 1, id="same camera left out"),
        pytest.param(([1, 2], [0, 0]), ([1, 2], [0, 1]), (0, 1), 1, 1, 1, id="seen by one camera only"),
        pytest.param(([1], [0]), ([0, 1], [1, 1]), (1, 2), 0.5, 0, 1, id="distractors stay"),
    ],
)
def test_junk_is_left_out_and_distractors_stay(asked, found, places, mean_ap, first, counted):
    query = points(*range(len(asked[0])))
    scores = metric.evaluate(query, points(*places), pictures(*asked), pictures(*found))
    assert (scores.mean_ap, scores.top(1), scores.top(2), scores.counted) == (mean_ap, first, 1, counted)


@pytest.mark.parametrize("people", [[1], [2], [0]])
def test_a_gallery_without_any_match_is_an_error(people):
    with pytest.raises(GuideError, match="no query has a picture of the same person from another camera"):
        metric.evaluate(points(0), points(1), pictures([1], [0]), pictures(people, [0]))


def test_a_match_beyond_rank_100_is_counted_in_the_precision_only():
    found = pictures([2] * 150 + [1], [1] * 151)
    scores = metric.evaluate(points(0), points(*range(151)), pictures([1], [0]), found)
    assert scores.mean_ap == pytest.approx(1 / 151)
    assert scores.top(100) == 0


@pytest.mark.parametrize("many", [0, 10**9], ids=["sorted", "counted"])
def test_ranks_of_many_matches_are_the_same_both_ways_to_the_last_bit(many, monkeypatch):
    rng = np.random.default_rng(4)
    distances = (rng.integers(0, 300, 5000) / np.float32(7)).astype(np.float32)  # many are equal
    matches = np.flatnonzero(rng.random(5000) < 0.05)
    order = np.argsort(distances, kind="stable")
    found = np.isin(order, matches)
    last = np.searchsorted(distances[order], distances[order][found], side="right")  # of equal ones
    expected = float((np.cumsum(found)[last - 1] / last).mean())
    monkeypatch.setattr(metric, "MANY", many)
    assert metric.query_scores(distances, matches) == (expected, found.argmax())
