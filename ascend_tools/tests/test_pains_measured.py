"""What users fail at in figures and results: results that are off, throughputs that say nothing, ONNX Runtime on the CPU."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the tiny networks are made with it")

from ascend_tools.testing.commands import call
from ascend_tools.testing.twin import twin_onnx
from common import rehearsal
from common.facts import read_facts
from tests.conftest import ROOT

PCB = ROOT / "pcb"  # of the five the one whose twin is the fastest
SHORT = ("--data", "sample", "--batch-sizes", 1, "--rounds", 3, "--seconds", 0.4, "-j", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of a model directory, without what lies in it, with a twin in the place of its network."""
    copy = tmp_path_factory.mktemp("models") / "pcb"
    shutil.copytree(
        PCB, copy, ignore=shutil.ignore_patterns("output", "tests", "__pycache__", "*.om*", "benchmark")
    )
    twin_onnx(read_facts(copy), copy / "twin.onnx")
    words = [
        sys.executable,
        "-c",
        "import evaluate, pathlib; evaluate.sample.write_sample(pathlib.Path('sample'))",
    ]
    subprocess.run(words, check=True, timeout=600, cwd=copy)
    return copy


@pytest.fixture
def spawn(sourced, folder):
    """Run a command in the model directory as a user does."""

    def run(*words):
        command = [sys.executable, "-m", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=folder)

    return run


@pytest.fixture
def measure(spawn, sourced, tmp_path):
    """Run the benchmark with faults; return its exit status, the row of the OM, and what was left out."""

    def run(*faults, backends="onnxruntime,om"):
        sourced(*faults)
        words = ("--model", "twin.onnx", "--backends", backends, *SHORT, "--out", tmp_path / "out", "--json")
        done = spawn("ascend_tools.benchmark", *words)
        assert "Traceback" not in done.stderr
        if not done.stdout:
            return done.returncode, None, done.stderr
        record = json.loads(done.stdout)
        rows = [row for row in record["rows"] if row["backend"] == "om"]
        return done.returncode, rows[0] if rows else None, record["left_out"]

    return run


# 2, 14. Results that are off; a device that others use; figures that go up and down.


def test_2_and_14_results_that_are_off_and_a_device_that_is_shared(measure):
    status, row, _ = measure("precision-collapse", "smi:in-use", "benchmark:busy")
    assert status == 1
    assert row["verdict"] == "INVALID"
    reasons = "; ".join(row["reasons"])
    assert "outputs differ" in reasons
    assert "the device was in use by others: python3 (process 51234) on device 0" in reasons
    assert "noise: pure inference" in reasons
    assert row["rehearsal"] is True
    assert not row["ratios"]


def test_14_a_device_that_becomes_slower(measure):
    _, row, _ = measure("device-throttled")
    reasons = "; ".join(row["reasons"])
    assert "throttling: calls became slower within a round" in reasons


def test_14_a_first_run_that_takes_long_does_not_count(measure):
    """The warm-up takes it, and a median does not see what is left of it."""
    _, row, _ = measure("benchmark:first-run-outlier", backends="om")
    pure = row["pure"]
    assert pure["latency_ms"]["median"] < pure["latency_ms"]["max"]
    assert not [reason for reason in row["reasons"] if "outputs" in reason or "slower" in reason]


def test_9_and_10_what_cannot_be_run_is_left_out_with_the_reason(measure):
    _, row, left_out = measure("load-crash")
    assert row is None
    (reason,) = {each["reason"] for each in left_out if each["backend"] == "om"}
    assert "SIGSEGV" in reason
    assert "built for another chip" in reason


# 3. Too large for half precision, results that are not finite.


def test_3_too_large_for_half_precision_is_told_before(make_onnx, make_inputs, tmp_path, capsys, monkeypatch):
    make_onnx(bias=1e5)
    make_inputs(2)
    run = functools.partial(call, tmp_path, capsys=capsys, monkeypatch=monkeypatch)
    done = run("ascend_tools.preflight", "--model", "tiny.onnx", "--input", "prep")
    assert "overflow" in done.stdout
    assert "--precision_mode=allow_mix_precision --modify_mixlist=ops_info.json" in done.stdout


