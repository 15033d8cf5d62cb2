"""EfficientDet-D0 and COCO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.engine.file_route import read_predictions, write_inputs
from common.facts import read_facts
from common.files import write_json
from common.images.rgb import read_rgb
from common.npu_files.results import open_results
from efficientdet_coco import coco
from efficientdet_coco.categories import NAMES
from efficientdet_coco.coco import Picture
from efficientdet_coco.task import TASK, sources
from inputs import ROOT
from inputs.natural import write_jpeg
from inputs.original import Original, Whole, fastest

Array = NDArray[Any]
FOLDER = ROOT / "efficientdet_d0"
FACTS = read_facts(FOLDER)
SIZE = (427, 640)
QUALITY = 96  # some 130 kB each
COUNT = 32
PICTURES = 5000
ORIGINAL = Original(
    {"prepare to file": 1e3 / 199, "finish": 85.0, "finish from file": 86.4, "evaluate": 8.8},
    ("score",),
    {
        "prepare to file": "JPEG of 640x427 to .bin, 199 images/s",
        "finish": "ten maps to 100 detections",
        "finish from file": "reading ten .bin, 1.4 ms, and the same",
        "evaluate": "COCOeval, 500 pictures of 100 detections",
    },
)
FASTEST = fastest(FACTS)
THREADED = False
__all__ = ["TASK"]


def data_set(folder: Path, count: int) -> Path:
    """Write pictures with some objects each, as COCO val2017 has them."""
    images, objects = _annotations(count, 7 * count, count // 10)
    for number in range(count):
        write_jpeg(folder / "val2017" / images[number]["file_name"], SIZE, QUALITY, number)
    _write_annotations(folder, images, objects)
    return folder


def pictures(folder: Path, count: int) -> dict[str, Picture]:
    """Write such a data set, and return its pictures."""
    return sources(data_set(folder, count))


def decode(source: Picture) -> Any:
    """Return the pixels of a picture."""
    return read_rgb(source.path)


def bare(source: Picture) -> Array:
    """Return the canvas of a picture, 3x512x512, with Pillow and numpy."""
    scaled = Image.open(source.path).convert("RGB").resize((512, 341), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (512, 512), (124, 116, 104))
    canvas.paste(scaled)
    pixels = np.asarray(canvas, np.float32).transpose(2, 0, 1)
    mean, deviation = (
        np.array(values, np.float32)[:, None, None] * np.float32(255)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return np.ascontiguousarray((pixels - mean) / deviation)


def outputs(seed: int) -> list[Array]:
    """Return ten maps like the network's: forty objects that stand out of noise."""
    random = np.random.RandomState(seed)
    sides = (64, 32, 16, 8, 4)
    classes = [(random.standard_normal((810, s, s)) * 0.8 - 6).astype(np.float32) for s in sides]
    boxes = [(random.standard_normal((36, s, s)) * 0.25).astype(np.float32) for s in sides]
    for _ in range(40):
        level = classes[random.randint(5)]
        y, x = random.randint(1, level.shape[1] - 1, 2)
        level[random.randint(810), y - 1 : y + 2, x - 1 : x + 2] += random.uniform(3, 8)
    return classes + boxes


def preprocess(items: Mapping[str, Picture], out: Path, workers: int) -> None:
    """Write the .bin files."""
    write_inputs(TASK, items, out, size=3 * 512 * 512 * 4, workers=workers)


def postprocess(
    folder: Path, items: Mapping[str, Picture], contexts: Mapping[str, Any], out: Path, workers: int
) -> None:
    """Turn result files into detections.json."""
    del workers  # one thread does this half
    results = open_results(folder, items, [tensor.image_shape for tensor in FACTS.outputs])
    coco.write_detections(out / "detections.json", items, dict(read_predictions(TASK, results, contexts)))


def whole(folder: Path) -> list[Whole]:
    """Return nothing: the evaluation's steps are all there is."""
    del folder
    return []


def plain_evaluation(folder: Path) -> None:
    """Return None: there is no other code to compare the evaluation with."""
    del folder


def _categories() -> list[dict[str, Any]]:
    return [{"id": identity, "name": name} for identity, name in NAMES.items()]


def _boxes(random: np.random.Generator, count: int) -> Array:
    """Return boxes, x, y, width and height, of all of COCO's three kinds of sizes."""
    sides = np.exp(random.uniform(np.log(8), np.log(300), (count, 2)))
    return np.column_stack((random.uniform(size=(count, 2)) * (SIZE[::-1] - sides), sides)).round(2)


def _annotations(count: int, number: int, crowds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return images and objects as COCO's JSON has them, the objects by their picture."""
    random = np.random.default_rng(0)
    height, width = SIZE
    images = [
        {"id": i, "file_name": f"{i:012}.jpg", "width": width, "height": height} for i in range(1, count + 1)
    ]
    owners = np.sort(random.integers(1, count + 1, number)).tolist()
    kinds = random.choice([*NAMES], number).tolist()
    crowd = set(random.permutation(number)[:crowds].tolist())
    boxes = _boxes(random, number).tolist()
    objects = [
        {
            "id": i + 1,
            "image_id": owner,
            "category_id": kind,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": int(i in crowd),
        }
        for i, (owner, kind, box) in enumerate(zip(owners, kinds, boxes, strict=True))
    ]
    return images, objects


def _write_annotations(folder: Path, images: list[dict[str, Any]], objects: list[dict[str, Any]]) -> None:
    path = folder / "annotations" / "instances_val2017.json"
    write_json(path, {"images": images, "annotations": objects, "categories": _categories()})
