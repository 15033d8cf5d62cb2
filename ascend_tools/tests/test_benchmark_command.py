"""`python -m ascend_tools.benchmark` as its users call it: mistakes, a whole run, an interrupted one, printouts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ascend_tools.benchmark import at_hand, rounds, run
from ascend_tools.benchmark.__main__ import main
from ascend_tools.benchmark.measurements import LeftOut
from ascend_tools.benchmark.rounds import Found
from common import rehearsal
from tests import quiet_rounds
from tests.conftest import ROOT

PCB = ROOT / "pcb"
EFFICIENTDET = ROOT / "efficientdet_d0"
PERF = """[e2e] throughputRate: 120.5, latency: 8298.76
[data read] throughputRate: 900.1, moduleLatency: 1.11099
[preprocess] throughputRate: 500.2, moduleLatency: 1.9992
[infer] throughputRate: 121.0, Interface throughputRate: {rate}, moduleLatency: 6.25
[post] throughputRate: 121.0, moduleLatency: 8.26446
"""


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """Stand in EfficientDet's directory, where measuring gives what the test says; what was looked for is nothing."""
    monkeypatch.chdir(EFFICIENTDET)
    found = Found(inputs={"pure": "8 different items"})
    monkeypatch.setattr(at_hand, "look", lambda plan: None)

    def measure(plan, there, after_round):
        for number in range(5):
            part = [each for each in found.measured if each.round <= number]
            after_round(Found(part, found.left_out, found.outputs, found.inputs))
        return found

    monkeypatch.setattr(rounds, "measure", measure)
    found.out = tmp_path / "out"
    return found


