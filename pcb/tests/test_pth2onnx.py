"""The export's command: the guide's flags, the published file, what is refused."""

from __future__ import annotations

import onnx as onnx_library

import pth2onnx
from common.graph.outline import describe
from pcb_market import network
from tests.conftest import FACTS, HERE


def test_guide_flags_and_a_fixed_batch(twin, tmp_path, monkeypatch, run):
    loaded, out = [], tmp_path / "fixed.onnx"
    monkeypatch.setattr(network, "load_checkpoint", lambda path: loaded.append(path) or twin)
    done = run("pth2onnx.py", "-p", tmp_path / "whole.pt", "-o", out, "-b", 2)
    assert done.returncode == 0, done.stderr
    assert loaded == [tmp_path / "whole.pt"]
    assert "compared with torch on 2 random inputs:\n  output_1: largest difference" in done.stdout
    assert f"{out}: whole.pt as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx_library.load(out))
    assert graph.inputs[0].shape == (2, 3, 384, 128)
    assert graph.outputs[0].shape == (2, 2048, 6, 1)


def test_a_file_of_the_published_name_with_another_hash_is_refused(tmp_path, run):
    path = tmp_path / "PCB_3_7.pt"
    path.write_bytes(b"another file")
    done = run("pth2onnx.py", "-p", path, "-o", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: expected md5 {FACTS.checkpoint.md5}, found ")
    assert not (tmp_path / "x.onnx").exists()


def test_the_published_file_is_verified_where_it_is_looked_for(tmp_path, monkeypatch, run):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "PCB_3_7.pt").write_bytes(b"another file")
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    done = run("pth2onnx.py", "--out", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert f"expected md5 {FACTS.checkpoint.md5}, found " in done.stderr
