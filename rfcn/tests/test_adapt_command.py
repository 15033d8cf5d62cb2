"""rfcn_adapt.py: what it prints and writes, what is refused."""

from __future__ import annotations

import re

import onnx
import pytest

import rfcn_adapt
from common.graph.outline import load
from tests.heads import check_adapted, head, tiny_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny body with the head, in the guide's form."""
    path = tmp_path_factory.mktemp("adapted") / "rfcn_1.onnx"
    onnx.save(tiny_network(), path)
    return path


@pytest.fixture(scope="module")
def adapted(exported):
    path = exported.with_name("adapted") / "rfcn_final.onnx"
    rfcn_adapt.adapt(exported, path)
    return path


def test_the_command_says_every_change(exported, tmp_path, run):
    out = tmp_path / "rfcn_final.onnx"
    done = run("rfcn_adapt.py", exported, out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    names = [line.rsplit(": ", 1)[1] for line in lines[:3]]
    assert names == ["BatchMultiClassNMS", "PSROIPooling", "PSROIPooling"]
    assert all(re.fullmatch(r"  int64 to int32: [1-9]\d* [A-Za-z ]+", line) for line in lines[3:-1])
    assert lines[-1] == f"{out}: {exported} in ATC's form"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_file_for_atc_has_its_operators_and_no_int64(adapted, exported):
    check_adapted(load(exported), load(adapted, check=False))


def test_the_file_for_atc_is_not_adapted_again(adapted, tmp_path, capsys):
    assert rfcn_adapt.main([str(adapted), str(tmp_path / "again.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {adapted}: ")
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