def call(capsys, *words):
    """Return the exit status, stdout and stderr."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-sizes", "1,0"], "expected a whole number of at least 1, got '0'"),
        (["--batch-sizes", "1,1"], "expected each batch size once, got '1,1'"),
        (["--batch-sizes", "5000"], "expected at most 4096"),
        (["--backends", "om,"], "expected names joined by commas"),
        (["--seconds", "0"], "expected a number from 0.01"),
        (["--rounds", "-3"], "expected a whole number of at least 1"),
        (["--chips", "4"], "--chips is about a printout: name it with --read LOG"),
        (["--batch-size", "4"], "--batch-size is about a printout"),
        (["--read", "a.log", "--rounds", "3"], "--rounds is for measuring, and not for --read"),
        (["--read", "a.log", "--data", "d"], "--data is for measuring"),
    ],
)
def test_wrong_usage(capsys, words, message):
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nowhere.onnx"], "--model nowhere.onnx: no such file. Make it with python pth2onnx.py"),
        (["--model", "model.toml"], "--model model.toml: expected an .onnx or an .om file."),
        (["--data", "nowhere"], "--data nowhere: no such file or directory"),
        (["--device", "310P"], "--device 310P: expected numbers of devices such as 0 or 0,1,2,3, each once."),
        (["--device", "0,0"], "each once"),
        (["--out", "model.toml"], "model.toml: is not a directory"),
    ],
)
def test_mistakes_are_told_before_anything_takes_time(capsys, monkeypatch, words, message):
    monkeypatch.chdir(PCB)
    monkeypatch.setattr(at_hand, "look", lambda plan: pytest.fail("it was begun"))
    status, out, err = call(capsys, *words)
    assert (status, out) == (1, "")
    assert message in err


def test_outside_of_a_model_directory(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(capsys) == (
        1,
        "",
        "error: model.toml: no such file. Run this command inside a model directory.\n",
    )


def test_a_run_is_written_and_printed(capsys, quiet):
    quiet.measured += [
        *quiet_rounds.rounds(quiet_rounds.OM, 140.0, 8),
        *quiet_rounds.rounds(quiet_rounds.CPU, 2.0),
    ]
    quiet.outputs += [quiet_rounds.outputs(), quiet_rounds.outputs(quiet_rounds.OM)]
    status, out, err = call(capsys, "--out", quiet.out)
    assert status == 0
    assert "om (310P): PASS, 2.557 times 310, 1.2 is accepted" in out
    assert err == "looking for what can run the model here ...\n"
    names = ["benchmark.json", "benchmark.md", "benchmark.png", "benchmark.svg"]
    assert sorted(path.name for path in quiet.out.iterdir()) == names
    page = (quiet.out / "benchmark.md").read_text(encoding="utf-8")
    assert out.startswith(page)
    data = json.loads((quiet.out / "benchmark.json").read_text(encoding="utf-8"))
    assert (data["complete"], data["rounds"], len(data["rows"])) == (True, 5, 2)
    assert data["command"] == f"python -m ascend_tools.benchmark --out {quiet.out}"


def test_json_is_one_object_and_nothing_else(capsys, quiet):
    quiet.measured += quiet_rounds.rounds(quiet_rounds.CPU, 2.0)
    status, out, _ = call(capsys, "--out", quiet.out, "--json")
    assert status == 0
    assert json.loads(out) == json.loads((quiet.out / "benchmark.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("measured", "outputs", "words"),
    [
        (quiet_rounds.rounds(count=2), [], ()),
        (quiet_rounds.rounds(), [quiet_rounds.outputs(ok=False, words="other")], ()),
        (quiet_rounds.rounds(quiet_rounds.OM, 60.0), [], ()),  # 1.2 times 54.761 are asked for
        (quiet_rounds.rounds(), [], ("--backends", "onnxruntime,om")),  # which gave nothing
        ([], [], ()),
    ],
)
def test_the_exit_status_says_what_is_not_as_it_should_be(capsys, quiet, measured, outputs, words):
    quiet.measured += measured
    quiet.outputs += outputs
    quiet.left_out.append(LeftOut("om", None, "no ATC"))
    status, out, _ = call(capsys, "--out", quiet.out, *words)
    assert status == 1
    assert "om: no ATC" in out


def test_an_interrupted_run_leaves_what_there_is(capsys, quiet):
    quiet.measured += quiet_rounds.rounds(count=3)
    quiet.interrupted = True
    status, out, _ = call(capsys, "--out", quiet.out)
    assert status == run.INTERRUPTED
    assert "INTERRUPTED: these are the figures of the rounds that were done." in out
    data = json.loads((quiet.out / "benchmark.json").read_text(encoding="utf-8"))
    assert (data["complete"], data["rounds"]) == (False, 3)


def test_an_interruption_before_the_first_figure_leaves_an_earlier_run(capsys, quiet, monkeypatch):
    quiet.measured += quiet_rounds.rounds()
    assert call(capsys, "--out", quiet.out)[0] == 0
    before = {path: path.read_bytes() for path in quiet.out.iterdir()}
    monkeypatch.setattr(rounds, "measure", lambda *_: Found(interrupted=True))
    status, out, err = call(capsys, "--out", quiet.out, "--json")
    assert (status, out) == (run.INTERRUPTED, "")
    assert "interrupted" in err
    assert {path: path.read_bytes() for path in quiet.out.iterdir()} == before


def test_no_plot_of_an_earlier_run_stays_beside_a_record_without_figures(capsys, quiet):
    quiet.measured += quiet_rounds.rounds()
    call(capsys, "--out", quiet.out)
    assert (quiet.out / "benchmark.png").is_file()
    quiet.measured.clear()
    assert call(capsys, "--out", quiet.out)[0] == 1
    assert sorted(path.name for path in quiet.out.iterdir()) == ["benchmark.json", "benchmark.md"]


def test_the_record_is_there_after_each_round(capsys, quiet, monkeypatch):
    """Whoever is killed in the second round has the first."""
    quiet.measured += quiet_rounds.rounds()

    def killed(plan, there, after_round):
        after_round(Found(quiet.measured[:1], [], [], quiet.inputs))
        raise MemoryError

    monkeypatch.setattr(rounds, "measure", killed)
    assert call(capsys, "--out", quiet.out)[0] == 1
    data = json.loads((quiet.out / "benchmark.json").read_text(encoding="utf-8"))
    assert (data["complete"], data["rounds"], len(data["rows"])) == (False, 1, 1)


def test_the_whole_of_it(tmp_path):
    """A twin of PCB, measured as users do; whether this machine is quiet is another question."""
    torch = pytest.importorskip("torch")
    assert torch
    from ascend_tools.testing.twin import twin_onnx
    from common.facts import read_facts

    twin_onnx(read_facts(PCB), tmp_path / "twin.onnx")
    words = [
        "--model",
        tmp_path / "twin.onnx",
        "--backends",
        "onnxruntime",
        "--batch-sizes",
        "1,2",
        "--rounds",
        "3",
    ]
    words += ["--seconds", "0.05", "--out", tmp_path / "out", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "ascend_tools.benchmark", *map(str, words)],
        cwd=PCB,
        env={**os.environ, "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    data = json.loads(done.stdout)
    assert [row["batch_size"] for row in data["rows"]] == [1, 2], done.stderr
    assert done.returncode == int(any(row["reasons"] for row in data["rows"]))
    for row in data["rows"]:
        assert row["outputs"]["ok"], row
        assert row["pure"]["throughput"] > 0
        assert len(row["end_to_end"]["rounds"]) == 3
        assert row["end_to_end"]["limiting"] in ("preprocess", "stack", "infer", "postprocess")


def test_printouts_beside_the_documented_figures(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(PCB)
    log = tmp_path / "perf_vision_batchsize_8_device_0.txt"
    log.write_text(PERF.format(rate=160.25), encoding="utf-8")
    status, out, err = call(capsys, "--read", log, "--device", "310", "--out", tmp_path / "read.json")
    assert (status, err) == (0, "")
    assert "641" in out
    assert "0.4661" in out  # of 310's 1375.24
    assert "times 4 chips of a card" in out
    data = json.loads((tmp_path / "read.json").read_text(encoding="utf-8"))
    assert (data["format"], data["chips"], data["documented"]["columns"]["measured"]) == (1, 4, {"8": 641.0})
    assert data["logs"][0]["throughput"] == 160.25
    written = {path.name for path in tmp_path.iterdir()}
    assert {"read.json", "read.md", "read.svg", "read.png"} <= written


def test_printouts_anywhere(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_bs8.log").write_text(PERF.format(rate=160.25), encoding="utf-8")
    status, out, _ = call(capsys, "--read", "a_bs8.log")
    assert status == 0
    assert "160.25" in out
    status, out, _ = call(capsys, "--read", "a_bs8.log", "--json")
    assert status == 0
    assert json.loads(out)["logs"][0]["batch_size"] == 8


def test_a_rehearsals_printout_is_compared_with_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(PCB)
    log = tmp_path / "a_bs8.log"
    log.write_text(f"{PERF.format(rate=160.25)}{rehearsal.NOTE}\n", encoding="utf-8")
    status, out, _ = call(capsys, "--read", log, "--device", "310")
    assert status == 0
    assert rehearsal.NOTE in out
    assert "measured" not in out.partition("documents them")[2].partition("\n- ")[0]


def test_what_is_no_printout(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("nothing of the kind\n", encoding="utf-8")
    status, out, err = call(capsys, "--read", "a.txt", "--json")
    assert status == 1
    assert json.loads(out)["logs"][0]["tool"] is None
    assert "a.txt: expected what" in err
    status, _, err = call(capsys, "--read", "nowhere.txt")
    assert (status, err) == (1, "error: nowhere.txt: No such file or directory\n")
    assert "choose another --out" in call(capsys, "--read", "a.txt", "--out", "a.txt")[2]


def test_trtexec_is_no_npus(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(PCB)
    log = tmp_path / "t.log"
    log.write_text(
        "&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=a.onnx --shapes=input_1:8x3x384x128\n"
        "[I] Throughput: 100.5 qps\n"
        "[I] GPU Compute Time: min = 9.5 ms, max = 10.5 ms, mean = 10 ms, median = 10 ms, percentile(99%) = 10.4 ms\n"
        "&&&& PASSED TensorRT.trtexec [TensorRT v8401]\n",
        encoding="utf-8",
    )
    status, _, err = call(capsys, "--read", log, "--device", "310P", "--batch-size", "8")
    assert status == 1
    assert "trtexec measures GPUs, and --device is 310P" in err
    status, out, _ = call(capsys, "--read", log, "--device", "T4", "--batch-size", "8")
    assert (status, "0.5784" in out) == (0, True)  # 800 of 1383.09
    assert "expected one of 310, 310P, T4, GPU, CPU" in call(capsys, "--read", log, "--device", "H200")[2]
