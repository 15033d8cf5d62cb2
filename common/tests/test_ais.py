"""ais.py: the logs and summaries of ais_infer, ais_bench and msit benchmark, of all generations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.npu_tools.ais import Run, parse
from common.npu_tools.ais_failure import Failure, failure
from common.npu_tools.printouts import telling

TIMES = {"min": 1.5, "max": 9.25, "mean": 2.0, "median": 1.75, "p99": 8.5}
COPY = {"min": 0.5, "max": 0.5, "mean": 0.5, "median": 0.5, "p99": 0.5}
COMPUTE_LINE = (
    "[INFO] NPU_compute_time (ms): min = 1.5, max = 9.25, mean = 2.0, median = 1.75, percentile(99%) = 8.5\n"
)
COPY_LINE = "[INFO] H2D_latency (ms): min = 0.5, max = 0.5, mean = 0.5, median = 0.5, percentile(99%) = 0.5\n"
HEAD = "[INFO] -----------------Performance Summary------------------\n"
END = "[INFO] ------------------------------------------------------\n"
RATE = "[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(2.0): 2000.0\n"
LOG = HEAD + COMPUTE_LINE + RATE + END
ONE = Run({"NPU_compute_time": TIMES}, throughput=2000, batch_size=4, mean_ms=2)
GRID = """\
+-----------------------+--------+--------+--------+----------+--------+
| Metric                |    min |    max |   mean |   median |    P99 |
+=======================+========+========+========+==========+========+
| NPU_compute_time (ms) | 1.5000 | 9.2500 | 2.0000 |   1.7500 | 8.5000 |
+-----------------------+--------+--------+--------+----------+--------+
"""
FANCY = GRID.replace("+", "\u256a").replace("|", "\u2502")


@pytest.mark.parametrize(
    "text",
    [
        LOG,
        LOG.replace("batchsize.mean(4)", "batchsize(4)"),
        LOG.replace("batchsize.mean(4)", "batchsize.mean(4.0)"),
        LOG.replace("1000*batchsize.mean(4)/NPU_compute_time.mean(2.0)", "(1000*batchsize/NPU_compute_time)"),
        LOG.replace("throughput", "Throughput"),
        LOG.replace("1000*batchsize.mean(4)/NPU_compute_time.mean(2.0)", ""),
        LOG.replace("percentile(99%)", "P99"),
        LOG.replace("[INFO] ", "2024-02-03 04:05:06,789 - 77 - msit_benchmark_logger - INFO - "),
        LOG.replace("[INFO] ", ""),
        LOG.replace("\n", "\r\n"),
        HEAD + GRID + RATE + END,
        HEAD + FANCY + RATE + END,
        f"[INFO] warm up 1 done\nInference array Processing:  50%|##   | 1/2\rloop inference exec: (2/2)\n{LOG}",
        f"[INFO] try get model batchsize:4\n[WARNING] aclruntime is older\n{LOG}[INFO] unload model success\n",
    ],
)
def test_a_run_is_read_whatever_the_generation(text):
    assert parse(text).runs == [ONE]
    assert parse(text).runs[0].consistent is True
    assert failure(text) is None


def test_a_line_may_stand_alone():
    assert parse(RATE).runs == [Run({}, 2000, 4, 2)]
    assert parse("[INFO] throughput: 12.5\n").runs == [Run({}, 12.5)]
    assert parse("[INFO] throughput: 12.5\n").runs[0].consistent is None
    assert parse(COMPUTE_LINE).runs == [Run({"NPU_compute_time": TIMES}, mean_ms=2)]


def test_copies_are_told_from_computation():
    (run,) = parse(HEAD + COPY_LINE + COMPUTE_LINE + COPY_LINE.replace("H2D", "D2H") + RATE).runs
    assert run.times == {"H2D_latency": COPY, "NPU_compute_time": TIMES, "D2H_latency": COPY}
    assert run.mean_ms == 2


@pytest.mark.parametrize(
    ("text", "throughput"),
    [
        (RATE.replace(": 2000.0", ": 112.5"), 112.5),
        (RATE.replace(": 2000.0", ": 2003"), 2003),
        (RATE.replace(": 2000.0", ": 0"), 0),
        (RATE.replace("mean(2.0)", "mean(0)"), 2000),
        (HEAD + COMPUTE_LINE + "[INFO] throughput (1000*batchsize/NPU_compute_time): 760", 760),
    ],
)
def test_a_figure_that_contradicts_its_formula_is_told(text, throughput):
    (run,) = parse(text).runs
    assert (run.throughput, run.consistent) == (throughput, False)


def test_rounded_digits_do_not_contradict():
    assert parse(RATE.replace(": 2000.0", ": 1999.5")).runs[0].consistent is True


def test_a_mean_batch_size_of_dynamic_shapes_is_kept():
    text = RATE.replace("mean(4)", "mean(2.5)").replace(": 2000.0", ": 1250")
    assert parse(text).runs == [Run({}, 1250, 2.5, 2)]
    assert parse(text).runs[0].consistent is True


DEVICES = """\
[INFO] multidevice run end qsize:4 result:1
i:0 device_4 throughput:2000.0 start_time:16.5 end_time:17.25
i:1 device_6 throughput:1000.0 start_time:16.5 end_time:17.5
[INFO] summary throughput:3000.0
"""


@pytest.mark.parametrize("swapped", [False, True])
def test_several_devices_keep_their_runs(swapped):
    logs = [LOG, LOG.replace("2.0", "4.0").replace("2000", "1000")]
    log = parse("".join(reversed(logs) if swapped else logs) + DEVICES)
    assert (log.devices, log.total) == ({4: 2000, 6: 1000}, 3000)
    assert {run.device: run.throughput for run in log.runs} == log.devices


def test_devices_as_fast_as_each_other_are_told_apart():
    log = parse(LOG + LOG + DEVICES.replace("1000.0", "2000.0"))
    assert [run.device for run in log.runs] == [4, 6]


def test_calls_with_several_devices_one_after_the_other():
    slow = LOG.replace("2.0", "4.0").replace("2000", "1000")
    log = parse(LOG + slow + DEVICES + slow + slow + DEVICES.replace("2000", "1000").replace("3000", "2000"))
    assert [(run.device, run.throughput) for run in log.runs] == [(4, 2000), (6, 1000), (4, 1000), (6, 1000)]
    assert [(each.devices, each.total) for each in log.several] == [
        ({4: 2000, 6: 1000}, 3000),
        ({4: 1000, 6: 1000}, 2000),
    ]
    assert (log.devices, log.total) == ({}, None)


def test_a_device_that_was_named_twice():
    log = parse(
        LOG + LOG + DEVICES.replace("1000", "2000").replace("3000", "4000").replace("device_6", "device_4")
    )
    assert (log.devices, log.total) == ({4: 4000}, 4000)


def test_devices_whose_summaries_are_missing():
    assert [(run.device, run.throughput) for run in parse(DEVICES).runs] == [(4, 2000), (6, 1000)]


def test_several_runs_keep_their_order():
    runs = parse(
        LOG + COMPUTE_LINE.replace("2.0", "8.0") + LOG + RATE.replace("(4)", "(8)").replace("2000", "4000")
    ).runs
    assert [(run.throughput, run.mean_ms, run.batch_size) for run in runs] == [
        (2000, 2, 4),
        (None, 8, None),
        (2000, 2, 4),
        (4000, 2, 8),
    ]


JSON = {
    "filesinfo": {"0": {"infiles": [["a.bin"]], "outfiles": ["a_0.bin"]}},
    "args": ["ais_bench", "--model", "tiny.om"],
    "NPU_compute_time": {
        "min": 1.5,
        "max": 9.25,
        "mean": 2.0,
        "median": 1.75,
        "percentile(99%)": 8.5,
        "count": 3,
    },
    "H2D_latency": {"min": 0.5, "max": 0.5, "mean": 0.5, "median": 0.5, "percentile(99%)": 0.5},
    "throughput": 2000.0,
    "npu_compute_time_list": [1.5, 1.75, 2.75],
    "pid": 7,
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JSON),
        json.dumps(JSON, indent=4),
        json.dumps(JSON).replace("percentile(99%)", "P99"),
        json.dumps(JSON)[json.dumps(JSON).index('"NPU_compute_time"') :],  # a piece, as guides quote it
        json.dumps(JSON, indent=2)[json.dumps(JSON, indent=2).index('"args"') :].rstrip("}\n"),
        f"# sumary.json\n{json.dumps(JSON, indent=1)}",
    ],
)
def test_a_summary_file_is_read_whole_or_in_pieces(text):
    (run,) = parse(text).runs
    assert run == Run({"NPU_compute_time": TIMES, "H2D_latency": COPY}, 2000, 4, 2)
    assert run.consistent is True


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", "7", '"throughput"', '{"throughput": null}', '{"throughput": "fast"}', '{"throughput": [1]}',
     '{"NPU_compute_time": 3}', '{"NPU_compute_time": {"mean": "x"}}', '{"throughput": NaN}', "[" * 5000, "throughput: fast",
     "Throughput: 12.5 qps", "[I] throughput: 0 qps", "summary throughput:5", '"throughput": 1.2.3'],
)  # fmt: skip
def test_what_says_nothing_has_no_figure(text):
    assert [run for run in parse(text).runs if run.throughput is not None or run.mean_ms is not None] == []


def test_what_a_log_says_of_a_failure():
    text = (
        "[INFO] acl init success\nEL004: The argument is wrong.\n\tFailed to open device,retCode=0x7,deviceId=3.\n"
        "\topen device 3 failed,runtime result = 507008.[FUNC:Report]\n[ERROR] acl open device 3 failed\n"
        "SetDevice failed.ret=507008\n"
    )
    found = failure(text)
    assert (found.code, found.returned, found.device, found.mismatch) == ("EL004", 507008, 3, None)
    assert "SetDevice failed.ret=507008" in found.lines
    assert parse(text).runs == []
    sizes = "[INFO] try get model batchsize:1\n[ERROR] arg1 tensorsize: 4096 filesize: 2048 not match\n"
    assert failure(sizes) == Failure((sizes.splitlines()[1],), None, None, None, (1, 4096, 2048))


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] load model from file failed, model file is tiny.om",
        "RuntimeError:[1][ACL:invalid parameter]",
        "[ERROR] save out files error array shape:(1, 2) filesinfo:[['a.bin']]",
        "EZ9999: Inner Error!",
        "E39999: [PID: 7] 2024-02-03-04:05:06.789 Inner Error",
        "\x1b[31m[ERROR]\x1b[0m no device",
        "Segmentation fault (core dumped)",
        "ModuleNotFoundError: No module named 'aclruntime'",
    ],
)
def test_lines_of_failures_are_known(line):
    assert failure(f"[INFO] acl init success\n{line}\n{LOG}") is not None


@pytest.mark.parametrize(
    "line", ["[INFO] unload model success", "[WARNING] 2 files not used", "retry 1, error rate: 0", "E2E: 5"]
)
def test_other_lines_are_no_failure(line):
    assert failure(line) is None


PIECES = [*LOG.splitlines(), *GRID.splitlines(), *DEVICES.splitlines(), COPY_LINE, json.dumps(JSON)]


@given(st.lists(st.sampled_from(PIECES), max_size=15), st.text(max_size=20))
def test_any_order_of_lines_is_read(pieces, noise):
    text = f"\n{noise}\n".join(pieces)
    failure(text)
    for run in parse(text).runs:
        assert run.times or run.throughput is not None


@given(
    st.sampled_from([LOG, HEAD + FANCY + RATE, json.dumps(JSON), DEVICES]),
    st.integers(0, 400),
    st.text('0123456789.,:=()*/e+-[]{}" %|\u2502\u00b2\u0663\r\n', max_size=4),
    st.integers(0, 30),
)
def test_a_damaged_log_is_read_or_not(text, at, put, cut):
    damaged = text[:at] + put + text[at + cut :]
    failure(damaged)
    for run in parse(damaged).runs:
        assert run.consistent in (True, False, None)


@given(mean=st.floats(1e-3, 1e5), batch_size=st.integers(1, 1024), factor=st.floats(0.1, 10))
def test_a_throughput_is_consistent_with_its_own_formula_only(mean, batch_size, factor):
    throughput = 1000 * batch_size / mean * factor
    text = (
        f"[INFO] throughput 1000*batchsize.mean({batch_size})/NPU_compute_time.mean({mean}): {throughput}\n"
    )
    assert parse(text).runs == [Run({}, throughput, batch_size, mean)]
    if abs(factor - 1) < 0.9e-3:
        assert parse(text).runs[0].consistent is True
    elif not 0.99 < factor < 1.01:
        assert parse(text).runs[0].consistent is False


def test_what_is_said_beside_the_figures_is_kept():
    energy = "[INFO] NPU ID:4 energy consumption(J):59.5\n"
    old = "[WARNING] aclruntime version:0.0.1 is lower please update aclruntime follow any one method\n"
    log = parse(f"{old}[INFO] open device 2 success\n{LOG}{energy}")
    assert (log.joules, log.lower, log.runs[0].device) == ({4: 59.5}, "0.0.1", 2)
    assert parse("[WARNING] aclruntime0.0.1 version is lower please update\n").lower == "0.0.1"


def test_a_summary_file_below_its_printout_is_no_second_run():
    assert parse(LOG + json.dumps(JSON)).runs == [ONE]
    assert len(parse(LOG + json.dumps({**JSON, "throughput": 1000.0})).runs) == 2


def test_pieces_of_several_summary_files_are_several_runs():
    piece = '"NPU_compute_time": {"min": 1.5, "max": 3, "mean": 2.0},\n"throughput": %s\n'
    assert [run.throughput for run in parse(piece % 2000.0 + piece % 500.0).runs] == [2000, 500]


@pytest.mark.parametrize(
    ("calls", "overlapping"), [([1.5, 1.75], False), ([[0.5, 2.0], [1.0, 3.0]], True), ([], False)]
)
def test_calls_that_overlap_are_told_by_their_list(calls, overlapping):
    (run,) = parse(json.dumps({**JSON, "npu_compute_time_list": calls})).runs
    assert (run.overlapping, run.old) == (overlapping, False)


def test_several_threads_print_a_mean_only():
    text = HEAD + "[INFO] NPU_compute_time (ms): mean = 2.0\n" + RATE
    assert parse(text).runs == [Run({"NPU_compute_time": {"mean": 2}}, 2000, 4, 2)]


def test_the_telling_lines_of_a_file_are_enough():
    noise = "[INFO] load /a/b\n" * 3
    assert parse(telling(noise + LOG), noise + LOG).runs == [ONE]
    assert parse("", json.dumps(JSON)).runs[0].throughput == 2000


@pytest.mark.parametrize("padded", [True, False])
def test_an_output_that_cannot_be_split_is_told_with_its_sizes(padded):
    name = "padding_infer_fake_file" if padded else "b.bin"
    found = failure(
        f"[ERROR] save out files error array shape:(1, 12, 7) filesinfo:[['a.bin', '{name}']] "
        "files_count_perbatch:4 ndata.shape0:1\n"
    )
    assert (found.not_split, found.padded) == (((1, 12, 7), 4, 1), padded)
