"""What model.toml, aipp.config and the README say, against each other and against what the code does."""

from __future__ import annotations

import re

import numpy as np
import onnx as onnx_library
from onnx import TensorProto, helper

from common.backends.deployed import open_model
from common.graph.aipp import Aipp, apply, named_aipp
from faceboxes_fddb import postprocessing
from tests.conftest import FACTS, HERE, read_json


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    assert FACTS.checkpoint.sha256 == facts["checkpoint"]["sha256"]
    assert [t.name for t in FACTS.outputs] == [output["onnx_name"] for output in facts["outputs"]]
    assert [list(t.shape) for t in FACTS.outputs] == [output["shape"] for output in facts["outputs"]]
    assert FACTS.inputs[0].name == facts["input"]["onnx_name"]
    assert FACTS.opset == facts["opset"]


def test_aipp_subtracts_the_mean_of_the_training_and_no_more():
    assert named_aipp(FACTS, HERE) == Aipp(mean=(104, 117, 123))
    assert FACTS.inputs[0].range == (-123, 255 - 104)


def test_aipp_means_the_same_for_torch_and_in_the_deployed_graph(tmp_path):
    shape = ("N", 3, 1024, 1024)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "same")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["same"])], "same", *zip(values))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx_library.save(model, tmp_path / "same.onnx")
    aipp = named_aipp(FACTS, HERE)
    canvas = np.random.default_rng(0).integers(0, 256, (2, 1024, 1024, 3), np.uint8)
    canvas[0, 5, 7] = (200, 100, 50)
    with open_model(tmp_path / "same.onnx", aipp=aipp) as deployed:
        (found,) = deployed.run({"image": canvas})
    assert found.dtype == np.float32
    assert found[0, :, 5, 7].tolist() == [200 - 104, 100 - 117, 50 - 123]
    np.testing.assert_array_equal(apply(aipp, canvas), found)


def test_outputs_have_a_row_per_prior():
    assert {t.image_shape[0] for t in FACTS.outputs} == {len(postprocessing.priors())}


def test_the_readme_quotes_the_documented_throughput_row_by_row_and_the_published_hash():
    readme = (HERE / "README.md").read_text()
    rows = {
        int(batch): [float(cell) for cell in cells]
        for batch, *cells in re.findall(
            r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", readme, re.MULTILINE
        )
    }
    assert rows == {
        batch: [FACTS.throughput[device][batch] for device in ("310", "310P", "T4")] for batch in rows
    }
    assert sorted(rows) == sorted(FACTS.throughput["310"])
    assert FACTS.checkpoint.sha256 in readme
