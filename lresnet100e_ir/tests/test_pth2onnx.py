"""The export: the published names and shapes, a batch that is real, the guide's form, a simplified file to be trusted."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe  # noqa: E402
from lresnet_lfw.network import LResNet  # noqa: E402
from patches import simplify  # noqa: E402
from tests.conftest import HERE, UNITS  # noqa: E402

MODEL = read_facts(HERE)
TOLERANCE = 2e-5


def load(checkpoint):
    network = LResNet(UNITS)
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    return network.eval()


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pictures(count):
    return np.random.default_rng(1).uniform(-1, 1, (count, 3, 112, 112)).astype(np.float32)


def operations(path):
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny_sim.onnx"])
def test_names_shapes_and_opset_are_the_published_ones(name, tiny_onnx):
    graph = describe(onnx.load(tiny_onnx.with_name(name)))
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("image", "float32", ("-1", 3, 112, 112))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("features", ("-1", 512))]


def test_the_simplified_file_ends_as_the_guides_and_has_no_node_that_is_not_needed(tiny_onnx):
    plain, simplified = operations(tiny_onnx.with_name("tiny.onnx")), operations(tiny_onnx)
    assert tiny_onnx.name == "tiny_sim.onnx"
    assert simplified[-1] == "Div"
    assert simplified.count("ReduceL2") == simplified.count("Gemm") == 1
    assert len(simplified) < len(plain)  # which holds an Identity for each tensor that equals another
    assert set(simplified) <= {
        *(
            "Conv",
            "BatchNormalization",
            "PRelu",
            "GlobalAveragePool",
            "Relu",
            "Sigmoid",
            "Mul",
            "MaxPool",
            "Add",
        ),
        *("Flatten", "Reshape", "Gemm", "ReduceL2", "Expand", "Shape", "Div"),
    }


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny_sim.onnx"])
def test_a_batch_of_three_gives_the_rows_of_single_pictures_and_of_torch(name, tiny_onnx, tiny_checkpoint):
    deployed, inputs = session(tiny_onnx.with_name(name)), pictures(3)
    (together,) = deployed.run(None, {"image": inputs})
    (wanted,) = run_torch(load(tiny_checkpoint), inputs)
    np.testing.assert_allclose(together, wanted, rtol=0, atol=TOLERANCE)
    for row in range(3):
        (alone,) = deployed.run(None, {"image": inputs[row : row + 1]})
        np.testing.assert_allclose(together[row], alone[0], rtol=0, atol=TOLERANCE)


@pytest.mark.usefixtures("tiny_network")
def test_the_guides_form_and_a_fixed_batch(tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "model_ir_se100_bs2.onnx"
    assert pth2onnx.main([str(tiny_checkpoint), str(out), "2"]) == 0
    simplified = tmp_path / "model_ir_se100_bs2_sim.onnx"
    printed = capsys.readouterr().out
    for words in (
        "compared with torch on 2 random inputs:\n  features: largest difference ",
        "compared before and after simplification:\n  features: largest difference ",
        f"{simplified}: {len(operations(simplified))} nodes, before {len(operations(out))}\n",
        f"{out}: tiny.pth as ONNX, opset 11, batch 2\n",
        f"{simplified}: the same, simplified\n",
    ):
        assert words in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, simplified.name]
    inputs = pictures(2)
    (wanted,) = run_torch(load(tiny_checkpoint), inputs)
    for path in (out, simplified):
        graph = describe(onnx.load(path))
        assert graph.inputs[0].shape == (2, 3, 112, 112)
        assert graph.outputs[0].shape == (2, 512)
        (found,) = session(path).run(None, {"image": inputs})
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.parametrize(
    "flags", [("--checkpoint", "--out", "--batch-size"), ("--source", "--target", "--batchsize")]
)
def test_flags_old_and_new_say_the_same(flags, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(pth2onnx, "export_simplified", lambda *arguments: asked.append(arguments[2:]))
    values = [str(tiny_checkpoint), str(tmp_path / "x.onnx"), "4"]
    words = [word for couple in zip(flags, values, strict=True) for word in couple]
    assert pth2onnx.main(words) == 0
    assert pth2onnx.main(words[:2]) == 0
    assert asked == [
        (tmp_path / "x.onnx", 4, 11),
        (pth2onnx.Path("model/model_ir_se100.onnx"), None, 11),
    ]


@pytest.mark.parametrize(
    "arguments",
    [["a.pth", "b.onnx", "none"], ["a.pth", "b.pth"], ["a.pth", "b.onnx", "0"], ["--batch-size", "x"]],
)
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        pth2onnx.main(arguments)
    assert stop.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_an_export_that_computes_something_else_leaves_nothing(tiny_checkpoint, tmp_path, monkeypatch):
    network = load(tiny_checkpoint)

    def run_moved(network, images):
        return [output + np.float32(1e-3) for output in run_torch(network, images)]

    monkeypatch.setattr("common.export.onnx_file.run_torch", run_moved)
    with pytest.raises(GuideError, match="output 'features' differs from torch by 1.00e-03, more than 2e-05"):
        pth2onnx.export_simplified(network, MODEL, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def moved(model):
    """The same graph with another number in it."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    bias = next(each for each in changed.graph.initializer if each.name == "output_layer.3.bias")
    values = onnx.numpy_helper.to_array(bias).copy()
    values[7] += 0.5
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    return changed


