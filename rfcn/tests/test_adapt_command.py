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


@pytest.fixture
def refused(tmp_path, capsys):
    """Check that a file is refused by its name and with some words, and that nothing is written."""

    def check(path, words=""):
        before = sorted(tmp_path.iterdir())
        assert rfcn_adapt.main([str(path), str(tmp_path / "x.onnx")]) == 1
        assert capsys.readouterr().err.startswith(f"error: {path}: {words}")
        assert sorted(tmp_path.iterdir()) == before

    return check


@pytest.mark.parametrize("content", [None, b"", b"not ONNX"])
def test_a_file_that_is_no_onnx_is_named(content, refused, tmp_path):
    path = tmp_path / "rfcn_1.onnx"
    if content is not None:
        path.write_bytes(content)
    refused(path)


def test_the_original_form_and_a_file_for_atc_are_refused_and_nothing_written(adapted, refused, tmp_path):
    refused(adapted)
    onnx.save(head("original"), tmp_path / "original.onnx")
    refused(tmp_path / "original.onnx", "node 'suppress/")


def test_names_left_out_are_those_of_the_guide_and_the_target_is_an_onnx_file(tmp_path, run):
    onnx.save(head(), tmp_path / "rfcn_1.onnx")
    assert run("rfcn_adapt.py", "rfcn_1.onnx", "rfcn_final.om", cwd=tmp_path).returncode == 2
    done = run("rfcn_adapt.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("rfcn_final.onnx: rfcn_1.onnx in ATC's form\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rfcn_1.onnx", "rfcn_final.onnx"]
