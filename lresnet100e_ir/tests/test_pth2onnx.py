"""The export: a batch that is real, the guide's form, a simplified file to be trusted. Its network is a tiny twin."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import pth2onnx
from common.backends.deployed import open_model
from common.backends.torch import run_torch
from common.errors import GuideError
from patches import simplify
from tests.conftest import FACTS


@pytest.fixture
def loaded(twin, monkeypatch):
    """Load the twin in the place of every checkpoint, and return the paths that were asked for."""
    paths = []
    monkeypatch.setattr("lresnet_lfw.network.load_checkpoint", lambda path: paths.append(path) or twin)
    return paths


@pytest.fixture
def checkpoint(tmp_path_factory):
    """A file that an argument may name; what is in it is not looked at here."""
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    path.touch()
    return path


def nodes(path):
    return len(onnx.load(path).graph.node)


@pytest.mark.parametrize("script", ["pth2onnx.py", "LResNet_pth2onnx.py"])
def test_the_guides_form_and_a_fixed_batch(script, loaded, checkpoint, twin, tmp_path, run):
    out, simplified = (tmp_path / f"model_ir_se100_bs2{end}.onnx" for end in ("", "_sim"))
    done = run(script, checkpoint, out, 2)
    assert done.returncode == 0, done.stderr
    assert loaded == [checkpoint]
    for words in (
        "compared with torch on 3 random inputs:\n  features: largest difference ",
        "compared before and after simplification:\n  features: largest difference ",
        f"{simplified}: {nodes(simplified)} nodes, before {nodes(out)}\n",
        f"{out}: tiny.pth as ONNX, opset 11, batch 2\n",
        f"{simplified}: the same, simplified\n",
    ):
        assert words in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, simplified.name]
    images = np.random.default_rng(1).uniform(-1, 1, (2, 3, 112, 112)).astype(np.float32)
    (wanted,) = run_torch(twin, images)
    for path in (out, simplified):
        with open_model(path) as deployed:
            assert (deployed.inputs[0].shape, deployed.outputs[0].shape) == ((2, 3, 112, 112), (2, 512))
            (found,) = deployed.run({"image": images})
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    "flags", [("--checkpoint", "--out", "--batch-size"), ("--source", "--target", "--batchsize")]
)
def test_flags_old_and_new_say_the_same(flags, checkpoint, tmp_path, monkeypatch, run):
    asked = []
    monkeypatch.setattr(pth2onnx, "export_simplified", lambda *arguments: asked.append(arguments[2:]))
    values = [checkpoint, tmp_path / "x.onnx", 4]
    words = [word for couple in zip(flags, values, strict=True) for word in couple]
    assert run("pth2onnx.py", *words).returncode == 0
    assert run("pth2onnx.py", *words[:2]).returncode == 0
    assert asked == [
        (tmp_path / "x.onnx", 4, 11),
        (pth2onnx.Path("model/model_ir_se100.onnx"), None, 11),
    ]


@pytest.mark.parametrize(
    "arguments",
    [["a.pth", "b.onnx", "none"], ["a.pth", "b.pth"], ["a.pth", "b.onnx", "0"], ["--batch-size", "x"]],
)
def test_wrong_usage_is_exit_status_2(arguments, run):
    done = run("pth2onnx.py", *arguments)
    assert done.returncode == 2
    assert "expected" in done.stderr


def moved(model):
    """The same graph with other numbers in it."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    mix = next(each for each in changed.graph.initializer if each.name == "mix")
    values = onnx.numpy_helper.to_array(mix) + np.eye(147, 512, dtype=np.float32)
    mix.CopyFrom(onnx.numpy_helper.from_array(values, mix.name))
    return changed


def test_a_simplification_that_computes_something_else_leaves_no_file(twin_onnx, tmp_path, monkeypatch):
    target = tmp_path / "x_sim.onnx"
    target.write_bytes(twin_onnx.read_bytes())  # of an earlier export
    monkeypatch.setattr("onnxsim.simplify", lambda model, **options: (moved(model), True))
    with pytest.raises(GuideError, match="output 'features' differs .*The simplified file is not kept"):
        simplify.simplify(twin_onnx.with_name("twin.onnx"), target, FACTS)
    assert not list(tmp_path.iterdir())
