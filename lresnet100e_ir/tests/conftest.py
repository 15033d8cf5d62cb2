"""What the tests share: reference data where it exists, a small lfw.bin, a tiny twin of the network."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from ascend_tools.testing import profiles
from ascend_tools.testing.commands import runner
from ascend_tools.testing.reference import recipe_state_of, reference_of
from common.facts import read_facts

profiles.load()
HERE = Path(__file__).resolve().parent.parent
FACTS = read_facts(HERE)
run, spawn = runner(HERE)
reference = reference_of("lresnet100e_ir")
recipe_state = recipe_state_of("lresnet100e_ir")
SIZE = 112
# Picture, top and left of the crops that the reference's recipe cases are about.
CROPS = {
    "astronaut": ("astronaut", 70, 160),
    "coffee": ("coffee", 140, 300),
    "grace_hopper": ("hopper", 130, 180),
}


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def crops() -> dict[str, np.ndarray]:
    """The pictures of the reference's recipe cases, 112x112x3 uint8 BGR."""
    from common.images.library import library_picture

    return {
        case: library_picture(name)[top : top + SIZE, left : left + SIZE]
        for case, (name, top, left) in CROPS.items()
    }


def random_faces(count: int, seed: int = 0) -> list[np.ndarray]:
    """Draw pictures of 112x112 that look like nothing but differ from each other."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 7, 7, 3), np.uint8)
    return [cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR) for picture in coarse]


def encode(picture: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def write_lfw(path: Path, pictures: list[np.ndarray | bytes]) -> Path:
    """Write an lfw.bin of pictures, without loss, or of bytes; every other pair is the same person's."""
    same = [k % 2 == 0 for k in range(len(pictures) // 2)]
    encoded = [picture if isinstance(picture, bytes) else encode(picture) for picture in pictures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps((encoded, same), protocol=4))
    return path


@pytest.fixture
def lfw_bin(tmp_path) -> Path:
    """Ten pairs of small drawn faces."""
    return write_lfw(tmp_path / "data" / "lfw.bin", random_faces(20))


def make_twin(seed: int = 0):
    """A tiny network in the place of LResNet: the means of 7x7 cells, mixed at random, at length 1.

    The embeddings of `ascend_tools.testing.twin.Twin` would all have the same direction.
    """
    import torch

    class Embedder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            mix = torch.randn(147, 512, generator=torch.Generator().manual_seed(seed))
            self.mix = torch.nn.Parameter(mix, requires_grad=False)

        def forward(self, x):
            features = torch.nn.functional.avg_pool2d(x, 16).flatten(1) @ self.mix
            return features / torch.linalg.vector_norm(features, dim=1, keepdim=True)

    return Embedder().eval()


@pytest.fixture(scope="session")
def twin():
    return make_twin()


@pytest.fixture(scope="session")
def twin_onnx(twin, tmp_path_factory) -> Path:
    """The twin as ONNX, simplified; the file before that lies beside it as twin.onnx."""
    from pth2onnx import export_simplified

    return export_simplified(twin, FACTS, tmp_path_factory.mktemp("twin") / "twin.onnx")


@pytest.fixture(scope="session")
def steps(tmp_path_factory, twin_onnx) -> Path:
    """The files of all steps on twelve pairs: lfw.bin, lfw/, lfw_list.npy, lfw.info, results in bin/ and txt/."""
    import preprocess
    from common import infer

    root = tmp_path_factory.mktemp("steps")
    write_lfw(root / "lfw.bin", random_faces(24))
    assert preprocess.main(["jpg", str(root / "lfw.bin"), str(root / "lfw")]) == 0
    assert preprocess.main(["bin", str(root / "lfw"), str(root / "lfw.info"), "112", "112"]) == 0
    for kind in infer.FORMATS:
        words = ["--model", twin_onnx, "--input", root / "lfw.info", "--out", root / kind, "--batch-size", 5]
        assert infer.main([*map(str, words), "--output-format", kind]) == 0
    return root


def write_results(folder: Path, embeddings: np.ndarray) -> Path:
    """Write embeddings as the guide's tool writes features, of a face and of its mirror image alike."""
    folder.mkdir()
    for i, row in enumerate(embeddings):
        for end in ("", "_flip"):
            (folder / f"{i}{end}_0.txt").write_text(" ".join(f"{value:.9g}" for value in row))
    return folder


def read_json(path: Path):
    return json.loads(path.read_text())


def read_distances(folder: Path) -> np.ndarray:
    """The distances in a pairs.csv."""
    return np.loadtxt(folder / "pairs.csv", delimiter=",", skiprows=1, usecols=2)
