"""benchmark_tool.py: the performance summaries of the vendor's benchmark, in all the forms seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.npu_tools.benchmark_tool import Run, parse

SUMMARY = """\
-----------------Performance Summary------------------
[e2e] throughputRate: 40.5, latency: 1.5e+05
[data read] throughputRate: 90.25, moduleLatency: 11.0803
[preprocess] throughputRate: 88, moduleLatency: 11.3636
[infer] throughputRate: 41.5, Interface throughputRate: 52.75, moduleLatency: 19.2
[post] throughputRate: 41.25, moduleLatency: 24.2424
-----------------------------------------------------------
"""
FIGURES = {
    "e2e": {"throughputRate": 40.5, "latency": 150000},
    "data read": {"throughputRate": 90.25, "moduleLatency": 11.0803},
    "preprocess": {"throughputRate": 88, "moduleLatency": 11.3636},
    "infer": {"throughputRate": 41.5, "Interface throughputRate": 52.75, "moduleLatency": 19.2},
    "post": {"throughputRate": 41.25, "moduleLatency": 24.2424},
}
PURE = """\
[INFO] Dataset number: 18 finished cost 31.5ms
[INFO] PureInfer result saved in ./result/PureInfer_perf_of_tiny_bs8_in_device_3.txt
-----------------PureInfer Performance Summary------------------
[INFO] ave_throughputRate: 256.5samples/s, ave_latency: 3.89864ms
----------------------------------------------------------------
"""
PURE_FIGURES = {"pure_infer": {"ave_throughputRate": 256.5, "ave_latency_ms_per_sample": 3.89864}}


@pytest.mark.parametrize(
    "text",
    [
        SUMMARY,
        SUMMARY.replace("[infer]", "[inference]").replace("[post]", "[postprocess]"),
        SUMMARY.replace("52.75,", "52.75"),  # a comma is missing
        SUMMARY.replace("[", "[INFO] ["),
        SUMMARY.replace("\n", "\r\n"),
        SUMMARY.replace("\n", ""),  # all in one line
        SUMMARY.replace("moduleLatency: 19.2", "moduleLatency:                    19.2"),
        SUMMARY.replace(": ", " = "),
        "\n".join(reversed(SUMMARY.splitlines()[1:])),
        f"{SUMMARY}[covers] inputs: 5, runs: 2, results there: 6\n",
        SUMMARY.replace("[infer]", "\x1b[32m[infer]\x1b[0m"),
        SUMMARY.replace("[data read]", "99%|#####    | 9/10\r[data read]"),
    ],
)
def test_figures_are_read_by_label_and_key(text):
    assert parse(text) == [Run(FIGURES)]
    assert parse(text)[0].chip_rate == 52.75


@pytest.mark.parametrize(
    "text",
    [
        "[inference] Interface throughputRate: 1.5",
        "  [infer] Interface throughputRate:1.5\n",
        "Interface throughputRate: 1.5",
        "[INFO] Interface throughputRate: 1.5, moduleLatency: 9",
    ],
)
def test_a_line_may_stand_alone(text):
    (run,) = parse(text)
    assert (run.chip_rate, run.pure, run.batch_size, run.device) == (1.5, False, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Interface throughputRate: 1.6713 * 4 = 6.6852 is the card's",  # a guide's words
        "Interface throughputRate: 1000 * batch size / mean",
        "[infer] Interface throughputRate: fast",
        "[infer] Interface throughputRate: 1.2.3",
        "[infer] Interface throughputRate: 1e999",
        "throughputRate: 5",
    ],
)
def test_other_words_are_no_figures(text):
    assert [run for run in parse(text) if run.chip_rate is not None] == []


def test_pure_inference_on_stdout_and_in_its_file():
    assert parse(PURE) == [Run(PURE_FIGURES, batch_size=8, device=3)]
    in_file = parse("ave_throughputRate = 256.5samples/s, ave_latency = 3.89864ms\n")
    assert in_file == [Run(PURE_FIGURES)]
    assert (in_file[0].pure, in_file[0].chip_rate) == (True, 256.5)


def test_the_times_of_single_calls_are_kept_with_pure_inference():
    first, second = parse(PURE + PURE.replace("number: 18", "number: 0").replace("31.5ms", "30ms"))
    assert (first.calls, second.calls) == ({18: 31.5}, {0: 30})
    assert parse(SUMMARY)[0].calls == {}


def test_several_runs_keep_their_order_and_their_batch_sizes():
    def command(batch_size, device):
        return f"./benchmark.x86_64 -model_type=vision -device_id={device} -batch_size={batch_size} -om_path=a.om\n"

    text = command(1, 0) + SUMMARY + command(16, 2) + SUMMARY.replace("52.75", "60") + PURE
    assert [(run.chip_rate, run.batch_size, run.device) for run in parse(text)] == [
        (52.75, 1, 0),
        (60, 16, 2),
        (256.5, 8, 3),
    ]
    bare = parse("[infer] Interface throughputRate: 3\n[infer] Interface throughputRate: 4\n")
    assert [run.chip_rate for run in bare] == [3, 4]


def test_a_run_that_broke_off_takes_nothing_from_the_next():
    broken = "".join(SUMMARY.splitlines(keepends=True)[:3])
    first, second = parse(broken + SUMMARY)
    assert (first.chip_rate, second) == (None, Run(FIGURES))


def test_what_common_infer_prints_below_its_figures_is_of_them():
    text = f"{SUMMARY}out/perf_vision_batchsize_4_device_0.txt: performance of 9 inputs\n"
    pure = f"{PURE}[batch] size: 2, runs: 20, seconds: mean 0.1\n"
    assert [run.batch_size for run in parse(text + text.replace("_4_", "_16_") + pure)] == [4, 16, 2]


LINES = [*SUMMARY.splitlines(), *PURE.splitlines()]


@given(st.lists(st.sampled_from(LINES)), st.text(max_size=30))
def test_any_order_of_lines_is_read(lines, noise):
    found = parse(f"\n{noise}\n".join(lines))
    assert all(run.figures for run in found)


@given(
    st.integers(0, len(SUMMARY) - 1), st.text("0123456789.,:=e+-[] \r\n\x1b", max_size=4), st.integers(0, 30)
)
def test_a_damaged_summary_is_read_or_not(at, put, cut):
    for run in parse(SUMMARY[:at] + put + SUMMARY[at + cut :]):
        assert run.chip_rate is None or run.chip_rate >= 0


RATES = st.floats(1e-3, 1e7)


@given(rate=RATES, digits=st.integers(3, 17), batch_size=st.integers(1, 1024), device=st.integers(0, 63))
def test_every_rate_comes_back(rate, digits, batch_size, device):
    printed = f"{rate:.{digits}g}"
    command = f"./benchmark -device_id={device} -batch_size={batch_size}\n"
    assert parse(
        f"{command}[infer] throughputRate: 1, Interface throughputRate: {printed}, moduleLatency: 2"
    ) == [
        Run(
            {"infer": {"throughputRate": 1, "Interface throughputRate": float(printed), "moduleLatency": 2}},
            batch_size,
            device,
        )
    ]
