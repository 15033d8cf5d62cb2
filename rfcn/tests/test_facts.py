"""What model.toml and the README say, against each other, the reference and what the code does."""

from __future__ import annotations

import shlex

import numpy as np
import onnx
import pytest

import rfcn_adapt
from rfcn_voc import postprocessing, preprocessing, voc
from tests.conftest import FACTS, HERE, read_json
from tests.heads import tiny_network

README = (HERE / "README.md").read_text()


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    (image,), (tensor,) = facts["onnx_input"], FACTS.inputs
    assert (tensor.name, list(tensor.shape), tensor.dtype) == (image["name"], image["shape"], image["dtype"])
    expected = [(row["name"], row["shape"]) for row in facts["onnx_outputs_in_order"]]
    assert [(t.name, list(t.shape)) for t in FACTS.outputs] == expected
    assert FACTS.opset == 11
    text = (reference / "FACTS.md").read_text()
    assert "< 0.05 px" in text
    assert "cls_prob 1e-4, bbox_pred 1e-3" in text
    assert [t.tolerance for t in FACTS.outputs] == [0.05, 1e-4, 1e-3]


def test_the_input_is_what_preprocessing_makes_and_outputs_have_a_column_per_class():
    (tensor,) = FACTS.inputs
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[30:] = 255
    values = preprocessing.network_input(pixels)
    assert (tensor.image_shape, tensor.dtype) == (values.shape, str(values.dtype))
    low, high = tensor.range
    assert values.min() - 0.1 < low < high < values.max() + 0.1
    _, scores, boxes = (t.image_shape for t in FACTS.outputs)
    assert len(voc.CLASSES) == postprocessing.CLASSES == scores[1] - 1 == boxes[1] // 4 - 1


def test_the_atc_command_is_the_guides_and_the_readmes(tmp_path, run):
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    onnx.save(tiny_network(), tmp_path / FACTS.onnx)
    rfcn_adapt.adapt(tmp_path / FACTS.onnx, tmp_path / str(FACTS.atc.onnx))
    done = run("common.atc", "--soc-version", "Ascend310", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == [
        "atc",
        "--framework=5",
        "--model=rfcn_final.onnx",
        "--output=rfcn",
        "--input_format=NCHW",
        "--input_shape=im_data:1,3,1344,1344",
        "--log=debug",
        "--soc_version=Ascend310",
    ]
    assert f"```\n{done.stdout}```\n" in README


def test_the_readmes_sizes_are_those_of_the_files():
    size = 4 * np.prod(FACTS.inputs[0].image_shape)
    assert f"{size} bytes" in README
    assert f"{size * FACTS.accuracy.images / 1e9:.0f} GB" in README
    for tensor in (*FACTS.inputs, *FACTS.outputs):
        assert f"| `{tensor.name}` | {'x'.join(map(str, tensor.shape))} {tensor.dtype} |" in README


def test_the_guide_documents_the_same_figures(reference):
    guide = reference.parent.parent / "guides" / "rfcn.md"
    if not guide.is_file():
        pytest.skip(f"no guide at {guide}")
    text = guide.read_text()
    for figure in (*FACTS.accuracy.published.values(), *FACTS.accuracy.npu.values()):
        assert str(figure) in text or f"{100 * figure:.2f}" in text
    assert FACTS.checkpoint.file in text
