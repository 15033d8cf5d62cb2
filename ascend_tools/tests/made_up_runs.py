"""Made-up runs to compare: what their figures are computed of, and their directories."""

from __future__ import annotations

import json

import cv2
import numpy as np

from ascend_tools.report.bootstrap import once
from common.report import units
from common.report.units import Units


def queries(precision, rank=None, *, keys=None):
    rank = np.zeros(len(precision), int) if rank is None else rank
    keys = keys or [f"{i}.jpg" for i in range(len(precision))]
    arrays = {"precision": np.asarray(precision, float), "rank": np.asarray(rank), "tops": np.array([1, 5])}
    return Units("queries", ["top-1", "top-5", "mAP"], keys, arrays)


def pairs(distance, same, folds=10):
    size = len(same) // folds
    arrays = {
        "distance": np.asarray(distance, np.float32),
        "same": np.asarray(same, bool),
        "fold": np.repeat(np.arange(folds), size),
        "thresholds": np.arange(0, 4, 0.01),
    }
    return Units("pairs", ["accuracy"], [str(i) for i in range(len(same))], arrays)


def boxes(truths, unit, score, right, ignored=None):
    """One class; rows in any order."""
    order = np.argsort(-score, kind="stable")
    ignored = np.zeros(len(right), bool) if ignored is None else ignored
    arrays = {
        "truth_unit": np.repeat(np.arange(len(truths)), truths),
        "truth_class": np.zeros(sum(truths), int),
        "unit": np.asarray(unit)[order],
        "class": np.zeros(len(unit), int),
        "score": np.asarray(score, float)[order],
        "right": np.asarray(right)[None, order],
        "ignored": ignored[None, order],
        "classes": np.array(["thing"]),
        "recalls": np.linspace(0, 1, 101),
        "empty_counts": np.array(False),
    }
    return Units("boxes", ["AP"], [f"{i}.jpg" for i in range(len(truths))], arrays)


def detector(rng, pictures, found):
    """Boxes of two detectors in pictures with one object each, of which they find those shares; noise comes on top."""
    base = rng.random(pictures)  # how hard a picture is, the same for both
    runs = []
    for share in found:
        hit = base + rng.normal(0, 0.05, pictures) < share
        number = np.arange(pictures)
        score = np.concatenate((rng.beta(4, 2, pictures), rng.beta(2, 4, pictures)))
        runs.append(
            boxes(np.ones(pictures, int), np.tile(number, 2), score, np.concatenate((hit, number < 0)))
        )
    return runs


def shown_pairs(folder, distance, same):
    """Pairs of pictures that lie in a directory."""
    made = pairs(distance, same)
    paths = [[picture(folder / f"{name}{side}.png") for side in "ab"] for name in made.keys]
    return with_arrays(made, paths=np.array(paths))


def with_arrays(made, **arrays):
    return Units(made.kind, made.figures, made.keys, {**made.arrays, **arrays})


def picture(path, height=90, width=120, seed=0):
    """Write a picture of noise and return its place."""
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), noise)
    return str(path)


def write_run(folder, made, **more):
    """Write a run's metrics.json, and what it is computed of; return its directory."""
    folder.mkdir(exist_ok=True)
    units.write(folder, made)
    metrics = dict(zip(made.figures, once(made).tolist(), strict=True))
    report = {
        "model": "tiny",
        "dataset": "NONE",
        "images": len(made.keys),
        "metrics": metrics,
        "backend": "onnxruntime",
        "versions": {"numpy": "2"},
        "seconds": {"infer": 1.5},
        **more,
    }
    (folder / "metrics.json").write_text(json.dumps(report))
    return folder
