"""benchmark/log_checks.py, log_failures.py: a printout's contradictions and failures are said, with the numbers."""

from __future__ import annotations

import pytest

from ascend_tools.benchmark import log_checks
from tests.tool_printouts import AIS, BENCHMARK, MSAME, PURE, TRTEXEC, read

__all__ = ["read"]


@pytest.mark.parametrize(
    ("text", "there", "put", "problem"),
    [
        (AIS, ": 2000.0", ": 112.5", "throughput: expected 2000 = 1000 x batch size 4 / mean 2 ms, found 112.5"),
        (AIS, ": 2000.0", ": 0", "throughput: expected 2000 = 1000 x batch size 4 / mean 2 ms, found 0"),
        (AIS, "mean = 2.0", "mean = 2.5", "NPU_compute_time: mean 2.5 ms, and 2 ms in the line of the throughput"),
        (AIS, "mean = 0.625", "mean = 0.875", "D2H_latency: expected a mean from 0.5 to 0.75 ms, found 0.875"),
        (AIS, "median = 1.75", "median = 2.7", "NPU_compute_time: median 2.7 ms is above p99 2.5 ms"),
        (AIS, "max = 2.75", "max = 2.25", "NPU_compute_time: p99 2.5 ms is above max 2.25 ms"),
        (TRTEXEC, ": 160 qps", ": 0 qps", "throughput: expected 160 qps = 400 queries in 2.5 s, found 0"),
        (TRTEXEC, ": 160 qps", ": 1280 qps", "throughput: expected 160 qps = 400 queries in 2.5 s, found 1280"),
        (TRTEXEC, "mean = 5 ms", "mean = 50 ms", "GPU Compute Time: expected a mean from 4 to 6 ms, found 50"),
        (TRTEXEC, "median = 5.25", "median = 6.25", "Latency: median 6.25 ms is above p99 6 ms"),
        (PURE, ": 250.5s", ": 350.5s", "ave_throughputRate: expected 249.922 = 1000 / ave_latency 4.00125 ms, found 350.5"),
        (BENCHMARK, "e: 125,", "e: 152,", "[data read] throughputRate: expected 125 = 1000 / moduleLatency 8 ms, found 152"),
        (BENCHMARK, "6.1875", "8.1875", "[post] throughputRate: expected 6.18751 = 1000 / moduleLatency 161.616 ms, found 8.1875"),
        (BENCHMARK, "e: 98.5", "e: 118.5", "expected e2e at most as fast as infer, 99, found 118.5"),
        (BENCHMARK, "Interface throughputRate: 250.5", "Interface throughputRate: 25.05", "expected 1000 / moduleLatency of [infer] at most as fast as Interface, 25.05, found 160"),
        (BENCHMARK, "] throughputRate: 99", "] throughputRate: 199", "expected infer at most as fast as 1000 / moduleLatency of [infer], 160, found 199"),
    ],
)  # fmt: skip
def test_a_contradiction_is_said_with_both_numbers(read, text, there, put, problem):
    assert there in text
    found = read(text.replace(there, put, 1))
    assert problem in found["problems"]
    assert (found["consistent"], read(text)["consistent"]) == (False, True)
    assert found["ok"] is (found["throughput"] is not None)
    assert found["runs"][0]["problems"] == found["problems"]


@pytest.mark.parametrize(
    ("text", "there", "put"),
    [
        (AIS, ": 2000.0", ": 1999.5"),
        (AIS, "mean = 2.0", "mean = 2.0001"),
        (TRTEXEC, ": 160 qps", ": 159.9 qps"),
        (TRTEXEC, ": 2.5 s", ": 2.50004 s"),
        (PURE, ": 250.5s", ": 254.5s"),  # a mean of rates
        (BENCHMARK, "8.06452", "8.0645"),
        (BENCHMARK, "latency: 50761.4", "latency: 5.07614e+04"),
    ],
)
def test_what_rounding_explains_is_none(read, text, there, put):
    assert there in text
    found = read(text.replace(there, put, 1))
    assert (found["consistent"], found["problems"]) == (True, [])


def test_a_tools_own_summary_in_busy_seconds_is_none(read):
    # common.infer's: the stages' rates are by their own seconds, so [data read] of several threads may be the slower.
    text = BENCHMARK.replace("e: 125, moduleLatency: 8\n", "e: 50, moduleLatency: 20\n").replace(
        "6.25", "10.101"
    )
    assert read(text)["consistent"] is True


def test_the_mean_of_calls_that_overlap_may_be_below_the_least(read):
    text = AIS.replace("mean = 2.0", "mean = 0.5").replace("mean(2.0): 2000.0", "mean(0.5): 8000.0")
    assert read(text)["consistent"] is True


def test_an_outlier_is_noted_with_the_rate_by_the_median(read):
    notes = read(AIS.replace("max = 2.75", "max = 15.5"))["notes"]
    assert notes == [
        "the slowest call took 7.8 times the mean, which counts it; by the median it is 2285.71 images/s: warm up before measuring"
    ]


