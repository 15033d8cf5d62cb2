"""The full-size proof: the published network, exported, equals torch; the recipe's weights give the reference's figures."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import evaluate
from ascend_tools.testing.exports import seeded_export
from common.backends.torch import run_torch
from common.export.onnx_file import random_inputs, write_onnx
from common.graph.outline import describe
from common.graph.simplify import simplify
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.preprocessing import mirror, network_input
from tests.conftest import FACTS, HERE, random_faces, read_distances, read_json

pytestmark = pytest.mark.full_size
TOLERANCE = 2e-5
FILES = ("model_ir_se100.onnx", "model_ir_se100_sim.onnx")
OPERATORS = {"Conv": 200, "PRelu": 50, "GlobalAveragePool": 49, "MaxPool": 46, "Gemm": 1, "ReduceL2": 1}
OTHERS = {
    *("BatchNormalization", "Relu", "Sigmoid", "Mul", "Add"),
    *("Flatten", "Reshape", "Expand", "Shape", "Div"),
}


@pytest.fixture(scope="module")
def exported():
    """The directory of the export with seeded weights."""
    return seeded_export(HERE)


@pytest.fixture(scope="module")
def expected():
    """Three network inputs, and what torch makes of them with seeded weights."""
    images = np.stack([network_input(face) for face in random_faces(3)])
    (features,) = run_torch(evaluate.load(None), images)
    return images, features


@pytest.fixture(scope="module")
def recipe(recipe_state, tmp_path_factory):
    """The network with the reference checkpoint, from a file."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.pth"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    return evaluate.load(path)


@pytest.fixture(scope="module")
def recipe_onnx(recipe, tmp_path_factory):
    """The same as ONNX, simplified; only the reference says whether it computes what it should."""
    plain, simplified = (tmp_path_factory.mktemp("onnx") / name for name in FILES)
    write_onnx(recipe, random_inputs(FACTS, 1), ["image"], ["features"], plain, opset=11, dynamic_batch=True)
    simplify(plain, simplified, ["fuse_lp_normalization"])
    return simplified


@pytest.mark.parametrize("name", FILES)
def test_the_export_has_the_published_names_shapes_and_opset(name, exported):
    graph = describe(onnx.load(exported / name))
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("image", "float32", ("-1", 3, 112, 112))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("features", ("-1", 512))]


def test_the_simplified_file_ends_as_the_guides_and_has_no_node_that_is_not_needed(exported):
    plain, simplified = ([node.op_type for node in onnx.load(exported / name).graph.node] for name in FILES)
    for operators in (plain, simplified):
        count = Counter(operators)
        assert {name: count[name] for name in OPERATORS} == OPERATORS
    assert set(simplified) <= OPERATORS.keys() | OTHERS
    assert simplified[-1] == "Div"
    assert len(simplified) < len(plain)  # which holds an Identity for each tensor that equals another


@pytest.mark.parametrize("name", FILES)
def test_a_batch_of_three_gives_the_rows_of_single_pictures_and_of_torch(name, exported, expected):
    session = onnxruntime.InferenceSession(str(exported / name), providers=["CPUExecutionProvider"])
    images, features = expected
    (together,) = session.run(None, {"image": images})
    np.testing.assert_allclose(together, features, rtol=0, atol=TOLERANCE)
    for row in range(3):
        (alone,) = session.run(None, {"image": images[row : row + 1]})
        np.testing.assert_allclose(together[row], alone[0], rtol=0, atol=TOLERANCE)


def test_every_row_has_length_1(expected):
    _, features = expected
    assert (features.shape, features.dtype) == ((3, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert len(np.unique(features, axis=0)) == 3


@pytest.mark.parametrize("case", ["astronaut", "coffee", "grace_hopper"])
def test_recipe_weights_give_the_reference_outputs(case, recipe, cases, crops):
    image = network_input(crops[case])
    (features,) = run_torch(recipe, np.stack([image, mirror(image)]))
    stored = np.load(cases / f"recipe_{case}.npz")
    np.testing.assert_allclose(features[:1], stored["features"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(features[1:], stored["features_flip"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(add_flipped(features[:1], features[1:]), stored["tta"], rtol=0, atol=TOLERANCE)


def test_recipe_weights_give_the_reference_figures_on_the_reference_pairs(recipe_onnx, cases, tmp_path, run):
    facts = read_json(cases / "lfw_tiny" / "expected.json")["end_to_end_with_recipe_weights"]
    data = cases / "lfw_tiny" / "lfw_tiny.bin"
    words = ("--model", recipe_onnx, "--data", data, "--out", tmp_path, "--batch-size", 16)
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    assert facts["printed_by_original_postprocess"] in done.stdout
    assert "measured on 40 of the 12000 pictures of LFW:" in done.stdout
    report = read_json(tmp_path / "metrics.json")
    assert report["metrics"]["accuracy"] == 0.95
    assert report["metrics"]["best threshold"] == 1.0400000000000003
    assert (report["verdict"], report["images"]) == ("not comparable", 40)
    accepted = facts["tolerance"]["pair_distances_abs"]
    np.testing.assert_allclose(read_distances(tmp_path), facts["pair_distances"], rtol=0, atol=accepted)
