"""benchmark.json: the rows of what was measured, per card, with the ratios, and what made them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest

from ascend_tools.benchmark import record
from ascend_tools.benchmark.comparison import best_ratios, judged, series_of
from ascend_tools.benchmark.figures import FLOOR
from ascend_tools.benchmark.measurements import Candidate, LeftOut, Measured, Pure
from ascend_tools.benchmark.rows import chips_of, rows_of
from common.facts import read_facts
from tests.conftest import ROOT
from tests.quiet_rounds import CPU, OM, QUIET, outputs, rounds

PCB = read_facts(ROOT / "pcb")
EFFICIENTDET = read_facts(ROOT / "efficientdet_d0")  # whose guide asks for 1.2 times 310 and 1.6 times T4
QUAD = replace(OM, device="310", devices=4)


def run(facts=PCB, **more):
    return record.Run(
        **{
            "facts": facts,
            "begun": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
            "command": "python -m ascend_tools.benchmark",
            "host": record.host(),
            "settings": {"rounds": 5},
            "inputs": {"pictures": 8},
            "rounds": 5,
            **more,
        }
    )


def test_a_record_is_json_with_all_that_the_table_has(tmp_path):
    measured = [*rounds(batch_size=8, rate=120.0), *rounds(), *rounds(OM, 1400.0, 8)]
    rows = rows_of(measured, [outputs(), outputs(OM, batch_size=8)], PCB)
    data = record.as_data(run(), rows, [LeftOut("torch", None, "not installed")])
    data = json.loads(record.write(tmp_path, data).read_text(encoding="utf-8"))
    assert [(row["backend"], row["batch_size"]) for row in data["rows"]] == [
        ("onnxruntime", 1),
        ("onnxruntime", 8),
        ("om", 8),
    ]
    first, _, om = data["rows"]
    assert first["pure"]["throughput"] == pytest.approx(100)
    assert first["pure"]["noise"] == FLOOR
    assert len(first["pure"]["rounds"]) == 5
    assert first["pure"]["samples"] == 200
    assert set(first["pure"]["latency_ms"]) == {"mean", "min", "median", "max", "p90", "p95"}
    assert first["end_to_end"]["throughput"] == pytest.approx(80)
    # Seconds for 1000 images, of two threads.
    assert first["end_to_end"]["stages"]["preprocess"] == pytest.approx(20)
    assert first["end_to_end"]["limiting"] == "preprocess"
    assert (first["verdict"], first["reasons"], first["outputs"]["ok"]) == ("VALID", [], True)
    assert [each["others"] for each in first["load"]["pure"]] == [0.05] * 5
    assert om["model"] == "PCB_bs8.om"
    assert om["ratios"]["310P"] == pytest.approx(1400 / 1897.91)
    assert data["left_out"] == [{"backend": "torch", "batch_size": None, "reason": "not installed"}]
    assert data["date"] == "2026-01-02T03:04:05+00:00"
    assert data["documented"]["columns"]["T4"]["64"] == 1578.09
    assert {"cpu", "cores", "memory_bytes", "system", "versions", "chips"} <= data["host"].keys()


@pytest.mark.parametrize(
    ("backend", "device", "chips"),
    [
        ("om", "310", 4),
        ("om", "310P3", 1),
        ("om", "910B3", None),
        ("onnxruntime-cann", "NPU", None),
        ("trtexec", "T4", 1),
        ("trtexec", "NVIDIA H200", 1),
        ("trtexec", "310", None),
        ("onnxruntime", "CPU", 1),
    ],
)
def test_chips_of_a_card(backend, device, chips):
    assert chips_of(backend, device) == chips
    assert chips_of(backend, device, rehearsal=True) is None


@pytest.mark.parametrize(("devices", "card"), [(1, 4000.0), (2, 2000.0), (4, 1000.0)])
def test_a_card_has_all_its_chips_however_many_were_measured(devices, card):
    (row,) = rows_of(rounds(replace(QUAD, devices=devices), 1000.0), [], PCB)
    assert row.card == pytest.approx(card)
    assert row.ratios["310"] == pytest.approx(card / 549.688)


def test_a_rehearsal_is_compared_with_nothing():
    rows = rows_of(rounds(replace(OM, rehearsal=True), 5000.0), [], EFFICIENTDET)
    data = record.as_data(run(EFFICIENTDET), rows, [])
    assert (rows[0].card, rows[0].ratios, rows[0].name) == (None, {}, "om (rehearsal)")
    assert (data["rows"][0]["rehearsal"], data["accepted"]) == (True, [])
    assert data["best"]["om (rehearsal)"]["ratios"] == {}


@pytest.mark.parametrize(("rate", "ok"), [(66.0, True), (65.0, False)])
def test_what_the_guide_asks_for_is_asked_of_its_own_device(rate, ok):
    """1.2 times the best of a 310, 54.761 images per second."""
    measured = [*rounds(OM, rate, 8), *rounds(OM, rate / 2), *rounds(CPU, 1.0)]
    found = judged(series_of(rows_of(measured, [], EFFICIENTDET)), EFFICIENTDET)
    assert [(each.name, each.column) for each in found] == [("om (310P)", "310"), ("om (310P)", "T4")]
    assert (found[0].ok, found[1].ok) == (ok, True)
    assert found[0].reached == pytest.approx(rate / 54.761)


def test_what_ended_before_the_last_round_is_not_valid():
    whole, ended = rows_of(
        [*rounds(), *rounds(batch_size=8, count=4)], [], PCB, [LeftOut("onnxruntime", 8, "SIGSEGV")]
    )
    assert whole.verdict.reasons == ()
    assert ended.verdict.reasons == ("it ended after 4 rounds: SIGSEGV",)


def test_invalid_rows_are_never_the_best():
    measured = [*rounds(OM, 90.0, 8, count=2), *rounds(OM, 60.0)]
    (series,) = series_of(rows_of(measured, [], EFFICIENTDET))
    assert (series.best.batch_size, series.best.rate) == (1, pytest.approx(60))
    assert best_ratios(series, EFFICIENTDET)["310"] == pytest.approx(60 / 54.761)
    (none,) = series_of(rows_of(rounds(OM, 90.0, 8, count=2), [], EFFICIENTDET))
    assert none.best is None
    assert [each.ok for each in judged([none], EFFICIENTDET)] == [False, False]


def test_a_printout_of_many_calls():
    """trtexec tells no single calls; its 99th percentile needs a thousand of them."""
    candidate = Candidate("trtexec", "T4", "float16", {None: OM.models[1]})
    printed = {"min": 1.0, "mean": 2.0, "median": 2.1, "max": 9.0, "p99": 5.0}

    def measured(count):
        part = Pure((), 8 * count, 2.0 * count / 1000, QUIET, 1, printed, count)
        return [Measured(candidate, 8, part, None, k) for k in range(5)]

    (row,) = rows_of(measured(300), [], PCB)
    assert row.pure.throughput == pytest.approx(4000)
    assert (row.samples, row.latency_ms, row.end_to_end) == (1500, printed, None)
    (few,) = rows_of(measured(100), [], PCB)
    assert "p99" not in few.latency_ms


def test_an_interrupted_run_says_so():
    data = record.as_data(run(complete=False, rounds=2), rows_of(rounds(count=2), [], PCB), [])
    assert (data["complete"], data["rounds"]) == (False, 2)
    assert data["rows"][0]["reasons"] == ["too few samples: 2 rounds, 3 at least are needed"]
