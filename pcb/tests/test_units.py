"""The units of Market-1501's figures: of them the figures come out again, also where queries count several times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.report.bootstrap import once
from ascend_tools.report.weighted import figures_of
from common.report import units
from pcb_market.market import Market
from pcb_market.scoring import score
from tests.test_metric import pictures


@given(seed=st.integers(0, 10**6), counts=st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_queries_counted_once_or_several_times_give_the_metric_itself(seed, counts, tmp_path_factory):
    rng = np.random.default_rng(seed)
    query, gallery = (rng.integers(-2, 3, (n, 2)).astype(np.float32) for n in (9, 40))
    people, cameras = rng.integers(1, 6, 9), rng.integers(0, 3, 9)
    found = pictures(rng.integers(0, 6, 40), rng.integers(0, 3, 40))
    # The first query has a match in any case; the metric of none is an error.
    people[0], cameras[0], counts[0] = next(iter(found.values())).person, 7, 1
    figures = score(Market(pictures(people, cameras), found, {}), query, gallery)
    folder = tmp_path_factory.mktemp("units")
    units.write(folder, figures.units)
    stored = units.read(folder)
    weighted = figures_of(stored)
    names = ["top-1", "top-5", "top-10", "mAP"]
    assert stored.figures == names
    assert once(stored) == pytest.approx([figures.metrics[name] for name in names], abs=1e-12)

    rows = np.repeat(np.arange(9), counts)
    again = score(Market(pictures(people[rows], cameras[rows]), found, {}), query[rows], gallery)
    often = np.array([[counts[int(key.removesuffix(".jpg"))]] for key in stored.keys], np.int64)
    assert weighted(often)[:, 0] == pytest.approx([again.metrics[name] for name in names], abs=1e-12)


@given(seed=st.integers(0, 10**6))
def test_the_nearest_that_are_shown_are_those_by_distance(seed):
    rng = np.random.default_rng(seed)
    query, gallery = (rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 20))
    asked = pictures(rng.integers(1, 4, 5), rng.integers(0, 2, 5))
    found = pictures(np.arange(20) % 4, rng.integers(2, 4, 20))
    figures = score(Market(asked, found, {}), query, gallery)
    arrays, people = figures.units.arrays, np.arange(20) % 4
    for place, picture in enumerate(asked.values()):
        distances = ((query[place] - gallery) ** 2).sum(axis=1)
        nearest = np.argsort(distances)[:10]
        assert arrays["nearest"][place].tolist() == nearest.tolist()
        assert arrays["matches"][place].tolist() == (people[nearest] == picture.person).tolist()
    paths = [str(picture.path.absolute()) for picture in found.values()]
    assert arrays["gallery"].tolist() == paths
