"""What model.toml and the guide say of this model, against the reference and what the code does."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from efficientdet_coco import postprocessing, preprocessing
from tests.conftest import FACTS, read_json


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    (image,), (tensor,) = facts["onnx_input"], FACTS.inputs
    assert (tensor.name, list(tensor.shape), tensor.dtype) == (image["name"], image["shape"], image["dtype"])
    expected = [(f"{row['kind']}_p{row['level']}", row["shape"]) for row in facts["onnx_outputs_in_order"]]
    assert [(t.name, list(t.shape)) for t in FACTS.outputs] == expected
    assert FACTS.opset == 11


def test_the_range_is_that_of_normalised_pictures():
    low, high = FACTS.inputs[0].range
    values = preprocessing.network_input(np.array([[[0] * 3, [255] * 3]], np.uint8))
    assert values.min() - 0.1 < low < high < values.max() + 0.1


def test_outputs_have_a_row_per_anchor():
    shapes = [t.image_shape for t in FACTS.outputs]
    for channels, maps in ((90, shapes[:5]), (4, shapes[5:])):
        assert sum(np.prod(shape) for shape in maps) == channels * len(postprocessing.anchors())


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_atc_command_is_the_guides(batch_size, twin_onnx, run):
    batch = ("--batch-size", batch_size, "--soc-version", "Ascend310P3")
    done = run("common.atc", "--model", twin_onnx, *batch, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        "atc",
        "--framework=5",
        f"--model={twin_onnx}",
        f"--output=model/d0_bs{batch_size}",
        "--input_format=NCHW",
        f"--input_shape=x.1:{batch_size},3,512,512",
        "--log=debug",
        "--soc_version=Ascend310P3",
        "--precision_mode=allow_mix_precision",
        "--modify_mixlist=ops_info.json",
    ]
    assert f'--input_shape="x.1:{batch_size},3,512,512"' in done.stdout


def test_the_guide_documents_the_same_figures(reference):
    guide = reference.parent.parent / "guides" / "efficientdet_d0.md"
    if not guide.is_file():
        pytest.skip(f"no guide at {guide}")
    text = guide.read_text()
    assert FACTS.checkpoint.guides.file in text
    assert all(url.partition(" ")[0] in text for url in FACTS.checkpoint.guides.urls)
    accuracy = [f"{100 * figures['AP']:.1f}" for figures in (FACTS.accuracy.published, FACTS.accuracy.npu)]
    assert accuracy == ["33.6", "33.4"]
    for figure in accuracy:
        assert str(figure) in text
