"""The doctor's lines of this Python's packages and of the backends, with packages whose fault is made."""

from __future__ import annotations

import sys

import pytest

from ascend_tools.doctor import backends, packages
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]
CUDA = "CUDAExecutionProvider"
# As much of ONNX Runtime as the doctor asks of it: `LISTED` providers, of which those in `STARTS` do, and `RUNS` runs.
RUNTIME = """
import json, numpy, os, sys
__version__ = "1.99.0"
LISTED, STARTS, RUNS = {listed!r}, {starts!r}, {runs!r}
def get_available_providers():
    return LISTED
class SessionOptions:
    profile_file_prefix = ""
class InferenceSession:
    def __init__(self, content, options, providers):
        assert content[:2] == b"\\x08\\x06", content
        self.options, self.providers = options, [each for each in providers if each in STARTS]
        if {said!r} and len(self.providers) < len(providers):
            print({said!r}, file=sys.stderr)
    def get_providers(self):
        return self.providers
    def run(self, names, feeds):
        return [numpy.maximum(feeds["x"], 0)]
    def end_profiling(self):
        name = self.options.profile_file_prefix + ".json"
        with open(name, "w") as file:
            json.dump([{{"args": {{"provider": RUNS or self.providers[0]}}}}, {{}}], file)
        return name
"""


@pytest.fixture(autouse=True)
def only_what_is_asked(monkeypatch):
    """torch and OpenVINO take seconds to import, and have tests of their own."""
    monkeypatch.setattr(backends, "PROBES", backends.PROBES[:1])


@pytest.fixture
def runtime(host):
    def write(*listed, starts=("CPUExecutionProvider",), runs="", said=""):
        listed = [*listed, "CPUExecutionProvider"]
        host.package("onnxruntime", RUNTIME.format(listed=listed, starts=[*starts], runs=runs, said=said))

    return write


def test_this_python(host, monkeypatch):
    found = checks(packages)
    assert {check.status for check in found.values()} == {Status.OK}
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert checks(packages)["python.version"].status is Status.WRONG


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n",
         "the library libGL.so.1 is not found", "pip uninstall -y opencv-python opencv-contrib-python"),
        ("import os\nos.kill(os.getpid(), 11)\n", "crashed with SIGSEGV", "--force-reinstall opencv-python-headless"),
        ("import os\nos.kill(os.getpid(), 4)\n", "crashed with SIGILL", "--force-reinstall opencv-python-headless"),
    ],
)  # fmt: skip
def test_a_package_that_breaks(host, text, said, remedy):
    host.package("cv2", text)
    found = checks(packages)["python.packages"]
    assert (found.status, found.details["broken"]) == (Status.WRONG, ["opencv-python-headless"])
    assert said in found.found
    assert remedy in found.remedy


def test_a_package_that_is_missing(host):
    host.package(
        "simplejpeg", "raise ModuleNotFoundError(\"No module named 'simplejpeg'\", name='simplejpeg')\n"
    )
    found = checks(packages)["python.packages"]
    assert (found.status, found.details["missing"]) == (Status.MISSING, ["simplejpeg"])
    assert found.remedy.endswith("-m pip install simplejpeg")


def test_the_onnx_runtime_that_is_installed(host):
    found = checks(backends)["backend.onnxruntime"]
    assert found.status is Status.OK
    assert "CPUExecutionProvider" in found.details["providers"]


def test_a_provider_that_starts(host, runtime):
    runtime(CUDA, starts=(CUDA, "CPUExecutionProvider"))
    found = checks(backends)
    assert {check.status for check in found.values()} == {Status.OK}
    assert found["backend.onnxruntime"].details["providers"] == [CUDA, "CPUExecutionProvider"]


@pytest.mark.parametrize("name", [CUDA, "CANNExecutionProvider"])
def test_a_provider_that_is_listed_and_runs_on_the_cpu(host, runtime, name):
    library = "libcublasLt.so.12: cannot open shared object file: No such file or directory"
    runtime(name, said=f"[E:onnxruntime] Failed to load library with error: {library}")
    found = checks(backends)
    assert found["backend.providers"].status is Status.WRONG
    assert (
        "the CPU takes its place: the library libcublasLt.so.12 is not found"
        in found["backend.providers"].found
    )
    assert found["backend.onnxruntime"].status is Status.OK
    assert found["backend.onnxruntime"].details["providers"] == ["CPUExecutionProvider"]
    assert found["backend.onnxruntime"].details["listed"] == [name, "CPUExecutionProvider"]


def test_a_provider_that_starts_and_leaves_all_to_the_cpu(host, runtime):
    name = "CANNExecutionProvider"
    runtime(name, starts=(name, "CPUExecutionProvider"), runs="CPUExecutionProvider")
    assert "CPUExecutionProvider ran the network" in checks(backends)["backend.providers"].found


