"""The throughput of a card: its arithmetic, what files say of it, and the command that puts it beside the guide's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.testing.reference import root
from common.npu_tools import ais, ais_failure, benchmark_tool, trtexec
from common.npu_tools.measured import Measurement, read
from common.report.throughput import (
    CHIPS,
    Best,
    batch_rate,
    best,
    best_ratio,
    card_of,
    card_rate,
    ratios,
    run_rate,
    verdict,
)
from common.throughput import main
from tests.conftest import refused, wrong_usage

BENCHMARK = "[infer] throughputRate: 90, Interface throughputRate: {}, moduleLatency: 11\n"
AIS = "[INFO] throughput 1000*batchsize.mean({})/NPU_compute_time.mean({}): {}\n"
TRTEXEC = "[I] GPU Compute Time: min = 1 ms, max = 99 ms, mean = {} ms, median = 2 ms\n"
PASSED = "&&&& PASSED TensorRT.trtexec # trtexec --onnx=tiny.onnx --shapes=image:{}x3x4x6\n"


def test_a_card_has_the_chips_that_the_guides_count():
    assert (CHIPS["310"], CHIPS["310P"], CHIPS["T4"]) == (4, 1, 1)
    assert (card_rate(100.5, 4), card_rate(100.5, 1)) == (402, 100.5)
    assert (batch_rate(4, 1), batch_rate(4, 16)) == (250, 4000)
    assert run_rate(1000, 4) == 250


@pytest.mark.parametrize(
    ("device", "card"),
    [
        ("310", "310"),
        ("310P", "310P"),
        ("310p", "310P"),
        ("310P3", "310P"),
        ("Ascend310", "310"),
        ("Ascend310P3", "310P"),
        ("310P AOE", "310P"),
        ("310 tuned", "310"),
        ("t4", "T4"),
        ("GPU", "GPU"),
        ("310B1", None),
        ("910B4", None),
        ("", None),
        ("1310", None),
    ],
)
def test_a_device_is_known_by_any_of_its_names(device, card):
    assert card_of(device) == card


RATES = st.dictionaries(st.integers(1, 1024), st.floats(1e-3, 1e6), min_size=1)


@given(RATES, RATES)
def test_ratios_are_of_batch_sizes_and_the_best_of_bests(of, to):
    found = ratios(of, to)
    assert found.keys() == of.keys() & to.keys()
    assert all(found[size] == of[size] / to[size] for size in found)
    assert best(of).rate == max(of.values()) == of[best(of).batch_size]
    assert best_ratio(of, to) == max(of.values()) / max(to.values())
    assert verdict(of, {"to": best_ratio(of, to)}, {"to": to}) == "PASS"
    assert verdict(of, {"to": 1.001 * best_ratio(of, to)}, {"to": to}) == "FAIL"


def test_the_best_is_the_smallest_batch_of_the_highest_rate():
    assert best({16: 5.0, 4: 5.0, 1: 2.0}) == Best(4, 5.0)


def test_a_verdict_needs_all_that_is_asked():
    columns = {"310": {1: 10.0}, "T4": {1: 20.0}}
    assert verdict({1: 30}, {"310": 1.2, "T4": 1.6}, columns) == "FAIL"
    assert verdict({1: 30}, {"310": 1.2, "T4": 1.5}, columns) == "PASS"
    assert verdict({1: 30}, {}, columns) == "none"


@pytest.fixture
def there(write_model, monkeypatch, tmp_path):
    """Stand in a model directory; write the printouts of tools there."""
    monkeypatch.chdir(write_model())

    def write(text, name="printed.log"):
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("perf_vision_batchsize_16_device_0.txt", BENCHMARK.format(80), ("benchmark", 80, 16)),
        ("query_perf_vision_batchsize_1_device_0.txt", BENCHMARK.format(80), ("benchmark", 80, 1)),
        ("PureInfer_perf_of_a_bs8_in_device_2.txt", "ave_throughputRate = 80samples/s, ave_latency = 12.5ms", ("benchmark", 80, 8)),
        ("any.txt", BENCHMARK.format(80), ("benchmark", 80, None)),
        ("any.txt", BENCHMARK.format(80) + "[batch] size: 0\n", ("benchmark", 80, None)),
        ("ais_bs8.log", AIS.format(8, 2.0, 4000), ("ais_bench", 4000, 8)),
        ("ais.log", b"\xff\xfe\n" + AIS.format(8, 2.0, 4000).encode(), ("ais_bench", 4000, 8)),
        ("ais.log", AIS.format(8, 2.0, 4000).encode("utf-16"), ("ais_bench", 4000, 8)),
        ("evaluate.log", "sample data\n500 inputs in 4.0 s, 125.00 inputs/s; in the network alone 2.0 s\n", ("evaluate.py", 125, None)),
    ],
)  # fmt: skip
def test_a_file_is_read_whichever_tool_wrote_it(there, name, text, expected):
    (found,) = read(there(text, name))
    assert (found.tool, found.images_per_second, found.batch_size) == expected


def test_the_time_of_a_batch_is_no_rate_yet(there):
    assert read(there(TRTEXEC.format(2.5))) == [Measurement("trtexec", None, 2.5, None, None, pure=True)]
    assert read(there("[INFO] NPU_compute_time (ms): min = 1, max = 3, mean = 2.5, median = 2\n")) == [
        Measurement("ais_bench", None, 2.5, None)
    ]


def test_a_summary_of_random_data_is_pure_inference(there):
    files = {"0": {"infiles": [], "outfiles": ["pure_infer_data_0.bin"]}}
    times = {"min": 1, "max": 3, "mean": 2.0, "median": 2, "percentile(99%)": 3}
    path = there(
        json.dumps({"filesinfo": files, "NPU_compute_time": times, "throughput": 4000.0}), "sumary.json"
    )
    assert read(path) == [Measurement("ais_bench", 4000, None, 8, None, pure=True)]


def test_all_runs_of_a_file_are_read(there):
    found = read(there(BENCHMARK.format(80) + AIS.format(8, 2.0, 4000) + BENCHMARK.format(90)))
    assert sorted(each.images_per_second for each in found) == [80, 90, 4000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected figures as benchmark, ais_infer, ais_bench, msame, trtexec, common.infer or evaluate.py print them, found none"),
        (b"\x00\x01\xff", "expected figures as benchmark"),
        (AIS.format(16, 2.0, 112.5), "the throughput contradicts itself: expected 1000 x batch size 16 / mean 2 ms, found 112.5"),
        ("[ERROR] acl open device 0 failed\n", "expected the figures of a run that ended well, found: [ERROR] acl open"),
        (f"EZ9999: Inner Error\n{AIS.format(8, 2.0, 4000)}", "expected the figures of a run that ended well, found: EZ9999:"),
        (f"[ERROR] {'x' * 5000}\n", f"expected the figures of a run that ended well, found: [ERROR] {'x' * 192}; measure"),
        (BENCHMARK.format(80) + BENCHMARK.format("82,9"), "expected figures above 0, as in 82.9, found 'throughputRate: 82,9'"),
        (BENCHMARK.format(80) + BENCHMARK.format("inf"), "expected figures above 0, as in 82.9, found 'throughputRate: inf'"),
        (BENCHMARK.format(80) + BENCHMARK.format("-nan"), "expected figures above 0, as in 82.9, found 'throughputRate: -nan'"),
        (BENCHMARK.format(80) + BENCHMARK.format(-80), "expected figures above 0, as in 82.9, found 'throughputRate: -8'"),
        ("[INFO] ave_throughputRate: infsamples/s, ave_latency: 0ms\n", "expected figures above 0, as in 82.9, found 'throughputRate: infsamples'"),
        ('{"NPU_compute_time": {"mean": 2.0}, "throughput": NaN}', "expected figures above 0, as in 82.9, found 'throughput\": NaN'"),
        (TRTEXEC.format(2) + TRTEXEC.format("nan"), "expected figures above 0, as in 82.9, found 'mean = nan'"),
        (TRTEXEC.format(144), "the times contradict themselves: expected a mean from 1 to 99 ms, found 144"),
        ('{"NPU_compute_time": {"mean": Infinity}, "throughput": 50}', "expected figures above 0, as in 82.9, found 'mean\": Infinity'"),
        ("NPU_compute_time (ms): min = 1, max = 3, mean = 0.5, median = 2\n", "the times contradict themselves: expected a mean from 1 to 3 ms, found 0.5"),
        ("&&&& FAILED TensorRT.trtexec # trtexec\n", "expected the figures of a run that ended well, found: &&&& FAILED"),
    ],
)  # fmt: skip
def test_what_is_no_measurement_is_refused_with_its_words(there, text, message):
    path = there(text)
    with refused(f"{path}: {message}", whole=False):
        read(path)


@pytest.mark.parametrize("text", [AIS.format(8, 2.0, 4000), TRTEXEC.format(2.5) + PASSED.format(8)])
def test_a_name_that_contradicts_the_printout_is_refused(there, text):
    path = there(text, "measured_bs4.log")
    words = "expected one batch size, found 4 as its name says, 8 as is printed in it"
    with refused(f"{path}: {words}", whole=False):
        read(path)
    assert len(read(there(text + AIS.format(4, 2.0, 2000), "measured_bs4.log"))) == 2


def test_words_that_begin_like_no_number_are_none(there):
    text = "[INFO] throughput: infer begins, mean: nano\n" + AIS.format(8, 2.0, 4000)
    assert [each.batch_size for each in read(there(text))] == [8]


def test_the_guides_table_its_ratios_and_its_best(there, capsys):
    assert main([]) == 0
    assert capsys.readouterr().out == (
        "Tiny: images per second and card, as the guide documents them\n"
        "\n"
        "| batch | 310 | 310P |  T4 | 310P/310 | 310P/T4 |\n"
        "| ----: | --: | ---: | --: | -------: | ------: |\n"
        "|     1 | 400 |  700 | 250 |   1.7500 |  2.8000 |\n"
        "|     4 | 600 | 1500 | 500 |   2.5000 |  3.0000 |\n"
        "|  best | 600 | 1500 | 500 |   2.5000 |  3.0000 |\n"
        "\n"
        "best batch size: 4 on 310, 4 on 310P, 4 on T4\n"
        "the guide accepts 1.2 times 310 on 310P, best to best; it has 2.5000\n"
        "the guide accepts 1.6 times T4 on 310P, best to best; it has 3.0000\n"
    )


@pytest.mark.parametrize(
    ("rate", "verdict", "status"), [(800, "PASS", 0), (799.9, "FAIL", 1), (720, "FAIL", 1), (5000, "PASS", 0)]
)
def test_ones_own_figure_stands_beside_them(there, capsys, rate, verdict, status):
    path = there(BENCHMARK.format(rate), "perf_vision_batchsize_4_device_0.txt")
    assert main([str(path), "--device", "310P3", "--out", "throughput.json"]) == status
    out = capsys.readouterr().out
    assert out.startswith(
        f"{path}: benchmark, batch size 4: {rate:g} images/s\na card has 1 chip: each figure times 1\n"
    )
    assert "| measured | 310P/310 | 310P/T4 | measured/310 | measured/310P | measured/T4 |\n" in out
    assert f"measured on 310P: {rate / 500:.4f} times T4, 1.6 is accepted\n" in out
    assert ("not measured: batch size 1; the guide's best is the best of all\n" in out) == bool(status)
    assert out.endswith(f"verdict: {verdict}\nthroughput.json: the figures above\n")
    written = json.loads((path.parent / "throughput.json").read_text())
    assert (written["model"], written["device"], written["chips"], written["verdict"]) == (
        "tiny",
        "310P",
        1,
        verdict,
    )
    assert written["columns"]["measured"] == {"4": rate}
    assert written["ratios"]["measured/310"] == {"4": rate / 600, "best": rate / 600}
    assert written["runs"][0]["measurement"]["batch_size"] == 4


def test_a_card_of_four_chips_is_four_times_as_fast(there, capsys):
    path = there(BENCHMARK.format(100.5), "perf_vision_batchsize_1_device_0.txt")
    assert main([str(path), "--device", "310"]) == 0
    out = capsys.readouterr().out
    assert "a card has 4 chips: each figure times 4\n" in out
    assert "|     1 | 400 |  700 | 250 |      402 |" in out
    assert out.endswith("verdict: none, the guide states nothing that a 310 has to reach\n")
    assert main([str(path), "--device", "910B4", "--chips", "2"]) == 0
    assert "|     1 | 400 |  700 | 250 |      201 |" in capsys.readouterr().out


def test_trtexec_measures_batches(there, capsys):
    path = there(TRTEXEC.format(8) + PASSED.format(4))
    assert main([str(path), "--device", "T4"]) == 0
    assert "|     4 | 600 | 1500 | 500 |      500 |" in capsys.readouterr().out


def test_runs_of_one_batch_size_are_averaged_and_of_several_devices_one_is_the_mean(there, capsys):
    two = AIS.format(4, 4.0, 1000) + AIS.format(4, 2.0, 2000)
    devices = "i:0 device_1 throughput:1000 start_time:1 end_time:2\ni:1 device_2 throughput:2000 start_time:1 end_time:2\n"
    path = there(two + devices)
    assert main([str(path), "--device", "310P"]) == 0
    out = capsys.readouterr().out
    assert f"{path}: ais_bench, batch size 4, device 1: 1000 images/s\n" in out
    assert "each figure times 1; of several runs with one batch size the mean\n" in out
    assert "|     4 | 600 | 1500 | 500 |     1500 |" in out


def test_several_files_are_several_batch_sizes(there, capsys):
    files = [there(BENCHMARK.format(90 * n), f"perf_vision_batchsize_{n}_device_0.txt") for n in (1, 2, 4)]
    assert main([*map(str, files), "--device", "T4"]) == 0
    out = capsys.readouterr().out
    assert "|     2 |   - |    - |   - |      180 |        - |" in out
    assert "|  best | 600 | 1500 | 500 |      360 |" in out
    assert "4 on measured\n" in out


def test_pure_inference_is_said(there, capsys):
    path = there(
        "ave_throughputRate: 80samples/s, ave_latency: 12.5ms", "PureInfer_perf_of_a_bs1_in_device_0.txt"
    )
    assert main([str(path), "--device", "310"]) == 0
    assert "note: the guides judge an NPU by a run over the whole data set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (BENCHMARK.format(9), ["--device", "310"], "does not say its batch size; name it with --batch-size N."),
        (AIS.format(8, 2.0, 4000), ["--device", "310", "--batch-size", "4"], "expected one batch size, found 8 as the file says, 4 as --batch-size says"),
        (TRTEXEC.format(8) + PASSED.format(4), ["--device", "310P"], "trtexec measures GPUs, and --device is 310P"),
        (BENCHMARK.format(0), ["--device", "310", "--batch-size", "4"], "expected images per second above 0 and below 1e+12, found 0"),
        (BENCHMARK.format("1e300"), ["--device", "310", "--batch-size", "4"], "expected images per second above 0"),
        ("", ["--device", "310"], "expected figures as"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_message(there, capsys, text, words, message):
    path = there(text)
    assert main([str(path), *words, "--out", "throughput.json"]) == 1
    found = capsys.readouterr()
    assert found.err.startswith(f"error: {path}: {message}")
    assert (found.out, found.err.count("\n")) == ("", 1)
    assert not (path.parent / "throughput.json").exists()


def test_an_unknown_device_needs_its_chips(there, capsys):
    path = there(BENCHMARK.format(9))
    assert main([str(path), "--device", "910B4"]) == 1
    words = "error: --device 910B4: expected one of 310, 310P, T4, GPU, CPU, or say with --chips N how many chips the card has.\n"
    assert capsys.readouterr().err == words


def test_a_card_has_a_countable_number_of_chips(there, capsys):
    assert main([str(there(AIS.format(8, 2.0, 4000))), "--device", "310", "--chips", "9" * 400]) == 1
    assert (
        capsys.readouterr().err
        == f"error: --chips: expected at most 1024 chips of a card, found {'9' * 20}.\n"
    )


def test_a_measurement_is_never_written_over(there, capsys):
    path = there(AIS.format(8, 2.0, 4000))
    assert main([str(path), "--device", "310P", "--out", "./printed.log"]) == 1
    assert "is one of the files to read; choose another --out." in capsys.readouterr().err
    assert path.read_text() == AIS.format(8, 2.0, 4000)


def test_a_model_of_one_batch_size_needs_none_said(write_model, monkeypatch, there, capsys):
    write_model(('"N", 3, 4, 6', "4, 3, 4, 6"))
    assert main([str(there(BENCHMARK.format(9))), "--device", "T4"]) == 0
    assert "benchmark, batch size 4: 9 images/s\n" in capsys.readouterr().out
    assert main([str(there(AIS.format(8, 2.0, 4000))), "--device", "T4"]) == 1
    assert "found 8 as the file says, 4 as model.toml says" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["printed.log"], "--device is needed with FILE"),
        (["--device", "310"], "--device, --chips and --batch-size are about a FILE"),
        (["--batch-size", "4"], "--device, --chips and --batch-size are about a FILE"),
        (["printed.log", "--device", "310", "--chips", "0"], "expected a whole number of at least 1"),
    ],
)
@pytest.mark.usefixtures("there")
def test_wrong_usage(capsys, words, message):
    with wrong_usage(capsys, message):
        main(words)


def test_a_directory_and_a_missing_file_are_told(there, tmp_path, capsys):
    assert main([str(tmp_path), "--device", "310"]) == 1
    assert main(["lost.log", "--device", "310"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: {tmp_path}: not a regular file, which is needed here; name one."
    assert second.startswith("error: lost.log: No such file or directory")


@pytest.fixture
def samples(pytestconfig):
    """Printouts of real runs by name: what was printed, and what a reader has to give."""
    folder = root(pytestconfig) / "ascend" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no printouts of real runs at {folder}; ASCEND_GUIDES_REFERENCE names another place")
    expected = json.loads((folder / "EXPECTED.json").read_text(encoding="utf-8"))
    return {name: ((folder / name).read_text(encoding="utf-8"), each) for name, each in expected.items()}


def test_benchmarks_of_real_runs(samples):
    found = {name: each for name, each in samples.items() if name.startswith("benchmark/")}
    assert found
    for name, (text, expected) in found.items():
        (run,) = benchmark_tool.parse(text)
        assert run.chip_rate == expected.pop("chip_throughput"), name
        expected.pop("kind")
        assert run.figures == expected, name


def test_ais_logs_of_real_runs(samples):
    found = {name: each for name, each in samples.items() if "ais_bench" in name}
    assert found
    for name, (text, expected) in found.items():
        log, failed = ais.parse(text), ais_failure.failure(text)
        if "error" in expected["kind"]:
            assert (log.runs, bool(failed)) == ([], True), name
            wanted = {key: expected[key] for key in ("code", "acl_ret", "device") if key in expected}
            said = {"code": failed.code, "acl_ret": failed.returned, "device": failed.device}
            assert {key: said[key] for key in wanted} == wanted, name
            if "tensorsize" in expected:
                assert failed.mismatch == (expected["arg"], expected["tensorsize"], expected["filesize"]), (
                    name
                )
            continue
        assert failed is None, name
        assert {str(device): rate for device, rate in log.devices.items()} == expected.get("devices", {}), (
            name
        )
        assert log.total == expected.get("total_throughput"), name
        runs = expected.get("runs") or [expected]
        assert len(log.runs) == len(runs), name
        for run, wanted in zip(log.runs, runs, strict=True):
            assert run.throughput == wanted["throughput"], name
            assert run.batch_size == wanted.get("batchsize", wanted.get("batchsize_derived")), name
            assert run.mean_ms == wanted.get("throughput_mean_ms", run.mean_ms), name
            assert run.consistent is wanted.get("consistent", True), name
            for label in ais.TIMES:
                if label in wanted:
                    assert run.times[label] == wanted[label], name


def test_trtexec_logs_of_real_runs(samples):
    found = {name: each for name, each in samples.items() if name.startswith("trtexec/")}
    assert found
    for name, (text, expected) in found.items():
        (run,) = trtexec.parse(text)
        assert {label: run.times[label] for label in run.times} == {
            label: values for label, values in expected.items() if isinstance(values, dict)
        }, name
        said = {
            "throughput_qps_printed": run.throughput,
            "walltime_s": run.walltime_s,
            "gpu_total_s": run.compute_s,
            "result": run.result,
            "tensorrt": run.tensorrt,
            "queries_derived": run.queries,
        }
        assert said == {key: expected.get(key) for key in said}, name
        if "qps_derived" in expected:
            assert run.queries_per_second == pytest.approx(expected["qps_derived"], abs=5e-4), name
