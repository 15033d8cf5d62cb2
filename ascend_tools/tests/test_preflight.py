"""preflight.py: the command, what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from ascend_tools.preflight.__main__ import main

CLEAN = """\
tiny.onnx: remarks on the way to ATC: none
half precision: 0 nodes leave the range, 0 come close to it, 0 hold numbers that vanish, 0 of them more than 1 in 100
no operator type is put on a mixed-precision list, and none is written
preflight/preflight.json: 0 findings on 3 inputs
"""
PLANTED = """\
tiny.onnx: remarks on the way to ATC: none
finding   batch  operator  what                                    node
overflow  1,2    Add       writes up to 100510, 1.53 of the range  Add_9
overflow  1,2    Add       holds up to 100000, 1.53 of the range   Add_9
half precision: 1 nodes leave the range, 0 come close to it, 0 hold numbers that vanish, 0 of them more than 1 in 100
preflight/ops_info.json: keeps Add in float32, with --precision_mode=allow_mix_precision --modify_mixlist=ops_info.json
preflight/preflight.json: 4 findings on 3 inputs
"""
FREE = "(float[N,3,H,6] x) => (float[N,3,H,6] y) { y = Abs(x) }"


@pytest.fixture
def arguments(tmp_path, monkeypatch, make_onnx, make_inputs):
    """The words of a plain run in tmp_path; options that are given again replace these."""
    monkeypatch.chdir(tmp_path)
    make_inputs(3)
    return ["--model", make_onnx().name, "--input", "prep"]


@pytest.fixture
def report(tmp_path):
    return lambda: json.loads((tmp_path / "preflight" / "preflight.json").read_text())


def parsed(path, graph, opsets='"" : 11'):
    """Write a graph in ONNX's text form as a file."""
    onnx.save(onnx.parser.parse_model(f"<ir_version: 6, opset_import: [{opsets}]> g {graph}"), path)


def test_a_clean_model_gets_no_list(tmp_path, arguments, report, capsys):
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (CLEAN, "")
    assert [path.name for path in (tmp_path / "preflight").iterdir()] == ["preflight.json"]
    found = report()
    assert (found["inputs"], found["batch_sizes"], found["margin"]) == (3, [1], 2.0)
    assert found["range"] == {"largest": 65504.0, "smallest_normal": 2**-14, "smallest": 2**-24}
    assert found["findings"] == found["remarks"] == []
    assert found["not_measured"] == {}
    assert found["mix_list"] == {"listed": [], "without_known_name": []}
    assert "onnxruntime" in found["versions"]


