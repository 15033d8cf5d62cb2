"""COCO's evaluation: annotations and detections as JSON to the twelve figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from evaluations.steps import ROOT, Step

sys.path.insert(0, str(ROOT / "efficientdet_d0"))

from efficientdet_coco import coco
from efficientdet_coco.categories import NAMES
from efficientdet_coco.coco import Picture
from efficientdet_coco.scoring import score

PICTURES, OBJECTS, EACH = 5000, 36781, 100


def sizes(times: int) -> dict[str, int]:
    return {"pictures": PICTURES * times, "objects": OBJECTS * times, "detections": EACH * PICTURES * times}


def make(folder: Path, times: int) -> None:
    """Write annotations and results: six detections in ten lie about an object, most of these of its category."""
    random = np.random.RandomState(0)
    pictures, objects = PICTURES * times, OBJECTS * times
    categories = np.array(list(NAMES))
    # As in COCO, a few categories have most of the objects, and a picture's objects are of a few categories.
    shares = 1 / np.arange(1, len(categories) + 1)
    kinds = categories[random.choice(len(categories), (pictures, 4), p=shares / shares.sum())]
    owner = np.sort(random.randint(0, pictures, objects))
    category = kinds[owner, random.randint(0, 4, objects)]
    sides = np.exp(random.uniform(np.log(8), np.log(300), (objects, 2)))
    corners = random.uniform(0, 1, (objects, 2)) * np.maximum([640, 480] - sides, 1)
    truth = np.column_stack((corners, sides)).round(2)
    crowd = random.uniform(size=objects) < 0.012
    content = {
        "images": [
            {"id": i, "file_name": f"{i:012}.jpg", "width": 640, "height": 480}
            for i in range(1, pictures + 1)
        ],
        "annotations": [
            {"id": k, "image_id": i + 1, "category_id": c, "bbox": b, "area": a, "iscrowd": int(w)}
            for k, (i, c, b, a, w) in enumerate(
                zip(
                    *(v.tolist() for v in (owner, category, truth, 0.6 * truth[:, 2:].prod(1), crowd)),
                    strict=True,
                ),
                1,
            )
        ],
        "categories": [{"id": number, "name": name} for number, name in NAMES.items()],
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(content))

    starts = np.searchsorted(owner, np.arange(pictures + 1))
    names = {f"{i:012}": Picture(i, Path(f"{i:012}.jpg"), 640, 480) for i in range(1, pictures + 1)}
    found = {}
    for i, stem in enumerate(names):
        mine = np.arange(starts[i], starts[i + 1])
        about = random.choice(mine, 6 * EACH // 10) if len(mine) else mine
        size = truth[about, 2:]
        first = truth[about, :2] + random.standard_normal(size.shape) * 0.15 * size
        placed = np.column_stack((first, first + size * np.exp(random.standard_normal(size.shape) * 0.15)))
        right = np.where(random.uniform(size=len(about)) < 0.8, category[about], random.choice(kinds[i]))
        corners = random.uniform(0, 400, (EACH - len(about), 2))
        anywhere = np.column_stack((corners, corners + random.uniform(8, 200, corners.shape)))
        rows = np.column_stack(
            (
                np.concatenate((placed, anywhere)),
                np.concatenate(
                    (random.uniform(0.05, 1, len(about)), random.uniform(0.01, 0.3, len(corners)))
                ),
                np.concatenate((right, random.choice(kinds[i], len(corners)))),
            )
        )
        found[stem] = rows[np.argsort(-rows[:, 4])].astype(np.float32)
    coco.write_detections(folder / "detections.json", names, found)


def evaluate(folder: Path, step: Step) -> dict[str, float | None]:
    with step("read data"):
        data = coco.read_coco(folder, need_pictures=False)
    with step("read predictions"):
        detections = coco.read_detections(folder / "detections.json")
    with step("score"):
        figures = score(data, detections)
    return dict(figures.metrics)
