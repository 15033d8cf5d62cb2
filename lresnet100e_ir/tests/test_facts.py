"""What model.toml and the README say, against each other, the reference, and what the code does."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from lresnet_lfw import preprocessing
from tests.conftest import FACTS, HERE, read_json

DEVICES = ("310", "310 tuned", "GPU")


def test_facts_are_the_reference_ones(reference, cases):
    facts = read_json(reference / "model.json")
    (tensor,), (output,), (wanted,) = FACTS.inputs, FACTS.outputs, facts["outputs"]
    assert (tensor.name, list(tensor.shape)) == (facts["input"]["onnx_name"], facts["input"]["shape"])
    assert (output.name, list(output.shape)) == (wanted["onnx_name"], wanted["shape"])
    assert FACTS.opset == facts["opset"]
    assert facts["checkpoint"].startswith(f"{FACTS.checkpoint.file}: ")
    for path in cases.glob("recipe_*.json"):
        assert output.tolerance == read_json(path)["tolerance"]["abs"]


def test_the_input_is_what_preprocessing_makes():
    (tensor,) = FACTS.inputs
    face = np.zeros((112, 112, 3), np.uint8)
    face[0] = 255
    values = preprocessing.network_input(face)
    assert (values.shape, str(values.dtype)) == (tensor.image_shape, tensor.dtype)
    assert (values.min(), values.max()) == tensor.range


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, twin_onnx, run):
    words = ("--model", twin_onnx, "--batch-size", batch_size, "--soc-version", "Ascend310", "--dry-run")
    done = run("common.atc", *words)
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        "atc",
        "--framework=5",
        f"--model={twin_onnx}",
        f"--output=model/model_ir_se100_bs{batch_size}",
        "--input_format=NCHW",
        f"--input_shape=image:{batch_size},3,112,112",
        "--log=debug",
        "--soc_version=Ascend310",
    ]
    assert f'--input_shape="image:{batch_size},3,112,112"' in done.stdout


def test_the_guides_figures_are_those_of_the_guide(reference):
    guides = (reference.parent / "ascend" / "guides.md").read_text()
    (line,) = re.findall(r"^LResNet100E-IR: (310 bs1 .*)\.$", guides, re.MULTILINE)
    for part, device in zip(line.split(";"), DEVICES, strict=True):
        figures = re.findall(r"bs(\d+) ([\d.]+)", part)
        assert {int(batch): float(figure) for batch, figure in figures} == FACTS.throughput.cards[device]
    accuracy = "| LResNet100E-IR, LFW accuracy | 0.9976666666666667, threshold 1.4140000000000001 | 0.998 |"
    assert accuracy in guides
    assert FACTS.accuracy.npu == {"accuracy": 0.9976666666666667, "best threshold": 1.4140000000000001}
    assert FACTS.accuracy.published == {"accuracy": 0.998}


def test_the_readme_has_every_figure_of_the_guides_printouts(reference):
    guide = reference.parent.parent / "guides" / "lresnet100e_ir.md"
    if not guide.is_file():
        pytest.skip(f"no guide at {guide}")
    printouts = re.findall(r"^\[e2e\](?:.*\n){5}", guide.read_text(), re.MULTILINE)
    figures = [re.findall(r": ([\d.]+)", printout) for printout in printouts]
    rows = re.findall(r"^\| \[.*?\] .*? \| (.*) \|$", (HERE / "README.md").read_text(), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    assert len(figures) == 7
    assert [
        list(column) for table in (cells[:11], cells[11:]) for column in zip(*table, strict=True)
    ] == figures
