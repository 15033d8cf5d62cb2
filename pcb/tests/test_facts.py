"""What model.toml says, against the reference, what the code does, and the guide's ATC command."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from pcb_market import preprocessing
from tests.conftest import FACTS, read_json


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    first, *others = facts["outputs"]
    assert (FACTS.outputs[0].name, list(FACTS.outputs[0].shape)) == (first["onnx_name"], first["shape"])
    assert [list(t.shape) for t in FACTS.outputs[1:]] == [output["shape"] for output in others]
    assert FACTS.inputs[0].name == facts["input"]["onnx_name"]
    assert list(FACTS.inputs[0].image_shape) == facts["input"]["shape"][1:]
    assert FACTS.opset == facts["opset"]


def test_the_range_is_that_of_normalised_pictures():
    low, high = FACTS.inputs[0].range
    values = preprocessing.network_input(np.array([[[0] * 3, [255] * 3]], np.uint8))
    assert values.min() - 0.1 < low < high < values.max() + 0.1


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, onnx, run):
    words = ("--model", onnx, "--batch-size", batch_size, "--soc-version", "Ascend310P3", "--dry-run")
    done = run("common.atc", *words)
    assert done.returncode == 0, done.stderr
    assert " ".join(shlex.split(done.stdout)) == (
        f"atc --framework=5 --model={onnx} --output=PCB_bs{batch_size} --input_format=NCHW "
        f"--input_shape=input_1:{batch_size},3,384,128 --log=debug --soc_version=Ascend310P3"
    )
