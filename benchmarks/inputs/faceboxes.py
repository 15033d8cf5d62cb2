"""FaceBoxes and FDDB."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.engine.file_route import read_predictions
from common.facts import read_facts
from common.images.read import read_image
from common.npu_files.results import open_results
from faceboxes_fddb import fddb
from faceboxes_fddb.fddb import Fold, Picture
from faceboxes_fddb.task import TASK, sources
from inputs import ROOT
from inputs.natural import write_jpeg
from inputs.original import Original, Plain, Whole, fastest

Array = NDArray[Any]
FOLDER = ROOT / "faceboxes"
FACTS = read_facts(FOLDER)
SIZE = (349, 449)
QUALITY = 75  # some 30 kB each
COUNT = 100
PICTURES = 2845
ORIGINAL = Original(
    {"prepare to file": 17.0, "finish from file": 8.5, "evaluate": 11.5e3 / PICTURES},
    ("read data", "read predictions", "score"),
    {
        "prepare to file": "JPEG of 449x349 to .bin",
        "finish from file": "two .bin to FDDB_dets.txt",
        "evaluate": "evaluate.py on 2845 pictures with 5171 faces and 8977 boxes, without its cache",
    },
)
FASTEST = fastest(FACTS)
THREADED = False
__all__ = ["TASK"]


def data_set(folder: Path, count: int) -> Path:
    """Write pictures with two faces each, as FDDB has them."""
    random = np.random.default_rng(0)
    folds: list[Fold] = [[] for _ in range(fddb.FOLDS)]
    for number in range(count):
        name = f"2002/07/19/big/img_{number}"
        write_jpeg(folder / "originalPics" / f"{name}.jpg", SIZE, QUALITY, number)
        folds[number % fddb.FOLDS].append(Picture(name, _ellipses(random, 2)))
    _write_folds(folder / "FDDB-folds", folds)
    return folder


def pictures(folder: Path, count: int) -> dict[str, Path]:
    """Write such a data set, and return its pictures."""
    return sources(data_set(folder, count))


def decode(source: Path) -> Array:
    """Return the pixels of a picture."""
    return read_image(source)


def bare(source: Path) -> Array:
    """Return the canvas of a picture, 1024x1024x3, with OpenCV."""
    image = cv2.imread(str(source))
    factor = 1024 / max(image.shape[:2])  # type: ignore[union-attr]
    resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)  # type: ignore[arg-type]
    return cv2.copyMakeBorder(
        resized, 0, 1024 - resized.shape[0], 0, 1024 - resized.shape[1], cv2.BORDER_CONSTANT
    )


def outputs(seed: int) -> list[Array]:
    """Return outputs like those of real pictures: some twenty candidates."""
    random = np.random.RandomState(seed)
    loc = random.standard_normal((21824, 4)).astype(np.float32)
    face = random.uniform(0, 0.04, 21824).astype(np.float32)
    face[random.randint(0, 21824, 20)] = random.uniform(0.05, 1, 20)
    return [loc, np.stack((1 - face, face), axis=1)]


def preprocess(items: Mapping[str, Path], out: Path, workers: int) -> None:
    """Write the .bin files and FDDB.txt."""
    import preprocess as step

    step.preprocess(dict(items), out, workers)


def postprocess(
    folder: Path, items: Mapping[str, Path], contexts: Mapping[str, float], out: Path, workers: int
) -> None:
    """Turn result files into FDDB_dets.txt."""
    del workers  # one thread does this half
    results = open_results(folder, items, [tensor.image_shape for tensor in FACTS.outputs])
    fddb.write_detections(out / "FDDB_dets.txt", dict(read_predictions(TASK, results, contexts)))


def whole(folder: Path) -> list[Whole]:
    """Return the command that scores the detections in `folder`, which `evaluations` has made."""
    words = [f"--detections={folder / 'FDDB_dets.txt'}", f"--data={folder}", f"--out={folder / 'out'}"]
    return [Whole("postprocess.py, with imports", 11.5, command=["postprocess.py", *words])]


def plain_evaluation(folder: Path) -> Plain:
    """Return the plain steps of the evaluation, on a hundred pictures."""
    spec: Any = importlib.util.spec_from_file_location("naive", FOLDER / "tests" / "naive.py")
    naive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(naive)
    detections = fddb.read_detections(folder / "FDDB_dets.txt")
    part = [fold[:10] for fold in fddb.read_folds(folder)]
    return Plain(
        "plain steps in Python", lambda: naive.evaluate(part, detections), sum(map(len, part)) / PICTURES
    )


def _ellipses(random: Any, count: int) -> Array:
    """Return faces: major and minor radius, angle, centre."""
    radii = random.uniform(15, 90, (count, 1)) * [1, 0.75]
    return np.column_stack((radii, random.uniform(1.2, 1.9, count), random.uniform(60, 340, (count, 2))))


def _write_folds(folder: Path, folds: Sequence[Fold]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, fold in enumerate(folds, 1):
        lines = []
        for picture in fold:
            rows = [" ".join(f"{value:.6f}" for value in face) + "  1" for face in picture.faces]
            lines += [picture.name, str(len(rows)), *rows]
        (folder / f"FDDB-fold-{number:02d}-ellipseList.txt").write_text("\n".join(lines) + "\n")
