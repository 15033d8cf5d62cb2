"""The doctor's lines of the processor and the memory, from /proc and /sys of machines of all kinds."""

from __future__ import annotations

import os

import pytest

from ascend_tools.doctor import cpu
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]
INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Test 9999\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nBogoMIPS\t: 200.00\nFeatures\t: fp asimd {}\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n"


GROUPS = "4:cpu,cpuacct:/\n3:memory:/\n0::/\n"
MOUNTS = "".join(
    f"{20 + at} 19 0:{at} / /sys/fs/cgroup{place} rw - {kind} {kind} rw,{controllers}\n"
    for at, (place, kind, controllers) in enumerate(
        [("", "cgroup2", ""), ("/cpu,cpuacct", "cgroup", "cpu,cpuacct"), ("/memory", "cgroup", "memory")]
    )
)


@pytest.mark.parametrize(
    ("cpuinfo", "bf16", "matrix"),
    [
        (INTEL.format("avx512_bf16 avx512_vnni amx_bf16 amx_tile amx_int8"), "AMX, AVX-512", "AMX tiles, AMX int8, AMX bfloat16, AVX-512 VNNI (int8)"),
        (INTEL.format("avx512f avx512_vnni"), None, "AVX-512 VNNI (int8)"),
        (INTEL.format("avx512_bf16 amx_fp16 amx_bf16"), "AMX, AVX-512", "AMX bfloat16, AMX float16"),
        (INTEL.format("avx_vnni"), None, "AVX VNNI (int8)"),
        (INTEL.format("avx512_bf16x xamx_tile"), None, None),
        (ARM.format("asimddp"), None, "Arm int8 dot products"),
        (ARM.format("bf16 i8mm sve"), "Arm", "Arm int8 matrices (i8mm)"),
        (ARM.format("bf16 i8mm sve svebf16 sme sme2"), "Arm, SVE", "SME, SME2, Arm int8 matrices (i8mm)"),
        ("", None, None),
        ("cpu\t: POWER9\nrevision : 2.2\n", None, None),
        ("\0\xff:::\n: :\nflags", None, None),
    ],
)  # fmt: skip
def test_what_the_cpu_can_do(host, cpuinfo, bf16, matrix):
    host.file("proc/cpuinfo", cpuinfo)
    found = checks(cpu)
    for name, words in (("cpu.bf16", bf16), ("cpu.matrix", matrix)):
        assert found[name].status is (Status.OK if words else Status.MISSING)
        assert words is None or found[name].found.partition(";")[0] == words
        used = any(flag in cpuinfo.split() for flag in ("amx_bf16", "avx512_bf16"))
        assert words is None or not used or "--backend openvino --precision bfloat16" in found[name].found
    if "flags" not in cpuinfo and "Features" not in cpuinfo:
        assert "names no flags" in found["cpu.bf16"].found
    assert not any(check.required for check in found.values())


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [(INTEL, "Intel(R) Xeon(R) Test 9999"), (ARM, "HiSilicon part 0xd01"), ("Model\t: A board\n", "A board")],
)
def test_models(host, cpuinfo, name):
    host.file("proc/cpuinfo", cpuinfo)
    assert checks(cpu)["cpu.model"].details["name"] == name


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        ({"sys/fs/cgroup/cpu.max": "1600000 100000\n"}, 16),
        ({"sys/fs/cgroup/cpu.max": "1 0\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "rubbish"}, None),
        ({"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, None),
        ({"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 4),
        ({"proc/self/cgroup": "0::/user.slice/app\n", "sys/fs/cgroup/user.slice/cpu.max": "300000 100000",
          "sys/fs/cgroup/user.slice/app/cpu.max": "max 100000"}, 3),
        ({"proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n", "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000",
          "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000"}, 0.5),
        ({"proc/self/cgroup": "0::/../../elsewhere\nrubbish\n"}, None),
    ],
)  # fmt: skip
def test_the_share_of_a_container(host, eight, files, quota):
    for name, text in {"proc/self/cgroup": GROUPS, "proc/self/mountinfo": MOUNTS, **files}.items():
        host.file(name, text)
    found = checks(cpu)["cpu.cores"]
    assert found.details["quota"] == quota
    small = quota is not None and quota < 8
    assert found.status is (Status.WRONG if small else Status.OK)
    assert cpu.cores() == (quota if small else 8)
    if small:
        assert found.remedy.startswith(f"taskset -c 0{f'-{int(quota) - 1}' if quota >= 2 else ''} COMMAND")


def test_cores_that_a_process_may_use(host, monkeypatch, eight):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert checks(cpu)["cpu.cores"].found == "2 of 8, by affinity"


@pytest.mark.parametrize(
    ("files", "words", "status"),
    [
        ({}, "not told", Status.MISSING),
        ({"proc/meminfo": "MemTotal:       33554432 kB\n"}, "32.0 GiB", Status.OK),
        ({"proc/meminfo": "MemTotal:        2097152 kB\n"}, "2.0 GiB, which is little", Status.WRONG),
        ({"proc/meminfo": "MemTotal:       33554432 kB\n", "sys/fs/cgroup/memory.max": "max\n"}, "32.0 GiB", Status.OK),
        ({"proc/meminfo": "MemTotal:       33554432 kB\n", "sys/fs/cgroup/memory.max": "8589934592\n"},
         "8.0 GiB of 32.0, by the container's limit", Status.OK),
        ({"proc/meminfo": "MemTotal:       33554432 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"},
         "32.0 GiB", Status.OK),
        ({"proc/meminfo": f"MemTotal: {'9' * 5000} kB\n"}, "not told", Status.MISSING),
    ],
)  # fmt: skip
def test_memory(host, files, words, status):
    for name, text in {"proc/self/cgroup": GROUPS, "proc/self/mountinfo": MOUNTS, **files}.items():
        host.file(name, text)
    found = checks(cpu)["cpu.memory"]
    assert found.status is status
    assert words in found.found
