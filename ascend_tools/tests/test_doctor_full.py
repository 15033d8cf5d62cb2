"""`--full`: a tiny network through each way of a rehearsal, and what is said of ways that do not run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ascend_tools.doctor import tiny, tiny_network, tiny_ways
from ascend_tools.doctor.check import Check, Level, Status
from ascend_tools.doctor.children import Answer
from ascend_tools.doctor.run import run

SOC = [{"npu": 1, "chip": 0, "device": 0, "soc": "Ascend310P3", "health": "OK"}]
NPU = (
    Check("npu.chips", "NPU chips", Status.OK, "1", details={"chips": SOC}),
    Check("atc.library", "Libraries of ATC", Status.OK, "it starts"),
    Check("inference.session", "What runs an OM file", Status.OK, "ais_bench"),
)
RUNTIME = Check(
    "backend.onnxruntime", "ONNX Runtime", Status.OK, "1", details={"providers": ["CPUExecutionProvider"]}
)
OPENVINO = Check(
    "backend.openvino", "OpenVINO", Status.OK, "1", details={"precisions": ["float32", "bfloat16"]}
)
TRTEXEC = Check("gpu.trtexec", "trtexec", Status.OK, "8.4")


def lines(folder, *checks):
    """Return the lines of the ways that these checks open, by id."""
    return {timed.check.id: timed.check for timed in run(tiny.probes(checks, folder), Level.FULL)}


def test_the_reference_is_what_onnx_runtime_computes(tmp_path):
    import onnxruntime

    tiny_network.write(tmp_path)
    images = tiny_network.images(2)
    session = onnxruntime.InferenceSession(str(tmp_path / "tiny.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(list(tiny_network.OUTPUTS), {tiny_network.INPUT: images})
    for output, wanted in zip(found, tiny_network.expected(images), strict=True):
        np.testing.assert_allclose(output, wanted, atol=1e-5)
    assert not np.array_equal(images[0], images[1])


def test_each_way_runs_the_network_and_leaves_nothing_behind(sourced, tmp_path, monkeypatch):
    """The command as a user types it, all the way."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    words = [sys.executable, "-m", "ascend_tools.doctor", "--full", "--json"]
    done = subprocess.run(
        words, cwd=tmp_path / "here", capture_output=True, text=True, check=False, timeout=580
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(done.stdout)
    found = {check["id"]: check for check in record["checks"]}
    for name in ("atc", "om", "benchmark", "ais_bench", "msame", "onnxruntime", "trtexec"):
        assert found[f"tiny.{name}"]["status"] == "ok", found[f"tiny.{name}"]
    for name in ("om", "benchmark", "ais_bench", "msame", "onnxruntime"):
        assert 0 <= found[f"tiny.{name}"]["details"]["difference"] < 1e-4
        assert "largest difference" in found[f"tiny.{name}"]["found"]
    assert "(rehearsal)" in found["tiny.om"]["found"]
    assert "REHEARSAL" in record["rehearsal"]
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "name", "says"),
    [
        ("atc:E10001", "tiny.atc", "E10001"),
        ("atc:no-om", "tiny.atc", "exit code 0 but wrote no new"),
        ("device-taken", "tiny.om", "507033"),
        ("nan", "tiny.om", "not finite"),
        ("result-missing", "tiny.benchmark", "left 1 input without a whole result"),
    ],
)
def test_a_way_that_does_not_run_it_is_wrong_and_ends_no_other(
    sourced, tmp_path, monkeypatch, fault, name, says
):
    sourced(fault)
    monkeypatch.setattr(tiny, "TOOLS", ("benchmark",) if name == "tiny.benchmark" else ())
    found = lines(tmp_path, *NPU, RUNTIME)
    assert found[name].status is Status.WRONG
    assert says in found[name].found
    assert found[name].required is (name in ("tiny.atc", "tiny.om"))
    assert found["tiny.onnxruntime"].status is Status.OK
    if name == "tiny.atc":  # whose line says why there is none of the OM
        assert set(found) == {"tiny.atc", "tiny.onnxruntime"}


