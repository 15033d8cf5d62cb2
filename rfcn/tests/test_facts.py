"""What model.toml and the README say, against each other, the reference and what the code does."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex

import numpy as np
import onnx
import pytest
from PIL import Image

import rfcn_adapt
from rfcn_voc import postprocessing, preprocessing, voc
from tests.conftest import FACTS, HERE, read_json
from tests.heads import tiny_network

README = HERE / "README.md"


def blocks(kind):
    """The README's blocks of code of a kind, `sh` or none."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def python_commands():
    """The commands of the README that run Python, as words, a loop's variable being 1."""
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line.replace("$k", "1"), comments=True) for line in lines]
    return [words[1:] for words in commands if words[:1] == ["python"]]


def test_facts_are_the_reference_ones(reference):
    facts = read_json(reference / "model.json")
    (image,) = facts["onnx_input"]
    (tensor,) = FACTS.inputs
    assert (tensor.name, list(tensor.shape), tensor.dtype) == (image["name"], image["shape"], image["dtype"])
    expected = [(row["name"], row["shape"]) for row in facts["onnx_outputs_in_order"]]
    assert [(t.name, list(t.shape)) for t in FACTS.outputs] == expected
    assert FACTS.opset == 11


def test_the_accepted_differences_are_the_reference_ones(reference):
    facts = (reference / "FACTS.md").read_text()
    assert "< 0.05 px" in facts
    assert "cls_prob 1e-4, bbox_pred 1e-3" in facts
    assert [t.tolerance for t in FACTS.outputs] == [0.05, 1e-4, 1e-3]


def test_the_input_is_what_preprocessing_makes():
    (tensor,) = FACTS.inputs
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[30:] = 255
    values = preprocessing.network_input(Image.fromarray(pixels))
    assert (tensor.image_shape, tensor.dtype) == (values.shape, str(values.dtype))
    low, high = tensor.range
    assert values.min() - 0.1 < low < high < values.max() + 0.1


def test_outputs_have_a_column_per_class():
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
    assert done.stdout in blocks("")


@pytest.mark.parametrize("words", python_commands(), ids=" ".join)
def test_the_readmes_commands_take_their_arguments(words, monkeypatch):
    """Every step is there and takes the words; nothing is run."""
    parse = argparse.ArgumentParser.parse_args

    class Parsed(Exception):  # noqa: N818
        pass

    def parse_only(self, argv=None, namespace=None):
        parse(self, argv, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.chdir(HERE)
    name, *arguments = words[1:] if words[0] == "-m" else words
    assert words[0] == "-m" or (HERE / name).is_file()
    module = importlib.import_module(name.removesuffix(".py"))
    with pytest.raises(Parsed):
        module.main(arguments)


def test_the_readmes_sizes_are_those_of_the_files():
    text = README.read_text()
    size = 4 * np.prod(FACTS.inputs[0].image_shape)
    assert f"{size} bytes" in text
    assert f"{size * FACTS.accuracy.images / 1e9:.0f} GB" in text
    for tensor in (*FACTS.inputs, *FACTS.outputs):
        assert f"| `{tensor.name}` | {'x'.join(map(str, tensor.shape))} {tensor.dtype} |" in text


def test_the_guide_documents_the_same_figures(reference):
    guide = reference.parent.parent / "guides" / "rfcn.md"
    if not guide.is_file():
        pytest.skip(f"no guide at {guide}")
    text = guide.read_text()
    for figure in (*FACTS.accuracy.published.values(), *FACTS.accuracy.npu.values()):
        assert str(figure) in text or f"{100 * figure:.2f}" in text
    assert FACTS.checkpoint.file in text
    (npu,), (gpu,) = (FACTS.throughput[device].values() for device in ("310", "T4"))
    assert f"1.23284 * 4 = {npu} " in text  # sic
    assert f"4952/1370={gpu}" in text
