"""The export's command: the guide's flags, what is refused."""

from __future__ import annotations

import sys

import onnx as onnx_library

import pth2onnx
from common.export import download
from common.graph.outline import describe
from faceboxes_fddb import network
from tests.conftest import FACTS, HERE


def test_guide_flags_and_a_fixed_batch(twin, tmp_path, monkeypatch, run):
    loaded, out = [], tmp_path / "fixed.onnx"
    monkeypatch.setattr(network, "load_checkpoint", lambda path: loaded.append(path) or twin)
    words = ("--trained_model", tmp_path / "seeded.pth", "--save_folder", out, "--batch-size", 2)
    done = run("pth2onnx.py", *words)
    assert done.returncode == 0, done.stderr
    assert loaded == [tmp_path / "seeded.pth"]
    assert "compared with torch on 2 random inputs:\n  class: largest difference " in done.stdout
    assert f"{out}: seeded.pth as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx_library.load(out))
    assert graph.inputs[0].shape == (2, 3, 1024, 1024)
    assert graph.outputs[1].shape == (2, 21824, 2)


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, run):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    done = run("pth2onnx.py", "--checkpoint", path, "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert not (tmp_path / "x.onnx").exists()


def test_without_a_checkpoint_and_a_network_the_file_to_fetch_is_named(tmp_path, monkeypatch, run):
    def offline(*arguments, **options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(download.urllib.request, "urlopen", offline)
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    done = run("pth2onnx.py", "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    named = ("FaceBoxesProd.pth", "bytes 4072492", FACTS.checkpoint.sha256, str(tmp_path / "weights"))
    for words in (*named, "unreachable"):
        assert words in done.stderr


def test_without_torch_the_missing_requirement_is_named(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "faceboxes_fddb.network")
    assert run("pth2onnx.py", "--help").returncode == 0
    done = run("pth2onnx.py", "--checkpoint", "x.pth")
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
    assert "requirements-export.txt" in done.stderr
