"""Run the guide's steps in this copy of the model directory, without torch, and compare both routes' detections.

python tests/deploy.py --model d0_modify.onnx [--data coco_data]

The file route (preprocess, get_info, infer, postprocess) must find the same objects as the streamed one (evaluate).
Without --data drawn pictures serve.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ascend_tools.testing import deployment
from common import cli

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from efficientdet_coco import coco  # noqa: E402

run = partial(deployment.run, HERE)


def draw_data(folder: Path) -> Path:
    """Write six drawn pictures, a ball each, in COCO's tree."""
    images, annotations = [], []
    (folder / "val2017").mkdir(parents=True)
    for number in range(1, 7):
        picture = np.full((240 + 40 * number, 480, 3), 200 - 20 * number, np.uint8)
        cv2.circle(picture, (240, 120), 20 * number, (40 * number, 160, 220), cv2.FILLED)
        name, box = f"drawn_{number}.png", [240 - 20 * number, 120 - 20 * number, 40 * number, 40 * number]
        cv2.imwrite(str(folder / "val2017" / name), picture)
        images.append({"id": 10 - number, "file_name": name, "width": 480, "height": len(picture)})
        truth = {"id": number, "image_id": 10 - number, "category_id": 37, "bbox": box}
        annotations.append({**truth, "area": box[2] * box[3], "iscrowd": 0})
    path = folder / "annotations" / "instances_val2017.json"
    path.parent.mkdir()
    categories = [{"id": 37, "name": "sports ball"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return folder


def by_picture(path: Path) -> dict[int, np.ndarray]:
    """Return stored detections by picture: x, y, width, height, score, category."""
    found = coco.read_detections(path)
    rows = np.column_stack((found.boxes, found.score, found.category))
    return {identity: rows[found.picture == identity] for identity in np.unique(found.picture).tolist()}


def lacking(objects: np.ndarray, others: np.ndarray) -> int:
    """Count objects that the others lack: same class, within 0.01 pixels and a score of 0.0001.

    Those whose scores are as low as the last one's are not counted: any of them may be among the 100 kept.
    """
    clear = objects[objects[:, 4] > objects[-1, 4] + 1e-4]
    difference = np.abs(clear[:, None] - others[None])
    same = (difference <= [0.01, 0.01, 0.01, 0.01, 1e-4, 0]).all(axis=2)
    return int((~same.any(axis=1)).sum())


def different(one: Path, other: Path, data: Path) -> str:
    """Say how the predictions that two routes stored differ, in words; nothing where they are the same."""
    objects, others = (by_picture(route / "detections.json") for route in (one, other))
    count = sum(
        lacking(objects[identity], others[identity]) + lacking(others[identity], objects[identity])
        for identity in objects.keys() & others.keys()
    )
    return f"different objects ({count})" if objects.keys() != others.keys() or count else ""


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    model, given, batches = deployment.parse(__doc__, argv, "The COCO data set")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = given or draw_data(work / "data")
        prep, info, result = work / "prep", work / "coco.info", work / "result"
        run("preprocess.py", "--data", data, "--out", prep)
        run("get_info.py", "bin", prep, info, "512", "512")
        run("-m", "common.infer", "--model", model, "--input", info, "--out", result, *batches)
        run("postprocess.py", "--results", result, "--data", data, "--out", work / "files")
        run("evaluate.py", "--model", model, "--data", data, "--out", work / "streamed")
        picture = next(iter(coco.read_coco(data).pictures.values())).path
        run("predict.py", picture, "--model", model, "--out", work / "predicted")

        if found := different(work / "files", work / "streamed", data):
            sys.exit(f"error: the file route and the streamed route find {found}")
        files = by_picture(work / "files" / "detections.json")
        print(f"both routes find the same {sum(map(len, files.values()))} objects")
        if not json.loads((work / "predicted" / f"{picture.stem}_objects.json").read_text())["image"]:
            sys.exit("error: predict.py wrote no picture's name")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
