"""What the tests share: reference data where it exists, small data sets, a twin of the network."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ascend_tools.testing import profiles
from ascend_tools.testing.commands import runner
from ascend_tools.testing.reference import recipe_state_of, reference_of
from common.facts import read_facts

HERE = Path(__file__).resolve().parent.parent
FACTS = read_facts(HERE)

profiles.load()
reference = reference_of("rfcn")
recipe_state = recipe_state_of("rfcn")
run, spawn = runner(HERE)


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def onnx(tmp_path_factory) -> Path:
    """The twin as an ONNX file."""
    from ascend_tools.testing.twin import twin_onnx

    return twin_onnx(FACTS, tmp_path_factory.mktemp("twin") / "rfcn_1.onnx")


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


def read_json(path: Path):
    return json.loads(path.read_text())
