"""What the tests share: reference data where it exists, small data sets, commands."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

HERE = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("ASCEND_GUIDES_REFERENCE", HERE.parent.parent / "shared" / "reference"))

settings.register_profile("suite", deadline=None, max_examples=60)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The measured facts about the original R-FCN."""
    if not (REFERENCE / "rfcn").is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; ASCEND_GUIDES_REFERENCE names another place")
    return REFERENCE / "rfcn"


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def seeded_checkpoint(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    from rfcn_voc.network import seeded

    path = tmp_path_factory.mktemp("checkpoint") / "seeded.pth"
    torch.save(seeded().state_dict(), path)
    return path


@pytest.fixture(scope="session")
def seeded_onnx(seeded_checkpoint) -> Path:
    """The guide's form with seeded weights, exported as a user exports it."""
    import pth2onnx

    out = seeded_checkpoint.with_name("rfcn_1.onnx")
    assert pth2onnx.main(["--input", str(seeded_checkpoint), "--output", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def recipe_checkpoint(reference, tmp_path_factory) -> Path:
    """The reference checkpoint that the recipe draws, laid out as the published one."""
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    spec = importlib.util.spec_from_file_location("recipe", reference.parent / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    state = {key: torch.from_numpy(np.array(value)) for key, value in recipe.state_dict(reference).items()}
    path = tmp_path_factory.mktemp("recipe") / "faster_rcnn_2_12_5010.pth"
    torch.save(
        {"session": 2, "epoch": 13, "model": state, "pooling_mode": "align", "class_agnostic": False}, path
    )
    return path


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, Image.Image]:
    """Pictures that installed libraries carry, RGB, under the names the reference gives them."""
    from sklearn.datasets import load_sample_image

    from common.images.library import library_picture

    pixels = {"astronaut": library_picture("astronaut")[..., ::-1], "china": load_sample_image("china.jpg")}
    return {name: Image.fromarray(np.ascontiguousarray(picture)) for name, picture in pixels.items()}


def write_data(folder: Path, pictures: dict[str, list[tuple]]) -> Path:
    """Write a data set in VOC's tree, without the pictures themselves.

    `pictures`: by name the objects, each a class, a box (xmin, ymin, xmax, ymax) and whether it is difficult.
    """
    write_list(folder, "".join(f"{name}\n" for name in pictures))
    for name, objects in pictures.items():
        write_annotation(folder, name, "".join(object_xml(*row) for row in objects))
    return folder


def write_list(folder: Path, text: str) -> None:
    path = folder / "ImageSets" / "Main" / "test.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_annotation(folder: Path, name: str, objects: str) -> Path:
    path = folder / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>\n\t<folder>VOC2007</folder>\n{objects}</annotation>\n")
    return path


def object_xml(name: str, box: tuple, difficult: int = 0) -> str:
    sides = "".join(
        f"\t\t\t<{side}>{value}</{side}>\n"
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Left</pose>\n\t\t<truncated>1</truncated>\n"
        f"\t\t<difficult>{int(difficult)}</difficult>\n\t\t<bndbox>\n{sides}\t\t</bndbox>\n\t</object>\n"
    )


def reference_detections(cases: Path, data) -> dict[str, np.ndarray]:
    """The reference's detections by stem, as `write_detections` takes them."""
    from rfcn_voc.voc import CLASSES

    rows = defaultdict(list)
    for category, name in enumerate(CLASSES, 1):
        for picture, *box, score in read_json(cases / "voc" / "detections.json")[name]:
            rows[picture].append([*box, score, category])
    return {stem: np.array(rows[stem], np.float32).reshape(-1, 6) for stem in data.pictures}


def run_script(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    target = ["-m", script] if script.startswith("common.") else [script]
    command = [sys.executable, *target, *map(str, arguments)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def run():
    """Run a script or a module of `common` as a user does, in the model directory."""
    return run_script


def read_json(path: Path):
    return json.loads(path.read_text())
