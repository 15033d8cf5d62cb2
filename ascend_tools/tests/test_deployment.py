"""tests/deploy.py of every model directory: with files of every batch size, and with what it cannot take."""

from __future__ import annotations

import importlib.util

import onnx
import pytest

from ascend_tools.testing import deployment
from ascend_tools.testing.twin import twin_onnx
from common import cli
from common.errors import GuideError


def test_batches_of_four_are_asked_for_where_the_model_takes_any(make_onnx, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_onnx("any.onnx")
    make_onnx("one.onnx", batch=1)
    words = ["--model", "any.onnx", "--data", "data"]
    batches = ("--batch-size", "4")
    assert deployment.parse("", words, "Data") == (tmp_path / "any.onnx", tmp_path / "data", batches)
    assert deployment.parse("", ["--model", "one.onnx"], "Data") == (tmp_path / "one.onnx", None, ())


def test_a_model_that_takes_more_than_a_picture_is_refused_before_any_step(tmp_path):
    graph = "(float[1,3,4,4] im_data, float[1,3] im_info) => (float[1,3,4,4] y) { y = Relu(im_data) }"
    onnx.save(
        onnx.parser.parse_model(f'<ir_version: 6, opset_import: ["" : 11]> g {graph}'), tmp_path / "x.onnx"
    )
    with pytest.raises(GuideError, match=r"x.onnx: takes im_data, im_info, and the steps .* one input"):
        deployment.parse("", ["--model", str(tmp_path / "x.onnx")], "Data")


def test_a_step_that_fails_ends_the_script_with_its_message_alone(tmp_path, capfd):
    (tmp_path / "step.py").write_text("import sys\nsys.exit('error: told by the step')\n")

    @cli.command
    def main(argv=None):
        deployment.run(tmp_path, "step.py")

    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 1
    assert capfd.readouterr() == ("$ python step.py\n", "error: told by the step\n")


def test_a_file_that_was_built_for_single_pictures_is_deployed(folder, facts, run, tmp_path, monkeypatch):
    if facts.name == "rfcn":
        pytest.skip("all of its files are built for single pictures")
    spec = importlib.util.spec_from_file_location("deploy", folder / "tests" / "deploy.py")
    deploy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(deploy)

    def step(*words):
        done = run(*(word for word in words if word != "-m"))
        assert done.returncode == 0, done.stderr

    monkeypatch.setattr(deploy, "run", step)
    assert deploy.main(["--model", str(twin_onnx(facts, tmp_path / "one.onnx", batch_size=1))]) == 0