def test_tensorrt_may_be_missing_beside_cuda(host, runtime):
    runtime("TensorrtExecutionProvider", CUDA, starts=(CUDA, "CPUExecutionProvider"))
    found = checks(backends)["backend.providers"]
    assert found.status is Status.OK
    assert "TensorrtExecutionProvider not" in found.found


@pytest.mark.parametrize(
    "other", ["onnxruntime-gpu", "onnxruntime_cann", "onnxruntime-openvino", "ort-nightly"]
)
def test_two_packages_of_one_module(host, runtime, other):
    runtime()
    host.package("empty", "", "1.20.0", "onnxruntime")
    host.package("nothing", "", "1.21.0", other)
    found = checks(backends)["backend.onnxruntime"]
    assert found.status is Status.WRONG
    assert "both installed" in found.found
    assert f"pip install {other.replace('_', '-')}" in found.remedy


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')\n", Status.WRONG, "cannot be imported"),
        ("", Status.WRONG, "has no attribute '__version__'"),
        ("__version__ = '1'\nget_available_providers = list\n", Status.WRONG, "cannot be imported"),
        ("import os\nos.kill(os.getpid(), 4)\n", Status.WRONG, "SIGILL"),
        ("raise ImportError('libonnxruntime.so.1: version `GLIBC_2.99\\' not found (required by x)')\n", Status.WRONG, "does not fit"),
        ("print('[1'); raise SystemExit(0)\n", Status.WRONG, "answered nothing"),
    ],
)  # fmt: skip
def test_an_onnx_runtime_that_breaks(host, text, status, said):
    host.package("onnxruntime", text)
    found = checks(backends)["backend.onnxruntime"]
    assert found.status is status
    assert said in found.found


TORCH = """
import types
__version__ = "2.99"
cuda = types.SimpleNamespace(is_available=lambda: False)
npu = types.SimpleNamespace(is_available=lambda: {})
"""


@pytest.fixture
def line(host, monkeypatch):
    """The line of a backend, with a fake of its package."""

    def ask(probe, **texts):
        for name, text in texts.items():
            host.package(name, text)
        (found,) = vars(backends)[probe]()
        return found

    return ask


def test_torch(line):
    found = line("_torch", torch=TORCH.format(True), torch_npu="__version__ = '2.99.post1'\n")
    assert (found.status, found.required) == (Status.OK, False)
    assert found.found == "2.99, without CUDA, torch_npu 2.99.post1 with an NPU"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"torch": TORCH.format(False), "torch_npu": "raise ImportError('libhccl.so: cannot open shared object file')\n"}, "libhccl"),
        ({"torch": "import os\nos.kill(os.getpid(), 4)\n"}, "SIGILL"),
        ({"torch": "raise OSError('libcudnn.so.9: cannot open shared object file: No such file or directory')\n"}, "libcudnn.so.9 is not found"),
        ({"torch": ""}, "__version__"),
    ],
)  # fmt: skip
def test_a_torch_that_breaks(line, texts, said):
    found = line("_torch", **texts)
    assert found.status is Status.WRONG
    assert said in found.found


OPENVINO = """
__version__ = '2099.1-1234-abc'
class Core:
    available_devices = {devices}
    def get_property(self, device, name):
        assert (device, name) == ('CPU', 'OPTIMIZATION_CAPABILITIES')
        return {units}
"""


@pytest.mark.parametrize(
    ("units", "said", "precisions"),
    [
        (["FP32", "INT8", "BIN"], "in float32; bfloat16 takes AVX-512 BF16, AMX or Arm's bfloat16; float16 takes", ["float32"]),
        (["FP32", "BF16", "INT8"], "in float32 and bfloat16; float16 takes AVX-512 FP16", ["float32", "bfloat16"]),
        (["FP32", "FP16", "BF16"], "in float32 and bfloat16 and float16", ["float32", "bfloat16", "float16"]),
    ],
)  # fmt: skip
def test_openvino_and_the_precisions_of_this_cpu(line, units, said, precisions):
    found = line("_openvino", openvino=OPENVINO.format(devices=["CPU", "GPU"], units=units))
    assert found.status is Status.OK
    assert found.found.startswith(f"2099.1 on CPU, GPU, {said}")
    assert found.details["precisions"] == precisions


def test_an_openvino_that_breaks_or_has_no_cpu(line):
    assert line("_openvino", openvino="").status is Status.WRONG
    found = line("_openvino", openvino=OPENVINO.format(devices=[], units=[]))
    assert (found.status, found.details["precisions"]) == (Status.WRONG, [])
    assert "2099.1 on no device, and not on the CPU" in found.found
    assert found.remedy.endswith("pip install openvino --force-reinstall")
