"""The export: names, opset, a batch that is real, the guide's flags, the published file, what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe  # noqa: E402
from pcb_market.network import load_checkpoint  # noqa: E402
from tests.conftest import HERE, save_module  # noqa: E402

MODEL = read_facts(HERE)
LOGITS = [f"logits_{stripe}" for stripe in range(6)]


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pictures(count):
    return np.random.default_rng(1).uniform(-2, 2.5, (count, 3, 384, 128)).astype(np.float32)


def test_names_shapes_and_opset_are_the_documented_ones(seeded_onnx):
    model = onnx.load(seeded_onnx)
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("input_1", "float32", ("-1", 3, 384, 128))]
    assert [(v.name, v.shape) for v in graph.outputs] == [
        ("output_1", ("-1", 2048, 6, 1)),
        *((name, ("-1", 751)) for name in LOGITS),
    ]
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Shape", "Gather", "Loop", "If", "Pad"}
    assert {"AveragePool", "ReduceL2", "Div", "Split"} <= operators


def test_a_batch_of_three_gives_the_rows_of_single_pictures(seeded_onnx):
    deployed, inputs = session(seeded_onnx), pictures(3)
    together = deployed.run(None, {"input_1": inputs})
    for row in range(3):
        alone = deployed.run(None, {"input_1": inputs[row : row + 1]})
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-4)


def test_guide_flags_a_fixed_batch_and_a_whole_network(seeded_checkpoint, tmp_path, run):
    state = torch.load(seeded_checkpoint, weights_only=True)
    whole, out = save_module(tmp_path / "whole.pt", state), tmp_path / "fixed.onnx"
    done = run("pth2onnx.py", "-p", whole, "-o", out, "-b", 2)
    assert done.returncode == 0, done.stderr
    assert "output_1: largest difference" in done.stdout
    assert f"{out}: whole.pt as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx.load(out))
    assert graph.inputs[0].shape == (2, 3, 384, 128)
    assert graph.outputs[0].shape == (2, 2048, 6, 1)
    inputs = pictures(2)
    wanted = run_torch(load_checkpoint(seeded_checkpoint, MODEL), inputs)
    for found, expected in zip(session(out).run(None, {"input_1": inputs}), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_a_file_of_the_published_name_with_another_hash_is_refused(seeded_checkpoint, tmp_path, run):
    state = torch.load(seeded_checkpoint, weights_only=True)
    whole = save_module(tmp_path / "PCB_3_7.pt", state)
    done = run("pth2onnx.py", "-p", whole, "-o", tmp_path / "x.onnx")
    assert done.returncode == 1
    assert f"error: {whole}: expected md5 {MODEL.checkpoint.md5}, found " in done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_the_published_file_is_verified_where_it_is_looked_for(tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "PCB_3_7.pt").write_bytes(b"another file")
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    assert pth2onnx.main(["--out", str(tmp_path / "x.onnx")]) == 1
    assert f"expected md5 {MODEL.checkpoint.md5}, found " in capsys.readouterr().err


def test_without_torch_the_missing_requirement_is_named(tmp_path, run):
    import os

    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run("pth2onnx.py", "--help", env=environment).returncode == 0
    done = run("pth2onnx.py", "-p", "x.pth", env=environment)
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
