"""The measuring process: what it finds, and what is known of it when it crashes, hangs or fails."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from ascend_tools.benchmark import child
from ascend_tools.benchmark.inputs import prepare
from ascend_tools.benchmark.measure import Request, Results, main
from ascend_tools.benchmark.plan import Plan, own_modules
from ascend_tools.testing.tiny_directory import TASK, tiny_directory
from common.facts import read_facts
from common.threads import cores

__all__ = ["tiny_directory"]

QUICK = 0.02  # seconds of a measurement
DIES = "import os, signal\n\n" + TASK.replace(
    "    return outputs[1]", "    os.kill(os.getpid(), signal.SIGSEGV)"
)
HANGS = "import time\n\n" + TASK.replace("    return outputs[1]", "    time.sleep(600)")
FILLS = TASK.replace("    return outputs[1]", "    return bytearray(2**62)")


@pytest.fixture
def request_for(tiny_directory, tmp_path):
    """Prepare inputs and return a request for the tiny network."""

    def make(task=TASK, *, sizes=(1, 4), **options):
        folder = tiny_directory(task)
        plan = Plan(folder, read_facts(folder), tmp_path / "out", batch_sizes=sizes, workers=2)
        prepared = prepare(plan, own_modules(folder), tmp_path / "inputs")
        given = {
            "backend": "onnxruntime",
            "models": {size: str(folder / "tiny.onnx") for size in sizes},
            "folder": str(folder),
            "devices": (),
            "seconds": QUICK,
            "smallest": min(sizes),
            "longest": 2.0,
            "workers": 2,
            "inputs": str(prepared.folder),
            "names": prepared.names,
            "items": prepared.items,
            "data": str(prepared.data),
            "outputs": str(tmp_path / "outputs"),
        }
        return Request(**{**given, **options})

    return make


@pytest.fixture
def measure(request_for, tmp_path):
    """Measure in a process of its own."""

    def run(*args, silent=60.0, **options):
        return child.run(request_for(*args, **options), tmp_path, tmp_path / "child.log", silent)

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_all_batch_sizes(measure):
    left = measure()
    assert (left.at, left.reason, left.interrupted) == (None, "", False)
    assert (left.name, left.precision) == ("onnxruntime", "float32")
    assert {*left.pure} == {*left.end_to_end} == {*left.outputs} == {1, 4}
    for size, pure in left.pure.items():
        assert 1 <= pure.at_once <= cores()
        assert pure.images % size == 0
        assert len(pure.calls_ms) >= 3  # one after another, of an opening of their own
        assert sum(pure.calls_ms) / 1000 >= QUICK
        if pure.at_once == 1:
            assert pure.images == size * len(pure.calls_ms)
            assert pure.seconds == pytest.approx(sum(pure.calls_ms) / 1000)
        assert pure.distinct == 5
        assert pure.load.seconds >= pure.seconds
        whole = left.end_to_end[size]
        assert whole.images >= 3 * size
        assert whole.images % size == 0
        assert {*whole.stages} == {"preprocess", "stack", "infer", "postprocess"} == {*whole.threads}
        assert whole.threads == {"preprocess": 2, "stack": 2, "infer": pure.at_once, "postprocess": 2}
    one, four = (dict(np.load(left.outputs[size])) for size in (1, 4))
    for name, array in one.items():
        assert array.shape[0] == 4
        np.testing.assert_allclose(array, four[name], rtol=1e-5)


def test_a_single_core_measures_calls_and_images_at_once(request_for, tmp_path, monkeypatch):
    monkeypatch.setattr("ascend_tools.benchmark.measure.cores", lambda: 1)
    main(request_for(sizes=(1,)), Results(tmp_path / "results"))
    (pure,) = [each["value"] for each in lines(tmp_path / "results") if each["kind"] == "pure"]
    assert pure.get("at_once", 1) == 1
    assert pure["images"] == len(pure["calls_ms"])


def test_openvino_in_the_precision_that_its_name_says(measure):
    openvino = pytest.importorskip("openvino")
    left = measure(backend="openvino", sizes=(4,))
    assert (left.reason, left.name, left.precision) == ("", "openvino", "float32")
    assert left.pure[4].images % 4 == 0
    left = measure(backend="openvino-bfloat16", sizes=(1,))
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert "bfloat16" in (left.precision or left.reason)
    else:
        assert "--precision bfloat16" in left.reason


def test_a_call_that_takes_too_long_leaves_out_larger_batches(request_for, tmp_path):
    request = request_for(sizes=(1, 4, 8), longest=1e-9)
    main(request, Results(tmp_path / "results"))
    found = lines(tmp_path / "results")
    assert [each["batch_size"] for each in found if each["kind"] == "pure"] == [1]
    reasons = {each["batch_size"]: each["value"] for each in found if each["kind"] == "left out"}
    assert {*reasons} == {4, 8}
    assert "a call takes" in reasons[4]
    assert "more than --longest 1e-09" in reasons[4]
    assert "a call of 4 already takes" in reasons[8]


def test_a_reference_writes_outputs_and_measures_nothing(request_for, tmp_path):
    main(request_for(reference=True, sizes=(1,)), Results(tmp_path / "results"))
    kinds = [each["kind"] for each in lines(tmp_path / "results")]
    assert "pure" not in kinds
    assert kinds.count("outputs") == 1


@pytest.mark.parametrize(
    ("name", "words"), [("SIGSEGV", ""), ("SIGKILL", ", as where the memory does not suffice")]
)
def test_what_a_crash_leaves_is_used(name, words, measure):
    left = measure(DIES.replace("SIGSEGV", name))
    assert {*left.pure} == {1}
    assert left.end_to_end == {}
    assert (left.at, left.opened) == (1, True)
    assert left.reason.startswith(f"the process ended by {name}{words}")


def test_a_process_that_hangs_is_given_up(measure):
    left = measure(HANGS, silent=4.0)
    assert left.at == 1
    assert left.reason == "nothing was heard of it for 4 seconds"


def test_memory_that_does_not_suffice_is_a_reason(measure):
    left = measure(FILLS)
    assert {*left.pure} == {1}
    assert left.at == 1
    assert "memory does not suffice" in left.reason


def test_a_model_that_cannot_be_opened(request_for, tmp_path, measure):
    (tmp_path / "rubbish.onnx").write_bytes(b"rubbish")
    left = measure(models={1: str(tmp_path / "rubbish.onnx")})
    assert (left.at, left.opened) == (1, False)
    assert "rubbish.onnx" in left.reason
    assert "Traceback" not in left.reason


def test_a_batch_that_the_model_does_not_take(measure, make_onnx):
    left = measure(models={4: str(make_onnx("two.onnx", batch=2))})
    assert left.reason == "the model was built for batches of 2; it takes none of 4 here."


def test_a_line_that_was_cut_is_no_result(tmp_path):
    results = Results(tmp_path / "results")
    results.add("begin", 4)
    with (tmp_path / "results").open("ab") as file:
        file.write(b'{"kind": "pure", "batch_size": 4, "val')
    left = child.read((tmp_path / "results").read_bytes())
    assert (left.at, left.opened, left.pure) == (4, True, {})


def test_a_provider_that_is_not_there(measure):
    left = measure(backend="onnxruntime-cuda")
    assert left.opened is False
    assert "has no CUDAExecutionProvider" in left.reason


def test_a_provider_that_is_listed_and_runs_on_the_cpu(measure, sourced, rehearsal_folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(rehearsal_folder / "onnxruntime-cann"), prepend=os.pathsep)
    left = measure(backend="onnxruntime-cann")
    assert left.opened is False
    assert "CANNExecutionProvider runs none of the model's" in left.reason
    assert left.pure == {}


def test_torch(measure, tmp_path):
    (tmp_path / "evaluate.py").write_text(
        "import torch\n\n\n"
        "class Tiny(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return 2 * x, x.sum((2, 3))\n\n\n"
        "def load(checkpoint):\n"
        "    assert checkpoint is None\n"
        "    return Tiny()\n"
    )
    ours = measure(sizes=(4,))
    wanted = dict(np.load(ours.outputs[4]))
    left = measure(sizes=(4,), backend="torch", models={4: str(tmp_path / "seeded random weights")})
    assert left.reason == ""
    assert (left.name, left.precision) == ("torch", "float32")
    for name, array in np.load(left.outputs[4]).items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-5)
