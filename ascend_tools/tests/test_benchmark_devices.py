"""What else uses an NPU or a GPU, as their own tools tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_tools.benchmark import devices
from ascend_tools.benchmark.measurements import Candidate

NVIDIA = """
import sys
assert sys.argv[1:3] == ["--format=csv,noheader,nounits", "-i"], sys.argv
if sys.argv[4] == "--query-compute-apps=pid,process_name":
    print({apps!r})
elif sys.argv[4] == "--query-gpu=utilization.gpu":
    print({busy!r})
else:
    sys.exit(2)
sys.exit({code})
"""
GPU = Candidate("trtexec", "T4", "float16", {None: Path("m.onnx")})


@pytest.fixture(autouse=True)
def without_pause(monkeypatch):
    monkeypatch.setattr(devices, "_PAUSE", 0.0)


@pytest.mark.parametrize(
    ("apps", "busy", "code", "users"),
    [
        ("4711, /usr/bin/python3", "97", 0, ("python3 (process 4711) on device 0",)),
        ("", "97", 0, ("device 0 at 97 %",)),
        ("", "0", 0, ()),
        ("", "[N/A]", 0, ()),
        ("No devices were found", "No devices were found", 6, ()),
    ],
)
def test_what_uses_a_gpu(program, apps, busy, code, users):
    program("nvidia-smi", NVIDIA.format(apps=apps, busy=busy, code=code))
    assert devices.users(GPU) == users
    assert devices.users(Candidate("onnxruntime", "CPU", "float32", {})) == ()


def test_visible_devices_have_other_numbers(program, monkeypatch):
    program(
        "nvidia-smi",
        "import sys\nprint('12, python3' if 'compute' in sys.argv[4] and sys.argv[3] == '3' else '')",
    )
    assert devices.users(GPU) == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert devices.users(GPU) == ("python3 (process 12) on device 3",)


def test_no_tool_tells_nothing(nothing_on_path):
    assert devices.users(GPU) == ()
    assert devices.users(Candidate("om", "310P", "float16", {})) == ()


def test_what_uses_an_npu(sourced):
    om = Candidate("om", "310P", "float16", {}, rehearsal=True)
    assert devices.users(om) == ()
    sourced("smi:in-use")
    (user,) = devices.users(om)
    assert "python3" in user
    assert "device 0" in user
    assert devices.users(om, (1,)) == ()
