"""--find-list: planted operators that overflow, cancel or vanish are found, exactly these; what is printed and written."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_tools.preflight.__main__ import main
from ascend_tools.preflight.emulated import Emulated
from ascend_tools.preflight.find_list import find
from ascend_tools.preflight.lists import of_nodes, of_types
from ascend_tools.preflight.steps import Steps
from ascend_tools.preflight.trials import OUTPUTS, Trials
from ascend_tools.testing.planted import PLAIN, PLANTED, SHAPE, write_inputs, write_model
from common.backends.onnxruntime import OnnxRuntime
from common.graph.atc_types import problems, read_lists
from common.graph.float16_modes import modes, saturates

CHIPS = st.sampled_from(["Ascend310P3", "Ascend910B3"])
# Each once: several sigmoids in a row leave numbers so alike that half precision does lose them.
CHAINS = st.lists(st.sampled_from(sorted(PLAIN)), unique=True, max_size=5)
FAULTS = st.lists(st.sampled_from(sorted(PLANTED)), unique=True, max_size=4)


def command(folder, plain, planted, *words):
    """Search in a network that is written to a directory; return the exit status and the report."""
    network = write_model(folder / "net.onnx", plain, planted)
    arguments = [
        "--find-list",
        "--model",
        network,
        "--input",
        write_inputs(folder / "in"),
        "--out",
        folder / "out",
    ]
    status = main([*map(str, arguments), *words])
    return status, json.loads((folder / "out" / "find_list.json").read_text())


@pytest.fixture
def network(tmp_path):
    return lambda plain, planted, *words: command(tmp_path, plain, planted, *words)


def check_proof(found):
    """Check that the list holds, and that no entry can be left out."""
    assert found.last.figure <= 0.05
    assert [entry for entry, _ in found.proof] == list(found.entries)
    for entry, trial in found.proof:
        assert set(trial.entries) == set(found.entries) - {entry}
        assert not trial.figure <= 0.05


def searched(folder, plain, planted, kind_of, chip):
    """Search without the command, in a network that is written to a directory."""
    proto = onnx.load(write_model(folder / "net.onnx", plain, planted))
    paths = sorted(write_inputs(folder / "in").iterdir())
    batches = [np.fromfile(path, np.float32).reshape(1, *SHAPE) for path in paths]
    kind = kind_of(proto)
    trials = Trials(
        kind,
        Emulated(proto, folder / "net.onnx", lambda: batches, "x"),
        Steps(folder / "steps.jsonl"),
        "inputs",
        {OUTPUTS: 0.05},
        saturates=saturates(chip),
    )
    return find(kind, trials), kind


@settings(max_examples=6)
@given(plain=CHAINS, planted=FAULTS, chip=CHIPS)
def test_exactly_the_planted_types_are_found(plain, planted, chip):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, kind = searched(folder, plain, planted, of_types, chip)
        assert sorted(found.entries) == sorted(PLANTED[name].type for name in planted)
        check_proof(found)
        if planted:
            path = kind.write(folder, found.entries)
            assert problems(path) == []
            assert read_lists(path).black_list.to_add == sorted(found.entries)


@settings(max_examples=6)
@given(plain=CHAINS, planted=FAULTS, chip=CHIPS)
def test_exactly_the_planted_nodes_are_found(plain, planted, chip):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, kind = searched(folder, plain, planted, of_nodes, chip)
        expected = sorted(node for name in planted for node in PLANTED[name].nodes)
        assert sorted(found.entries) == expected
        check_proof(found)
        if planted:
            path = kind.write(folder, found.entries)
            told = modes(dict(word.split("=") for word in kind.words(path)), chip)
            assert told == kind.modes(found.entries, saturates(chip))


def test_outputs_are_measured_by_the_standard_deviation_of_their_numbers(tmp_path):
    path = write_model(tmp_path / "net.onnx", ["Mul"], ["overflow"])
    proto = onnx.load(path)
    batches = [np.random.default_rng(k).standard_normal((1, *SHAPE), np.float32) for k in range(3)]
    emulated = Emulated(proto, path, lambda: batches, "x")
    half = modes({}, "Ascend310P3")
    found = emulated.apart(emulated.graph(half))
    for k, name in enumerate(("plain", "out_overflow")):
        with OnnxRuntime(path, optimise=False) as whole, OnnxRuntime(path, half=half) as rounded:
            pairs = [
                [each.run({"x": batch})[k].astype(float) for batch in batches] for each in (whole, rounded)
            ]
        right, ours = np.stack(pairs[0]), np.stack(pairs[1])
        assert found[name] == pytest.approx(np.sqrt(np.mean((ours - right) ** 2)) / right.std())


def test_what_is_printed_and_written(network, tmp_path, capsys):
    status, report = network(["Relu", "Sigmoid"], ["overflow", "cancel"])
    printed = capsys.readouterr().out
    assert status == 0
    assert "accepted: outputs off by 0.1 of their spread\n" in printed
    assert re.search(
        r"\nstep 1: force_fp16, nothing in float32: outputs off by \S+ of their spread; too much \(\d",
        printed,
    )
    for name in report["list"]:
        assert re.search(rf"\nwithout {name}: outputs off by \S+ of their spread, accepted 0.1\n", printed)
    out = tmp_path / "out"
    given = f"--precision_mode=allow_mix_precision --modify_mixlist={out / 'ops_info.json'}"
    assert printed.endswith(f"none of them can be left out. Give it to ATC with {given}\n")
    assert report["atc"] == given.split()
    assert [length for length, _ in report["curve"]] == [0, 1, 2]
    assert report["curve"][-1][1] == report["figure"]
    assert report["harm"]["ReduceSumD"] > report["bounds"]["outputs"] > report["harm"]["Relu"]
    assert all(step["seconds"] >= 0 for step in report["steps"])
    assert (out / "find_list.svg").read_text().startswith("<?xml")
    assert (out / "find_list.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_that_become_infinite_have_no_figure(network):
    status, report = network([], ["explode"], "--soc-version", "Ascend910B3")
    assert (status, report["list"]) == (0, ["Exp"])
    assert report["steps"][0]["figure"] is None
    assert report["without"] == {"Exp": None}


def test_a_network_without_a_fault_needs_no_list(network, tmp_path, capsys):
    status, report = network(["Mul", "Tanh", "Abs"], [])
    assert (status, report["list"], report["atc"], len(report["steps"])) == (0, [], [], 1)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no operator has to stay in float32: outputs off by ")
    assert not (tmp_path / "out" / "ops_info.json").exists()


def test_a_list_of_an_earlier_run_is_left_and_told(network, tmp_path, capsys):
    network([], ["cancel"])
    assert network([], [])[1]["list"] == []
    path = tmp_path / "out" / "ops_info.json"
    assert path.exists()
    assert capsys.readouterr().out.endswith(f"ATC's default mode will do; {path} is of an earlier run\n")
    assert not (tmp_path / "out" / "find_list.svg").exists()  # of a search, and there was none


def test_that_no_list_helps_is_told_with_the_best_figure(tmp_path, capsys):
    path = write_model(tmp_path / "net.onnx", [], ["overflow"])
    proto = onnx.load(path)
    for node in proto.graph.node:
        node.name = "" if node.name == "sum" else node.name
    onnx.save(proto, path)
    words = ["--find-list", "--nodes", "--model", path, "--input", write_inputs(tmp_path / "in")]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err.splitlines()[-1]
    report = json.loads((tmp_path / "out" / "find_list.json").read_text())
    assert (report["list"], report["atc"]) == (None, [])
    tried = [step["figure"] for step in report["steps"] if step["by"] == "outputs"]
    assert report["figure"] == min(tried)
    assert printed.startswith("error: no list helps: with the best that was tried, ")
    (unnamed,) = report["not_listable"]
    assert unnamed.endswith("(ReduceSum)")
    assert f"ATC's name for {unnamed} is not known here, so that no list has it" in printed
    assert not (tmp_path / "out" / "keep_dtype.cfg").exists()
    assert proto.graph.node[-1].name != unnamed


def test_that_a_product_in_float32_is_slow_is_told(network, capsys):
    status, report = network([], [], "--bound", "1e-9")
    assert (status, report["list"]) == (0, ["BatchMatMulV2"])
    says = "note: BatchMatMulV2: what the matrix unit computes is many times as slow in float32"
    assert capsys.readouterr().out.splitlines()[-1] == says


def test_harm_is_measured_once_for_what_does_none(network):
    _, report = network(["Abs", "Neg", "LeakyRelu", "Mul", "Tanh"] * 3, ["cancel"], "--nodes")
    measured = [step for step in report["steps"] if step["by"] == "harm"]
    assert len(measured) < len(report["harm"])
    assert list(report["harm"].values()) == sorted(report["harm"].values(), reverse=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--nodes"], "--nodes: only with --find-list"),
        (["--bound", "1"], "--bound: only with --find-list"),
        (["--find-list", "--data", "d"], "--data: only with --metric"),
        (["--find-list", "--batch-sizes", "1,2"], "--batch-sizes: one size with --find-list"),
        (["--find-list", "--bound", "-1"], "expected a number of at least 0"),
        (["--find-list", "--soc-version", "310"], "expected Ascend and the chip's name"),
        (["--find-list", "--metric", "--data", "d", "--checkpoint", "c"], "without --data"),
    ],
)
def test_options_that_do_not_go_together(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--model", "m.onnx", "--input", "in", *words])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_float32_that_is_not_finite_is_refused(network, tmp_path, capsys):
    write_model(tmp_path / "net.onnx", [], [])
    write_inputs(tmp_path / "in")
    np.full((6, 8), np.inf, np.float32).tofile(tmp_path / "in" / "9.bin")
    words = [
        "--find-list",
        "--model",
        tmp_path / "net.onnx",
        "--input",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
    ]
    assert main([*map(str, words)]) == 1
    assert "holds values that are not finite, in float32" in capsys.readouterr().err
