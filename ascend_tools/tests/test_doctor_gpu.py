"""The doctor's lines of an NVIDIA card, with programs that say what the real ones do."""

from __future__ import annotations

import pytest

from ascend_tools.doctor import gpu
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]


def test_nothing_is_installed(host):
    found = checks(gpu)
    assert {(check.status, check.required) for check in found.values()} == {(Status.MISSING, False)}


def test_cards(host):
    host.program(
        "nvidia-smi",
        "import sys\nassert sys.argv[1:] == ['--query-gpu=index,name,driver_version,memory.total', '--format=csv,noheader']\n"
        "print('0, Tesla T4, 535.1.2, 15360 MiB')\nprint('1, Tesla T4, 535.1.2, 15360 MiB')\n",
    )
    found = checks(gpu)["gpu.driver"]
    assert found.status is Status.OK
    assert found.details["cards"] == ["Tesla T4", "Tesla T4"]
    assert found.found.endswith("driver 535.1.2")


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        (
            'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver. Make sure ..."; exit 9',
            "modprobe",
        ),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "restart"),
        ('echo "NVIDIA-SMI couldn\'t find libnvidia-ml.so library in your system."; exit 12', "--gpus all"),
        ("echo 'No devices were found'; exit 6", "lspci"),
        ("echo 'No devices were found'", "lspci"),
        ("exit 0", "Install the driver"),
        ("kill -11 $$", "Install the driver"),
        ("echo '0, a, b'", "Install the driver"),
    ],
)
def test_nvidia_smi_without_a_driver(host, source, remedy):
    host.shell("nvidia-smi", source)
    found = checks(gpu)["gpu.driver"]
    assert found.status is Status.WRONG
    assert remedy in found.remedy


def test_nvidia_smi_that_hangs(host, monkeypatch):
    monkeypatch.setattr(gpu, "_SECONDS", 0.5)
    host.program("nvidia-smi", "import time\ntime.sleep(60)\n")
    assert "0.5 seconds" in checks(gpu)["gpu.driver"].found


@pytest.mark.parametrize(
    ("digits", "version"),
    [("7203", "7.2.3"), ("8401", "8.4.1"), ("8601", "8.6.1"), ("100900", "10.9.0"), ("101301", "10.13.1")],
)
@pytest.mark.parametrize("code", [0, 1])
def test_trtexec_that_ends_with_an_error_though_it_says_its_version(host, digits, version, code):
    host.shell(
        "trtexec",
        f"echo '&&&& FAILED TensorRT.trtexec [TensorRT v{digits}] [b34] # trtexec --version'; exit {code}",
    )
    found = checks(gpu)["gpu.trtexec"]
    assert (found.status, found.details["version"]) == (Status.OK, version)


def test_trtexec_without_its_libraries(host):
    path = host.shell("trtexec", "echo 'trtexec: error while loading shared libraries: libnvinfer.so.8: cannot open shared "
                      "object file: No such file or directory'; exit 127", folder="TensorRT/bin")  # fmt: skip
    host.file("TensorRT/lib/libnvinfer.so.8")
    host.set("PATH", path.parent, "/usr/bin", "/bin")
    found = checks(gpu)["gpu.trtexec"]
    assert (found.status, found.details["library"]) == (Status.WRONG, "libnvinfer.so.8")
    assert found.remedy == f"export LD_LIBRARY_PATH={host.root}/TensorRT/lib:$LD_LIBRARY_PATH"


def test_trtexec_where_its_package_leaves_it(host):
    path = host.shell("trtexec", "exit 0", folder="usr/src/tensorrt/bin")
    assert checks(gpu)["gpu.trtexec"].remedy == f"export PATH={path.parent}:$PATH"


@pytest.mark.parametrize("source", ["echo rubbish", "exit 2", "kill -4 $$"])
def test_a_trtexec_that_is_none(host, source):
    host.shell("trtexec", source)
    assert checks(gpu)["gpu.trtexec"].status is Status.WRONG
