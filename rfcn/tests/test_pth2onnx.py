"""The export with a tiny body: both forms, operator sets, what differs from torch is not kept; the guide's flags."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from msgspec.structs import replace
from onnx import TensorProto, helper

import pth2onnx
from common.errors import GuideError
from common.graph.outline import describe, load
from rfcn_voc import export_check
from rfcn_voc.network import Head
from tests.conftest import FACTS
from tests.heads import body_weights, tiny_body


class TinyNetwork(torch.nn.Module):
    """The tiny body in torch, in the network's place."""

    def body(self, im_data):
        weights = map(torch.from_numpy, body_weights())
        return tuple(torch.nn.functional.conv2d(im_data, weight, stride=16) for weight in weights)


@pytest.fixture
def tiny(monkeypatch):
    """A network whose body costs nothing, and which is not traced."""

    def write(network, image, inputs, outputs, path, *, opset):
        onnx.save(tiny_body(opset), path)

    monkeypatch.setattr(pth2onnx, "write_onnx", write)
    return TinyNetwork()


@pytest.mark.full_size  # the head is
@pytest.mark.parametrize(("form", "opset"), [("guide", 16), ("original", 13)])
def test_every_form_and_operator_set_is_written_and_compared(form, opset, tiny, tmp_path, capsys):
    pth2onnx.export_form(tiny, FACTS, tmp_path / "a.onnx", form, opset)
    graph = describe(load(tmp_path / "a.onnx"))
    assert graph.opset == opset
    assert [v.name for v in graph.inputs] == ["im_data", "im_info"][: 1 + (form == "original")]
    assert [v.name for v in graph.outputs] == [tensor.name for tensor in FACTS.outputs]
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    lines = capsys.readouterr().out.splitlines()
    names = ["rpn_cls_score", "rpn_bbox_pred", "cls_maps", "bbox_maps"]
    assert lines[0] == "compared with torch on a random picture:"
    assert [line.split(":")[0].strip() for line in lines[1:5]] == names
    assert "% of torch's regions on the same maps, 90 % demanded; in these:" in lines[5]
    assert [line.split(":")[0].strip() for line in lines[6:]] == [tensor.name for tensor in FACTS.outputs]


@pytest.mark.full_size  # the head is
def test_a_form_with_the_other_forms_head_is_found_out(tiny, tmp_path, monkeypatch):
    """The graph clips nothing and torch does: the compared regions are others."""
    attach = pth2onnx.attach_head

    def mixed(proto, *, published):
        attach(proto, published=False)
        proto.graph.input.append(helper.make_tensor_value_info("im_info", TensorProto.FLOAT, [1, 3]))

    monkeypatch.setattr(pth2onnx, "attach_head", mixed)
    with pytest.raises(GuideError, match="The export is not kept"):
        pth2onnx.export_form(tiny, FACTS, tmp_path / "a.onnx", "original")
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_pictures_of_another_size_is_found_out(tiny, canned, tmp_path, monkeypatch):
    attach = pth2onnx.attach_head

    def smaller(proto, *, published):
        attach(proto, published=published)
        proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 448

    monkeypatch.setattr(pth2onnx, "attach_head", smaller)
    expected = (
        r"'im_data' has the shape \(1, 3, 448, 1344\), expected \(1, 3, 1344, 1344\). The export is not"
    )
    with pytest.raises(GuideError, match=expected):
        pth2onnx.export_form(tiny, FACTS, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def canned(monkeypatch):
    """Outputs and maps that are made up and equal on both sides, which a test changes on torch's."""
    generator = np.random.default_rng(0)
    maps = [generator.normal(0, 1, (1, 5, 3, 3)).astype(np.float32) for _ in range(4)]
    outputs = [generator.uniform(0, 900, tensor.shape).astype(np.float32) for tensor in FACTS.outputs]
    wanted = {"maps": [m.copy() for m in maps], "outputs": [rows.copy() for rows in outputs]}

    def in_torch(network, *inputs):
        return wanted["outputs" if isinstance(network, Head) else "maps"]

    monkeypatch.setattr(export_check, "run_batch", lambda deployed, feeds: [*outputs, *maps])
    monkeypatch.setattr(export_check, "run_torch", in_torch)
    return wanted


@pytest.mark.parametrize(
    ("side", "number", "place", "value", "words"),
    [
        ("maps", 0, (0, 0, 0, 0), 9, "'rpn_cls_score' differs from torch by .*"),
        ("maps", 3, (0, 0, 0, 0), np.nan, "'bbox_maps' differs from torch by .*"),
        ("outputs", 1, (0, 7, 3), 0.2, "output 'cls_prob' differs from torch by 2.00e-01.*"),
        ("outputs", 0, (0, slice(31)), 5000, "89.7 % of torch's regions are the same, fewer than 90 %. "),
    ],
)
def test_an_export_that_differs_from_torch_leaves_nothing(
    side, number, place, value, words, tiny, canned, tmp_path
):
    canned[side][number][place] += value
    with pytest.raises(GuideError, match=f"{words}The export is not kept"):
        pth2onnx.export_form(tiny, FACTS, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_torchs_is_kept(tiny, canned, tmp_path):
    strict = replace(FACTS, outputs=tuple(replace(tensor, tolerance=0.0) for tensor in FACTS.outputs))
    pth2onnx.export_form(tiny, strict, tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_the_guides_flags_are_other_names(tmp_path, monkeypatch, run):
    asked, checkpoint = [], tmp_path / "a.pth"
    checkpoint.touch()
    monkeypatch.setattr(pth2onnx, "export_form", lambda *values: asked.append(values[2:]))
    monkeypatch.setattr("rfcn_voc.network.load_checkpoint", asked.append)
    for names in (("--input", "--output"), ("--checkpoint", "--out")):
        assert run("pth2onnx.py", names[0], checkpoint, names[1], "b.onnx", "--opset", 13).returncode == 0
    assert len({str(values) for values in asked}) == 2
    assert [str(asked[0]), *map(str, asked[1])] == [str(checkpoint), "b.onnx", "guide", "13"]


@pytest.mark.parametrize("words", ["--opset 10", "--opset 17", "--form other", "--batch-size 2"])
def test_wrong_usage_is_exit_status_2(words, run):
    assert run("pth2onnx.py", *words.split()).returncode == 2
