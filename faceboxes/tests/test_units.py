"""The units of FDDB's figure: of them the figure comes out again, also where pictures count several times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.report.bootstrap import once
from ascend_tools.report.weighted import figures_of
from common.report import units
from faceboxes_fddb.fddb import Picture
from faceboxes_fddb.scoring import score
from tests.test_metric import random_case


@given(seed=st.integers(0, 10**6))
def test_every_picture_counted_once_gives_the_metric_itself(seed, tmp_path_factory):
    figures = score(*random_case(seed))
    if not figures.pictures:  # a case without pictures, which no data set is
        return
    folder = tmp_path_factory.mktemp("units")
    units.write(folder, figures.units)
    assert once(units.read(folder)) == pytest.approx([figures.metrics["AP"]], abs=1e-12, nan_ok=True)


@given(seed=st.integers(0, 10**6), counts=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_pictures_counted_several_times_are_as_good_as_copies_of_them(seed, counts):
    folds, detections = random_case(seed)
    stems = [picture.stem for fold in folds for picture in fold]
    often = dict(zip(stems, counts, strict=False))
    copies = [
        [
            Picture(f"{picture.name}_{copy}", picture.faces)
            for picture in fold
            for copy in range(often[picture.stem])
        ]
        for fold in folds
    ]
    found = {f"{stem}_{copy}": detections[stem] for stem in stems for copy in range(often[stem])}
    counts = np.array([[often[stem]] for stem in stems], np.int64).reshape(-1, 1)
    weighted = figures_of(score(folds, detections).units)(counts)
    assert weighted[0] == pytest.approx([score(copies, found).metrics["AP"]], abs=1e-12, nan_ok=True)


@given(seed=st.integers(0, 10**6))
def test_the_boxes_that_are_shown_are_those_that_were_judged(seed):
    folds, detections = random_case(seed)
    arrays = score(folds, detections).units.arrays
    for number, picture in enumerate(picture for fold in folds for picture in fold):
        found = detections[picture.stem][:, :4] if len(picture.faces) else np.empty((0, 4))
        shown = arrays["corners"][arrays["unit"] == number]
        assert shown == pytest.approx(np.hstack((found[:, :2], found[:, :2] + found[:, 2:])), rel=1e-6)
        assert arrays["truth_corners"][arrays["truth_unit"] == number] == pytest.approx(
            picture.boxes.reshape(-1, 4)
        )


def test_a_picture_that_is_at_hand_is_named_with_its_place(tmp_path):
    folds, detections = random_case(1)
    first = next(picture for fold in folds for picture in fold)
    path = tmp_path / f"{first.name}.jpg"
    path.parent.mkdir(parents=True)
    path.touch()
    paths = score(folds, detections, tmp_path).units.arrays["paths"].tolist()
    assert paths == [str(path)] + [""] * (len(paths) - 1)
