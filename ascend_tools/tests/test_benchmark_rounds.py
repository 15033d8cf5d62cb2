"""The rounds of the benchmark: everything is measured in each, and what fails is a reason, not the end."""

from __future__ import annotations

import os
import signal
import threading
import time

import onnx
import pytest
from onnx import numpy_helper

from ascend_tools.benchmark import at_hand, child, rounds
from ascend_tools.benchmark.plan import Plan
from ascend_tools.testing.tiny_directory import TASK, tiny_directory
from common.facts import read_facts
from common.npu_tools.convert import convert

__all__ = ["tiny_directory"]

DIES = "import os, signal\n\n" + TASK.replace(
    "    return outputs[1]", "    os.kill(os.getpid(), signal.SIGSEGV)"
)


@pytest.fixture
def measure(tiny_directory, monkeypatch):
    """Measure the tiny model directory in rounds."""

    def run(task=TASK, after=lambda _: None, **options):
        folder = tiny_directory(task)
        monkeypatch.chdir(folder)
        given = {
            "batch_sizes": (1, 4),
            "rounds": 2,
            "seconds": 0.02,
            "workers": 2,
            "backends": ("onnxruntime",),
        }
        plan = Plan(folder, read_facts(folder), folder / "out", **{**given, **options})
        return rounds.measure(plan, at_hand.look(plan), after)

    return run


@pytest.fixture
def rehearsed(sourced, rehearsal_folder, monkeypatch):
    """Set up a rehearsal; its Python packages are found in this process, too."""
    monkeypatch.syspath_prepend(rehearsal_folder / "python")
    return sourced


def keys(found):
    return [(each.round, each.candidate.backend, each.batch_size) for each in found.measured]


def test_every_backend_in_every_round(measure, rehearsed, tmp_path, capfd):
    found = measure(backends=("onnxruntime", "om"), devices=(0, 1))
    assert capfd.readouterr().out == ""
    assert keys(found) == [
        (0, "onnxruntime", 1),
        (0, "onnxruntime", 4),
        (0, "om", 1),
        (0, "om", 4),
        (1, "om", 1),
        (1, "om", 4),
        (1, "onnxruntime", 1),
        (1, "onnxruntime", 4),
    ]
    assert [(each.backend, each.batch_size, each.ok) for each in found.outputs] == [
        ("onnxruntime", 1, True),
        ("onnxruntime", 4, True),
        ("om", 1, True),
        ("om", 4, True),
    ]
    assert found.left_out == []
    assert not found.interrupted
    om = found.measured[2]
    assert om.candidate.rehearsal
    assert om.candidate.notes == ("om by ais_bench (rehearsal)",)
    assert len(om.pure.calls_ms) >= 6  # three of each device
    assert om.end_to_end.threads["infer"] == 2
    assert om.end_to_end.images >= 3 * 2
    assert not (tmp_path / "out" / rounds.WORK).exists()
    assert (tmp_path / "out" / "logs" / "round1_om_bs1.log").is_file()


def test_a_crash_ends_neither_the_other_batch_sizes_nor_the_others(measure):
    found = measure(DIES)
    assert keys(found) == [(0, "onnxruntime", 1), (0, "onnxruntime", 4)]
    assert all(each.end_to_end is None for each in found.measured)
    assert [(each.backend, each.batch_size) for each in found.left_out] == [
        ("onnxruntime", 1),
        ("onnxruntime", 4),
    ]
    assert all("SIGSEGV" in each.reason for each in found.left_out)
    assert [each.ok for each in found.outputs] == [True, True]


def test_a_device_that_is_lost_is_a_reason(measure, rehearsed):
    rehearsed("device-lost-halfway:1")
    found = measure(backends=("onnxruntime", "om"), devices=(0, 1))
    assert [key for key in keys(found) if key[1] == "onnxruntime"] == [
        (number, "onnxruntime", size) for number in (0, 1) for size in (1, 4)
    ]
    assert any("507011" in each.reason for each in found.left_out if each.backend == "om")


