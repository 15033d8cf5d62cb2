"""The export: names, opset, a batch that is real, the guide's flags, the simplified file, what is refused."""

from __future__ import annotations

import os
import re
from collections import Counter

import numpy as np
import onnxruntime
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe, load  # noqa: E402
from efficientdet_coco.network import seeded  # noqa: E402
from efficientdet_coco.preprocessing import letterbox, network_input  # noqa: E402
from patches.infinite_padding import infinite_pads  # noqa: E402
from tests.conftest import HERE, read_json  # noqa: E402

MODEL = read_facts(HERE)
SIDES = (64, 32, 16, 8, 4)
MAPS = [
    (f"{kind}_p{level}", (channels, side, side))
    for kind, channels in (("class", 810), ("box", 36))
    for level, side in enumerate(SIDES, 3)
]


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def both(path):
    return path, path.with_name(f"{path.stem}_sim.onnx")


def test_names_shapes_and_opset_are_the_documented_ones(seeded_sim, seeded_onnx):
    for path in (seeded_sim.with_name("d0.onnx"), seeded_sim, seeded_onnx):
        model = load(path)
        graph = describe(model)
        assert graph.opset == 11
        assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("x.1", "float32", ("-1", 3, 512, 512))]
        assert [(v.name, v.shape) for v in graph.outputs] == [(name, ("-1", *shape)) for name, shape in MAPS]
        assert {v.dtype for v in graph.outputs} == {"float32"}


def test_a_batch_of_three_gives_the_rows_of_single_pictures(seeded_onnx):
    deployed = session(seeded_onnx)
    inputs = np.random.default_rng(1).uniform(-2, 2.5, (3, 3, 512, 512)).astype(np.float32)
    together = deployed.run(None, {"x.1": inputs})
    for row in (0, 2):
        for many, one in zip(together, deployed.run(None, {"x.1": inputs[row : row + 1]}), strict=True):
            np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-4)


def test_the_guides_command_fixes_the_batch_and_compares_both_files(recipe_fixed):
    done, out = recipe_fixed
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    figures = [float(text) for text in re.findall(r"largest difference ([^,]+), accepted 1e-03", done.stdout)]
    assert len(figures) == 20
    assert max(figures) < 1e-3
    assert done.stdout.endswith(
        f"{out}: d0.pth as ONNX, opset 11, batch 1\n{out.with_name('d0_sim.onnx')}: the same, simplified\n"
    )
    for path in both(out):
        graph = describe(load(path))
        assert graph.inputs[0].shape == (1, 3, 512, 512)
        assert [v.shape for v in graph.outputs] == [(1, *shape) for _, shape in MAPS]
    assert sorted(path.name for path in out.parent.glob("*")) == ["d0.onnx", "d0.pth", "d0_sim.onnx"]


def test_the_simplified_graph_pads_fourteen_times_and_computes_no_shape(recipe_fixed):
    model = load(both(recipe_fixed[1])[1])
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts["Pad"] == counts["MaxPool"] == len(infinite_pads(model)) == 14
    assert not counts.keys() & {"Shape", "Gather", "Cast", "Loop", "If", "BatchNormalization"}
    assert 700 <= sum(counts.values()) <= 760


def test_recipe_weights_exported_give_the_reference_outputs(recipe_fixed, cases, library_pictures):
    facts, stored = read_json(cases / "image_astronaut.json"), np.load(cases / "image_astronaut.npz")
    canvas, _ = letterbox(library_pictures["astronaut"])
    for path in both(recipe_fixed[1]):
        outputs = session(path).run(None, {"x.1": network_input(canvas)[None]})
        for k, output in enumerate(outputs):
            found = output.ravel()[:: facts["tensors"][f"output{k}"]["stride"]]
            np.testing.assert_allclose(found, stored[f"output{k}"], rtol=0, atol=1e-3)


def test_an_export_that_differs_from_torch_leaves_nothing(tmp_path):
    strict = replace(MODEL, outputs=tuple(replace(tensor, tolerance=0.0) for tensor in MODEL.outputs))
    with pytest.raises(GuideError, match="output 'class_p3' differs from torch by .*The export is not kept"):
        pth2onnx.export_simplified(seeded(), strict, tmp_path / "d0.onnx", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_simplified_file_that_differs_from_torch_is_not_kept(seeded_sim, tmp_path, monkeypatch):
    """The file that is simplified has other weights than the network, which stands for a simplifier at fault."""

    def write_other_weights(network, model, out, *rest):
        out.write_bytes(seeded_sim.read_bytes())

    monkeypatch.setattr(pth2onnx, "export", write_other_weights)
    network = seeded()
    with torch.no_grad():
        network.network.box_net.predict.conv_pw.bias += 1
    with pytest.raises(GuideError, match="output 'box_p3' differs from torch by 1.00e[+]00"):
        pth2onnx.export_simplified(network, MODEL, tmp_path / "d0.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["d0.onnx"]


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, capsys):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    assert pth2onnx.main(["--checkpoint", str(path), "--out", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.pth"]


def test_without_a_checkpoint_the_file_to_fetch_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    assert pth2onnx.main(["--out", str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    for words in (
        "could not download d0.pth",
        *MODEL.checkpoint.urls,
        "no hash of it is published",
        "--checkpoint",
    ):
        assert words in message
    assert str(tmp_path / "weights" / "d0.pth") in message


def test_without_torch_the_missing_requirement_is_named(tmp_path, run):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run("pth2onnx.py", "--help", env=environment).returncode == 0
    done = run("pth2onnx.py", "--checkpoint", "x.pth", env=environment)
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr
    assert "requirements-export.txt" in done.stderr


@pytest.mark.parametrize("arguments", [["--out", "x.pth"], ["--batch_size", "0"], ["--opset", "8"]])
def test_wrong_usage_is_exit_status_2(arguments):
    with pytest.raises(SystemExit) as stop:
        pth2onnx.main(arguments)
    assert stop.value.code == 2
