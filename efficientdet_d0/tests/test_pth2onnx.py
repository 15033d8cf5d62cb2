"""The export's command and what it refuses, with a tiny twin; test_full_size.py has the network itself."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx
from common.errors import GuideError
from tests.conftest import FACTS, HERE, make_twin


def test_an_export_that_differs_from_torch_leaves_nothing(twin, tmp_path):
    impossible = (replace(tensor, tolerance=-1.0) for tensor in FACTS.outputs)
    strict = replace(FACTS, outputs=tuple(impossible))
    with pytest.raises(GuideError, match="output 'class_p3' differs from torch by .*The export is not kept"):
        pth2onnx.export_simplified(twin, strict, tmp_path / "d0.onnx", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_simplified_file_that_differs_from_torch_is_not_kept(twin_onnx, tmp_path, monkeypatch):
    """The file that is simplified has other weights than the network, which stands for a simplifier at fault."""

    def write_other_weights(network, facts, out, *rest):
        out.write_bytes(twin_onnx.read_bytes())

    monkeypatch.setattr(pth2onnx, "export", write_other_weights)
    network = make_twin()
    network.patterns[5] += 1
    with pytest.raises(GuideError, match="output 'box_p3' differs from torch by "):
        pth2onnx.export_simplified(network, FACTS, tmp_path / "d0.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["d0.onnx"]


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, run):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    done = run("pth2onnx.py", "--checkpoint", path, "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.pth"]


def test_without_a_checkpoint_the_file_to_fetch_is_named(tmp_path, monkeypatch, run):
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    done = run("pth2onnx.py", "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    reasons = ("could not download d0.pth", "no hash of it is published", "--checkpoint")
    for words in (*reasons, *FACTS.checkpoint.urls, str(tmp_path / "weights" / "d0.pth")):
        assert words in done.stderr


def test_without_torch_the_missing_requirement_is_named(tmp_path, spawn):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    done = spawn("pth2onnx.py", "--checkpoint", "x.pth", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
    assert "requirements-export.txt" in done.stderr


@pytest.mark.parametrize("arguments", [["--out", "x.pth"], ["--batch_size", "0"], ["--opset", "8"]])
def test_wrong_usage_is_exit_status_2(arguments, run):
    assert run("pth2onnx.py", *arguments).returncode == 2
