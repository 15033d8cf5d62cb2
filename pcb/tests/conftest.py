"""What the tests share: reference data where it exists, small data sets, an exported network."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
import warnings
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
    """The measured facts about the original PCB."""
    if not (REFERENCE / "pcb").is_dir():
        pytest.skip(f"no reference data at {REFERENCE}; ASCEND_GUIDES_REFERENCE names another place")
    return REFERENCE / "pcb"


@pytest.fixture(scope="session")
def cases(reference) -> Path:
    return reference / "cases"


@pytest.fixture(scope="session")
def library_pictures() -> dict[str, np.ndarray]:
    """Pictures that installed libraries carry, HxWx3 uint8 RGB, under the names the reference gives them."""
    from common.images.library import library_picture

    names = {"astronaut": "astronaut", "chelsea": "chelsea", "coffee": "coffee", "grace_hopper": "hopper"}
    return {name: library_picture(source)[..., ::-1] for name, source in names.items()}


@pytest.fixture(scope="session")
def recipe_checkpoint(reference, tmp_path_factory) -> Path:
    """The reference checkpoint that the recipe draws, as a state dict."""
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    spec = importlib.util.spec_from_file_location("recipe", reference.parent / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    state = {key: torch.from_numpy(np.array(value)) for key, value in recipe.state_dict(reference).items()}
    path = tmp_path_factory.mktemp("recipe") / "recipe.pth"
    torch.save(state, path)
    return path


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


@pytest.fixture(scope="session")
def seeded_checkpoint(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch", reason="the checkpoint is saved with torch")
    from common.export.checkpoint import seeded
    from pcb_market.network import PCB

    path = tmp_path_factory.mktemp("checkpoint") / "seeded.pth"
    torch.save(seeded(PCB).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def seeded_onnx(seeded_checkpoint) -> Path:
    """An ONNX file with seeded weights, exported as a user exports it."""
    import pth2onnx

    path = seeded_checkpoint.with_name("PCB.onnx")
    assert pth2onnx.main(["--checkpoint", str(seeded_checkpoint), "--out", str(path)]) == 0
    return path


def save_module(path: Path, state: dict, top: str = "reid.models.resnet.ResNet", *, legacy: bool = False):
    """Save a whole network under the published class's name, as the published file is."""
    import torch

    from pcb_market.network import PCB

    network = PCB()
    network.load_state_dict(state)
    module, _, name = top.rpartition(".")
    published = type(name, (torch.nn.Module,), {"__module__": module})
    whole = published()
    for key, child in network.named_children():
        whole.add_module(key, child)
    stand_in = types.ModuleType(module)
    setattr(stand_in, name, published)
    words = module.split(".")
    parents = [".".join(words[:count]) for count in range(1, len(words))]
    made = {parent: types.ModuleType(parent) for parent in parents if parent not in sys.modules}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for key, value in {**made, module: stand_in}.items():
            patch.setitem(sys.modules, key, value)
        warnings.simplefilter("ignore")  # the source of this class is nowhere
        torch.save(whole, path, _use_new_zipfile_serialization=not legacy)
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
