"""What the kernel tells of how busy and how fast the CPUs are, of made-up machines, file by file."""

from __future__ import annotations

import pytest

from ascend_tools import kernel


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
