"""The units of LFW's figure: of them the figure comes out again, also where pairs count several times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.report.bootstrap import once
from ascend_tools.report.weighted import figures_of
from common.report import units
from lresnet_lfw import metric
from lresnet_lfw.lfw import Face
from lresnet_lfw.units import units_of
from tests.test_metric import pairs


@given(pairs())
def test_every_pair_counted_once_gives_the_metric_itself(tmp_path_factory, drawn):
    distances, same = drawn
    verification = metric.verify(distances, same)
    folder = tmp_path_factory.mktemp("units")
    units.write(folder, units_of(distances, same, verification))
    assert once(units.read(folder)).tolist() == [verification.accuracy]


@given(seed=st.integers(0, 10**6), size=st.integers(1, 9))
def test_pairs_counted_several_times_are_as_good_as_copies_of_them(seed, size):
    """As many of each fold, so that the folds stay where they are."""
    rng = np.random.default_rng(seed)
    same = rng.random(10 * size) < 0.5
    distances = (rng.integers(0, 400, 10 * size) / 100 + rng.uniform(0, 0.02, 10 * size)).astype(np.float32)
    drawn = np.concatenate([np.sort(rng.integers(0, size, size)) + size * fold for fold in range(10)])
    weighted = figures_of(units_of(distances, same, metric.verify(distances, same)))
    counts = np.bincount(drawn, minlength=len(same))
    assert weighted(counts[:, None])[0] == pytest.approx(
        [metric.verify(distances[drawn], same[drawn]).accuracy], abs=1e-12
    )


def test_faces_that_are_files_are_named_with_their_places(tmp_path):
    distances, same = np.linspace(0, 3, 10, dtype=np.float32), np.arange(10) % 2 == 0
    faces = {str(number): Face(tmp_path / f"{number}.jpg") for number in range(19)}
    made = units_of(distances, same, metric.verify(distances, same), faces)
    assert made.arrays["paths"][0].tolist() == [str(tmp_path / "0.jpg"), str(tmp_path / "1.jpg")]
    assert made.arrays["paths"][9].tolist() == [str(tmp_path / "18.jpg"), ""]
    assert made.keys[:2] == ["pair 0, fold 1", "pair 1, fold 2"]
    units.write(tmp_path, made)
    assert units.read(tmp_path).keys == made.keys
