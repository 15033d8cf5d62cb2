"""The export's command: the guide's flags."""

from __future__ import annotations

import onnx as onnx_library

from common.graph.outline import describe
from pcb_market import network


def test_guide_flags_and_a_fixed_batch(twin, tmp_path, monkeypatch, run):
    loaded, out = [], tmp_path / "fixed.onnx"
    monkeypatch.setattr(network, "load_checkpoint", lambda path: loaded.append(path) or twin)
    (tmp_path / "whole.pt").touch()
    done = run("pth2onnx.py", "-p", tmp_path / "whole.pt", "-o", out, "-b", 2)
    assert done.returncode == 0, done.stderr
    assert loaded == [tmp_path / "whole.pt"]
    assert "compared with torch on 3 random inputs:\n  output_1: largest difference" in done.stdout
    assert f"{out}: whole.pt as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx_library.load(out))
    assert graph.inputs[0].shape == (2, 3, 384, 128)
    assert graph.outputs[0].shape == (2, 2048, 6, 1)
