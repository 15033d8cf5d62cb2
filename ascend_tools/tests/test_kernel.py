"""What the kernel tells of a machine's CPUs and memory, of made-up machines, file by file."""

from __future__ import annotations

import pytest

from ascend_tools import kernel
from ascend_tools.kernel import Container


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")


STAT = (
    "cpu  1000 0 500 9000 0 0 0 40 0 0\n"
    "cpu0 100 10 50 4000 7 1 2 30 0 0\n"
    "cpu1 400 0 200 1000 0 0 0 10 0 0\n"
    "cpu2 5000 0 0 0 0 0 0 0 0 0\n"
    "intr 1 2 3"
)


@pytest.mark.parametrize(
    ("numbers", "used", "steal"), [({0}, 1.63, 0.3), ({0, 1}, 7.63, 0.4), ({0, 1, 2}, 57.63, 0.4)]
)
def test_busy_is_of_the_cpus_that_may_be_used(tmp_path, monkeypatch, numbers, used, steal):
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    write(tmp_path, {"proc/stat": STAT})
    found = kernel.busy(frozenset(numbers), tmp_path)
    assert (found.used, found.steal) == (pytest.approx(used), pytest.approx(steal))


def test_a_container_may_count_its_cpus_from_0(tmp_path):
    write(tmp_path, {"proc/stat": STAT})
    assert kernel.busy(frozenset({4, 5, 9}), tmp_path) == kernel.busy(frozenset({0, 1, 2}), tmp_path)


@pytest.mark.parametrize(
    "stat", [None, "", "cpu0 0 0 0 0", "cpu0 x", "no table", STAT.replace("cpu1 400", "cpu1 x")]
)
def test_a_machine_that_does_not_tell(tmp_path, stat):
    if stat is not None:
        write(tmp_path, {"proc/stat": stat})
    found = kernel.busy(frozenset({0, 7}), tmp_path)
    assert found is None
    assert kernel.container(tmp_path) is None
    assert kernel.clock_mhz(frozenset({0}), tmp_path) is None
    assert kernel.hot_seconds(frozenset({0}), tmp_path) is None


def test_two_threads_of_a_core_are_one(tmp_path):
    pairs = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    write(
        tmp_path,
        {f"sys/devices/system/cpu/cpu{k}/topology/thread_siblings_list": pair for k, pair in pairs.items()},
    )
    assert kernel.cores(frozenset({0, 1, 2, 3}), tmp_path) == 2
    assert kernel.cores(frozenset({0, 2}), tmp_path) == 1
    assert kernel.cores(frozenset({0, 1}), tmp_path) == 2


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


def test_clock_and_heat(tmp_path):
    cpu = "sys/devices/system/cpu"
    write(
        tmp_path,
        {
            f"{cpu}/cpu0/cpufreq/scaling_cur_freq": "1200000",
            f"{cpu}/cpu1/cpufreq/scaling_cur_freq": "3400500",
            f"{cpu}/cpu2/cpufreq/scaling_cur_freq": "5000000",
            f"{cpu}/cpu1/thermal_throttle/core_throttle_total_time_ms": "1500",
            f"{cpu}/cpu1/thermal_throttle/package_throttle_total_time_ms": "20",
        },
    )
    assert kernel.clock_mhz(frozenset({0, 1}), tmp_path) == 3400.5
    assert kernel.hot_seconds(frozenset({0, 1}), tmp_path) == 1.5


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
