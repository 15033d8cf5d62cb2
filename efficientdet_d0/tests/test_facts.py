"""What model.toml, ops_info.json and the README say, against each other, the reference and what the code does."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from common.facts import read_facts
from efficientdet_coco import postprocessing, preprocessing
from tests.conftest import HERE, read_json

MODEL = read_facts(HERE)
DEVICES = ("310", "310P", "T4")
BATCH_SIZES = [1, 4, 8, 16, 32, 64]


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    (image,) = facts["onnx_input"]
    assert (MODEL.inputs[0].name, list(MODEL.inputs[0].shape)) == (image["name"], image["shape"])
    assert MODEL.inputs[0].dtype == image["dtype"]
    expected = [(f"{row['kind']}_p{row['level']}", row["shape"]) for row in facts["onnx_outputs_in_order"]]
    assert [(t.name, list(t.shape)) for t in MODEL.outputs] == expected
    assert MODEL.opset == 11


def test_the_range_is_that_of_normalised_pictures():
    low, high = MODEL.inputs[0].range
    values = preprocessing.network_input(np.array([[[0] * 3, [255] * 3]], np.uint8))
    assert values.min() - 0.1 < low < high < values.max() + 0.1


def test_outputs_have_a_row_per_anchor():
    shapes = [t.image_shape for t in MODEL.outputs]
    for channels, maps in ((90, shapes[:5]), (4, shapes[5:])):
        assert sum(np.prod(shape) for shape in maps) == channels * len(postprocessing.anchors())


def test_ops_info_adds_one_operator_to_the_black_list():
    assert read_json(HERE / "ops_info.json") == {"black-list": {"to-add": ["ReduceMeanD"]}}


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, seeded_onnx, run):
    done = run(
        "common.atc",
        *("--model", seeded_onnx, "--batch-size", batch_size, "--soc-version", "Ascend310P3", "--dry-run"),
    )
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        "atc",
        "--framework=5",
        f"--model={seeded_onnx}",
        f"--output=model/d0_bs{batch_size}",
        "--input_format=NCHW",
        f"--input_shape=x.1:{batch_size},3,512,512",
        "--log=debug",
        "--soc_version=Ascend310P3",
        "--precision_mode=allow_mix_precision",
        "--modify_mixlist=ops_info.json",
    ]
    assert f'--input_shape="x.1:{batch_size},3,512,512"' in done.stdout


def test_the_readme_quotes_the_documented_throughput():
    readme = (HERE / "README.md").read_text()
    cell = r" ([\d.]+) \|"
    rows = {
        int(batch): [float(figure) for figure in figures]
        for batch, *figures in re.findall(rf"^\| (\d+) \|{cell * 3}$", readme, re.MULTILINE)
    }
    assert rows == {batch: [MODEL.throughput[device][batch] for device in DEVICES] for batch in rows}
    assert sorted(rows) == BATCH_SIZES == sorted(MODEL.throughput["310"])


def test_the_readme_quotes_the_accuracy():
    readme = (HERE / "README.md").read_text()
    for figures in (MODEL.accuracy.published, MODEL.accuracy.npu):
        assert f"{100 * figures['AP']:.1f}" in readme
    assert MODEL.accuracy.published == {"AP": 0.336}
    assert MODEL.accuracy.npu == {"AP": 0.334}


def test_the_guide_documents_the_same_throughput(reference):
    guide = reference.parent.parent / "guides" / "efficientdet_d0.md"
    if not guide.is_file():
        pytest.skip(f"no guide at {guide}")
    text = guide.read_text()
    for figures in MODEL.throughput.values():
        for figure in figures.values():
            assert str(figure) in text
