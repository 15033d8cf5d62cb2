"""The export: the published names and shapes, a batch that is real, the guide's flags, the published weights."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.export import download  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe  # noqa: E402
from faceboxes_fddb.network import load_checkpoint  # noqa: E402
from faceboxes_fddb.preprocessing import letterbox, network_input  # noqa: E402
from tests.conftest import HERE, read_json  # noqa: E402

MODEL = read_facts(HERE)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pictures(count):
    return np.random.default_rng(1).uniform(-120, 150, (count, 3, 1024, 1024)).astype(np.float32)


def test_names_shapes_and_opset_are_the_published_ones(seeded_onnx):
    model = onnx.load(seeded_onnx)
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("image", "float32", ("-1", 3, 1024, 1024))]
    assert [(v.name, v.shape) for v in graph.outputs] == [
        ("class", ("-1", 21824, 4)),
        ("loc", ("-1", 21824, 2)),
    ]
    assert not {node.op_type for node in model.graph.node} & {"Shape", "Gather", "Loop", "If"}


def test_a_batch_of_three_gives_the_rows_of_single_pictures(seeded_onnx):
    deployed, inputs = session(seeded_onnx), pictures(3)
    together = deployed.run(None, {"image": inputs})
    for row in range(3):
        alone = deployed.run(None, {"image": inputs[row : row + 1]})
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-5)


def test_published_weights_exported_give_the_reference_outputs(published, cases, library_pictures, tmp_path):
    out = tmp_path / "faceboxes.onnx"
    assert pth2onnx.main(["--checkpoint", str(published), "--out", str(out)]) == 0
    deployed = session(out)
    for name in read_json(cases / "real" / "real.json")["images"]:
        canvas, _ = letterbox(library_pictures[name])
        loc, conf = deployed.run(None, {"image": network_input(canvas[None])})
        stored = np.load(cases / "real" / f"{name.replace('/', '_')}.npz")
        np.testing.assert_allclose(loc[0][stored["index"]], stored["loc"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(conf[0][stored["index"]], stored["conf"], rtol=0, atol=5e-5)


def test_guide_flags_and_a_fixed_batch(seeded_checkpoint, tmp_path, run):
    out = tmp_path / "fixed.onnx"
    done = run("pth2onnx.py", "--trained_model", seeded_checkpoint, "--save_folder", out, "--batch-size", 2)
    assert done.returncode == 0, done.stderr
    assert "compared with torch on 2 random inputs:\n  class: largest difference " in done.stdout
    assert f"{out}: seeded.pth as ONNX, opset 11, batch 2" in done.stdout
    graph = describe(onnx.load(out))
    assert graph.inputs[0].shape == (2, 3, 1024, 1024)
    assert graph.outputs[1].shape == (2, 21824, 2)
    network, inputs = load_checkpoint(seeded_checkpoint), pictures(2)
    for found, wanted in zip(
        session(out).run(None, {"image": inputs}), run_torch(network, inputs), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, capsys):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    assert pth2onnx.main(["--checkpoint", str(path), "--out", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert not (tmp_path / "x.onnx").exists()


def test_without_a_checkpoint_and_a_network_the_file_to_fetch_is_named(tmp_path, monkeypatch, capsys):
    def offline(*arguments, **options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(download.urllib.request, "urlopen", offline)
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    assert pth2onnx.main(["--out", str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    for words in (
        "FaceBoxesProd.pth",
        "bytes 4072492",
        MODEL.checkpoint.sha256,
        str(tmp_path / "weights"),
        "unreachable",
    ):
        assert words in message


def test_without_torch_the_missing_requirement_is_named(tmp_path, run):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run("pth2onnx.py", "--help", env=environment).returncode == 0
    done = run("pth2onnx.py", "--checkpoint", "x.pth", env=environment)
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
    assert "requirements-export.txt" in done.stderr
