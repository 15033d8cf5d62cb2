"""trtexec.py: the logs of NVIDIA's trtexec, of TensorRT 7 to 10."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.npu_tools.trtexec import Run, parse, trace

STAMP = "[02/03/2024-04:05:06] [I] "
OLD_LINES = """\
Host Latency
min: 2.25 ms (end to end 2.5 ms)
max: 7.5 ms (end to end 8 ms)
mean: 3.25 ms (end to end 3.5 ms)
median: 3 ms (end to end 3.25 ms)
percentile: 7 ms at 99% (end to end 7.5 ms at 99%)
throughput: 0 qps
walltime: 3.05 s
Enqueue Time
min: 0.5 ms
max: 0.75 ms
median: 0.625 ms
GPU Compute
min: 1.75 ms
max: 5.5 ms
mean: 2.5 ms
median: 2.25 ms
percentile: 5.25 ms at 99%
total compute time: 3 s
"""
NEW_LINES = """\
=== Performance summary ===
Throughput: 395.5 qps
Latency: min = 2.25 ms, max = 7.5 ms, mean = 3.25 ms, median = 3 ms, percentile(99%) = 7 ms
Enqueue Time: min = 0.5 ms, max = 0.75 ms, mean = 0.6 ms, median = 0.625 ms, percentile(99%) = 0.7 ms
H2D Latency: min = 0.1 ms, max = 0.2 ms, mean = 0.15 ms, median = 0.15 ms, percentile(99%) = 0.2 ms
GPU Compute Time: min = 1.75 ms, max = 5.5 ms, mean = 2.5 ms, median = 2.25 ms, percentile(99%) = 5.25 ms
Total Host Walltime: 3.05 s
Total GPU Compute Time: 3 s
"""
NOISE = "[02/03/2024-04:05:06] [W] * GPU compute time is unstable, with coefficient of variance = 13 %.\n"


def log(lines, stamp=STAMP):
    return "".join(f"{stamp}{line}\n" for line in lines.splitlines())


OLD, NEW = log(OLD_LINES), log(NEW_LINES)
PASSED = "&&&& PASSED TensorRT.trtexec # trtexec --onnx=tiny.onnx --fp16 --shapes=image:8x3x4x6 --threads\n"
COMPUTE = {"min": 1.75, "max": 5.5, "mean": 2.5, "median": 2.25, "p99": 5.25}


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        NEW,
        OLD + PASSED,
        NEW + NOISE,
        log(OLD_LINES, ""),
        log(NEW_LINES, "[I] "),
        NEW.replace("\n", "\r\n"),
    ],
)
def test_the_time_of_a_batch_is_read_whatever_the_version(text):
    (run,) = parse(text)
    assert run.times["GPU Compute Time"] == COMPUTE
    assert run.times["Latency"] == {"min": 2.25, "max": 7.5, "mean": 3.25, "median": 3, "p99": 7}
    assert (run.mean_ms, run.walltime_s, run.compute_s) == (2.5, 3.05, 3)
    assert (run.queries, run.queries_per_second) == (1200, 1200 / 3.05)


def test_the_lines_of_a_guide_are_enough():
    text = log(OLD_LINES[OLD_LINES.index("GPU Compute") :])
    assert parse(text) == [Run({"GPU Compute Time": COMPUTE}, compute_s=3)]


def test_averages_of_a_few_calls_are_not_the_summary():
    trace = "Average on 10 runs - GPU latency: 33.6 ms - Host latency: 35 ms (end to end 35.1 ms, enqueue 34.4 ms)\n"
    assert parse(log(trace)) == []
    assert len(parse(log(trace) + NEW)) == 1


def test_other_percentiles_have_names_of_their_own():
    (run,) = parse(
        NEW.replace(
            "percentile(99%) = 5.25", "percentile(90%) = 3 ms, percentile(95%) = 4 ms, percentile(99%) = 5.25"
        )
    )
    assert run.times["GPU Compute Time"] == {**COMPUTE, "p90": 3, "p95": 4}


@pytest.mark.parametrize(
    ("words", "batch_size"),
    [
        ("--shapes=image:16x3x4x6", 16),
        ('--shapes="image:16x3x4x6"', 16),
        ("--shapes=a:8x3,b:8x7", 8),
        ("--shapes=a:8x3,b:9x7", None),
        ("--batch=32", 32),
        ("--minShapes=image:1x3 --optShapes=image:4x3 --maxShapes=image:8x3", 4),
        ("--onnx=tiny.onnx", None),
        ("--batch=0", None),
    ],
)
@pytest.mark.parametrize("banner", ["RUNNING", "PASSED"])
def test_the_batch_size_is_that_of_the_command_line(words, batch_size, banner):
    line = f"&&&& {banner} TensorRT.trtexec [TensorRT v8401] # trtexec {words}\n"
    (run,) = parse(line + NEW if banner == "RUNNING" else NEW + line)
    assert run.batch_size == batch_size


def test_the_batch_size_of_the_inference_options_is_known():
    (run,) = parse(log("Input inference shape: b=4x7\nInput inference shape: a=4x3\n") + NEW)
    assert run.batch_size == 4


def test_several_runs_keep_their_order_and_their_batch_sizes():
    second = PASSED.replace("8x3x4x6", "1x3x4x6")
    runs = parse(NEW + PASSED + OLD.replace("2.5 ms", "1.5 ms") + second + NEW)
    assert [(run.mean_ms, run.batch_size) for run in runs] == [(2.5, 8), (1.5, 1), (2.5, None)]
    assert [run.mean_ms for run in parse(NEW + NEW)] == [2.5, 2.5]


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (" [TensorRT v100900] [b34]", "10.9.0"),
        (" [TensorRT v8401]", "8.4.1"),
        (" [TensorRT v101600]", "10.16.0"),
        ("", None),
    ],
)
@pytest.mark.parametrize("result", ["PASSED", "FAILED"])
def test_how_it_ended_and_with_what(version, name, result):
    (run,) = parse(f"&&&& {result} TensorRT.trtexec{version} # trtexec --onnx=tiny.onnx\n")
    assert (run.result, run.tensorrt, run.mean_ms) == (result, name, None)


EARLY = """\
batch: 32
Average over 10 runs is 2.25 ms (host walltime is 2.5 ms, 99% percentile time is 3).
Average over 10 runs is 2.75 ms (host walltime is 3 ms, 99% percentile time is 3.5).
"""


def test_early_versions_print_means_of_a_few_calls_only():
    (run,) = parse(EARLY)
    assert (run.mean_ms, run.batch_size, run.implicit, run.averages) == (2.5, 32, True, [2.25, 2.75])
    assert [each.mean_ms for each in parse(EARLY + "&&&& PASSED TensorRT.trtexec # ./trtexec\n" + EARLY)] == [
        2.5,
        2.5,
    ]


def test_statistics_may_stand_below_their_heading_without_their_signs():
    text = "[I] GPU Compute Time: \nmin = 1.75 ms, \nmax = 5.5 ms, \nmean = 2.5 ms, \nmedian = 2.25 ms\n"
    assert parse(text)[0].times == {
        "GPU Compute Time": {name: COMPUTE[name] for name in ("min", "max", "mean", "median")}
    }


def test_a_statistic_whose_heading_was_left_out_is_no_others():
    kept = [line for line in OLD.splitlines() if "Enqueue" not in line and "min: 0.5" not in line]
    (run,) = parse("\n".join(kept))
    assert run.times["Latency"] == {"min": 2.25, "max": 7.5, "mean": 3.25, "median": 3, "p99": 7}


@pytest.mark.parametrize(
    ("lines", "batch_size", "implicit"),
    [
        ("Input binding for image with dimensions 16x3x4x6 is created.", 16, False),
        ("Created input binding for a with dimensions 4x3x6x6\nCreated input binding for b with dimensions 4x7", 4, False),
        ("Input binding for a with dimensions 4x3\nInput binding for b with dimensions 1x3", None, False),
        ("Created input binding for data with dimensions 3x4x6", None, False),  # perhaps without an axis for the batch
        ("Batch: 8\nCreated input binding for data with dimensions 3x4x6x6", 8, True),
        ("Batch: Explicit\nInput inference shape : image=2x3x4x6", 2, False),
        ("Output binding for image with dimensions 16x3 is created.", None, False),
    ],
)  # fmt: skip
def test_the_batch_size_is_that_of_the_inputs(lines, batch_size, implicit):
    (run,) = parse(log(lines) + NEW)
    assert (run.batch_size, run.implicit) == (batch_size, implicit)


def test_what_is_said_of_the_measurement_is_kept():
    lines = "Streams: 2\nTensorRT version: 8.5.2\nTiming trace has 1198 queries over 3.05 s\n"
    bound = "* Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized.\n"
    (run,) = parse(log(lines) + NEW + log(bound) + NOISE)
    assert (run.streams, run.tensorrt, run.counted, run.queries) == (2, "8.5.2", 1198, 1198)
    assert (run.unstable_pct, run.warnings) == (13, [bound[2:].strip()])
    (run,) = parse(log("Timing trace has 0 queries over 3.05 s") + NEW)
    assert run.queries == 1200


def test_the_means_before_the_summary_tell_of_a_log_that_was_cut_off():
    text = log("Average on 10 runs - GPU latency: 33.5 ms - Host latency: 35 ms (enqueue 34.5 ms)\n")
    assert (trace(text * 2), parse(text * 2)) == ([33.5, 33.5], [])


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("&&&& PASSED TensorRT_RTX.tensorrt_rtx [TensorRT-RTX v1.2.0]", "1.2.0"),
        ("&&&& PASSED TensorRT.trtexec [TensorRT v8503] # C:\\trt\\trtexec.exe", "8.5.3"),
        ("&&&& PASSED TensorRT.giexec # ./giexec", None),
    ],
)
def test_kin_of_trtexec_end_alike(banner, version):
    (run,) = parse(f"{NEW}{banner}\n")
    assert (run.result, run.tensorrt, run.mean_ms) == ("PASSED", version, 2.5)


@pytest.mark.parametrize(
    "stamp",
    ["2024-02-03T04:05:06.789Z [02/03/2024-04:05:06] [I] ", "node-0 | INFO | [I] ", "[02/03/2024-04:05:06] "],
)
def test_other_programs_may_put_their_own_before_a_line(stamp):
    (run,) = parse(log(NEW_LINES, stamp))
    assert (run.mean_ms, run.throughput) == (2.5, 395.5)


LINES = [*OLD.splitlines(), *NEW.splitlines(), *PASSED.splitlines(), NOISE]


@given(st.lists(st.sampled_from(LINES)), st.text(max_size=20))
def test_any_order_of_lines_is_read(lines, noise):
    for run in parse(f"\n{noise}\n".join(lines)):
        assert run.mean_ms is None or run.mean_ms in (2.5, 3.25)


@given(
    st.sampled_from([OLD, NEW + PASSED]),
    st.integers(0, 800),
    st.text("0123456789.,:=()%e+-[]& \r\n\x1b", max_size=4),
    st.integers(0, 40),
)
def test_a_damaged_log_is_read_or_not(text, at, put, cut):
    for run in parse(text[:at] + put + text[at + cut :]):
        assert run.queries is None or run.queries >= 0
