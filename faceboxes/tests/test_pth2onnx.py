"""The export's command: the guide's flags, what is refused."""

from __future__ import annotations

import onnx as onnx_library

from common.graph.outline import describe
from faceboxes_fddb import network


def test_guide_flags_and_a_fixed_batch(twin, tmp_path, monkeypatch, run):
    loaded, out = [], tmp_path / "fixed.onnx"
    monkeypatch.setattr(network, "load_checkpoint", lambda path: loaded.append(path) or twin)
    (tmp_path / "seeded.pth").touch()
    words = ("--trained_model", tmp_path / "seeded.pth", "--save_folder", out, "--batch-size", 2)
    done = run("pth2onnx.py", *words)
    assert done.returncode == 0, done.stderr
    assert loaded == [tmp_path / "seeded.pth"]
    assert "compared with torch on 3 random inputs:\n  class: largest difference " in done.stdout
    assert f"{out}: seeded.pth as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx_library.load(out))
    assert graph.inputs[0].shape == (2, 3, 1024, 1024)
    assert graph.outputs[1].shape == (2, 21824, 2)
