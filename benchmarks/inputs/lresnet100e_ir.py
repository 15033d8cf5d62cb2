"""LResNet100E-IR and LFW. An item is a face or its mirror image, of which the network is given both."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.engine.file_route import write_inputs
from common.facts import read_facts
from common.npu_files.results import open_results
from inputs import ROOT
from inputs.natural import jpeg
from inputs.original import Original, Whole, fastest
from lresnet_lfw import lfw
from lresnet_lfw.lfw import Face
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.scoring import score
from lresnet_lfw.task import TASK, sources

Array = NDArray[Any]
FOLDER = ROOT / "lresnet100e_ir"
FACTS = read_facts(FOLDER)
SIZE = (112, 112)
QUALITY = 90  # some 6 kB each
COUNT = 400
PICTURES = 24000
ORIGINAL = Original(
    {
        "prepare to file": 1.7 / 2,
        "finish from file": (8.8 - 0.25) * 1e3 / PICTURES,
        "evaluate": 0.25e3 / PICTURES,
    },
    ("score",),
    {
        "prepare to file": "half of a picture of 112x112 to two .bin, 1.7 ms",
        "finish from file": f"the script on {PICTURES} text files, 8.8 s, less the evaluation",
        "evaluate": "verifacation.evaluate, 6000 pairs, 0.25 s",
    },
)
FASTEST = fastest(FACTS)
THREADED = True
__all__ = ["TASK"]


def data_set(folder: Path, count: int) -> Path:
    """Write an lfw.bin that makes `count` items or a few more, ten pairs at least."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = max(10, -(-count // 4))
    faces = [jpeg(*SIZE, QUALITY, number) for number in range(2 * pairs)]
    same = [number // max(1, pairs // 2) % 2 == 0 for number in range(pairs)]
    (folder / "lfw.bin").write_bytes(pickle.dumps((faces, same)))
    return folder


def pictures(folder: Path, count: int) -> dict[str, Face]:
    """Write such a data set, and return its first items."""
    return dict(islice(sources(data_set(folder, count)).items(), count))


def decode(source: Face) -> Array:
    """Return the pixels of a face."""
    return source.read()


def bare(source: Face) -> Array:
    """Return the network's input of a face, 3x112x112, with OpenCV and numpy."""
    image: Any = cv2.imdecode(np.frombuffer(source.data or b"", np.uint8), cv2.IMREAD_COLOR)
    if source.mirrored:
        image = image[:, ::-1]
    scaled = (image.transpose(2, 0, 1).astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(
        0.5
    )
    return np.ascontiguousarray(scaled)


def outputs(seed: int) -> list[Array]:
    """Return an embedding of length 1."""
    values = np.random.default_rng(seed).standard_normal(512, np.float32)
    return [values / np.linalg.norm(values)]


def preprocess(items: Mapping[str, Face], out: Path, workers: int) -> None:
    """Write the .bin files."""
    write_inputs(TASK, items, out, size=3 * 112 * 112 * 4, workers=workers)


def postprocess(
    folder: Path, items: Mapping[str, Face], contexts: Mapping[str, None], out: Path, workers: int
) -> None:
    """Turn result files into embeddings."""
    del contexts, out, workers
    names = [name for name, face in items.items() if not face.mirrored]
    mirrored = [name for name, face in items.items() if face.mirrored]
    results = open_results(folder, items, [FACTS.outputs[0].image_shape])
    add_flipped(results.read_all(names), results.read_all(mirrored))


def whole(folder: Path) -> list[Whole]:
    """Return the scoring of LFW's result files, as text and as bytes, and the command that does it."""
    features = np.load(folder / "features.npy")
    same = np.load(folder / "same.npy")
    names, mirrored = lfw.input_names(len(same))
    for suffix in ("txt", "bin"):
        if (folder / suffix).is_dir():
            continue
        (folder / suffix).mkdir()
        for name, row in zip(names, features, strict=True):
            data = row.tobytes() if suffix == "bin" else _text(row).encode()
            for stem in (name, f"{name}_flip"):
                (folder / suffix / f"{stem}_1.{suffix}").write_bytes(data)

    def score_files(suffix: str) -> None:
        results = open_results(folder / suffix, names + mirrored, [FACTS.outputs[0].image_shape])
        score(same, add_flipped(results.read_all(names), results.read_all(mirrored)))

    words = [f"--results={folder / 'txt'}", f"--data={folder / 'same.npy'}", f"--out={folder / 'out'}"]
    files = 4 * len(same)
    return [
        Whole(f"read and score {files} .txt results", 8.8, partial(score_files, "txt")),
        Whole(f"read and score {files} .bin results", 8.8, partial(score_files, "bin")),
        Whole("postprocess.py on the .txt results, with imports", 8.8, command=["postprocess.py", *words]),
    ]


def plain_evaluation(folder: Path) -> None:
    """Return None: there is no other code to compare the evaluation with."""
    del folder


def _text(row: Array) -> str:
    return " ".join(map("{:.9g}".format, row.tolist())) + "\n"
