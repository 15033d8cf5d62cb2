"""rfcn_adapt.py on the exported network: what it prints and writes, what ATC's command is then, what is refused."""

from __future__ import annotations

import re
from collections import Counter

import onnx
import pytest
from onnx import TensorProto

import rfcn_adapt
from common import atc
from common.graph.outline import describe, load
from tests.conftest import HERE
from tests.heads import head


@pytest.fixture(scope="module")
def adapted(seeded_onnx, tmp_path_factory):
    """The file for ATC, and what was printed."""
    from tests.conftest import run_script

    out = tmp_path_factory.mktemp("adapted") / "rfcn_final.onnx"
    return out, run_script("rfcn_adapt.py", seeded_onnx, out)


def counts(path):
    return Counter(node.op_type for node in load(path, check=False).graph.node)


def test_the_command_says_every_change(adapted, seeded_onnx):
    out, done = adapted
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.rsplit(": ", 1)[1] for line in lines[:3]] == [
        "BatchMultiClassNMS",
        "PSROIPooling",
        "PSROIPooling",
    ]
    assert all(re.fullmatch(r"  int64 to int32: [1-9]\d* [A-Za-z ]+", line) for line in lines[3:-1])
    assert lines[-1] == f"{out}: {seeded_onnx} in ATC's form"
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_file_for_atc_has_its_operators_and_no_int64(adapted, seeded_onnx):
    model, before = load(adapted[0], check=False), load(seeded_onnx)
    found, were = counts(adapted[0]), counts(seeded_onnx)
    assert (found["BatchMultiClassNMS"], found["PSROIPooling"]) == (1, 2)
    assert found["Conv"] == were["Conv"] > 100
    assert not found.keys() & {"NonMaxSuppression", "MatMul"}
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    kinds |= {a.t.data_type for node in model.graph.node for a in node.attribute if a.HasField("t")}
    assert TensorProto.INT64 not in kinds
    outside, expected = describe(model), describe(before)
    assert (outside.opset, outside.inputs, outside.outputs) == (
        expected.opset,
        expected.inputs,
        expected.outputs,
    )
    tensors, old = ({t.name: t for t in graph.graph.initializer} for graph in (model, before))
    weights = [name for name, tensor in old.items() if len(tensor.dims) == 4]
    assert len(weights) == found["Conv"]
    assert all(tensors[name] == old[name] for name in weights)


def test_the_guides_atc_command_follows(adapted, monkeypatch, capsys, tmp_path):
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    (tmp_path / "rfcn_final.onnx").symlink_to(adapted[0])
    monkeypatch.chdir(tmp_path)
    assert atc.main(["--dry-run", "--soc-version", "Ascend310", "--model", "rfcn_final.onnx"]) == 0
    printed = capsys.readouterr().out
    assert (
        "atc --framework=5 --model=rfcn_final.onnx --output=rfcn --input_format=NCHW "
        "--input_shape=im_data:1,3,1344,1344 --log=debug --soc_version=Ascend310"
    ) in " ".join(printed.replace("\\", "").replace('"', "").replace("'", "").split())


def test_the_file_for_atc_is_not_adapted_again(adapted, tmp_path, capsys):
    assert rfcn_adapt.main([str(adapted[0]), str(tmp_path / "again.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {adapted[0]}: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", ["rfcn_1.onnx", "sub/../rfcn_1.onnx", "link.onnx"])
def test_a_file_is_not_adapted_in_its_place(other, tmp_path, capsys):
    path = tmp_path / "rfcn_1.onnx"
    onnx.save(head(), path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.onnx").symlink_to(path)
    before = path.read_bytes()
    assert rfcn_adapt.main([str(path), str(tmp_path / other)]) == 1
    assert "is the file that is read; name another one to write" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"not ONNX"])
def test_a_file_that_is_no_onnx_is_named(content, tmp_path, capsys):
    path = tmp_path / "rfcn_1.onnx"
    if content is not None:
        path.write_bytes(content)
    assert rfcn_adapt.main([str(path), str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: ")
    assert "Traceback" not in message
    assert not (tmp_path / "x.onnx").exists()


def test_a_refused_file_is_named_and_nothing_written(tmp_path, capsys):
    path = tmp_path / "original.onnx"
    onnx.save(head("original"), path)
    assert rfcn_adapt.main([str(path), str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: node 'suppress/")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_names_left_out_are_those_of_the_guide(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    onnx.save(head(), "rfcn_1.onnx")
    assert rfcn_adapt.main([]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rfcn_1.onnx", "rfcn_final.onnx"]
    assert capsys.readouterr().out.endswith("rfcn_final.onnx: rfcn_1.onnx in ATC's form\n")


def test_another_suffix_is_wrong_usage():
    with pytest.raises(SystemExit) as stop:
        rfcn_adapt.main(["rfcn_1.onnx", "rfcn_final.om"])
    assert stop.value.code == 2
