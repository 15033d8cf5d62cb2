"""What the tests share: reference data where it exists, a small data set, a tiny twin of the network."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ascend_tools.testing import profiles
from ascend_tools.testing.commands import runner
from ascend_tools.testing.reference import recipe_state_of, reference_of
from common.facts import read_facts

profiles.load()
HERE = Path(__file__).resolve().parent.parent
FACTS = read_facts(HERE)
run, spawn = runner(HERE)
reference = reference_of("efficientdet_d0")
recipe_state = recipe_state_of("efficientdet_d0")


def read_json(path: Path):
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, Image.Image]:
    """Pictures that installed libraries carry, RGB, under the names the reference gives them."""
    from common.images.library import library_picture

    found = {
        name: Image.fromarray(np.ascontiguousarray(library_picture(name)[..., ::-1]))
        for name in ("astronaut", "chelsea")
    }
    (folder,) = importlib.util.find_spec("sklearn").submodule_search_locations  # imported, it takes seconds
    return {**found, "china": Image.open(Path(folder) / "datasets" / "images" / "china.jpg")}


def make_twin(seed: int = 0):
    """A tiny network whose logits fall from object to object, so that no rounding changes their order.

    All the others stay apart, too: equal ones would all have to be sorted.
    """
    from ascend_tools.testing.twin import Twin

    twin = Twin(FACTS, seed)
    for pattern in list(twin.patterns)[:5]:
        pattern.copy_(12 * pattern**40_000 + pattern - 7)
    return twin


@pytest.fixture(scope="session")
def twin():
    return make_twin()


@pytest.fixture(scope="session")
def twin_onnx(twin, tmp_path_factory) -> Path:
    """The twin as an ONNX file, under the name of the one that is deployed."""
    from common.export.onnx_file import export

    path = tmp_path_factory.mktemp("twin") / "d0_modify.onnx"
    export(twin, FACTS, path)
    return path


def write_data(folder: Path, images: list[tuple], annotations: list[tuple] = ()) -> Path:
    """Write a data set in COCO's tree.

    `images`: id, file name, pixels (HxW or HxWx3 uint8), written without loss whatever the suffix says; `annotations`:
    image id, category, box (x, y, width, height), iscrowd.
    """
    rows = []
    for identity, name, pixels in images:
        path = folder / "val2017" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format="PNG")
        rows.append({"id": identity, "file_name": name, "width": pixels.shape[1], "height": pixels.shape[0]})
    keys = ("image_id", "category_id", "bbox", "iscrowd")
    truth = [
        {"id": i, **dict(zip(keys, row, strict=True)), "area": row[2][2] * row[2][3]}
        for i, row in enumerate(annotations, 1)
    ]
    write_annotations(folder, {"images": rows, "annotations": truth, "categories": [{"id": 1}, {"id": 17}]})
    return folder


def write_annotations(folder: Path, content) -> None:
    path = folder / "annotations" / "instances_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


# By id: the order of the results.
STEMS = ["empty", "COCO_val2014_000000000042", "000000000009", "tall", "a_street_1"]


def small_data(folder: Path) -> Path:
    """Write six random pictures.

    Ids in another order than names, underscores and several dots in names, one grey picture, one without annotations,
    one too small, one crowd.
    """
    rng = np.random.default_rng(0)
    images = [
        (30, "a_street_1.v2.jpg", (60, 80, 3)),
        (7, "COCO_val2014_000000000042.jpg", (48, 64, 3)),
        (12, "000000000009.jpg", (64, 49)),
        (21, "tall.b.c.jpg", (700, 90, 3)),
        (3, "tiny.jpg", (31, 80, 3)),
        (5, "empty.jpg", (40, 40, 3)),
    ]
    drawn = [(identity, name, rng.integers(0, 256, shape, np.uint8)) for identity, name, shape in images]
    annotations = [
        (30, 1, [5, 6, 30, 40], 0),
        (30, 17, [40, 10, 35, 45], 0),
        (30, 1, [0, 0, 80, 60], 1),
        (7, 17, [3, 3, 40, 40], 0),
        (12, 1, [10, 10, 32, 50], 0),
        (21, 1, [10, 100, 70, 500], 0),
        (3, 1, [1, 1, 20, 20], 0),
    ]
    return write_data(folder, drawn, annotations)


@pytest.fixture
def data(tmp_path) -> Path:
    return small_data(tmp_path / "coco")
