"""The full-size proof: the real network, exported, against torch and against what the original computed.

Everything else is tested with a twin, a tiny network with the same inputs and outputs. The published checkpoint's
part is skipped where that is not present.
"""

from __future__ import annotations

import shlex

import cv2
import numpy as np
import onnx as onnx_library
import pytest
import torch

import evaluate
import pth2onnx
from ascend_tools.testing.exports import seeded_export
from common.backends.base import run_batch
from common.backends.deployed import open_deployed, open_model
from common.backends.torch import run_torch
from common.export import checkpoint, download
from common.graph.aipp_file import named_aipp
from common.graph.aipp_numpy import apply
from common.graph.outline import describe
from faceboxes_fddb import fddb
from faceboxes_fddb.preprocessing import letterbox
from faceboxes_fddb.sample import WHAT, portraits
from tests.conftest import FACTS, HERE, read_json, write_data

pytestmark = pytest.mark.full_size
LOC_TOLERANCE, CONF_TOLERANCE = 1e-4, 5e-5


@pytest.fixture(scope="module")
def exported():
    """The ONNX file of the network with seeded weights."""
    return seeded_export(HERE) / FACTS.onnx


def test_names_shapes_and_opset_are_the_published_ones(exported):
    model = onnx_library.load(exported)
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("image", "float32", ("-1", 3, 1024, 1024))]
    assert [(v.name, v.shape) for v in graph.outputs] == [
        ("class", ("-1", 21824, 4)),
        ("loc", ("-1", 21824, 2)),
    ]
    assert not {node.op_type for node in model.graph.node} & {"Shape", "Gather", "Loop", "If"}


def test_a_batch_of_three_gives_the_rows_of_single_pictures_and_those_of_torch(exported):
    pictures = np.random.default_rng(1).uniform(-120, 150, (3, 3, 1024, 1024)).astype(np.float32)
    with open_model(exported) as deployed:
        together = run_batch(deployed, {"image": pictures})
        for row in range(3):
            alone = run_batch(deployed, {"image": pictures[row : row + 1]})
            for many, one in zip(together, alone, strict=True):
                np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-5)
    for found, wanted in zip(together, run_torch(evaluate.load(None), pictures), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, exported, run):
    words = ("--model", exported, "--batch-size", batch_size, "--soc-version", "Ascend310P3", "--dry-run")
    done = run("common.atc", *words)
    assert done.returncode == 0, done.stderr
    assert " ".join(shlex.split(done.stdout)) == (
        f"atc --framework=5 --model={exported} --output=faceboxes-b0_bs{batch_size} --input_format=NCHW "
        f"--input_shape=image:{batch_size},3,1024,1024 --log=debug --soc_version=Ascend310P3 "
        "--out_nodes=/Reshape:0;/Softmax:0 --enable_small_channel=1 --insert_op_conf=aipp.config"
    )
    assert f'--input_shape="image:{batch_size},3,1024,1024"' in done.stdout
    assert '--out_nodes="/Reshape:0;/Softmax:0"' in done.stdout


def outputs_of(path, network, image):
    """Return the outputs for a picture of an export, which takes it as it is, and of torch, by AIPP's arithmetic."""
    canvas = letterbox(image)[0][None]
    with open_deployed(path, None, FACTS, HERE) as deployed:
        return run_batch(deployed, {"image": canvas}), run_torch(
            network, apply(named_aipp(FACTS, HERE), canvas)
        )


def check_outputs(found, stored, index="index", loc="loc", conf="conf"):
    rows = stored[index]
    np.testing.assert_allclose(found[0][0][rows], stored[loc], rtol=0, atol=LOC_TOLERANCE)
    np.testing.assert_allclose(found[1][0][rows], stored[conf], rtol=0, atol=CONF_TOLERANCE)


@pytest.fixture(scope="module")
def recipe(recipe_state, tmp_path_factory):
    """The network with the weights that the reference's recipe draws, and its export for batches of two."""
    folder = tmp_path_factory.mktemp("recipe")
    path, out = folder / "recipe.pth", folder / "fixed.onnx"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    words = ["--trained_model", str(path), "--save_folder", str(out), "--batch-size", "2"]
    assert pth2onnx.main(words) == 0
    assert describe(onnx_library.load(out)).inputs[0].shape == (2, 3, 1024, 1024)
    return evaluate.load(path), out