def test_3_results_that_are_not_finite(sourced, folder, tmp_path):
    words = (
        "--backend",
        "om",
        "--model",
        "twin.onnx",
        "--data",
        "sample",
        "--limit",
        "4",
        "--out",
        tmp_path / "out",
    )
    sourced("nan")
    command = [sys.executable, "evaluate.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=folder)
    assert done.returncode == 1
    (message,) = done.stderr.split("error: ")[1:]
    assert "not finite" in message
    assert "precision_mode=must_keep_origin_dtype" in message


# 14. Printouts that contradict themselves, or mislead.


@pytest.fixture
def om(sourced, write_model, make_onnx, make_inputs, tmp_path, capsys, monkeypatch, rehearsal_folder):
    """The tiny OM of two images a batch, inputs, and a directory to run tools in."""
    write_model(('insert_op_conf = "aipp.config"\n', ""))
    make_onnx()
    make_inputs(6)
    words = ("--batch-size", 2, "--soc-version", "Ascend310P3")
    assert call(tmp_path, "common.atc", *words, capsys=capsys, monkeypatch=monkeypatch).returncode == 0
    lines = [f"{i} prep/img_{i:02}.bin 6 4" for i in range(6)]
    (tmp_path / "prep.info").write_text("\n".join(lines) + "\n")
    return tmp_path


BENCHMARK = f"benchmark.{os.uname().machine}"
TOOLS = {
    "ais_bench": [sys.executable, "-m", "ais_bench", "--model", "tiny_bs2.om", "--loop", "40"],
    "benchmark": [BENCHMARK, "-round=20", "-batch_size=2", "-device_id=0", "-om_path=tiny_bs2.om"],
    "benchmark with files": [
        *(BENCHMARK, "-model_type=vision", "-batch_size=2", "-device_id=0", "-om_path=tiny_bs2.om"),
        *(
            "-input_text_path=prep.info",
            "-input_width=6",
            "-input_height=4",
            "-output_binary=True",
            "-useDvpp=False",
        ),
    ],
    "msame": ["msame", "--model", "tiny_bs2.om", "--output", "out", "--loop", "20"],
    "trtexec": [
        "trtexec",
        "--onnx=tiny.onnx",
        "--fp16",
        "--shapes=image:2x3x4x6",
        "--iterations=40",
        "--duration=0",
    ],
}


@pytest.fixture
def read(om, capsys, monkeypatch):
    """Run a tool by hand and read what it has printed with the benchmark; return the log's JSON."""

    def run(name, *words):
        (om / "out").mkdir(exist_ok=True)
        tool = subprocess.run(TOOLS[name], capture_output=True, text=True, check=False, timeout=120, cwd=om)
        assert tool.returncode == 0, tool.stderr
        (om / "a.log").write_text(tool.stdout)
        words = ("--read", "a.log", "--json", *words)
        done = call(om, "ascend_tools.benchmark", *words, capsys=capsys, monkeypatch=monkeypatch)
        assert done.returncode == 0, done.stderr
        (log,) = json.loads(done.stdout)["logs"]
        return log

    return run


@pytest.mark.parametrize("name", TOOLS)
def test_14_a_printed_throughput_that_is_not_what_the_times_say(name, read, sourced):
    log = read(name)
    assert (log["tool"], log["ok"]) == (name.partition(" ")[0], True)
    assert log["consistent"] is not False
    assert log["throughput"] > 0
    assert log["rehearsal"] == rehearsal.NOTE
    sourced("benchmark:wrong-line")
    log = read(name)
    assert log["consistent"] is False
    assert log["problems"]


def test_14_a_trtexec_that_prints_no_throughput(read, sourced):
    sourced("trtexec:0-qps")
    log = read("trtexec")
    assert log["consistent"] is False
    assert log["throughput"] == pytest.approx(2 * 1000 / log["latency_ms"]["mean"])


def test_14_a_first_run_in_the_mean(read, sourced):
    sourced("benchmark:first-run-outlier")
    log = read("ais_bench")
    assert log["consistent"] is True
    assert log["latency_ms"]["max"] > 4 * log["latency_ms"]["median"]
    assert any("median" in note for note in log["notes"]), log["notes"]


@pytest.mark.parametrize(("device", "chips"), [("310", "4 chips"), ("310P", "1 chip")])
def test_14_one_chip_of_four(device, chips, read, folder, om, capsys, monkeypatch):
    """The guides' figures are a card's: a 310's chip counts four times; a rehearsal's counts for nothing."""
    log = read("ais_bench")
    words = ("ascend_tools.benchmark", "--read", om / "a.log", "--device", device)
    done = call(folder, *words, capsys=capsys, monkeypatch=monkeypatch)
    assert "of one device, times" not in done.stdout
    text = (om / "a.log").read_text()
    (om / "a.log").write_text(text.replace(rehearsal.NOTE, ""))  # as an NPU's would be
    done = call(folder, *words, capsys=capsys, monkeypatch=monkeypatch)
    assert f"measured: of one device, times {chips} of a card" in done.stdout
    assert log["throughput"] > 0


# 15. onnxruntime-cann that computes on the CPU.


def test_15_a_provider_that_runs_nothing(om, monkeypatch, rehearsal_folder):
    monkeypatch.setenv("PYTHONPATH", str(rehearsal_folder / "onnxruntime-cann"), prepend=os.pathsep)
    command = [
        sys.executable,
        "-m",
        "common.infer",
        "--model",
        "tiny.onnx",
        "--input",
        "prep",
        "--out",
        "out",
    ]
    done = subprocess.run(
        [*command, "--provider", "cann"], capture_output=True, text=True, check=False, cwd=om
    )
    assert done.returncode == 1
    assert "CANNExecutionProvider runs none of the model's 3 nodes" in done.stderr
    assert "Take --provider cpu" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "ascend_tools.doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=om,
    )
    checks = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    both = checks["backend.onnxruntime"]
    assert (both["status"], both["required"]) == ("wrong", False)
    assert "onnxruntime and onnxruntime-cann are both installed" in both["found"]
    assert "pip uninstall -y onnxruntime onnxruntime-cann" in both["remedy"]
    provider = checks["backend.providers"]
    assert provider["status"] == "wrong"
    assert "CANNExecutionProvider is listed and does not work here" in provider["found"]


def test_15_a_provider_that_is_not_there(om, capsys, monkeypatch):
    words = ("--model", "tiny.onnx", "--input", "prep", "--out", "out", "--provider", "cann")
    done = call(om, "common.infer", *words, capsys=capsys, monkeypatch=monkeypatch)
    assert done.returncode == 1
    assert "pip uninstall onnxruntime, then pip install onnxruntime-cann" in done.stderr
