"""ascend_tools.compare: the command, what it prints and writes, and what it refuses; nodes are in test_compare_nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import onnx
import pytest
from PIL import Image

from ascend_tools.compare import run, sides
from ascend_tools.compare.__main__ import main
from ascend_tools.compare.sides import Against, rounding
from ascend_tools.testing.tiny import MODEL_TOML
from common.backends import openvino
from tests import compare_graphs as planted


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """The words of a plain run in tmp_path; options that are given again replace these."""
    monkeypatch.chdir(tmp_path)
    planted.write_inputs(tmp_path / "prep")
    planted.write_planted(tmp_path / "net.onnx", "nothing")
    return ["--model", "net.onnx", "--input", "prep", "--against", "float16-emulated"]


@pytest.fixture
def report(tmp_path):
    return lambda: json.loads((tmp_path / "compare" / "compare.json").read_text())


@pytest.fixture
def directory(tmp_path):
    """Write model.toml of a planted network to tmp_path."""
    begin, end = MODEL_TOML.index("[[outputs]]"), MODEL_TOML.index("[accuracy]")
    output = '[[outputs]]\nname = "y"\nshape = ["N", 3, 4, 6]\ndtype = "float32"\nholds = "it"\n\n'
    text = (MODEL_TOML[:begin] + output + MODEL_TOML[end:]).replace('insert_op_conf = "aipp.config"\n', "")
    (tmp_path / "model.toml").write_text(text)


def test_the_command_as_a_program(tmp_path, arguments, report):
    planted.write_planted(tmp_path / "net.onnx", "overflow")
    command = [sys.executable, "-m", "ascend_tools.compare", *arguments, "--nodes", "--limit", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = done.stdout.splitlines()
    assert "onnxruntime, float16-emulated, beside onnxruntime, float32, on 3 inputs:" in lines
    assert "4 nodes: both sides part at 1, and 1 add more than that" in lines
    (first, _) = (line for line in lines if line.startswith("planted "))
    assert first.endswith(" at 65504")
    assert lines[-1] == "compare/compare.json: 1 output on 3 inputs"
    found = report()
    assert (found["inputs"], found["batch_size"], found["against"]) == (3, 1, "float16-emulated")
    assert found["outputs"]["y"]["elements"] == 3 * 72
    assert found["nodes"]["add"] == ["planted"]
    assert "onnxruntime" in found["versions"]


def test_the_outputs_alone(arguments, tmp_path, report, capsys):
    assert main(arguments) == 0
    assert [path.name for path in (tmp_path / "compare").iterdir()] == ["compare.json"]
    found = report()["outputs"]["y"]
    assert 0 < found["mean"] < found["largest"] < 1e-3
    assert found["largest_relative"] == found["largest"] / found["scale"]
    assert found["cosine"] == pytest.approx(1, abs=1e-6)
    assert "nodes" not in report()
    printed = capsys.readouterr().out
    assert (
        "output  values  spread   largest     mean  largest/spread  mean/spread    cosine  left the range"
        in printed
    )


@pytest.mark.parametrize(("chip", "kind"), [("Ascend310P3", "saturated"), ("Ascend910B4", "infinite")])
def test_an_output_that_leaves_the_range_is_counted_by_chip(arguments, tmp_path, report, chip, kind, capsys):
    planted.write_planted(tmp_path / "net.onnx", "sum")
    model = onnx.load(tmp_path / "net.onnx")
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("b", 1, ["N", 3, 1, 1]))
    del model.graph.node[2:]
    onnx.save(model, tmp_path / "net.onnx")
    assert main([*arguments, "--soc-version", chip]) == 0
    found = report()["outputs"]["b"]
    assert {each: found[each] for each in ("saturated", "infinite", "nan")} == {
        "saturated": 0,
        "infinite": 0,
        "nan": 0,
        kind: 12,
    }
    assert (found["largest"] is None) == (kind == "infinite")
    assert ("12 at 65504" if kind == "saturated" else "12 infinite") in capsys.readouterr().out


def test_a_model_beside_itself_differs_by_nothing(arguments, report, monkeypatch):
    monkeypatch.setattr(Against, "open_onnx", lambda self, path, size: sides.open_base(path, self.aipp, size))
    assert main([*arguments, "--nodes", "--batch-size", "3"]) == 0
    found = report()
    assert {found["outputs"]["y"][each] for each in ("largest", "mean", "rms", "apart")} == {0}
    assert {
        each[figure] for each in found["nodes"]["all"] for figure in ("apart", "before", "own", "adds")
    } == {0}
    assert found["nodes"]["rounding"] == 2.0**-24


def test_what_atc_is_told_of_precision_is_followed(arguments, tmp_path, report):
    planted.write_planted(tmp_path / "net.onnx", "overflow")
    assert main([*arguments, "--nodes", "--option", "precision_mode=must_keep_origin_dtype"]) == 0
    assert report()["nodes"]["add"] == []
    assert report()["outputs"]["y"]["rms"] < 1e-6


def test_the_plot_names_what_adds_most(arguments, tmp_path):
    planted.write_planted(tmp_path / "net.onnx", "overflow")
    assert main([*arguments, "--nodes", "--soc-version", "Ascend910B4"]) == 0
    root = ET.parse(tmp_path / "compare" / "nodes.svg").getroot()  # noqa: S314  our own file
    assert root.tag.endswith("svg")
    with Image.open(tmp_path / "compare" / "nodes.png") as picture:
        assert picture.width >= 1000
        assert np.asarray(picture.convert("L")).min() < 50
    first = (tmp_path / "compare" / "nodes.svg").read_bytes()
    assert main([*arguments, "--nodes", "--soc-version", "Ascend910B4"]) == 0
    assert (tmp_path / "compare" / "nodes.svg").read_bytes() == first
    assert main([*arguments]) == 0  # no plot of nodes that were not looked at now
    assert not [*(tmp_path / "compare").glob("nodes.*")]


@pytest.mark.parametrize("plain", [False, True])
def test_bytes_go_through_the_aipp_file_that_model_toml_names(
    tmp_path, monkeypatch, make_onnx, make_inputs, write_model, report, plain
):
    monkeypatch.chdir(tmp_path)
    make_onnx()
    write_model()
    make_inputs(3, "float32" if plain else "uint8")
    words = ["--model", "tiny.onnx", "--input", "prep", "--against", "float16-emulated", "--nodes"]
    assert main([*words, *(["--aipp", "none"] if plain else [])]) == 0
    found = report()["nodes"]
    assert (found["add"], len(found["all"])) == ([], 3)
    assert all(each["own"] < 2**-8 for each in found["all"])


@pytest.mark.parametrize("kind", ["openvino", "bfloat16"])
def test_openvino(arguments, report, tmp_path, kind):
    pytest.importorskip("openvino")
    precision = "float32" if kind == "openvino" else kind
    if precision not in openvino.precisions(openvino.check_there("float32")):
        pytest.skip("this CPU does not compute in it")
    text = """<ir_version: 7, opset_import: ["" : 11]> g (float[N,3,4,6] image) => (float[N,16,4,6] y)
    { w = Constant<value = float[16,3,1,1] {%s}>() [conv] a = Conv(image, w) [last] y = Sigmoid(a) }"""
    weights = ",".join(str(number) for number in np.random.default_rng(2).standard_normal(48).round(3))
    onnx.save(onnx.parser.parse_model(text % weights), tmp_path / "net.onnx")
    assert main([*arguments, "--against", kind, "--nodes"]) == 0
    found = report()
    assert found["other"] == f"openvino, {precision}"
    assert (found["nodes"]["part"], found["nodes"]["add"]) == ([], [])
    assert [each["node"] for each in found["nodes"]["all"]] == ["conv", "last"]
    assert (found["nodes"]["all"][0]["own"] > 2**-12) == (kind == "bfloat16")


def test_without_openvino_the_command_that_installs_it_is_told(arguments, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    for kind in ("openvino", "bfloat16"):
        assert main([*arguments, "--against", kind]) == 1
        told = capsys.readouterr().err
        assert told.startswith(
            f"error: --against {kind}: needs the package openvino, which {sys.executable} "
        )
        assert "pip install -r requirements-openvino.txt" in told
    assert not (tmp_path / "compare").exists()


def test_a_cpu_without_bfloat16_is_told(arguments, monkeypatch, capsys):
    monkeypatch.setattr(openvino, "check_there", lambda _: None)
    monkeypatch.setattr(openvino, "precisions", lambda _: ["float32"])
    assert main([*arguments, "--against", "bfloat16"]) == 1
    assert (
        "--against bfloat16: OpenVINO cannot compute in it on this CPU, but in float32."
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("sourced", "directory")
def test_om_files_are_made_once_for_the_outputs_and_for_parts_of_the_nodes(
    arguments, tmp_path, rehearsal_folder, monkeypatch, report, capsys
):
    monkeypatch.syspath_prepend(rehearsal_folder / "python")
    monkeypatch.setattr(run, "OM_TENSORS", 3)
    words = [*arguments, "--against", "om", "--nodes", "--batch-size", "2"]
    assert main(words) == 0
    found = report()
    assert "(rehearsal)" in found["other"]
    assert (found["nodes"]["add"], len(found["nodes"]["all"])) == ([], 4)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "compare").rglob("*.om")}
    assert sorted(path.name for path in made) == ["tiny_bs2.om"] * 3
    assert len({path.parent for path in made}) == 3
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out.count("up to date") == 3
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "compare").rglob("*.om")} == made
    planted.write_planted(
        tmp_path / "net.onnx", "cancel"
    )  # another network: none of them is taken for its own
    assert main(words) == 0
    assert "up to date" not in capsys.readouterr().out


@pytest.mark.usefixtures("sourced", "directory")
def test_an_om_file_that_is_there(arguments, tmp_path, rehearsal_folder, monkeypatch, report, capsys):
    monkeypatch.syspath_prepend(rehearsal_folder / "python")
    assert main([*arguments, "--against", "om"]) == 0
    (om,) = (tmp_path / "compare").rglob("*.om")
    words = [*arguments, "--against", "om", "--om", str(om)]
    assert main(words) == 0
    assert report()["batch_size"] == 1
    assert "note: " not in capsys.readouterr().err
    planted.write_planted(tmp_path / "net.onnx", "offset")
    assert main(words) == 0
    assert f"note: {om}: made from net.onnx, not from what is in net.onnx" in capsys.readouterr().err
    assert main([*words, "--batch-size", "2"]) == 1
    assert "om: the model was built for batches of 1; --batch-size 2 is more." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "lost.info"], "lost.info: no such list or directory"),
        (["--model", "lost.onnx"], "lost.onnx: no such ONNX file."),
        (["--model", "net.om"], "net.om: --model is the .onnx file; name the .om with --against om --om F."),
        (["--model", "cut.onnx"], "cut.onnx: not an ONNX file, or a truncated one; export it again."),
        (
            ["--input", "short"],
            "1 of 1 inputs have another size than the model's input, 288 bytes (3x4x6 float32)",
        ),
        (["--aipp", "lost.config"], "lost.config: no such AIPP file."),
        (["--om", "net.om"], "--om is for --against om; leave it out."),
        (["--option", "log=debug"], "--option log: --against float16-emulated takes precision_mode, "),
        (
            ["--option", "precision_mode=half"],
            "--precision float16-emulated: ATC would not take these options:",
        ),
        (
            ["--soc-version", "Ascend310", "--against", "openvino"],
            "--soc-version is for --against om and float16-emulated",
        ),
        (["--input", "infinite"], "ONNX Runtime in float32: output 'y' holds values that are not finite."),
    ],
)
def test_what_is_wrong_is_told_in_one_message_and_nothing_is_written(
    arguments, tmp_path, options, message, capsys
):
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "net.onnx").read_bytes()[:60])
    for name, values in (("short", np.ones(71)), ("infinite", np.full(72, np.nan))):
        (tmp_path / name).mkdir()
        values.astype(np.float32).tofile(tmp_path / name / "a.bin")
    assert main([*arguments, *options]) == 1
    assert f"error: {message}" in capsys.readouterr().err
    assert not (tmp_path / "compare" / "compare.json").exists()


def test_the_rounding_of_a_precision():
    assert {
        name: rounding(name) for name in ("float32", "bfloat16", "float16-emulated", "unknown precision")
    } == {
        "float32": 2.0**-24,
        "bfloat16": 2.0**-8,
        "float16-emulated": 2.0**-11,
        "unknown precision": 2.0**-11,
    }


@pytest.mark.parametrize(
    "words",
    ["--against int8", "--limit 0", "--multiple 0.5", "--top x", "--option mode", "--soc-version 310P3"],
)
def test_wrong_arguments_end_with_exit_code_2(arguments, words):
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *words.split()])
    assert stop.value.code == 2