def test_a_tool_of_the_directory_where_one_stands_is_tried(sourced, rehearsal_folder, tmp_path, monkeypatch):
    for name in ("ais_infer.py", "frontend"):
        (tmp_path / name).symlink_to(rehearsal_folder / "python" / "ais_infer" / name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(tiny, "TOOLS", ("ais_infer",))
    found = lines(tmp_path / "work", *NPU)
    assert found["tiny.ais_infer"].status is Status.OK


def test_ways_that_are_not_ready_have_no_line(tmp_path):
    closed = Check("atc.library", "Libraries of ATC", Status.MISSING, "none", "Install it.")
    assert tiny.probes([*NPU[:1], closed], tmp_path) == []
    broken = Check("backend.onnxruntime", "ONNX Runtime", Status.WRONG, "broken", "Install it again.")
    assert [name for each in tiny.probes([broken, RUNTIME, TRTEXEC], tmp_path) for name in each.titles] == [
        "tiny.onnxruntime",
        "tiny.trtexec",
    ]


def test_a_child_that_crashes_is_its_line(tmp_path, monkeypatch):
    (tmp_path / "broken" / "onnxruntime").mkdir(parents=True)
    (tmp_path / "broken" / "onnxruntime" / "__init__.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=os.pathsep)
    found = lines(tmp_path, RUNTIME)["tiny.onnxruntime"]
    assert (found.status, found.found) == (Status.WRONG, "it crashed with SIGABRT (Aborted)")


def test_a_way_that_hangs_is_given_up(program, tmp_path, monkeypatch):
    program("trtexec", "import time\ntime.sleep(600)\n")
    monkeypatch.setattr(tiny, "_SECONDS", 3.0)
    found = lines(tmp_path, TRTEXEC)["tiny.trtexec"]
    assert (found.status, found.found) == (Status.WRONG, "has not answered within 3 seconds")


def test_a_directory_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    found = lines(tmp_path / "file", RUNTIME)["tiny.onnxruntime"]
    assert found.status is Status.WRONG
    assert "Not a directory" in found.found
    (line,) = run(tiny.without_folder(OSError(28, "No space left on device")), Level.FULL)
    assert "No space left on device; set TMPDIR" in line.check.found


def test_results_that_differ_are_wrong(tmp_path, monkeypatch):
    """A runtime whose numbers are off: the largest difference is said, with what is accepted."""
    script = """
import onnxruntime
class Off(onnxruntime.InferenceSession):
    def run(self, *words, **more):
        return [output * 1.01 for output in super().run(*words, **more)]
"""
    (tmp_path / "off").mkdir()
    path = "import sys\nsys.path.remove(__file__.rpartition('/')[0])\ndel sys.modules['onnxruntime']\n"
    (tmp_path / "off" / "onnxruntime.py").write_text(
        f"{path}{script}onnxruntime.InferenceSession = Off\nsys.modules['onnxruntime'] = onnxruntime\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "off"), prepend=os.pathsep)
    found = lines(tmp_path, RUNTIME)["tiny.onnxruntime"]
    assert found.status is Status.WRONG
    assert "largest difference 0.03" in found.found
    assert "more than 0.0003" in found.found


def test_outputs_of_another_size_are_no_results():
    images = tiny_network.expected(tiny_network.images(3))
    with pytest.raises(tiny_ways.GuideError, match="expected 1536 finite numbers of 'maps', found 1535"):
        tiny_ways._compared("x", [images[0].reshape(-1)[1:], images[1]])  # noqa: SLF001
    assert tiny_ways._compared("x", images).difference == 0  # noqa: SLF001


def test_openvino_runs_it_in_each_precision_that_the_cpu_has(tmp_path):
    """Those that the check names are tried, and a reduced one is seen to be one: it rounds more, and not too much."""
    openvino = pytest.importorskip("openvino")
    units = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    found = lines(tmp_path, OPENVINO)
    assert [*found] == ["tiny.openvino", "tiny.openvino-bfloat16"]
    assert found["tiny.openvino"].status is Status.OK
    assert found["tiny.openvino"].details["difference"] < 1e-4
    reduced = found["tiny.openvino-bfloat16"]
    if "BF16" in units:
        assert reduced.status is Status.OK, reduced.found
        assert 1e-4 < reduced.details["difference"] < 0.2
    else:
        assert reduced.status is Status.WRONG
        assert "bfloat16" in reduced.found
    assert not any(check.required for check in found.values())


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-4), ("float16", 2e-2), ("bfloat16", 5e-2)])
def test_each_precision_has_a_tolerance_of_its_own(tmp_path, monkeypatch, precision, most):
    def told(share):
        value = {"words": "x", "difference": share * most, "largest": 1.0, "precision": precision}
        monkeypatch.setattr(tiny, "ask_own", lambda *_, **__: Answer(value, "", ""))
        return lines(tmp_path, RUNTIME)["tiny.onnxruntime"].status

    assert told(0.9) is Status.OK
    assert told(1.1) is Status.WRONG


def test_torch_exports_it(tmp_path):
    pytest.importorskip("torch")
    torch = Check("backend.torch", "torch", Status.OK, "2")
    found = lines(tmp_path, torch)["tiny.torch"]
    assert found.status is Status.OK, found.found
    assert Path(tmp_path / "torch" / "torch.onnx").is_file()
