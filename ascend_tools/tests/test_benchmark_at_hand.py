"""Which backends the benchmark finds, and what it says of those it does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ascend_tools.benchmark.at_hand import look
from ascend_tools.benchmark.measurements import Candidate
from ascend_tools.benchmark.onnx_at_hand import Onnx, find_onnx
from ascend_tools.benchmark.opened import provider_of
from ascend_tools.benchmark.openvino_at_hand import look_for_openvino
from ascend_tools.benchmark.plan import Plan
from ascend_tools.testing.tiny_directory import tiny_directory
from common.errors import GuideError
from common.facts import read_facts
from common.npu_tools.convert import convert

__all__ = ["tiny_directory"]


@pytest.fixture
def plan(tiny_directory):
    """A plan for the tiny model directory."""

    def make(**options):
        folder = tiny_directory()
        return Plan(folder, read_facts(folder), folder / "out", **{"batch_sizes": (1, 4), **options})

    return make


@pytest.fixture
def rehearsed(sourced, rehearsal_folder, monkeypatch):
    """Set up a rehearsal; its Python packages are found in this process, too."""
    monkeypatch.syspath_prepend(rehearsal_folder / "python")
    return sourced


@pytest.fixture
def no_tools(nothing_on_path, monkeypatch):
    """Have no tools of an NPU, nor their Python packages, which other tests may have imported or made importable."""
    packages = ("acl", "aclruntime", "ais_bench")
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)
    places = [place for place in sys.path if not Path(place, "ais_bench").exists()]
    monkeypatch.setattr(sys, "path", places)


def reasons(found):
    return {(each.backend, each.batch_size): each.reason for each in found.left_out}


def test_this_machine(plan, no_tools):
    found = look(plan())
    cpu = found.candidates[0]
    assert {each.backend.partition("-")[0] for each in found.candidates} <= {"onnxruntime", "openvino"}
    assert (cpu.backend, cpu.device, cpu.precision, [*cpu.models]) == (
        "onnxruntime",
        "CPU",
        "float32",
        [None],
    )
    told = reasons(found)
    assert "pip install onnxruntime-cann" in told["onnxruntime-cann", None]
    assert "onnxruntime-gpu" in told["onnxruntime-cuda", None]
    assert "set_env.sh" in told["om", None]
    assert "TensorRT" in told["trtexec", None]
    assert (
        "no tiny.pth in weights/, model/ or here; `--backends torch` takes seeded weights"
        in told["torch", None]
    )


def test_what_is_asked_for_alone(plan, nothing_on_path):
    found = look(plan(backends=("onnxruntime", "torch")))
    assert [each.backend for each in found.candidates] == ["onnxruntime", "torch"]
    assert found.left_out == ()
    assert found.candidates[1].models[None].name == "seeded random weights"


def test_an_unknown_backend_is_told(plan, nothing_on_path):
    with pytest.raises(
        GuideError, match=r"expected names of onnxruntime, openvino, om, trtexec, torch, found tensorflow"
    ):
        look(plan(backends=("tensorflow",)))


def test_only_what_is_asked_for_is_converted(plan, rehearsed, tmp_path):
    look(plan(backends=("onnxruntime",)))
    assert not list(tmp_path.glob("*.om"))


def test_none_that_can_run_is_an_error_with_all_reasons(plan, no_tools):
    with pytest.raises(GuideError, match=r"no backend can run Tiny here:\n  om: .*set_env.sh.*\n  trtexec: "):
        look(plan(backends=("om", "trtexec")))


def test_onnx_files_of_fixed_batch_sizes(plan, make_onnx, nothing_on_path):
    one, four = make_onnx("one.onnx", batch=1), make_onnx("four.onnx", batch=4)
    found = look(plan(models=(four, one)))
    assert found.candidates[0].models == {1: one, 4: four}
    with pytest.raises(GuideError, match=r"again.onnx: takes batches of 1, as .*one.onnx does"):
        look(plan(models=(one, make_onnx("again.onnx", batch=1))))


@pytest.mark.parametrize(("name", "words"), [("absent.onnx", "no such model file"), ("x.pth", "an .om file")])
def test_a_model_file_that_is_none(name, words, plan, tmp_path):
    if name == "x.pth":
        (tmp_path / name).touch()
    with pytest.raises(GuideError, match=words):
        look(plan(models=(tmp_path / name,)))


def test_where_evaluate_py_writes(plan, tmp_path, nothing_on_path):
    chosen = plan()
    (tmp_path / "output").mkdir()
    (tmp_path / "tiny.onnx").rename(tmp_path / "output" / "tiny.onnx")
    assert look(chosen).candidates[0].models == {None: tmp_path / "output" / "tiny.onnx"}


def test_no_onnx_file_is_told_with_what_makes_it(plan, tmp_path, nothing_on_path):
    chosen = plan()
    (tmp_path / "tiny.onnx").unlink()
    with pytest.raises(GuideError, match=r"tiny.onnx is missing; make it with python pth2onnx.py"):
        look(chosen)


def test_a_rehearsal_has_all_the_tools(plan, rehearsed, capfd):
    found = look(plan(devices=(0, 1)))
    om = next(each for each in found.candidates if each.backend == "om")
    assert (om.device, om.rehearsal, om.devices, om.precision) == ("CPU", True, 2, "float32")
    assert {size: path.name for size, path in om.models.items()} == {1: "tiny_bs1.om", 4: "tiny_bs4.om"}
    trtexec = next(each for each in found.candidates if each.backend == "trtexec")
    assert trtexec.rehearsal
    assert capfd.readouterr().out == ""


def test_an_om_that_atc_cannot_make_is_left_out_with_its_words(plan, rehearsed):
    rehearsed("atc:E10001")
    found = look(plan())
    assert all(each.backend != "om" for each in found.candidates)
    told = reasons(found)
    assert "E10001" in told["om", 1]
    assert "E10001" in told["om", 4]


@pytest.mark.parametrize("fault", ["smi:-8005", "no-driver", "smi:no-table"])
def test_an_npu_that_cannot_be_used(fault, plan, rehearsed):
    rehearsed(fault)
    assert ("om", None) in reasons(look(plan()))


def test_a_card_without_chips(plan, rehearsed):
    rehearsed("smi:no-chips")
    assert "npu-smi shows no chips; python -m ascend_tools.doctor" in reasons(look(plan()))["om", None]


def test_a_device_that_is_not_there(plan, rehearsed):
    told = reasons(look(plan(devices=(0, 7))))
    assert told["om", None] == "npu-smi shows no device 7; the devices are 0, 1"


def test_om_files_that_lie_there_without_atc(plan, rehearsed, rehearsal_folder, monkeypatch, tmp_path):
    chosen = plan()
    convert(chosen.facts, tmp_path, tmp_path / "tiny.onnx", 4)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npu-smi").symlink_to(rehearsal_folder / "bin" / "npu-smi")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = look(chosen)
    om = next(each for each in found.candidates if each.backend == "om")
    assert [*om.models] == [4]
    assert "there is no tiny_bs1.om" in reasons(found)["om", 1]
    assert "python -m common.atc --batch-size 1" in reasons(found)["om", 1]


def test_an_om_for_several_batch_sizes(plan, rehearsed, tmp_path):
    chosen = plan()
    gears = {"dynamic_batch_size": "1,4,8"}
    om = convert(chosen.facts, tmp_path, tmp_path / "tiny.onnx", 1, options=gears)
    found = look(plan(models=(om,), batch_sizes=(1, 4, 16)))
    candidate = next(each for each in found.candidates if each.backend == "om")
    assert candidate.models == {1: om, 4: om, 8: om}
    assert reasons(found)["om", 16] == "none of the OM files that --model names takes this batch size"
    assert found.onnx.reference(4) == tmp_path / "tiny.onnx"


def test_a_provider_that_onnxruntime_was_built_with(plan, monkeypatch, nothing_on_path):
    there = [
        "CUDAExecutionProvider",
        "AzureExecutionProvider",
        "OpenVINOExecutionProvider",
        "CPUExecutionProvider",
    ]
    monkeypatch.setattr(
        "ascend_tools.benchmark.at_hand.process.run", lambda *_, **__: (0, f"noise\n{json.dumps(there)}\n")
    )
    monkeypatch.setattr("ascend_tools.benchmark.at_hand.look_for_openvino", lambda _: ())
    found = look(plan())
    names = [each.backend for each in found.candidates]
    assert names == ["onnxruntime", "onnxruntime-cuda", "onnxruntime-OpenVINO"]
    assert [provider_of(name) for name in names] == [there[3], there[0], there[2]]


def test_an_onnxruntime_that_cannot_be_imported(plan, monkeypatch, nothing_on_path):
    monkeypatch.setattr(
        "ascend_tools.benchmark.at_hand.process.run", lambda *_, **__: (1, "ImportError: libfoo.so\n")
    )
    with pytest.raises(GuideError, match=r"ONNX Runtime cannot be imported here: ImportError: libfoo.so"):
        look(plan())


@pytest.mark.parametrize(
    ("told", "candidates", "reason"),
    [
        ({"installed": True, "precisions": ["float32", "bfloat16"]},
         [("openvino", "float32"), ("openvino-bfloat16", "bfloat16")], "this CPU computes in float32 and bfloat16"),
        ({"installed": False, "problem": "none"}, [], "pip install -r requirements-openvino.txt"),
        ({"installed": True, "problem": "it is broken"}, [], "it is broken"),
    ],
)  # fmt: skip
def test_openvino_in_each_precision_that_the_cpu_has(
    told, candidates, reason, plan, monkeypatch, nothing_on_path
):
    monkeypatch.setattr(
        "ascend_tools.benchmark.openvino_at_hand.process.run",
        lambda *_, **__: (0, f"noise\n{json.dumps(told)}\n"),
    )
    offers = list(look_for_openvino(find_onnx(plan())))
    assert [(each.backend, each.precision) for each in offers if isinstance(each, Candidate)] == candidates
    left_out = {each.backend: each.reason for each in offers if not isinstance(each, Candidate)}
    assert reason in left_out["openvino-float16"]
    assert {*left_out} | {name for name, _ in candidates} == {
        "openvino",
        "openvino-bfloat16",
        "openvino-float16",
    }


def test_an_openvino_that_ends_its_process_is_left_out(plan, monkeypatch, nothing_on_path):
    monkeypatch.setattr(
        "ascend_tools.benchmark.openvino_at_hand.process.run", lambda *_, **__: (-11, "Segmentation fault\n")
    )
    offers = list(look_for_openvino(find_onnx(plan())))
    assert {each.reason for each in offers} == {"OpenVINO cannot be used here: Segmentation fault"}


def test_without_an_onnx_file_there_is_nothing_for_openvino():
    (reason,) = {each.reason for each in look_for_openvino(Onnx({}, "no file"))}
    assert reason == "no file"