FAILED = """\
[INFO] acl init success
EL0003: The argument is invalid.
        open device 5 failed, runtime result = 507033.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:162]
[ERROR] acl open device 5 failed
"""
NOT_SPLIT = "[ERROR] save out files error array shape:(1, 12, 7) filesinfo:[['a.bin', {}]] files_count_perbatch:4 ndata.shape0:1\n"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (FAILED, {"code": "EL0003", "acl_ret": 507033, "device": 5}),
        ("[ERROR] arg1 tensorsize: 150528 filesize: 75264 not match\n", {"arg": 1, "tensorsize": 150528, "filesize": 75264}),
        (NOT_SPLIT.format("'b.bin'"), {"output_shape": [1, 12, 7], "files_count_perbatch": 4, "padding_infer_fake_file": False}),
        (NOT_SPLIT.format("'padding_infer_fake_file'"), {"ndata_shape0": 1, "padding_infer_fake_file": True}),
        ("python3 -m ais_bench --model a.om\nSegmentation fault (core dumped)\n", {}),
        ("[ERROR] Invalid args. ./1.bin of --input is invalid\n", {}),
    ],
)  # fmt: skip
def test_a_failure_of_ais_bench_is_told_with_its_numbers(read, text, more):
    found = read(text)
    assert (found["tool"], found["ok"], found["throughput"], found["consistent"]) == (
        "ais_bench",
        False,
        None,
        None,
    )
    assert found["problems"][0].startswith("the run failed: ")
    assert {name: found[name] for name in more} == more


@pytest.mark.parametrize("text", [AIS, BENCHMARK, MSAME])
def test_figures_of_a_run_that_failed_are_not_ok(read, text):
    found = read(f"{text}[ERROR] device lost\n")
    assert (found["ok"], found["problems"]) == (False, ["the run failed: [ERROR] device lost"])


def test_trtexec_itself_says_how_it_ended(read):
    found = read(TRTEXEC.replace("PASSED", "FAILED"))
    assert (found["ok"], found["result"]) == (False, "FAILED")
    found = read(f"[02/03/2024-04:05:06] [E] [TRT] a tactic did not fit\n{TRTEXEC}")
    assert (found["ok"], found["problems"]) == (True, [])
    assert "errors that the run got over" in found["notes"][0]


def test_a_library_that_is_too_old_is_noted(read):
    words = "[WARNING] aclruntime version:0.0.1 is lower please update aclruntime follow any one method\n"
    assert (read(words)["tool"], read(words)["ok"], read(words)["aclruntime"]) == (
        "ais_bench",
        False,
        "0.0.1",
    )
    assert (read(words + AIS)["ok"], read(words + AIS)["aclruntime"]) == (True, "0.0.1")


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        (AIS[: AIS.index("H2D")], "ais_bench"),
        (BENCHMARK[: BENCHMARK.index("[infer]")], "benchmark"),
        (MSAME[: MSAME.index("Inference average")], "msame"),
        (TRTEXEC[: TRTEXEC.index("[02/")], "trtexec"),
    ],
)
def test_a_printout_that_was_cut_off_is_not_ok(read, text, tool):
    found = read(text)
    assert (found["tool"], found["ok"], found["throughput"]) == (tool, False, None)
    assert found["problems"] == [
        "expected the summary of a run, found none: the printout was cut off, or the run ended early"
    ]


def test_what_can_be_said_of_a_cut_printout_is_said(read):
    assert (
        "2 times are printed, from 19.5 to 24.5 ms, but no summary"
        in read(MSAME[: MSAME.index("Inference av")])["notes"]
    )
    found = read(AIS[: AIS.index("[INFO] throughput")])
    assert (found["ok"], found["throughput"], found["latency_ms"]["p99"]) == (True, 500, 2.5)
    found = read(TRTEXEC[: TRTEXEC.index("[02/03/2024-04:05:06] [I] GPU")])
    assert (found["ok"], found["throughput"], found["latency_ms"]) == (True, 1280, {})


@pytest.mark.parametrize("put", ["nan", "inf", "-nan", "81,5", "-81.5"])
@pytest.mark.parametrize(
    "key", ["Interface throughputRate: ", "throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(2.0): "]
)
def test_a_figure_that_is_none_is_told(read, put, key):
    found = read(BENCHMARK + AIS + f"[infer] {key}{put}\n")
    assert found["ok"] is False
    assert found["problems"][-1].startswith("a figure that is none: ")


@pytest.mark.parametrize(
    ("times", "average", "without", "consistent"),
    [
        ((24.5, 19.5, 20.5), "21.500000", "20.000000", True),
        ((24.5, 19.5, 20.5), "21.500000", None, True),
        ((24.5, 19.5, 20.5), "30.100000", "20.000000", False),
        ((24.5, 19.5, 20.5), "21.500000", "19.000000", False),
        ((24.5, 19.5), "20.250000", "20.000000", None),  # 16 lines were left out
        ((24.5,), "24.500000", None, None),
    ],
)
def test_msames_means_are_those_of_its_batches(read, times, average, without, consistent):
    text = (
        "".join(f"Inference time: {time}ms\n" for time in times) + f"Inference average time: {average} ms\n"
    )
    text += f"Inference average time without first time: {without} ms\n" if without else ""
    found = read(text)
    assert found["consistent"] is consistent
    assert bool(found["problems"]) is (consistent is False)


@pytest.mark.parametrize(
    ("value", "half"),
    [(12.5, 0.05), (0.25, 0.005), (1234567.0, 6.172835), (6.20168e7, 310.084), (3.5e-7, 1.75e-12)],
)
def test_a_printed_number_is_as_near_as_its_digits_say(value, half):
    assert log_checks.slack(value) == pytest.approx(half)
