"""kernel.py: what the kernel tells of a machine's CPUs and memory, of made-up machines, file by file."""

from __future__ import annotations

import pytest

from common import kernel, threads
from common.kernel import Container


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")


V2 = "36 25 0:29 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw"
V1 = "31 25 0:2{n} {root} /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}"
STAT_V2 = "usage_usec 5000000\nuser_usec 1\nnr_periods 200\nnr_throttled 20\nthrottled_usec 12345"


def test_the_tightest_limit_counts(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pod/app",
            "proc/self/mountinfo": V2.format(root="/"),
            "sys/fs/cgroup/cpu.max": "max 100000",
            "sys/fs/cgroup/pod/cpu.max": "150000 100000",
            "sys/fs/cgroup/pod/cpu.stat": STAT_V2,
            "sys/fs/cgroup/pod/app/cpu.max": "400000 100000",
            "sys/fs/cgroup/pod/app/cpu.stat": "nr_periods 7\nnr_throttled 1",
        },
    )
    assert kernel.container(tmp_path) == Container(1.5, 5.0, 200, 20)


def test_in_a_container_the_group_is_where_the_file_system_begins(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../docker/1f",
            "proc/self/mountinfo": V2.format(root="/docker/1f"),
            "sys/fs/cgroup/cpu.max": "200000 100000",
            "sys/fs/cgroup/cpu.stat": STAT_V2,
        },
    )
    assert kernel.container(tmp_path) == Container(2.0, 5.0, 200, 20)


@pytest.mark.parametrize(
    ("group", "root", "place"), [("/docker/1f", "/docker/1f", ""), ("/docker/1f", "/", "docker/1f/")]
)
def test_the_first_version_of_control_groups(tmp_path, group, root, place):
    mounts = [V1.format(n=k, root=root, name=name) for k, name in enumerate(("cpuset", "cpu", "cpuacct"))]
    write(
        tmp_path,
        {
            "proc/self/cgroup": f"5:cpuset:/\n4:cpu,cpuacct:{group}\n0::/",
            "proc/self/mountinfo": "\n".join(mounts),
            f"sys/fs/cgroup/cpu/{place}cpu.cfs_quota_us": "50000",
            f"sys/fs/cgroup/cpu/{place}cpu.cfs_period_us": "100000",
            f"sys/fs/cgroup/cpu/{place}cpu.stat": "nr_periods 9\nnr_throttled 8\nthrottled_time 7",
            f"sys/fs/cgroup/cpuacct/{place}cpuacct.usage": "3000000000",
        },
    )
    assert kernel.container(tmp_path) == Container(0.5, 3.0, 9, 8)


def test_no_limit_is_none(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu:/\n0::/",
            "proc/self/mountinfo": f"{V2.format(root='/')}\n{V1.format(n=1, root='/', name='cpu')}\nshort line",
            "sys/fs/cgroup/cpu.max": "max 100000",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert kernel.container(tmp_path) is None


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "max"}, None),
        ({"sys/fs/cgroup/memory.max": "8589934592"}, 2**33),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "4096"}, 4096),
        ({"sys/fs/cgroup/memory.max": "8192", "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096"}, 4096),
        ({"sys/fs/cgroup/memory.max": "9" * 5000}, None),
    ],
)
def test_the_limit_of_a_containers_memory(tmp_path, files, limit):
    mounts = f"{V2.format(root='/')}\n{V1.format(n=1, root='/', name='memory')}"
    write(tmp_path, {"proc/self/cgroup": "3:memory:/\n0::/", "proc/self/mountinfo": mounts, **files})
    assert kernel.memory_limit(tmp_path) == limit


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "processor : 0\nmodel name\t: Fast CPU @ 2 GHz\n\nprocessor : 1\nmodel name : Other\n",
            "Fast CPU @ 2 GHz",
        ),
        ("CPU implementer\t: 0x48\nCPU part\t: 0xd01\n", "HiSilicon part 0xd01"),
        ("Hardware : Board 7\n", "Board 7"),
        ("CPU implementer : 0x99\n", "0x99 part ?"),
    ],
)
def test_the_name_of_the_processor(tmp_path, cpuinfo, name):
    write(tmp_path, {"proc/cpuinfo": cpuinfo})
    assert kernel.cpu_model(tmp_path) == name
    assert kernel.cpu_model(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   4096 kB"}, 2**22),
        ({"sys/fs/cgroup/memory.max": "8192", "sys/fs/cgroup/memory.current": "1000"}, 7192),
        (
            {
                "proc/meminfo": "MemAvailable: 4096 kB",
                "sys/fs/cgroup/memory.max": "8192",
                "sys/fs/cgroup/memory.current": "8000",
                "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 3000",
            },
            3192,
        ),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "8192",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "9000",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 500",
            },
            0,
        ),
    ],
)
def test_the_memory_that_is_left(tmp_path, files, left):
    mounts = f"{V2.format(root='/')}\n{V1.format(n=1, root='/', name='memory')}"
    write(tmp_path, {"proc/self/cgroup": "3:memory:/\n0::/", "proc/self/mountinfo": mounts, **files})
    assert kernel.memory_left(tmp_path) == left


@pytest.mark.parametrize(
    ("allowed", "limit", "cores"),
    [(1, None, 1), (8, None, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.2, 1), (2, 64.0, 2)],
)
def test_cores_are_those_of_affinity_and_container(monkeypatch, allowed, limit, cores):
    limited = Container(limit, None, 0, 0) if limit else None
    monkeypatch.setattr(kernel, "cpus", lambda: frozenset(range(allowed)))
    monkeypatch.setattr(kernel, "container", lambda: limited)
    assert threads.cores() == cores


def test_a_job_that_is_computed_alone_gets_a_thread_for_each_real_core(monkeypatch):
    monkeypatch.setattr(kernel, "cpus", lambda: frozenset(range(8)))
    monkeypatch.setattr(kernel, "physical", lambda numbers: len(numbers) // 2)
    for limit, found in ((None, 4), (6.0, 4), (2.0, 2)):
        limited = Container(limit, None, 0, 0) if limit else None
        monkeypatch.setattr(kernel, "container", lambda limited=limited: limited)
        assert threads.for_one_job() == found


def test_two_threads_of_a_core_are_one(tmp_path):
    pairs = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    write(
        tmp_path,
        {f"sys/devices/system/cpu/cpu{k}/topology/thread_siblings_list": pair for k, pair in pairs.items()},
    )
    assert kernel.physical(frozenset({0, 1, 2, 3}), tmp_path) == 2
    assert kernel.physical(frozenset({0, 2}), tmp_path) == 1
    assert kernel.physical(frozenset({0, 1}), tmp_path / "elsewhere") == 2


@pytest.mark.parametrize(
    ("wanted", "size", "left", "found"),
    [
        (1, 10, 1000, 1),
        (9, 10, 1000, 4),
        (9, 10, 60, 3),
        (9, 10, 0, 1),
        (9, 10, None, 4),
        (9, 0, 0, 1),
        (0, 10, 99, 1),
    ],
)
def test_as_many_jobs_at_once_as_there_are_cores_and_half_of_the_memory(
    monkeypatch, wanted, size, left, found
):
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(kernel, "memory_left", lambda: left)
    assert threads.at_once(wanted, size) == found