@pytest.mark.parametrize("picture", ["astronaut", "china", "grace_hopper"])
def test_recipe_weights_give_the_reference_outputs(picture, recipe, cases, library_pictures):
    network, path = recipe
    for found in outputs_of(path, network, library_pictures[picture]):
        check_outputs(found, np.load(cases / f"recipe_{picture}.npz"))


@pytest.fixture(scope="module")
def published_onnx(published, tmp_path_factory):
    """The export of the published checkpoint."""
    path = tmp_path_factory.mktemp("published") / "faceboxes-b0.onnx"
    assert pth2onnx.main(["--checkpoint", str(published), "--out", str(path)]) == 0
    return path


def test_published_weights_give_the_reference_outputs(published, published_onnx, cases, library_pictures):
    network = evaluate.load(published)
    for name in read_json(cases / "real" / "real.json")["images"]:
        stored = np.load(cases / "real" / f"{name.replace('/', '_')}.npz")
        for found in outputs_of(published_onnx, network, library_pictures[name]):
            check_outputs(found, stored)
            check_outputs(found, stored, "sample_index", "sample_loc", "sample_conf")


def test_published_weights_give_the_reference_detections(
    published_onnx, cases, library_pictures, tmp_path, run
):
    names = read_json(cases / "real" / "real.json")["images"]
    data = write_data(tmp_path / "FDDB", {name: library_pictures[name] for name in names})
    done = run("evaluate.py", "--model", published_onnx, "--data", data, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    found = fddb.read_detections(tmp_path / "FDDB_dets.txt")
    expected = fddb.read_detections(cases / "real" / "FDDB_dets.txt")
    assert found.keys() == expected.keys()
    for stem, rows in expected.items():
        np.testing.assert_allclose(found[stem][:, :4], rows[:, :4], rtol=0, atol=0.01)
        np.testing.assert_allclose(found[stem][:, 4], rows[:, 4], rtol=0, atol=1e-3)


def test_published_weights_agree_with_torch_and_find_every_sample_face(published, tmp_path, run):
    done = run("evaluate.py", "--checkpoint", published, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["agreement with torch"] == 1.0
    assert report["metrics"]["AP"] == 1.0
    assert 0 <= report["metrics"]["largest difference from torch, class"] <= 1e-4
    assert 0 <= report["metrics"]["largest difference from torch, loc"] <= 5e-5
    assert report["dataset"] == WHAT
    assert report["verdict"] == "not comparable"
    assert report["agreement"]["metric"] == {"name": "AP", "value": 1.0, "accepted": 0.99}
    assert (report["agreement"]["known answers"], report["weights"]) == ("OK", FACTS.checkpoint.file)
    assert f"{WHAT}, against their annotations:\nFDDB-fold-1 Val AP: 1.0\n" in done.stdout
    assert done.stdout.endswith("FaceBoxes: export and deployment agree with torch: OK\n")
    assert len(list((tmp_path / "drawn").glob("*_faces.jpg"))) == 10


def test_seeded_weights_agree_with_torch_and_give_the_known_outputs(exported, tmp_path, run, monkeypatch):
    def no_checkpoint(facts, folder):
        raise download.UnavailableError("no checkpoint")

    monkeypatch.setattr(checkpoint, "published", no_checkpoint)
    done = run("evaluate.py", "--model", exported, "--out", tmp_path / "out", "--limit", 2)
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["agreement"]["verdict"], report["agreement"]["known answers"]) == ("OK", "OK")
    assert (report["weights"], report["metrics"].get("AP")) == ("seeded", None)


def test_the_face_in_each_portrait_is_found_and_drawn(published_onnx, tmp_path, run):
    for name, (image, _) in portraits().items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    pictures = (tmp_path / "astronaut.png", tmp_path / "hopper.png")
    assert run("predict.py", *pictures, "--model", published_onnx, "--out", tmp_path / "out").returncode == 0
    for name, box in (("astronaut", [180, 59, 268, 175]), ("hopper", [170, 114, 355, 337])):
        result = read_json(tmp_path / "out" / f"{name}_faces.json")
        (face,) = result["faces"]
        assert np.abs(np.array(face["box"]) - box).max() < 2
        assert face["score"] > 0.99
        drawn = cv2.imread(str(tmp_path / "out" / f"{name}_faces.jpg"))
        original = cv2.imread(str(tmp_path / f"{name}.png"))
        assert drawn.shape == original.shape == (result["height"], result["width"], 3)
        edge = drawn[round(face["box"][3]), round(face["box"][0] + 20)]
        assert edge[1] > 150
        assert edge[1] > edge[0] + 60
