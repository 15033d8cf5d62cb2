"""The units of VOC's figure: of them the figure comes out again, also where pictures count several times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.report.bootstrap import once
from ascend_tools.report.weighted import figures_of
from common.report import units
from rfcn_voc.detections import Detections
from rfcn_voc.scoring import score
from rfcn_voc.voc import Objects, Picture, Voc


def made(seed, pictures=6, *, few=False):
    """Make up objects, and boxes near most of them; `few` different scores make many equal ones."""
    rng = np.random.default_rng(seed)
    data = Voc(Path(), {str(i): Picture(str(i), Path(f"{i}.jpg")) for i in range(pictures)})
    count, found = int(rng.integers(0, 30)), int(rng.integers(0, 60))
    corners = rng.integers(0, 60, (count, 2))
    boxes = np.concatenate((corners, corners + rng.integers(5, 40, (count, 2))), axis=1).astype(np.float64)
    category = rng.integers(0, 20, (count, 3)).min(axis=1)
    objects = Objects(np.sort(rng.integers(0, pictures, count)), category, boxes, rng.random(count) < 0.3)
    about = rng.integers(0, count, found) if count else np.zeros(0, int)
    scores = rng.integers(0, 5, len(about)) / 8 if few else rng.permutation(len(about)) / 64
    moved = boxes[about] + rng.integers(-6, 7, (len(about), 4))
    return data, objects, Detections(objects.picture[about], category[about], scores, moved)


def repeated(counts, data, objects, detections):
    """Return the same with each picture as often as `counts` says, the copies beside each other."""
    firsts = np.cumsum(counts) - counts

    def places(picture):
        rows = np.repeat(np.arange(len(picture)), counts[picture])
        copy = np.arange(len(rows)) - np.repeat(np.cumsum(counts[picture]) - counts[picture], counts[picture])
        return rows, firsts[picture[rows]] + copy

    names = [f"{i}_{copy}" for i, count in enumerate(counts) for copy in range(count)]
    rows, picture = places(objects.picture)
    objects = Objects(picture, objects.category[rows], objects.boxes[rows], objects.difficult[rows])
    rows, picture = places(detections.picture)
    detections = Detections(
        picture, detections.category[rows], detections.score[rows], detections.boxes[rows]
    )
    return replace(data, pictures={name: Picture(name, Path(name)) for name in names}), objects, detections


@given(seed=st.integers(0, 10**6), few=st.booleans())
def test_every_picture_counted_once_gives_the_metric_itself(seed, few, tmp_path_factory):
    figures = score(*made(seed, few=few))
    folder = tmp_path_factory.mktemp("units")
    units.write(folder, figures.units)
    assert once(units.read(folder)) == pytest.approx([figures.metrics["mAP"]], abs=1e-12)


@given(seed=st.integers(0, 10**6), counts=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_pictures_counted_several_times_are_as_good_as_copies_of_them(seed, counts):
    case, counts = made(seed), np.array(counts)
    found = figures_of(score(*case).units)(counts[:, None])
    expected = score(*repeated(counts, *case)).metrics["mAP"]
    assert found[0] == pytest.approx([expected], abs=1e-12)
