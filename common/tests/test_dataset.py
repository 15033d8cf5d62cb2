"""report/dataset.py: another data set than the published one is told by what is in it."""

from __future__ import annotations

import pytest

from common.facts import Accuracy
from common.report.dataset import differences
from common.report.figures import Figures

ACCURACY = Accuracy(
    dataset="FDDB",
    images=2,
    published={"AP": 0.9},
    published_by="a paper",
    npu={},
    accepted_drop=0.01,
    counts={"faces": 5, "folds": 10},
    names=r"img_\d+",
)
NAMES = ("img_1", "img_22")
ALL = {"faces": 5, "folds": 10}


@pytest.mark.parametrize(
    ("pictures", "counts", "names", "found"),
    [
        (2, ALL, NAMES, ()),
        (2, ALL | {"dogs": 3}, (), ()),
        (3, {"faces": 6}, NAMES, ("3 of the 2 pictures of FDDB",)),
        (2, ALL | {"faces": 6}, NAMES, ("6 faces where FDDB has 5",)),
        (2, {"faces": 5}, NAMES, ("0 folds where FDDB has 10",)),
        (2, ALL, ("img_1", "a/img_2"), ("1 pictures with names that FDDB does not have (a/img_2)",)),
        (
            2,
            {"faces": 1, "folds": 1},
            ("img_1x", "y"),
            (
                "1 faces where FDDB has 5",
                "1 folds where FDDB has 10",
                "2 pictures with names that FDDB does not have (img_1x, y)",
            ),
        ),
    ],
)
def test_what_differs_is_told_as_expected_and_found(pictures, counts, names, found):
    figures = Figures({"AP": 1.0}, pictures, "", counts=counts, names=names)
    assert differences(ACCURACY, figures) == found
