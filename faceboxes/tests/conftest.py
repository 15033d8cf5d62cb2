"""What the tests share: reference data where it exists, a small data set, a twin of the network."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ascend_tools.testing import profiles
from ascend_tools.testing.commands import runner
from ascend_tools.testing.reference import recipe_state_of, reference_of, root
from common.facts import read_facts
from common.images.library import library_picture
from common.images.read import read_image

HERE = Path(__file__).resolve().parent.parent
FACTS = read_facts(HERE)

profiles.load()
reference = reference_of("faceboxes")
recipe_state = recipe_state_of("faceboxes")
run, spawn = runner(HERE)


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def published(pytestconfig) -> Path:
    """The published checkpoint."""
    places = (HERE / "weights", root(pytestconfig).parent / "weights")
    found = [path for place in places if (path := place / FACTS.checkpoint.file).is_file()]
    if not found:
        pytest.skip(f"the published checkpoint is not at {places[0] / FACTS.checkpoint.file}")
    return found[0]


@pytest.fixture
def twin():
    from ascend_tools.testing.twin import Twin  # torch takes its time

    return Twin(FACTS)


@pytest.fixture(scope="session")
def onnx(tmp_path_factory) -> Path:
    """The twin as an ONNX file."""
    from ascend_tools.testing.twin import twin_onnx

    return twin_onnx(FACTS, tmp_path_factory.mktemp("twin") / "faceboxes-b0.onnx")


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, np.ndarray]:
    """Pictures that installed libraries carry, HxWx3 uint8 BGR, under the names the reference gives them."""
    datasets = Path(importlib.util.find_spec("sklearn").origin).parent / "datasets"
    astronaut, hopper = library_picture("astronaut"), library_picture("hopper")
    zoom = np.repeat(np.repeat(astronaut, 4, 0), 4, 1)[:1025, :2048]
    return {
        "lib/01/big/astronaut_512": astronaut,
        "lib/02/big/hopper_600": hopper,
        "lib/03/big/chelsea_451": library_picture("chelsea"),
        "lib/04/big/crop_457": astronaut[:333, :457],
        "lib/05/big/zoom_2048": zoom,
        "astronaut": astronaut,
        "china": read_image(datasets / "images" / "china.jpg"),
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


def read_json(path: Path):
    return json.loads(path.read_text())
