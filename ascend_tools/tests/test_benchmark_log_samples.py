"""Printouts of real runs read as EXPECTED.json beside them says, every field of it; stand-ins' printouts and hostile files."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from ascend_tools.benchmark import log_table, logs
from ascend_tools.rehearse import ais_bench, benchmark, generations, msame, trtexec
from ascend_tools.testing.reference import root
from ascend_tools.testing.rehearsed import fresh, make_om
from tests.tool_printouts import ALL, BENCHMARK, MSAME, TRTEXEC, read

__all__ = ["fresh", "make_om", "read"]
# How EXPECTED.json calls what stands under another name in a log.
NAMES = {
    "batchsize": "batch_size",
    "batchsize_derived": "batch_size",
    "total_throughput": "throughput",
    "chip_throughput": "throughput",
}
SILENT = {"kind", "note", "exit"}  # words for people
ROUNDED = {"qps_derived": 5e-4}


@pytest.fixture
def samples(pytestconfig):
    """Each printout of a tool with what is expected of it; atc's and npu-smi's have readers of their own."""
    folder = root(pytestconfig) / "ascend" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no printouts of real runs at {folder}; ASCEND_GUIDES_REFERENCE names another place")
    expected = json.loads((folder / "EXPECTED.json").read_text(encoding="utf-8"))
    return {
        folder / name: each for name, each in expected.items() if not name.startswith(("atc/", "npu_smi/"))
    }


def compare(found, expected, name):
    for key, value in expected.items():
        if key in SILENT:
            continue
        there = found[NAMES.get(key, key)]
        if key == "runs":
            assert len(there) == len(value), name
            for run, wanted in zip(there, value, strict=True):
                compare(run, wanted, name)
        elif key in ROUNDED:
            assert there == pytest.approx(value, abs=ROUNDED[key]), (name, key)
        else:
            assert there == value, (name, key)


def test_real_printouts_read_as_expected(samples):
    assert samples
    for path, expected in samples.items():
        (log,) = logs.read_logs([path])
        found = logs.as_data(log)
        failed = "error" in expected["kind"] or expected.get("result") == "FAILED"
        assert found["ok"] is not failed, path.name
        assert found["tool"] == expected["kind"].split()[0], path.name
        compare(found, expected, path.name)
        times = {
            "ais_bench": "NPU_compute_time",
            "ais_infer": "NPU_compute_time",
            "trtexec": "GPU Compute Time",
        }
        for each in [found, *found["runs"]]:
            if each["latency_ms"] and times.get(each["tool"]) in each:
                assert each["latency_ms"] == each[times[each["tool"]]], path.name


def test_the_table_has_a_row_for_each_run_and_what_is_wrong_below(samples):
    found = logs.read_logs(list(samples))
    lines = log_table.lines(found)
    assert len({len(line) for line in lines if line.startswith("|")}) == 1
    told = [line for line in lines if ": problem: " in line]
    assert len(told) == sum(len(log.problems) for log in found) > 0


@pytest.mark.parametrize("release", ["7", "8", "10"])
@pytest.mark.parametrize(
    ("fault", "consistent"), [(None, True), ("trtexec:0-qps", False), ("benchmark:wrong-line", False)]
)
def test_a_stand_ins_trtexec(read, sourced, capsys, monkeypatch, make_onnx, release, fault, consistent):
    if fault:
        monkeypatch.setenv("REHEARSAL_FAULT", fault)
    monkeypatch.setenv("REHEARSAL_TRTEXEC", release)
    words = [
        f"--onnx={make_onnx()}",
        "--shapes=image:4x3x4x6",
        "--iterations=12",
        "--duration=0",
        "--warmUp=0",
    ]
    assert trtexec.main(words) == 0
    found = read(capsys.readouterr().out)
    assert (found["tool"], found["ok"], found["batch_size"]) == ("trtexec", True, 4)
    assert (found["consistent"], "rehearsal" in found) == (consistent, True)


def test_the_stand_ins_of_the_vendors_tools(read, capfd, monkeypatch, tmp_path, make_om, make_inputs):
    monkeypatch.chdir(tmp_path)
    om = make_om(2)
    lines = [f"{i} ./prep/{stem}.bin 6 4\n" for i, stem in enumerate(make_inputs(4))]
    (tmp_path / "prep.info").write_text("".join(lines))
    words = [
        "-model_type=vision",
        "-device_id=0",
        "-batch_size=2",
        f"-om_path={om}",
        "-input_text_path=./prep.info",
    ]
    size = ["-input_width=6", "-input_height=4", "-output_binary=True", "-useDvpp=False"]
    assert benchmark.main([*words, *size]) == 0
    found = read(f"./benchmark.x86_64 {' '.join(words)}\n{capfd.readouterr().out}")
    assert (found["tool"], found["ok"], found["batch_size"], found["problems"]) == ("benchmark", True, 2, [])
    assert benchmark.main(["-batch_size=2", f"-om_path={om}", "-device_id=0", "-round=3"]) == 0
    found = read(capfd.readouterr().out)
    assert (found["tool"], found["ok"], found["runs"][0]["pure"], found["problems"]) == (
        "benchmark",
        True,
        True,
        [],
    )
    assert msame.main(["--model", str(om), "--output", str(tmp_path / "out"), "--loop", "3"]) == 0
    found = read(capfd.readouterr().out, "msame_bs2.log")
    assert (found["tool"], found["ok"], found["batch_size"], found["problems"]) == ("msame", True, 2, [])


@pytest.mark.parametrize("generation", ["2022-07", "2022", "2023", "2024"])
def test_a_stand_ins_ais_bench_its_printout_and_its_summary_file(
    read, capfd, monkeypatch, tmp_path, make_om, generation
):
    monkeypatch.setenv(generations.VARIABLE, generation)
    monkeypatch.chdir(tmp_path)
    assert ais_bench.main(["--model", str(make_om(2)), "--output", "out", "--loop", "5"]) == 0
    found = read(capfd.readouterr().out)
    (path,) = tmp_path.glob("out/**/*su*mary.json")
    summary = read(path.read_text(), path.name)
    assert summary["tool"] == ("ais_infer" if path.name == "sumary.json" else "ais_bench")
    for each in (found, summary):
        assert (each["ok"], each["batch_size"], each["consistent"], each["problems"]) == (True, 2, True, [])
        assert "rehearsal" in each
    assert found["throughput"] == pytest.approx(summary["throughput"])
    assert set(found["latency_ms"]) == set(summary["latency_ms"]) == {"min", "max", "mean", "median", "p99"}


SIZE = 200_000
HOSTILE = {
    "digits": b"1" * SIZE,
    "zeros": b"\0" * SIZE,
    "spaces": b"throughput" + b" " * SIZE + b"1",
    "open": b"throughput 1000*batchsize(" * (SIZE // 26),
    "braces": b'"NPU_compute_time": {' * (SIZE // 21),
    "nested": b'{"throughput":' * (SIZE // 14),
    "list": b'{"throughput": 1, "npu_compute_time_list": [' + b"1," * (SIZE // 2) + b"1]}",
    "escapes": b"\x1b]0;throughput\x1b[" * (SIZE // 17),
    "empty lines": b"a\n" * (SIZE // 2),
    "quotes": b"> " * (SIZE // 2),
    "one line": b"[e2e] throughputRate: 1, " * (SIZE // 25),
    "shapes": b"&&&& PASSED TensorRT.trtexec # --shapes=a:" + b"1x" * (SIZE // 2),
    "devices": b"i:0 device_1 throughput:5\n[infer] Interface throughputRate: 1e999\n" * (SIZE // 68),
    "random": np.random.default_rng(7).integers(0, 256, SIZE, np.uint8).tobytes(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_follows_the_size_of_a_hostile_file(read, name):
    tracemalloc.start()
    try:
        found = read(HOSTILE[name])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["ok"] in (True, False)
    assert most < 30 * SIZE


@pytest.mark.parametrize("name", ALL)
def test_a_printout_that_is_cut_anywhere_is_read_without_a_word_of_its_own(read, name):
    text = ALL[name]
    whole = read(text)
    for end in range(0, len(text), 7):
        found = read(text[:end])
        assert found["tool"] in (None, whole["tool"])
        assert found["ok"] or found["throughput"] is None


def test_rates_are_those_that_may_be_compared(tmp_path):
    texts = {
        "a_bs4.log": MSAME,
        "b_bs4.log": MSAME.replace("20.000000", "10.000000").replace("20.250000", "10.805556"),
        "trt.log": TRTEXEC.replace(": 160 qps", ": 0 qps"),
        "wrong.log": BENCHMARK.replace("e: 125,", "e: 152,"),
        "unknown.log": MSAME,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert log_table.rates(logs.read_logs([tmp_path / name for name in texts])) == {4: 300, 8: 1600}
