"""The full-size proof: the real network, exported, against torch and against what the original computed.

Everything else is tested with a twin, a tiny network with the same inputs and outputs.
"""

from __future__ import annotations

import numpy as np
import onnx as onnx_library
import pytest
import torch

import evaluate
import pth2onnx
from ascend_tools.testing.exports import seeded_export
from common.backends.base import run_batch
from common.backends.deployed import open_deployed
from common.backends.torch import run_torch
from common.export import checkpoint, download
from common.export.onnx_file import random_inputs
from common.graph.outline import describe
from pcb_market.task import prepare_picture
from tests.conftest import FACTS, HERE, read_json, write_person
from tests.whole_network import save_module

pytestmark = pytest.mark.full_size
LOGITS = [f"logits_{stripe}" for stripe in range(6)]
CROPS = {
    "astronaut": np.s_[60:188, 190:254],
    "coffee": np.s_[150:278, 220:284],
    "grace_hopper": np.s_[60:444, 190:318],
}


@pytest.fixture(scope="module")
def exported():
    """The ONNX file of the network with seeded weights."""
    return seeded_export(HERE) / FACTS.onnx


def test_names_shapes_and_opset_are_the_documented_ones(exported):
    model = onnx_library.load(exported)
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("input_1", "float32", ("-1", 3, 384, 128))]
    assert [(v.name, v.shape) for v in graph.outputs] == [
        ("output_1", ("-1", 2048, 6, 1)),
        *((name, ("-1", 751)) for name in LOGITS),
    ]
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Shape", "Gather", "Loop", "If", "Pad"}
    assert {"AveragePool", "ReduceL2", "Div", "Split"} <= operators


def test_a_batch_of_three_gives_the_rows_of_single_pictures_and_those_of_torch(exported):
    pictures = random_inputs(FACTS, 3)
    with open_deployed(exported, None, FACTS, HERE) as deployed:
        together = run_batch(deployed, {"input_1": pictures})
        for row in range(3):
            alone = run_batch(deployed, {"input_1": pictures[row : row + 1]})
            for many, one in zip(together, alone, strict=True):
                np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-4)
    for found, wanted, tensor in zip(
        together, run_torch(evaluate.load(None), pictures), FACTS.outputs, strict=True
    ):
        assert found.shape == wanted.shape == (3, *tensor.image_shape)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(together[0], axis=1), 1, atol=1e-6)


def test_sample_pictures_give_the_features_and_figures_of_torch(exported, tmp_path, monkeypatch, run):
    def unavailable(facts, folder):
        raise download.UnavailableError("could not download PCB_3_7.pt")

    monkeypatch.setattr(checkpoint, "published", unavailable)
    assert run("evaluate.py", "--model", exported, "--out", tmp_path, "--limit", 2).returncode == 0
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["largest difference from torch, output_1"] <= 1e-5
    assert all(report["metrics"][f"largest difference from torch, {name}"] <= 1e-3 for name in LOGITS)
    assert "mAP" not in report["metrics"]  # of seeded weights it says nothing
    assert report["agreement"]["metric"]["value"] == 1.0
    assert (report["agreement"]["verdict"], report["agreement"]["known answers"]) == ("OK", "OK")


@pytest.fixture(scope="module")
def network(recipe_state, tmp_path_factory):
    """The network with the weights that the reference's recipe draws, from a state dict."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.pth"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    return evaluate.load(path)


@pytest.fixture(scope="module")
def recipe_onnx(network, tmp_path_factory):
    """Its export for batches of two, with the guide's flags, from a file of the published kind."""
    folder = tmp_path_factory.mktemp("whole")
    whole, out = save_module(folder / "whole.pt", network), folder / "fixed.onnx"
    assert pth2onnx.main(["-p", str(whole), "-o", str(out), "-b", "2"]) == 0
    graph = describe(onnx_library.load(out))
    assert [v.shape for v in (*graph.inputs, *graph.outputs)] == [(2, 3, 384, 128), (2, 2048, 6, 1)] + [
        (2, 751)
    ] * 6
    return out


@pytest.mark.parametrize("picture", CROPS)
def test_recipe_weights_give_the_reference_outputs(
    picture, network, recipe_onnx, cases, library_pictures, tmp_path
):
    write_person(tmp_path / "person.png", library_pictures[picture][CROPS[picture]])
    inputs = {name: array[None] for name, array in prepare_picture(tmp_path / "person.png")[0].items()}
    stored = np.load(cases / f"recipe_{picture}.npz")
    with open_deployed(recipe_onnx, None, FACTS, HERE) as deployed:
        both = run_torch(network, inputs["input_1"]), run_batch(deployed, inputs)
    for features, *logits in both:
        np.testing.assert_allclose(features[0], stored["features"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(np.concatenate(logits), stored["logits"], rtol=0, atol=1e-3)


def test_recipe_weights_on_the_reference_set_give_the_reference_figures(
    recipe_onnx, market_tiny, cases, tmp_path, run
):
    wanted = read_json(cases / "market_tiny" / "expected.json")
    done = run("evaluate.py", "--model", recipe_onnx, "--data", market_tiny, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = read_json(tmp_path / "metrics.json")["metrics"]
    assert metrics["mAP"] == pytest.approx(wanted["mAP"], abs=1e-9)
    for k in (1, 5, 10):
        assert metrics[f"top-{k}"] == pytest.approx(wanted["market1501_cmc_1_20"][k - 1], abs=1e-9)
    assert metrics["queries counted"] == 10
    table = {row["key"]: row["value"] for row in read_json(tmp_path / "PCB_inference_result.json")["value"]}
    original = {row["key"]: row["value"] for row in wanted["json"]["value"]}
    assert table == original | {"Number of images": "45", "Number of classes": "2"}
    for line in wanted["printed"].splitlines()[1:-1]:
        assert line.split("%")[0].rpartition(" ")[0].rstrip() in done.stdout  # the shares are fractions here
    assert f"Mean AP: {wanted['mAP']:.4f}\n" in done.stdout