def test_a_library_that_crashes_leaves_the_backend_out(measure, rehearsed, tmp_path, monkeypatch):
    crashes = tmp_path / "crashes"
    (crashes / "ais_bench" / "infer").mkdir(parents=True)
    for name in ("ais_bench/__init__.py", "ais_bench/infer/__init__.py"):
        (crashes / name).touch()
    (crashes / "ais_bench" / "infer" / "interface.py").write_text("import os\n\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(crashes), prepend=os.pathsep)
    found = measure(backends=("onnxruntime", "om"))
    assert {each.candidate.backend for each in found.measured} == {"onnxruntime"}
    (one, four) = found.left_out
    assert (one.backend, one.batch_size, four.batch_size) == ("om", 1, 4)
    assert "SIGABRT" in one.reason


def test_outputs_that_differ_are_told(measure, rehearsed, tmp_path, make_onnx, monkeypatch):
    real = convert

    def other(facts, folder, path, size, **options):
        made = tmp_path / "other.onnx"
        model = onnx.load(path)
        two = next(each for each in model.graph.initializer if each.name == "two")
        two.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(two) * 0 + 2.5, "two"))
        onnx.save(model, made)
        return real(facts, folder, made, size, **options)

    monkeypatch.setattr("ascend_tools.benchmark.om_at_hand.convert.convert", other)
    found = measure(backends=("onnxruntime", "om"), rounds=1)
    judged = {(each.backend, each.batch_size): each for each in found.outputs}
    assert judged["onnxruntime", 1].ok
    assert judged["om", 1].ok is False
    assert "'scaled' differs from ONNX Runtime on the CPU" in judged["om", 1].words
    assert len(found.measured) == 4


def test_batch_sizes_of_which_two_would_not_fit(measure, monkeypatch):
    monkeypatch.setattr("ascend_tools.benchmark.inputs.MEMORY", 4 * 72)
    found = measure(rounds=1)
    assert keys(found) == [(0, "onnxruntime", 1)]
    assert [(each.batch_size, each.reason) for each in found.left_out] == [
        (4, "the inputs of two batches would have more than a GiB")
    ]


def test_a_model_file_for_one_batch_size(measure, make_onnx, tmp_path):
    found = measure(models=(make_onnx("two.onnx", batch=2),), batch_sizes=(1, 2), rounds=1)
    assert keys(found) == [(0, "onnxruntime", 2)]
    assert [(each.batch_size, each.reason) for each in found.left_out] == [
        (1, "the model file there takes other batch sizes alone")
    ]


def test_what_was_measured_before_an_interruption_is_kept(measure, tmp_path):
    def press():
        log = tmp_path / "out" / "logs" / "round2_onnxruntime_bs1.log"
        while not (log.is_file() and "call" in log.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    hand = threading.Thread(target=press, daemon=True)
    # Whoever starts the tests in the background has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        hand.start()
        found = measure(rounds=50)
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.interrupted
    assert keys(found)[:2] == [(0, "onnxruntime", 1), (0, "onnxruntime", 4)]
    assert len(found.measured) < 100
    assert found.left_out == []
    assert not (tmp_path / "out" / rounds.WORK).exists()


def test_directories_of_the_users_in_the_output_directory_stay(measure, tmp_path):
    mine = tmp_path / "out" / "work" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    measure(rounds=1)
    assert mine.read_text() == "mine"


def test_a_process_that_could_not_start_is_a_reason(measure, monkeypatch):
    monkeypatch.setattr(child, "_MODULE", "ascend_tools.benchmark.absent")
    found = measure(rounds=2)
    assert found.measured == []
    assert [(each.backend, each.batch_size) for each in found.left_out] == [("onnxruntime", None)]
    assert "exit status 1; its last words: " in found.left_out[0].reason


def test_what_is_known_is_told_after_each_backend(measure):
    told = []
    measure(after=lambda found: told.append(len(found.measured)))
    assert told == [2, 4]
