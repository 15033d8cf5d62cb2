"""modify_onnx.py on the exported network: every node named, the difference measured, what is refused."""

from __future__ import annotations

import re

import pytest

import modify_onnx
from common.graph.outline import load


def operators(model):
    return [node.op_type for node in model.graph.node]


def words(*extra, source, target):
    return ["--model", str(source), "--out", str(target), *map(str, extra)]


def test_the_command_takes_all_fourteen_out_without_a_difference(seeded_sim, tmp_path, run):
    out = tmp_path / "d0_modify.onnx"
    done = run("modify_onnx.py", f"--model={seeded_sim}", f"--out={out}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("MaxPool: pads [0, 0, 1, 1], /network/fpn/" in line for line in lines) == 14
    assert lines[-1] == f"{out}: 14 nodes changed"
    assert lines[14] == f"difference from {seeded_sim}, on a random input:"
    assert all("largest difference 0.00e+00, accepted 1e-03" in line for line in lines[15:-1])
    assert "Pad" not in operators(load(out))
    assert operators(load(out)).count("MaxPool") == operators(load(seeded_sim)).count("MaxPool")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_guides_way_is_measured_and_not_refused(recipe_fixed, tmp_path, capsys):
    source, out = recipe_fixed[1].with_name("d0_sim.onnx"), tmp_path / "d0_guide.onnx"
    assert modify_onnx.main(words("--mode", "guide", source=source, target=out)) == 0
    printed = capsys.readouterr().out
    assert printed.count("Pad: pads with 0") == 14
    figures = [float(text) for text in re.findall(r"largest difference ([^,]+),", printed)]
    assert len(figures) == 10
    assert max(figures) > 0.05
    assert operators(load(out)) == operators(load(source))


def test_the_result_can_be_compared_with_torch(seeded_sim, seeded_checkpoint, tmp_path, capsys):
    pytest.importorskip("torch", reason="it is compared with torch")
    out = tmp_path / "d0_modify.onnx"
    assert modify_onnx.main(words("--checkpoint", seeded_checkpoint, source=seeded_sim, target=out)) == 0
    assert "difference from torch, on a random input:\n  class_p3: largest" in capsys.readouterr().out


def test_a_checkpoint_of_other_weights_is_found_out(seeded_sim, seeded_checkpoint, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="it is compared with torch")
    state = torch.load(seeded_checkpoint, weights_only=True)
    state["box_net.predict.conv_pw.bias"] += 0.01
    torch.save(state, tmp_path / "other.pth")
    arguments = words("--checkpoint", tmp_path / "other.pth", source=seeded_sim, target=tmp_path / "x.onnx")
    assert modify_onnx.main(arguments) == 1
    assert "output 'box_p3' differs from torch by 1.00e-02, more than 1e-03" in capsys.readouterr().err


def test_a_file_is_not_modified_in_its_place(seeded_sim, tmp_path, capsys):
    """What is read is what the result is compared with."""
    path = tmp_path / "d0_sim.onnx"
    path.write_bytes(seeded_sim.read_bytes())
    assert modify_onnx.main(words(source=path, target=path)) == 1
    assert "choose another --out" in capsys.readouterr().err
    assert path.read_bytes() == seeded_sim.read_bytes()


@pytest.mark.parametrize("content", [None, b"not ONNX"])
def test_a_file_that_is_no_onnx_is_named(content, tmp_path, capsys):
    path = tmp_path / "d0_sim.onnx"
    if content:
        path.write_bytes(content)
    assert modify_onnx.main(words(source=path, target=tmp_path / "x.onnx")) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert not (tmp_path / "x.onnx").exists()
