"""The guide's own lines, with its names of scripts and places."""

from __future__ import annotations

import json
import shutil

import pytest

import evaluate
import postprocess
import preprocess
import pth2onnx
import rfcn_postprocess
import rfcn_preprocess
import rfcn_pth2onnx
import test
from rfcn_voc import sample
from tests.conftest import HERE


def test_the_guides_names_are_the_same_programs():
    assert rfcn_pth2onnx.main is pth2onnx.main
    assert rfcn_preprocess.main is preprocess.main
    assert rfcn_postprocess.main is postprocess.main


def test_test_py_measures_the_original_form_on_the_data(monkeypatch, tmp_path, capsys):
    given = []
    monkeypatch.setattr(evaluate, "main", lambda argv: given.append(argv) or 7)
    assert test.main(["--cuda"]) == 7
    assert given == [["--form=original", "--data=data", "--cuda"]]
    monkeypatch.setattr("sys.argv", ["test.py", "--limit", "3", "--data", "elsewhere"])
    test.main()
    assert given[1] == ["--form=original", "--data=data", "--limit", "3", "--data", "elsewhere"]


def test_the_guides_lines_for_the_data_work_in_its_order(tmp_path, monkeypatch, capsys):
    """The pictures in the published code's directory, the results where `benchmark` leaves them."""
    monkeypatch.chdir(tmp_path)
    voc2007 = "RFCN-pytorch.1.0/data/VOCdevkit2007/VOC2007"
    sample.write_sample(tmp_path / voc2007)
    words = ["--file_path", f"./{voc2007}/JPEGImages/", "--bin_path", "./bin", "--info_name", "demo.info"]
    assert rfcn_preprocess.main(words) == 0
    lines = (tmp_path / "demo.info").read_text().splitlines()
    assert lines[0].split() == ["0", "bin/astronaut.bin", "1344", "1344"]
    assert capsys.readouterr().out.endswith(f"demo.info: {len(lines)} inputs\n")

    results = tmp_path / "result" / "dumpOutput_device0"
    results.mkdir(parents=True)
    for line in lines:
        stem = line.split()[1].removeprefix("bin/").removesuffix(".bin")
        for k, width in enumerate((5, 21, 84), 1):
            (results / f"{stem}_{k}.bin").write_bytes(bytes(4 * 300 * width))
    assert rfcn_postprocess.main(["--input", "./result/dumpOutput_device0/", "--output", "out"]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]["mAP"] == 0


@pytest.mark.parametrize("name", ["rfcn_pth2onnx.py", "rfcn_preprocess.py", "rfcn_postprocess.py", "test.py"])
def test_the_guides_names_are_scripts(name, spawn, tmp_path):
    done = spawn(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name} ")


def test_a_line_of_the_guide_in_an_empty_directory_says_what_is_missing(spawn, tmp_path):
    for path in HERE.iterdir():
        if path.suffix in (".py", ".toml") or path.name in ("rfcn_voc", "patches"):
            shutil.copytree(path, tmp_path / path.name) if path.is_dir() else shutil.copy(path, tmp_path)
    for words, said in (
        (
            ["rfcn_pth2onnx.py", "--input", "./faster_rcnn_2_12_5010.pth", "--output", "rfcn_1.onnx"],
            "no such ",
        ),
        (["rfcn_adapt.py", "rfcn_1.onnx", "rfcn_final.onnx"], "rfcn_1.onnx: "),
        (
            ["rfcn_postprocess.py", "--input", "./result/dumpOutput_device0/", "--output", "out"],
            "data: not the ",
        ),
        (["test.py"], "data: not the VOC2007 data set: "),
    ):
        done = spawn(*words, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert said in done.stderr
        assert done.stderr.count("error: ") == 1
        assert "Traceback" not in done.stderr
