"""modify_onnx.py on a tiny graph: the node named, the difference measured, what is refused."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

pytest.importorskip("torch", reason="the twin is a torch network")

import modify_onnx
from tests.conftest import FACTS, make_twin


@pytest.fixture(scope="module")
def simplified(twin_onnx, tmp_path_factory):
    """The twin's graph with one padding with -infinity before a MaxPool in front of it, which changes its outputs."""
    proto = onnx.load(twin_onnx)
    for node in proto.graph.node:
        node.input[:] = ["halved" if name == "x.1" else name for name in node.input]
    values = {
        "pads": np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64),
        "infinity": np.array(-np.inf, np.float32),
        "three": np.array(3, np.float32),
    }
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "name": "pool"}
    nodes = [  # below 0 everywhere, so that padding with 0 would win at the border
        helper.make_node("Sub", ["x.1", "three"], ["lowered"]),
        helper.make_node("Pad", ["lowered", "pads", "infinity"], ["padded"], name="pad"),
        helper.make_node("MaxPool", ["padded"], ["pooled"], **pool),
        helper.make_node("Add", ["pooled", "three"], ["halved"]),
        *proto.graph.node,
    ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    path = tmp_path_factory.mktemp("simplified") / "d0_sim.onnx"
    onnx.save(proto, path)
    return path


def operators(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def test_the_node_is_named_and_the_difference_is_none(simplified, tmp_path, run):
    out = tmp_path / "d0_modify.onnx"
    done = run("modify_onnx.py", f"--model={simplified}", f"--out={out}")
    assert done.returncode == 0, done.stderr
    first, second, *figures, last = done.stdout.splitlines()
    assert first == "  pool: pads [0, 0, 1, 1], pad removed"
    assert second == f"difference from {simplified}, on random inputs:"
    assert [line.split(":")[0].strip() for line in figures] == [tensor.name for tensor in FACTS.outputs]
    assert all("largest difference 0.00e+00, accepted " in line for line in figures)
    assert all("; from item to item it changes by " in line for line in figures)
    assert last == f"{out}: 1 node changed"
    assert operators(out) == [name for name in operators(simplified) if name != "Pad"]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_guides_way_is_measured_and_not_refused(simplified, tmp_path, run):
    """Optimised, the two would be equal: ONNX Runtime takes the 0 for -infinity where it joins padding and pooling."""
    out = tmp_path / "d0_guide.onnx"
    done = run("modify_onnx.py", "--mode", "guide", "--model", simplified, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("  pad: pads with 0\n")
    figures = [float(text) for text in re.findall(r"largest difference ([^,]+),", done.stdout)]
    assert len(figures) == 10
    assert max(figures) > 0.01
    assert done.stdout.count(", any is accepted\n") == 10
    assert "  any, since padding with 0 is meant to give other numbers" in done.stdout
    assert "accepted 1e" not in done.stdout
    assert operators(out) == operators(simplified)


def test_without_such_padding_nothing_is_changed_and_the_guides_way_is_refused(twin_onnx, tmp_path, run):
    """onnxsim by itself joins padding and pooling today; the guide's numbers cannot be had from that."""
    out = tmp_path / "d0_modify.onnx"
    done = run("modify_onnx.py", "--model", twin_onnx, "--out", out, "--mode", "guide")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {twin_onnx}: no node pads with -infinity, so none can pad with 0.")
    assert list(tmp_path.iterdir()) == []
    done = run("modify_onnx.py", "--model", twin_onnx, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("  no node pads with -infinity, nothing is to be changed\n")
    assert done.stdout.endswith(f"{out}: 0 nodes changed\n")
    assert operators(out) == operators(twin_onnx)


def test_another_network_is_refused_before_it_is_changed(simplified, tmp_path, run):
    """R-FCN's original form has a second input, for one."""
    proto = onnx.load(simplified)
    proto.graph.input.append(helper.make_tensor_value_info("im_info", onnx.TensorProto.FLOAT, [1, 3]))
    onnx.save(proto, tmp_path / "rfcn.onnx")
    done = run("modify_onnx.py", "--model", tmp_path / "rfcn.onnx", "--out", tmp_path / "d0_modify.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: {tmp_path / 'rfcn.onnx'}: not EfficientDet-D0: expected inputs and outputs"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["rfcn.onnx"]


def test_an_exact_change_that_is_none_is_not_kept(simplified, tmp_path, monkeypatch, run):
    """The guide's way under the name of the exact one stands for a mistake in it."""
    monkeypatch.setitem(modify_onnx.MODES, "exact", modify_onnx.pad_with_zero)
    done = run("modify_onnx.py", "--model", simplified, "--out", tmp_path / "d0_modify.onnx")
    assert done.returncode == 1
    assert f"differs from {simplified} by " in done.stderr
    assert "The file is not kept." in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moved", [0, 0.1])
def test_the_result_can_be_compared_with_torch(moved, twin_onnx, tmp_path, monkeypatch, run):
    network = make_twin()
    network.patterns[5] += moved
    checkpoints = {tmp_path / "d0.pth": network}
    (tmp_path / "d0.pth").write_bytes(b"weights")
    monkeypatch.setattr("efficientdet_coco.network.load_checkpoint", checkpoints.__getitem__)
    out = tmp_path / "d0_modify.onnx"
    done = run("modify_onnx.py", "--model", twin_onnx, "--out", out, "--checkpoint", tmp_path / "d0.pth")
    assert "difference from torch, on random inputs:\n  class_p3: largest" in done.stdout
    assert done.returncode == (1 if moved else 0), done.stderr
    assert f"starting torch, reading {tmp_path / 'd0.pth'} ...\n" in done.stderr
    assert out.is_file() == (not moved)
    assert ("output 'box_p3' differs from torch by " in done.stderr) == bool(moved)


def test_a_mistyped_checkpoint_is_told_before_anything_is_computed(twin_onnx, tmp_path, monkeypatch, run):
    monkeypatch.delattr(modify_onnx, "modify")
    done = run("modify_onnx.py", "--model", twin_onnx, "--out", tmp_path / "a.onnx", "--checkpoint", "d1.pth")
    assert (done.returncode, done.stderr) == (
        1,
        "error: d1.pth: no such checkpoint; section 3.1 of the README says where to get it.\n",
    )


def test_a_checkpoint_that_its_user_knows_is_held_to_its_hash(twin_onnx, tmp_path, monkeypatch, run):
    monkeypatch.delattr(modify_onnx, "modify")
    (tmp_path / "d0.pth").write_bytes(b"weights")
    words = ("--model", twin_onnx, "--out", tmp_path / "a.onnx", "--sha256", "0" * 64)
    done = run("modify_onnx.py", *words, "--checkpoint", tmp_path / "d0.pth")
    assert done.returncode == 1
    assert (
        f"error: {tmp_path / 'd0.pth'}: expected sha256 {'0' * 64}, which --sha256 says, found "
        in done.stderr
    )
    done = run("modify_onnx.py", *words)
    assert done.returncode == 2
    assert "--sha256 is of the file that --checkpoint names" in done.stderr


@pytest.mark.parametrize(
    ("content", "out", "words"),
    [
        (None, "x.onnx", ""),
        (b"not ONNX", "x.onnx", ""),
        # What is read is what the result is compared with.
        (b"kept", "d0_sim.onnx", "is the file that is read; choose another --out."),
    ],
)
def test_a_file_that_is_no_onnx_or_the_one_to_write_is_named(content, out, words, tmp_path, run):
    path = tmp_path / "d0_sim.onnx"
    if content:
        path.write_bytes(content)
    done = run("modify_onnx.py", "--model", path, "--out", tmp_path / out)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: {words}")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {path.name: content} if content else {}
    )
