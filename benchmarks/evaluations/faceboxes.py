"""FDDB's evaluation: ellipses and detections as text to AP, folds and all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from evaluations.steps import ROOT, Step

sys.path.insert(0, str(ROOT / "faceboxes"))

from faceboxes_fddb import fddb
from faceboxes_fddb.scoring import score

PICTURES, FACES, BOXES = 2845, 5171, 8977


def sizes(times: int) -> dict[str, int]:
    return {"pictures": PICTURES * times, "faces": FACES * times, "boxes": BOXES * times}


def make(folder: Path, times: int) -> None:
    """Write the ten lists and FDDB_dets.txt: every face found with some error, the other boxes anywhere."""
    random = np.random.RandomState(0)
    pictures, faces = PICTURES * times, FACES * times
    face_of = np.sort(random.randint(0, pictures, faces))
    other_of = np.sort(random.randint(0, pictures, BOXES * times - faces))
    radii = random.uniform(15, 90, (faces, 1)) * [1, 0.75]
    truth = np.column_stack((radii, random.uniform(1.2, 1.9, faces), random.uniform(60, 390, (faces, 2))))
    near = truth[:, 3:] - truth[:, 1::-1] + random.normal(0, 4, (faces, 2))
    boxes = np.column_stack((near, near + 2 * truth[:, 1::-1], random.uniform(0.4, 1, faces)))
    others = random.uniform(0, 300, (len(other_of), 5)) * [1, 1, 0.3, 0.3, 1 / 600]
    others[:, 2:4] += others[:, :2]

    numbers = np.arange(pictures + 1)
    starts, other_starts = np.searchsorted(face_of, numbers), np.searchsorted(other_of, numbers)
    lists: list[list[str]] = [[] for _ in range(10)]
    detections = {}
    for i in range(pictures):
        mine = slice(starts[i], starts[i + 1])
        rows = [" ".join(f"{value:.6f}" for value in face) + "  1" for face in truth[mine].tolist()]
        lists[i % 10] += [f"2002/{i}", str(len(rows)), *rows]
        found = np.concatenate((boxes[mine], others[other_starts[i] : other_starts[i + 1]]))
        detections[f"2002_{i}"] = found.astype(np.float32)
    for number, lines in enumerate(lists, 1):
        (folder / f"FDDB-fold-{number:02d}-ellipseList.txt").write_text("\n".join(lines) + "\n")
    fddb.write_detections(folder / "FDDB_dets.txt", detections)


def evaluate(folder: Path, step: Step) -> dict[str, float | None]:
    with step("read data"):
        folds = fddb.read_folds(folder)
    with step("read predictions"):
        detections = fddb.read_detections(folder / "FDDB_dets.txt")
    with step("score"):
        figures = score(folds, detections)
    return dict(figures.metrics)
