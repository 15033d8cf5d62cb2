"""What the tests share: reference data where it exists, a small data set, an exported network."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
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
    """The measured facts about the original EfficientDet-D0."""
    if not (REFERENCE / "efficientdet_d0").is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; ASCEND_GUIDES_REFERENCE names another place")
    return REFERENCE / "efficientdet_d0"


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def recipe_checkpoint(reference, tmp_path_factory) -> Path:
    """The reference checkpoint that the recipe draws, as a state dict."""
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    spec = importlib.util.spec_from_file_location("recipe", reference.parent / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    state = {key: torch.from_numpy(np.array(value)) for key, value in recipe.state_dict(reference).items()}
    path = tmp_path_factory.mktemp("recipe") / "d0.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, Image.Image]:
    """Pictures that installed libraries carry, RGB, under the names the reference gives them."""
    from sklearn.datasets import load_sample_image

    from common.images.library import library_picture

    pixels = {
        "astronaut": library_picture("astronaut")[..., ::-1],
        "chelsea": library_picture("chelsea")[..., ::-1],
        "china": load_sample_image("china.jpg"),
    }
    return {name: Image.fromarray(np.ascontiguousarray(picture)) for name, picture in pixels.items()}


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
    truth = [
        {
            "id": i,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": crowd,
        }
        for i, (image, category, box, crowd) in enumerate(annotations, 1)
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


@pytest.fixture(scope="session")
def seeded_checkpoint(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    from efficientdet_coco.network import seeded

    path = tmp_path_factory.mktemp("checkpoint") / "seeded.pth"
    torch.save(seeded().network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def seeded_sim(seeded_checkpoint) -> Path:
    """The simplified ONNX file with seeded weights, exported as a user exports it; d0.onnx lies beside it."""
    import pth2onnx

    out = seeded_checkpoint.with_name("d0.onnx")
    assert pth2onnx.main(["--checkpoint", str(seeded_checkpoint), "--out", str(out)]) == 0
    return out.with_name("d0_sim.onnx")


@pytest.fixture(scope="session")
def seeded_onnx(seeded_sim) -> Path:
    """The ONNX file that is deployed."""
    import modify_onnx

    path = seeded_sim.with_name("d0_modify.onnx")
    assert modify_onnx.main(["--model", str(seeded_sim), "--out", str(path)]) == 0
    return path


def run_script(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    target = ["-m", script] if script.startswith("common.") else [script]
    command = [sys.executable, *target, *map(str, arguments)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def run():
    """Run a script or a module of `common` as a user does, in the model directory."""
    return run_script


@pytest.fixture(scope="session")
def recipe_fixed(recipe_checkpoint) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The guide's export command with the recipe's weights and a batch of one: what it printed, and the file."""
    out = recipe_checkpoint.with_name("d0.onnx")
    return run_script(
        "pth2onnx.py", "--batch_size=1", f"--checkpoint={recipe_checkpoint}", f"--out={out}"
    ), out


def read_json(path: Path):
    return json.loads(path.read_text())
