"""What the tests share: reference data where it exists, small data sets, a twin of the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ascend_tools.testing import profiles
from ascend_tools.testing.commands import runner
from ascend_tools.testing.reference import recipe_state_of, reference_of
from common.facts import read_facts
from common.images.library import library_picture

HERE = Path(__file__).resolve().parent.parent
FACTS = read_facts(HERE)

profiles.load()
reference = reference_of("pcb")
recipe_state = recipe_state_of("pcb")
run, spawn = runner(HERE)


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture
def twin():
    from ascend_tools.testing.twin import Twin  # torch takes its time

    return Twin(FACTS)


@pytest.fixture(scope="session")
def onnx(tmp_path_factory) -> Path:
    """The twin as an ONNX file."""
    from ascend_tools.testing.twin import twin_onnx

    return twin_onnx(FACTS, tmp_path_factory.mktemp("twin") / "PCB.onnx")


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, np.ndarray]:
    """Pictures that installed libraries carry, HxWx3 uint8 RGB, under the names the reference gives them."""
    names = {"astronaut": "astronaut", "chelsea": "chelsea", "coffee": "coffee", "grace_hopper": "hopper"}
    return {name: library_picture(source)[..., ::-1] for name, source in names.items()}


@pytest.fixture(scope="session")
def market_tiny(cases, library_pictures, tmp_path_factory) -> Path:
    """The reference's small data set, made as its files.json says: PNG content under .jpg names."""
    root = tmp_path_factory.mktemp("market_tiny")
    for name, spec in read_json(cases / "market_tiny" / "files.json")["files"].items():
        y, x = spec["y"], spec["x"]
        crop = library_pictures[spec["image"]][y : y + 128, x : x + 64].astype(int)
        pixels = np.minimum(255, crop * spec["num"] // spec["den"]).astype(np.uint8)
        write_person(root / name, pixels)
    (root / "bounding_box_test" / "Thumbs.db").write_bytes(b"not a picture")
    return root


def write_person(path: Path, pixels: np.ndarray) -> None:
    """Write a picture without loss, whatever its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


@pytest.fixture
def data(tmp_path) -> Path:
    """Random pictures of two persons, a distractor and junk; one name has two suffixes."""
    names = {
        "query": ["0001_c1s1_000001_00", "0002_c2s1_000001_00", "0007_c1s1_000001_00.jpg"],
        "bounding_box_test": [
            *("0001_c1s1_000002_01", "0001_c2s1_000003_01", "0002_c1s1_000004_01", "0002_c3s1_000005_01"),
            *("0000_c1s1_000006_01", "-1_c4s1_000007_01", "0007_c3s1_000008_01.jpg"),
        ],
    }
    rng = np.random.default_rng(0)
    root = tmp_path / "Market-1501"
    for folder, stems in names.items():
        for stem in stems:
            write_person(root / folder / f"{stem}.jpg", rng.integers(0, 256, (128, 64, 3), np.uint8))
    return root


def read_json(path: Path):
    return json.loads(path.read_text())
