"""The units of COCO's figure: of them the figure comes out again, also where pictures count several times."""

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
from efficientdet_coco.coco import Objects, Picture
from efficientdet_coco.scoring import score
from tests.test_metric import made

PICTURES = 8
sizes = st.tuples(st.integers(0, 10**6), st.integers(0, 40), st.integers(1, 60))


@given(sizes=sizes, scores=st.sampled_from([4, 1000]))
def test_every_picture_counted_once_gives_the_metric_itself(sizes, scores, tmp_path_factory):
    seed, objects, detections = sizes
    figures = score(*made(seed, PICTURES, objects, detections, 8, scores))
    folder = tmp_path_factory.mktemp("units")
    units.write(folder, figures.units)
    assert once(units.read(folder)) == pytest.approx([figures.metrics["AP"]], abs=1e-12)


def repeated(counts, coco, found):
    """Return the same with each measured picture as often as `counts` says; the ids of the copies follow each other."""
    ids = [picture.identity for picture in coco.pictures.values()]
    copies = {i: [100 * i + copy for copy in range(count)] for i, count in zip(ids, counts, strict=True)}

    def places(picture):
        return (
            np.array([(row, copy) for row, i in enumerate(picture) for copy in copies.get(i, [])], int)
            .reshape(-1, 2)
            .T
        )

    truth = coco.objects
    rows, picture = places(truth.picture.tolist())
    objects = Objects(picture, truth.category[rows], truth.boxes[rows], truth.area[rows], truth.crowd[rows])
    listed = [copy for each in copies.values() for copy in each]
    pictures = {str(i): Picture(i, Path(str(i)), 640, 480) for i in listed}
    rows, picture = places(found.picture.tolist())
    moved = replace(found.only(rows), picture=picture)
    return replace(
        coco, pictures=pictures, objects=objects, listed=np.array(listed), total=len(listed)
    ), moved


@given(sizes=sizes, counts=st.lists(st.integers(0, 3), min_size=PICTURES - 2, max_size=PICTURES - 2))
def test_pictures_counted_several_times_are_as_good_as_copies_of_them(sizes, counts):
    seed, objects, detections = sizes
    coco, found = made(seed, PICTURES, objects, detections, 8, 1)
    found = replace(found, score=np.random.default_rng(seed).permutation(detections) / 64)
    copied, moved = repeated(counts, coco, found)
    if len(moved.score):  # without any the metric is an error
        weighted = figures_of(score(coco, found).units)(np.array(counts)[:, None])
        assert weighted[0] == pytest.approx([score(copied, moved).metrics["AP"]], abs=1e-12)


def test_the_boxes_that_are_shown_are_those_that_are_counted():
    coco, found = made(3, PICTURES, 40, 60, 8, 1000)
    arrays = score(coco, found).units.arrays
    pictures = sorted(picture.identity for picture in coco.pictures.values())
    names = arrays["classes"]
    for boxes, owner, category, corners in (
        (found, "unit", "class", "corners"),
        (coco.objects, "truth_unit", "truth_class", "truth_corners"),
    ):
        rows = zip(boxes.picture.tolist(), boxes.category.tolist(), boxes.boxes.tolist(), strict=True)
        there = {(i, c, (x, y, x + w, y + h)) for i, c, (x, y, w, h) in rows}
        shown = zip(arrays[owner], arrays[category], arrays[corners].tolist(), strict=True)
        assert {(pictures[unit], int(names[kind]), tuple(box)) for unit, kind, box in shown} <= there
    assert set(arrays["paths"]) == {""}
