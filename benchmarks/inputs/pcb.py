"""PCB and Market-1501."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.engine.file_route import write_inputs
from common.facts import read_facts
from common.images.rgb import read_rgb
from inputs import ROOT
from inputs.natural import write_jpeg
from inputs.original import Original, Plain, Whole, fastest
from pcb_market import market
from pcb_market.market import Picture
from pcb_market.task import TASK, sources

Array = NDArray[Any]
FOLDER = ROOT / "pcb"
FACTS = read_facts(FOLDER)
SIZE = (128, 64)
QUALITY = 88  # some 3.5 kB each
COUNT = 200
QUERIES, GALLERY = 3368, 15913
PICTURES = QUERIES + GALLERY
EVERYTHING, REPORTED, READ = 216.0, 36.0, 3.1
ORIGINAL = Original(
    {
        "prepare to file": 4.7,
        "finish from file": READ * 1e3 / PICTURES,
        "evaluate": (REPORTED - READ) * 1e3 / PICTURES,
    },
    ("score",),
    {
        "prepare to file": "JPEG of 64x128 to .bin",
        "finish from file": f"reading {PICTURES} feature files, {READ} s, two threads",
        "evaluate": f"distances, mAP and match curves, two threads, {REPORTED - READ:.0f} s; {EVERYTHING:.0f} s in all "
        "with the curve by cuhk03's rules, which it computes and never prints",
    },
)
FASTEST = fastest(FACTS)
THREADED = True
__all__ = ["TASK"]


def data_set(folder: Path, count: int) -> Path:
    """Write pictures as Market-1501 has them: one in six asks, and every person is seen by two cameras."""
    queries = max(1, count // 6)
    for number in range(count):
        asks = number < queries
        part = "query" if asks else "bounding_box_test"
        name = f"{number % queries + 1:04d}_c{1 if asks else 2}s1_{number:06d}_01.jpg"
        write_jpeg(folder / part / name, SIZE, QUALITY, number)
    return folder


def pictures(folder: Path, count: int) -> dict[str, Picture]:
    """Write such a data set, and return its pictures by their files' names."""
    found = sources(data_set(folder, count))
    return {key.rpartition("/")[2]: picture for key, picture in found.items()}


def decode(source: Picture) -> Any:
    """Return the pixels of a picture."""
    return read_rgb(source.path)


def bare(source: Picture) -> Array:
    """Return the network's input of a picture, 3x384x128, with Pillow and numpy."""
    resized = Image.open(source.path).convert("RGB").resize((128, 384), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, np.float32).transpose(2, 0, 1) / np.float32(255)
    mean, deviation = (
        np.array(values, np.float32)[:, None, None]
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return np.ascontiguousarray((pixels - mean) / deviation)


def outputs(seed: int) -> list[Array]:
    """Return outputs like the network's: stripes of length 1, not negative, and the scores of the identities."""
    random = np.random.default_rng(seed)
    features = 0.5 + random.random((2048, 6, 1), np.float32)
    scores = [random.standard_normal(751, np.float32) for _ in range(6)]
    return [features / np.linalg.norm(features, axis=0), *scores]


def preprocess(items: Mapping[str, Picture], out: Path, workers: int) -> None:
    """Write the .bin files."""
    write_inputs(TASK, items, out, size=3 * 384 * 128 * 4, workers=workers)


def postprocess(
    folder: Path, items: Mapping[str, Picture], contexts: Mapping[str, None], out: Path, workers: int
) -> None:
    """Turn result files into a matrix of features."""
    import postprocess as step

    del contexts, out, workers
    step.read_features(folder, dict(items), FACTS)


def whole(folder: Path) -> list[Whole]:
    """Return the command that reads and scores the features of a data set; writes them, 1 GB."""
    from evaluations.pcb import features

    data = market.read_market(folder)
    for seed, (part, found) in enumerate(
        (("query_results", data.query), ("gallery_results", data.gallery)), 1
    ):
        if (folder / part).is_dir():
            continue
        (folder / part).mkdir()
        for name, row in zip(found, features(found, seed), strict=True):
            row.tofile(folder / part / f"{name}_1.bin")
    words = ["-q", folder / "query_results", "-g", folder / "gallery_results", "--data", folder]
    command = ["postprocess.py", *map(str, words), "--out", str(folder / "out")]
    return [
        Whole("postprocess.py, of what is reported, with imports (2.9 GB)", REPORTED, command=command),
        Whole("postprocess.py, of everything, with imports (2.9 GB)", EVERYTHING, command=command),
    ]


def plain_evaluation(folder: Path) -> Plain:
    """Return the matrix product alone, of a quarter of the queries."""
    del folder
    random = np.random.default_rng(0)
    query, gallery = (random.random((count, 12288), np.float32) for count in (QUERIES // 4, GALLERY))
    return Plain("the matrix product alone", lambda: query @ gallery.T, 1 / 4)
