"""What model.toml, aipp.config and the README say, against each other and against what the code does."""

from __future__ import annotations

import re
import shlex

import pytest

from common.facts import read_facts
from common.graph.aipp import Aipp, read_aipp
from faceboxes_fddb import postprocessing, preprocessing
from tests.conftest import HERE, read_json

MODEL = read_facts(HERE)


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    assert MODEL.checkpoint.sha256 == facts["checkpoint"]["sha256"]
    assert [t.name for t in MODEL.outputs] == [output["onnx_name"] for output in facts["outputs"]]
    assert [list(t.shape) for t in MODEL.outputs] == [output["shape"] for output in facts["outputs"]]
    assert MODEL.inputs[0].name == facts["input"]["onnx_name"]
    assert MODEL.opset == facts["opset"]


def test_aipp_subtracts_the_mean_that_the_code_subtracts():
    assert read_aipp(HERE / "aipp.config") == Aipp(mean=tuple(preprocessing.MEAN_BGR.tolist()))


def test_outputs_have_a_row_per_prior():
    assert {t.image_shape[0] for t in MODEL.outputs} == {len(postprocessing.priors())}


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, seeded_onnx, run):
    done = run(
        "common.atc",
        "--model",
        seeded_onnx,
        "--batch-size",
        batch_size,
        "--soc-version",
        "Ascend310P3",
        "--dry-run",
    )
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        "atc",
        "--framework=5",
        f"--model={seeded_onnx}",
        f"--output=faceboxes-b0_bs{batch_size}",
        "--input_format=NCHW",
        f"--input_shape=image:{batch_size},3,1024,1024",
        "--log=debug",
        "--soc_version=Ascend310P3",
        "--out_nodes=/Reshape:0;/Softmax:0",
        "--enable_small_channel=1",
        "--insert_op_conf=aipp.config",
    ]
    assert f'--input_shape="image:{batch_size},3,1024,1024"' in done.stdout
    assert '--out_nodes="/Reshape:0;/Softmax:0"' in done.stdout


def test_the_readme_quotes_the_documented_throughput():
    readme = (HERE / "README.md").read_text()
    rows = {
        int(batch): [float(cell) for cell in cells]
        for batch, *cells in re.findall(
            r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", readme, re.MULTILINE
        )
    }
    assert rows == {
        batch: [MODEL.throughput[device][batch] for device in ("310", "310P", "T4")] for batch in rows
    }
    assert sorted(rows) == sorted(MODEL.throughput["310"])


def test_the_readme_quotes_the_published_accuracy():
    readme = (HERE / "README.md").read_text()
    assert f"{MODEL.accuracy.published['AP']:.4f}" in readme
    assert f"{MODEL.accuracy.npu['AP']}" in readme
    assert MODEL.checkpoint.sha256 in readme
