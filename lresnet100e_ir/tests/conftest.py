"""What the tests share: reference data where it exists, a small lfw.bin, a tiny network exported once."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

HERE = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("ASCEND_GUIDES_REFERENCE", HERE.parent.parent / "shared" / "reference"))
UNITS = (1, 1, 1, 1)  # of the tiny network, which has everything the published one has, once
SIZE = 112
# Picture, top and left of the crops that the reference's recipe cases are about.
CROPS = {
    "astronaut": ("astronaut", 70, 160),
    "coffee": ("coffee", 140, 300),
    "grace_hopper": ("hopper", 130, 180),
}


@pytest.fixture(scope="session")
def reference() -> Path:
    """The measured facts about the original LResNet100E-IR."""
    if not (REFERENCE / "lresnet100e_ir").is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; ASCEND_GUIDES_REFERENCE names another place")
    return REFERENCE / "lresnet100e_ir"


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def recipe_state(reference) -> dict[str, np.ndarray]:
    """The reference checkpoint that the recipe draws, as numpy arrays."""
    spec = importlib.util.spec_from_file_location("recipe", reference.parent / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe.state_dict(reference)


@pytest.fixture(scope="session")
def recipe_checkpoint(recipe_state, tmp_path_factory) -> Path:
    """The reference checkpoint as a file."""
    import torch

    path = tmp_path_factory.mktemp("recipe") / "recipe.pth"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    return path


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


def write_lfw(path: Path, pictures: list[np.ndarray], same: list[bool] | None = None) -> Path:
    """Write an lfw.bin of pictures, without loss; by default every other pair is the same person's."""
    same = [k % 2 == 0 for k in range(len(pictures) // 2)] if same is None else same
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(([encode(picture) for picture in pictures], same), protocol=4))
    return path


@pytest.fixture
def lfw_bin(tmp_path) -> Path:
    """Ten pairs of small drawn faces."""
    return write_lfw(tmp_path / "data" / "lfw.bin", random_faces(20))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint of the tiny network, with weights that tell pictures apart."""
    import torch

    from common.export.checkpoint import seeded
    from lresnet_lfw.network import LResNet

    def build():
        network = LResNet(UNITS)
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter)
        return network

    path = tmp_path_factory.mktemp("tiny") / "tiny.pth"
    torch.save(seeded(build).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def tiny_onnx(tiny_checkpoint) -> Path:
    """The tiny network as ONNX, simplified; the file before that lies beside it as tiny.onnx."""
    from common.export import checkpoint
    from common.facts import read_facts
    from lresnet_lfw.network import LResNet
    from pth2onnx import export_simplified

    weights = checkpoint.read(tiny_checkpoint)
    network = checkpoint.load(LResNet(UNITS), weights, tiny_checkpoint, "tiny")
    return export_simplified(network, read_facts(HERE), tiny_checkpoint.with_name("tiny.onnx"))


@pytest.fixture(scope="session")
def steps(tmp_path_factory, tiny_onnx) -> Path:
    """The files of all steps on twelve pairs: lfw.bin, lfw/, lfw_list.npy, lfw.info, results in bin/ and txt/."""
    import preprocess
    from common import infer

    root = tmp_path_factory.mktemp("steps")
    write_lfw(root / "lfw.bin", random_faces(24))
    assert preprocess.main(["jpg", str(root / "lfw.bin"), str(root / "lfw")]) == 0
    assert preprocess.main(["bin", str(root / "lfw"), str(root / "lfw.info"), "112", "112"]) == 0
    for kind in infer.FORMATS:
        words = ["--model", tiny_onnx, "--input", root / "lfw.info", "--out", root / kind, "--batch-size", 5]
        assert infer.main([*map(str, words), "--output-format", kind]) == 0
    return root


@pytest.fixture
def tiny_network(monkeypatch) -> None:
    """Let the scripts build the tiny network where they would build the published one."""
    from lresnet_lfw import network

    monkeypatch.setattr(network, "LResNet", functools.partial(network.LResNet, UNITS))


@pytest.fixture
def run():
    """Run a script or a module of `common` as a user does, in the model directory."""

    def call(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
        target = ["-m", script] if script.startswith("common.") else [script]
        command = [sys.executable, *target, *map(str, arguments)]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, **options)

    return call


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
