"""Market-1501's evaluation: the features of queries and gallery to mean average precision and match curve.

The gallery and its persons grow, and the queries stay as they are; `ALL_QUERIES` in the environment makes them grow as
well, which takes times x times as long.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluations.steps import ROOT, Step

sys.path.insert(0, str(ROOT / "pcb"))

from pcb_market import market
from pcb_market.scoring import score

QUERIES, GALLERY, PERSONS, CAMERAS, LENGTH = 3368, 15913, 750, 6, 2048 * 6


def sizes(times: int) -> dict[str, int]:
    queries = QUERIES * (times if os.environ.get("ALL_QUERIES") else 1)
    gallery = GALLERY * times
    return {"queries": queries, "gallery": gallery, "bytes": (queries + gallery) * LENGTH * 4}


def make(folder: Path, times: int) -> None:
    """Write pictures' names as Market-1501 has them; in the gallery one in six is of a distractor."""
    rng = np.random.default_rng(0)
    found = sizes(times)
    persons = PERSONS * times
    for part, count in (("query", found["queries"]), ("bounding_box_test", found["gallery"])):
        (folder / part).mkdir()
        least = 1 if part == "query" else -persons // 5
        for i, person in enumerate(np.maximum(rng.integers(least, persons + 1, count), 0).tolist()):
            camera = int(rng.integers(1, CAMERAS + 1))
            (folder / part / f"{person:04d}_c{camera}s1_{i:06d}_01.jpg").touch()


def features(pictures: market.Pictures, seed: int) -> NDArray[np.float32]:
    """Return features like the network's: stripes of length 1, not negative; those of one person near each other."""
    rng = np.random.default_rng(seed)
    rows = np.empty((len(pictures), LENGTH), np.float32)
    for row, picture in zip(rows, pictures.values(), strict=True):
        rng.random(out=row, dtype=np.float32)
        person = np.random.default_rng(10**6 + picture.person).random(LENGTH, np.float32)
        np.add(2 * row, person, out=row)
        stripes = row.reshape(2048, 6)
        stripes /= np.linalg.norm(stripes, axis=0)
    return rows


def evaluate(folder: Path, step: Step) -> dict[str, float | None]:
    with step("read data"):
        data = market.read_market(folder)
    with step("make features"):  # as many bytes as the result files have; reading them is not part of this
        query, gallery = features(data.query, 1), features(data.gallery, 2)
    with step("score"):
        figures = score(data, query, gallery)
    return dict(figures.metrics)