def test_a_simplification_that_computes_something_else_is_refused(tiny_onnx, tmp_path, monkeypatch):
    target = tmp_path / "x_sim.onnx"
    monkeypatch.setattr("onnxsim.simplify", lambda model, **options: (moved(model), True))
    with pytest.raises(GuideError, match="output 'features' differs .*The simplified file is not kept"):
        simplify.simplify(tiny_onnx.with_name("tiny.onnx"), target, MODEL)
    assert not list(tmp_path.iterdir())


def test_a_simplification_that_fails_leaves_no_file_of_an_earlier_export(tiny_onnx, tmp_path, monkeypatch):
    target = tmp_path / "x_sim.onnx"
    target.write_bytes(tiny_onnx.read_bytes())
    monkeypatch.setattr("onnxsim.simplify", lambda model, **options: (moved(model), True))
    with pytest.raises(GuideError, match="not kept"):
        simplify.simplify(tiny_onnx.with_name("tiny.onnx"), target, MODEL)
    assert not list(tmp_path.iterdir())


def test_a_simplification_that_onnxsim_itself_disbelieves_is_refused(tiny_onnx, tmp_path, monkeypatch):
    monkeypatch.setattr("onnxsim.simplify", lambda model, **options: (model, False))
    with pytest.raises(GuideError, match="tiny.onnx: onnxsim itself says"):
        simplify.simplify(tiny_onnx.with_name("tiny.onnx"), tmp_path / "x_sim.onnx", MODEL)
    assert not list(tmp_path.iterdir())


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, capsys):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    assert pth2onnx.main(["--checkpoint", str(path), "--out", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert [each.name for each in tmp_path.iterdir()] == ["broken.pth"]


def test_without_a_checkpoint_the_file_to_fetch_by_hand_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    assert pth2onnx.main(["--out", str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    for words in (
        "could not download model_ir_se100.pth",
        MODEL.checkpoint.urls[0],
        "no hash of it is published that could verify it",
        f"put it at {tmp_path / 'weights' / 'model_ir_se100.pth'}, or name it with --checkpoint.",
    ):
        assert words in message


def test_without_torch_the_missing_requirement_is_named(tmp_path, run):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths}
    assert run("pth2onnx.py", "--help", env=environment).returncode == 0
    done = run("pth2onnx.py", "x.pth", "x.onnx", "1", env=environment)
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
    assert "requirements-export.txt" in done.stderr
