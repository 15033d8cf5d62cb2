"""LFW's evaluation: the embeddings of faces and of their mirror images to accuracy, ROC figures and pairs.csv."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from evaluations.steps import ROOT, Step

sys.path.insert(0, str(ROOT / "lresnet100e_ir"))

from common.files import write_text
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.scoring import score

PAIRS, LENGTH = 6000, 512


def sizes(times: int) -> dict[str, int]:
    return {"pairs": PAIRS * times, "bytes": 2 * PAIRS * times * 2 * LENGTH * 4}


def make(folder: Path, times: int) -> None:
    """Write the labels, and embeddings of length 1: those of one person's faces are near each other."""
    rng = np.random.default_rng(0)
    same = np.arange(PAIRS * times) // 300 % 2 == 0
    np.save(folder / "same.npy", same)
    features = rng.standard_normal((2 * len(same), LENGTH), np.float32)
    features[1::2][same] += 0.4 * features[0::2][same]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    np.save(folder / "features.npy", features)
    features += 0.02 * rng.standard_normal(features.shape, np.float32)
    np.save(folder / "mirrored.npy", features)


def evaluate(folder: Path, step: Step) -> dict[str, float | None]:
    with step("read data"):
        same = np.load(folder / "same.npy")
    with step("read predictions"):
        features, mirrored = (np.load(folder / f"{name}.npy") for name in ("features", "mirrored"))
    with step("score"):
        figures = score(same, add_flipped(features, mirrored))
    with step("write"):
        for name, text in figures.files.items():
            write_text(folder / name, text)
    return dict(figures.metrics)
