"""R-FCN and VOC2007."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.engine.file_route import read_predictions, write_inputs
from common.facts import read_facts
from common.images.rgb import read_rgb
from common.npu_files.results import open_results
from inputs import ROOT
from inputs.natural import write_jpeg
from inputs.original import Original, Whole, fastest
from rfcn_voc.detections import write_detections
from rfcn_voc.task import TASK, sources
from rfcn_voc.voc import CLASSES, LIST, Picture, Voc

Array = NDArray[Any]
FOLDER = ROOT / "rfcn"
FACTS = read_facts(FOLDER)
SIZE = (375, 500)
QUALITY = 96  # some 80 kB each
COUNT = 24
PICTURES = 4952
ORIGINAL = Original(
    {"prepare to file": 1e3 / 36, "finish": 6.7, "finish from file": 6.7, "evaluate": 0.9},
    ("read predictions", "score"),
    {
        "prepare to file": "JPEG of 640x427 to .bin, 36 images/s, of which pixels to canvas 10.7 ms",
        "finish": "three outputs to detections",
        "finish from file": "the same; what reading the files took was not measured",
        "evaluate": "voc_eval of 20 classes, 1000 pictures of 100 detections",
    },
)
FASTEST = fastest(FACTS)
THREADED = False
__all__ = ["TASK"]


def data_set(folder: Path, count: int) -> Path:
    """Write pictures with three objects each, as VOC2007 has them."""
    random = np.random.default_rng(0)
    names = [f"{number:06}" for number in range(count)]
    for part in ("ImageSets/Main", "Annotations"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / LIST).write_text("".join(f"{name}\n" for name in names))
    height, width = SIZE
    for number, name in enumerate(names):
        write_jpeg(folder / "JPEGImages" / f"{name}.jpg", SIZE, QUALITY, number)
        objects = "".join(_object(random) for _ in range(3))
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}\n{objects}</annotation>\n")
    return folder


def _object(random: np.random.Generator) -> str:
    """Return an annotated object, anywhere in a picture."""
    left, top = random.integers(1, 150, 2).tolist()
    right, bottom = left + int(random.integers(20, 300)), top + int(random.integers(20, 200))
    return (
        f"<object><name>{CLASSES[random.integers(len(CLASSES))]}</name><difficult>0</difficult><bndbox>"
        f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>\n"
    )


def pictures(folder: Path, count: int) -> dict[str, Picture]:
    """Write such a data set, and return its pictures."""
    return sources(data_set(folder, count))


def decode(source: Picture) -> Any:
    """Return the pixels of a picture."""
    return read_rgb(source.path)


def bare(source: Picture) -> Array:
    """Return the canvas of a picture, 3x1344x1344, with Pillow, numpy and OpenCV."""
    values = np.asarray(Image.open(source.path).convert("RGB"))[..., ::-1].astype(np.float32) - np.float32(
        50.674869
    )
    factor = 512 / min(SIZE)
    scaled = cv2.resize(values, None, fx=factor, fy=factor).transpose(2, 0, 1)
    height, width = scaled.shape[1:]
    return np.pad(scaled, ((0, 0), (0, 1344 - height), (0, 1344 - width)))


def outputs(seed: int) -> list[Array]:
    """Return outputs like the network's: 300 regions about twenty places, a probable class in each place."""
    random = np.random.RandomState(seed)
    place = random.randint(20, size=300)
    centres = random.uniform(60, 450, (20, 2))[place] + random.standard_normal((300, 2)) * 15
    halves = random.uniform(20, 120, (20, 2))[place] * np.exp(random.standard_normal((300, 2)) * 0.2)
    rois = np.column_stack((np.zeros(300), centres - halves, centres + halves)).clip(0, 511)
    logits = random.standard_normal((300, 21)) * 1.5
    logits[np.arange(300), random.randint(21, size=20)[place]] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    regressions = random.standard_normal((300, 84)) * 0.5
    return [values.astype(np.float32) for values in (rois, probabilities, regressions)]


def preprocess(items: Mapping[str, Picture], out: Path, workers: int) -> None:
    """Write the .bin files."""
    write_inputs(TASK, items, out, size=3 * 1344 * 1344 * 4, workers=workers)


def postprocess(
    folder: Path, items: Mapping[str, Picture], contexts: Mapping[str, Any], out: Path, workers: int
) -> None:
    """Turn result files into the files of the classes."""
    del workers  # one thread does this half
    results = open_results(folder, items, [tensor.image_shape for tensor in FACTS.outputs])
    found = dict(read_predictions(TASK, results, contexts))
    write_detections(out, Voc(out, dict(items)), found)


def whole(folder: Path) -> list[Whole]:
    """Return nothing: the evaluation's steps are all there is."""
    del folder
    return []


def plain_evaluation(folder: Path) -> None:
    """Return None: there is no other code to compare the evaluation with."""
    del folder
