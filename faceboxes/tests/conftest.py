"""What the tests share: reference data where it exists, a small data set, an exported network."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

HERE = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("ASCEND_GUIDES_REFERENCE", HERE.parent.parent / "shared" / "reference"))
WEIGHTS = (
    HERE / "weights" / "FaceBoxesProd.pth",
    REFERENCE.parent / "weights" / "FaceBoxesProd.pth",
)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The measured facts about the original FaceBoxes."""
    if not (REFERENCE / "faceboxes").is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; ASCEND_GUIDES_REFERENCE names another place")
    return REFERENCE / "faceboxes"


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def published() -> Path:
    """The published checkpoint."""
    found = [path for path in WEIGHTS if path.is_file()]
    if not found:
        pytest.skip(f"the published checkpoint is not at {WEIGHTS[0]}")
    return found[0]


@pytest.fixture(scope="session")
def recipe_state(reference) -> dict[str, np.ndarray]:
    """The reference checkpoint that the recipe draws, as numpy arrays."""
    spec = importlib.util.spec_from_file_location("recipe", reference.parent / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe.state_dict(reference)


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, np.ndarray]:
    """Pictures that installed libraries carry, HxWx3 uint8 BGR, under the names the reference gives them."""
    import skimage.data
    from sklearn.datasets import load_sample_image

    from faceboxes_fddb.sample import portraits

    hopper = portraits()["hopper"][0]
    astronaut = skimage.data.astronaut()[..., ::-1]
    zoom = np.repeat(np.repeat(astronaut, 4, 0), 4, 1)[:1025, :2048]
    return {
        "lib/01/big/astronaut_512": astronaut,
        "lib/02/big/hopper_600": hopper,
        "lib/03/big/chelsea_451": skimage.data.chelsea()[..., ::-1],
        "lib/04/big/crop_457": astronaut[:333, :457],
        "lib/05/big/zoom_2048": zoom,
        "astronaut": astronaut,
        "china": load_sample_image("china.jpg")[..., ::-1],
        "grace_hopper": hopper,
    }


def write_data(
    folder: Path, pictures: dict[str, np.ndarray], faces: dict[str, list[str]] | None = None
) -> Path:
    """Write a data set in FDDB's tree, pictures dealt to the ten folds in turn, without loss under .jpg names."""
    folds: list[list[str]] = [[] for _ in range(10)]
    for number, (name, picture) in enumerate(pictures.items()):
        rows = (faces or {}).get(name, ["20.5 15.25 1.5 32 24  1"])
        folds[number % 10] += [name, str(len(rows)), *rows]
        path = folder / "originalPics" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    (folder / "FDDB-folds").mkdir(parents=True, exist_ok=True)
    for number, lines in enumerate(folds, 1):
        path = folder / "FDDB-folds" / f"FDDB-fold-{number:02d}-ellipseList.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.fixture
def data(tmp_path) -> Path:
    """Twelve small random pictures in FDDB's tree, one face each; one name has dots and underscores."""
    rng = np.random.default_rng(0)
    names = [f"2002/08/{i:02d}/big/img_{i}" for i in range(11)] + ["2003/01/a.b_1.c"]
    return write_data(
        tmp_path / "FDDB", {name: rng.integers(0, 256, (48, 64, 3), np.uint8) for name in names}
    )


@pytest.fixture(scope="session")
def seeded_checkpoint(tmp_path_factory) -> Path:
    import torch

    from common.export.checkpoint import seeded
    from faceboxes_fddb.network import FaceBoxes

    path = tmp_path_factory.mktemp("checkpoint") / "seeded.pth"
    torch.save(seeded(FaceBoxes).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def seeded_onnx(seeded_checkpoint) -> Path:
    """An ONNX file with seeded weights, exported as a user exports it."""
    import pth2onnx

    path = seeded_checkpoint.with_name("faceboxes-b0.onnx")
    assert pth2onnx.main(["--checkpoint", str(seeded_checkpoint), "--out", str(path)]) == 0
    return path


@pytest.fixture
def run():
    """Run a script or a module of `common` as a user does, in the model directory."""

    def call(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
        target = ["-m", script] if script.startswith("common.") else [script]
        command = [sys.executable, *target, *map(str, arguments)]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, **options)

    return call


def read_json(path: Path):
    return json.loads(path.read_text())
