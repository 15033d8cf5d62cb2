"""benchmark/logs.py: printouts of every tool become one form, and say where they contradict themselves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.benchmark import logs
from common import rehearsal
from common.errors import GuideError
from tests.tool_printouts import AIS, ALL, BENCHMARK, MSAME, PURE, TRTEXEC, read

__all__ = ["read"]


@pytest.mark.parametrize(
    ("text", "tool", "batch_size", "throughput", "latency"),
    [
        (AIS, "ais_bench", 4, 2000, {"min": 1.5, "max": 2.75, "mean": 2, "median": 1.75, "p99": 2.5}),
        (BENCHMARK, "benchmark", 16, 250.5, {"mean": 6.25}),
        (PURE, "benchmark", 8, 250.5, {"mean": 4.00125}),
        (MSAME, "msame", None, 50, {"mean": 20.25}),
        (TRTEXEC, "trtexec", 8, 1600, {"min": 4, "max": 6, "mean": 5, "median": 4.75, "p99": 5.5}),
        ("9 inputs in 3.0 s, 3.00 inputs/s\n", "evaluate.py", None, 3, {}),
    ],
)
def test_every_tool_is_read_in_the_same_terms(read, text, tool, batch_size, throughput, latency):
    found = read(text)
    assert (found["tool"], found["ok"], found["batch_size"]) == (tool, True, batch_size)
    assert found["throughput"] == pytest.approx(throughput)
    assert (found["latency_ms"], found["problems"]) == (latency, [])
    assert found["consistent"] in ((None,) if tool in ("msame", "evaluate.py") else (True,))
    assert [run["throughput"] for run in found["runs"]] == [found["throughput"]]


def test_each_tools_own_figures_are_kept(read):
    found = read(AIS)
    assert (found["H2D_latency"]["mean"], found["D2H_latency"]["p99"], found["device"]) == (0.375, 0.75, 3)
    found = read(BENCHMARK)
    assert (found["chip_throughput"], found["e2e"]["throughputRate"], found["images"]) == (250.5, 98.5, 5000)
    assert read(PURE)["calls_ms"] == {"count": 2, "min": 31.5, "max": 32.5, "mean": 32, "median": 32}
    found = read(MSAME)
    assert (found["average_ms"], found["average_without_first_ms"], found["device"]) == (20.25, 20, 1)
    found = read(TRTEXEC)
    assert (found["throughput_qps_printed"], found["qps_derived"], found["queries_derived"]) == (
        160,
        160,
        400,
    )
    assert (found["tensorrt"], found["result"], found["walltime_s"]) == ("8.4.1", "PASSED", 2.5)
    assert (found["unstable_pct"], len(found["warnings"])) == (6.25, 1)
    assert found["Latency"]["mean"] == 5.5


@pytest.mark.parametrize("text", ALL.values())
@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: "".join(f"> {line}\n" for line in text.splitlines()).encode(),
        lambda text: f"root@host:~# ./run.sh\n```\n{text}```\nroot@host:~#\n".encode(),
        lambda text: "".join(f"\x1b[32m{line}\x1b[0m\n" for line in text.splitlines()).encode(),
        lambda text: text.replace(" ", "\u00a0 ").encode(),
        lambda text: f"  3%|#    | 1/30\r 99%|#####| 29/30\r{text}".encode(),
        lambda text: b"\xff\xfe\x00\xd8 noise \n" + text.encode(),
        lambda text: "".join(f"    {line}\n" for line in text.splitlines()).encode(),
    ],
)
def test_a_printout_is_read_whatever_surrounds_it(read, text, dressed):
    plain, found = read(text), read(dressed(text))
    for key in ("tool", "ok", "batch_size", "throughput", "latency_ms", "consistent", "problems"):
        assert found[key] == plain[key], key


def test_a_batch_size_that_nothing_tells_counts_as_one_and_is_said(read):
    found = read(TRTEXEC.replace("--shapes=image:8x3x4x6", ""))
    assert (found["batch_size"], found["throughput"]) == (None, 200)
    assert "no batch size is told: counted as 1, so at least" in found["notes"]


@pytest.mark.parametrize(
    ("name", "asked"), [("msame_bs4.log", None), ("batchsize_4.txt", None), ("a.log", 4)]
)
def test_the_batch_size_may_stand_in_the_files_name_or_be_asked_for(read, name, asked):
    found = read(MSAME, name, asked)
    assert (found["batch_size"], found["throughput"], found["ok"]) == (4, 200, True)
    found = read(TRTEXEC, name, asked)
    assert (found["batch_size"], found["throughput"], found["consistent"]) == (8, 1600, False)
    assert found["problems"][0].startswith("batch size: expected 4 as ")


def test_an_implicit_batch_is_counted_once(read):
    text = TRTEXEC.replace("--shapes=image:8x3x4x6", "--batch=8").replace("160 qps", "1280 qps")
    found = read(text)
    assert (found["batch_size"], found["throughput"], found["consistent"]) == (8, 1600, True)
    assert (found["images_per_second_printed"], found["implicit_batch"]) == (1280, True)
    assert read(TRTEXEC)["images_per_second_printed"] == 1280
    found = read(text.replace("--batch=8", ""))  # nothing but the figures tells it
    assert (found["batch_size"], found["throughput"], found["consistent"]) == (8, 1600, True)
    assert "batch size 8 by qps and the queries counted" in found["notes"]


def test_several_devices_work_at_the_same_time(read):
    text = AIS + AIS.replace("2000.0", "1000.0").replace("2.0", "4.0").replace("2.75", "4.75").replace(
        "device 3", "device 5"
    )
    devices = "i:0 device_3 throughput:2000.0 start_time:1.5 end_time:2.5\ni:1 device_5 throughput:1000.0 start_time:1.5 end_time:2.5\n"
    found = read(f"{text}{devices}[INFO] summary throughput:3000.0\n")
    assert (found["devices"], found["throughput"], found["consistent"]) == (
        {"3": 2000, "5": 1000},
        3000,
        True,
    )
    assert [run["device"] for run in found["runs"]] == [3, 5]
    assert read(text + devices)["throughput"] == 3000
    whole = f"{text}{devices}[INFO] summary throughput:3000.0\n"
    two = read(
        whole + whole.replace("2000", "4000").replace("3000", "5000").replace("mean(2.0)", "mean(1.0)")
    )
    assert (two["throughput"], len(two["runs"])) == (None, 4)
    assert [each for each in two["problems"] if "device" in each] == []
    wrong = read(f"{text}{devices}[INFO] summary throughput:2000.0\n")
    assert (wrong["consistent"], wrong["problems"]) == (
        False,
        ["summary throughput: expected 3000, the sum of the devices, found 2000"],
    )


def test_runs_that_are_alike_have_a_mean_and_others_have_none(read):
    found = read(AIS + AIS.replace("2.0", "1.6").replace("1600", "2500").replace("2000.0", "2500.0"))
    assert (found["batch_size"], found["throughput"], len(found["runs"])) == (4, 2250, 2)
    found = read(AIS + BENCHMARK)
    assert (found["tool"], found["batch_size"], found["throughput"], found["latency_ms"]) == (
        "benchmark",
        None,
        None,
        {},
    )
    assert sorted(run["throughput"] for run in found["runs"]) == [250.5, 2000]
    assert (read(MSAME + MSAME)["throughput"], read(MSAME + MSAME)["ok"]) == (None, True)


@pytest.mark.parametrize(
    "text", ["", "hello\n", "\0\1\2", "ATC run success, welcome to the next use.\n", "mean: 5 ms\n"]
)
def test_what_is_no_printout_is_refused_in_one_message(read, tmp_path, text):
    found = read(text)
    assert (found["tool"], found["ok"], found["runs"]) == (None, False, [])
    with pytest.raises(GuideError) as error:
        logs.check_known(logs.read_logs([tmp_path / "printed.log"]))
    assert str(error.value) == (
        f"{tmp_path / 'printed.log'}: expected what benchmark, ais_infer, ais_bench, msame or trtexec printed or wrote, "
        "found nothing of theirs; name the file with the lines of their summary."
    )


def test_a_rehearsals_figures_are_marked(read):
    assert read(f"{rehearsal.NOTE}\n{AIS}")["rehearsal"] == rehearsal.NOTE
    assert "rehearsal" not in read(AIS)


LINES = [line for text in (*ALL.values(), PURE) for line in text.splitlines()]


@given(st.lists(st.sampled_from(LINES), max_size=30), st.text(max_size=20))
def test_any_order_of_lines_is_read(tmp_path_factory, lines, noise):
    path = tmp_path_factory.mktemp("any") / "printed.log"
    path.write_bytes(f"\n{noise}\n".join(lines).encode("utf-8", "replace"))
    (log,) = logs.read_logs([path])
    json.dumps(logs.as_data(log), allow_nan=False)
    assert not log.ok or log.tool