def test_the_command_as_a_program_on_a_model_with_a_planted_fault(tmp_path, arguments, make_onnx, report):
    make_onnx(bias=1e5)
    command = [sys.executable, "-m", "ascend_tools.preflight", *arguments, "--batch-sizes", "2,1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (PLANTED, "")
    assert (tmp_path / "preflight" / "ops_info.json").read_text() == '{"black-list": {"to-add": ["Add"]}}\n'
    found = report()
    assert found["mix_list"]["listed"] == ["Add"]
    places = {
        (f["batch_size"], f["kind"], f["node"], f["op_type"], f["place"], f["array"])
        for f in found["findings"]
    }
    assert places == {
        (size, "overflow", "Add_9", "Add", place, array)
        for size in (1, 2)
        for place, array in (("output", "scaled"), ("constant", "bias"))
    }
    tallies = {f["batch_size"]: f["tally"] for f in found["findings"] if f["place"] == "output"}
    assert tallies[1]["elements"] == 3 * 72
    elements = 4 * 72  # the third input twice, so that every batch is of this size
    counts = {"elements": elements, "zeros": 0, "not_finite": 0, "over": elements, "vanishing": 0, "lost": 0}
    assert tallies[2] == {**counts, "largest": 100510.0}


def test_a_list_of_an_earlier_run_is_left_and_told(tmp_path, arguments, make_onnx, capsys):
    make_onnx(bias=1e5)
    main(arguments)
    make_onnx()
    capsys.readouterr()
    assert main(arguments) == 0
    assert "none is written; preflight/ops_info.json is of an earlier run\n" in capsys.readouterr().out
    assert (tmp_path / "preflight" / "ops_info.json").exists()


def test_only_the_first_inputs_count_with_a_limit_and_only_what_exceeds_with_a_margin_of_one(
    tmp_path, arguments, report
):
    np.full((3, 4, 6), 20_000, np.float32).tofile(tmp_path / "prep" / "img_09.bin")
    assert main([*arguments, "--limit", "3"]) == 0
    assert report()["findings"] == []
    assert main(arguments) == 0
    found = [(f["kind"], f["node"], f["place"], f["tally"]["largest"]) for f in report()["findings"]]
    assert found == [  # Sum_7 adds up 24 of them
        ("overflow", "Sum_7", "output", 480_000),
        ("overflow", "Sum_7", "sum", 480_000),
        ("close", "Mul_8", "output", 40_000),
        ("close", "Add_9", "output", 40_000),
        ("close", "Add_9", "input", 40_000),
    ]
    assert main([*arguments, "--margin", "1"]) == 0
    assert {f["kind"] for f in report()["findings"]} == {"overflow"}
    assert json.loads((tmp_path / "preflight" / "ops_info.json").read_text()) == {
        "black-list": {"to-add": ["ReduceSumD"]}
    }


def test_a_model_of_a_fixed_batch_is_run_with_its_own_and_with_fewer(
    tmp_path, arguments, make_onnx, report, capsys
):
    make_onnx(batch=4, bias=1e5)
    assert main(arguments) == 0
    assert report()["batch_sizes"] == [4]
    assert main([*arguments, "--batch-sizes", "3,2"]) == 0
    found = report()
    assert found["batch_sizes"] == [2, 3]
    elements = {f["batch_size"]: f["tally"]["elements"] for f in found["findings"] if f["place"] == "output"}
    assert elements == {2: 2 * 4 * 72, 3: 4 * 72}  # the model itself always runs with four
    assert main([*arguments, "--batch-sizes", "2,5"]) == 1
    assert (
        capsys.readouterr().err == "error: the model was built for batches of 4; --batch-sizes 5 is more.\n"
    )


def test_a_batch_that_no_memory_holds_is_refused(arguments, make_onnx, capsys):
    make_onnx()
    assert main([*arguments, "--batch-sizes", "100000000"]) == 1
    assert "--batch-sizes 100000000: a batch has 28800000000 bytes, more than" in capsys.readouterr().err


@pytest.mark.parametrize("plain", [False, True])
def test_bytes_go_through_the_aipp_file_that_model_toml_names(
    arguments, make_inputs, write_model, report, plain
):
    write_model()
    make_inputs(3, "float32" if plain else "uint8")
    assert main([*arguments, *(["--aipp", "none"] if plain else [])]) == 0
    assert [f for f in report()["findings"] if f["kind"] != "vanishing"] == []


def test_what_atc_may_refuse_is_printed_and_kept(arguments, write_model, report, capsys):
    write_model(("opset = 11", "opset = 10"))
    assert main([*arguments, "--aipp", "none"]) == 0
    says = "above 10, with which this model, or the guides' models, are known to convert"
    assert capsys.readouterr().out.startswith(
        f"tiny.onnx: remarks on the way to ATC: 1\n  opset 11: {says}\n"
    )
    assert report()["remarks"] == [{"about": "opset 11", "says": says}]


def test_an_input_of_whole_numbers_is_measured_and_told(tmp_path, arguments, report):
    (tmp_path / "whole").mkdir()
    np.int64([[1, 300]]).tofile(tmp_path / "whole" / "a.bin")
    parsed(
        tmp_path / "whole.onnx",
        "(int64[N,2] x) => (float[N,2] y) { [cast] a = Cast<to = 1>(x) [square] y = Mul(a, a) }",
    )
    assert main([*arguments, "--model", "whole.onnx", "--input", "whole"]) == 0
    found = report()
    assert [(f["node"], f["tally"]["largest"]) for f in found["findings"]] == [("square", 90_000)]
    assert found["remarks"][0]["about"] == "input 'x'"


def test_nodes_that_cannot_be_measured_and_types_without_a_name_are_told(tmp_path, arguments, report, capsys):
    parsed(
        tmp_path / "odd.onnx",
        "(float[N,3,4,6] x) => (float[N,3,4,6] y) <float much = {1e6}> "
        "{ [clip] a = Clip(x, much) [odd] b = our.own.Wobble(x) [after] y = Add(a, b) }",
        opsets='"" : 11, "our.own" : 1',
    )
    assert main([*arguments, "--model", "odd.onnx"]) == 0
    printed = capsys.readouterr().out
    assert "not measured: 2 nodes: odd (ONNX Runtime cannot load it: " in printed
    assert "not on the list, since ATC's name for them is not known here: Clip\n" in printed
    assert set(report()["not_measured"]) == {"odd", "after"}
    assert report()["mix_list"] == {"listed": ["Add"], "without_known_name": ["Clip"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "lost.info"], "lost.info: no such list or directory"),
        (["--input", "empty"], "empty: holds no .bin file."),
        (["--model", "lost.onnx"], "lost.onnx: no such ONNX file. Make it as the README's section 3 says."),
        (["--aipp", "lost.config"], "lost.config: no such AIPP file."),
        (["--model", "wide.onnx"], "3 of 3 inputs have another size than the model's input, 384 bytes"),
        (["--model", "two.onnx"], "two.onnx: expected a model with one input, found 2."),
        (["--model", "free.onnx"], "the model's input shape ('N', 3, 'H', 6) is dynamic beyond the batch"),
        (["--model", "log.onnx"], "log.onnx: the output 'y' holds values that are not finite, in float32"),
    ],
)
def test_what_is_wrong_is_told_in_one_message_and_nothing_is_written(
    tmp_path, arguments, make_onnx, options, message, capsys
):
    (tmp_path / "empty").mkdir()
    make_onnx("wide.onnx", channels=4)
    parsed(tmp_path / "two.onnx", "(float[N,3,4,6] x, float[N] z) => (float[N,3,4,6] y) { y = Abs(x) }")
    parsed(tmp_path / "free.onnx", FREE)
    parsed(tmp_path / "log.onnx", "(float[N,3,4,6] x) => (float[N,3,4,6] y) { a = Neg(x) y = Log(a) }")
    assert main([*arguments, *options]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not (tmp_path / "preflight").exists()


def test_the_remarks_on_a_file_that_cannot_be_run_are_printed_before_the_message(tmp_path, arguments, capsys):
    parsed(tmp_path / "free.onnx", FREE)
    assert main([*arguments, "--model", "free.onnx"]) == 1
    assert "  input 'x': has the shape ('N', 3, 'H', 6), dynamic beyond the batch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    ["--batch-sizes 1,0", "--batch-sizes 1;4", "--margin 0.5", "--margin x", "--limit 0"],
)
def test_wrong_arguments_end_with_exit_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *words.split()])
    assert stop.value.code == 2
    assert "at least 1, got " in capsys.readouterr().err
