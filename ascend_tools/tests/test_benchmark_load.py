"""What used a machine during a measurement: of made-up machines, file by file, and of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ascend_tools.benchmark import load
from ascend_tools.benchmark.load import Look, Times
from ascend_tools.kernel import Busy
from common.kernel import Container

SPIN = "import time\nwhile time.process_time() < {seconds}: pass\n"


def look(clock, used, process, processes=(), container=None, steal=0.0, **more):
    return Look(
        clock, Busy(used, steal), process, dict(processes), container, more.get("hot"), more.get("mhz")
    )


def test_others_are_all_that_is_not_own():
    before = look(
        10.0, 100.0, 1.0, {7: Times(1, "python", 1.0, 1.0, 0.5), 8: Times(1, "other", 1.0, 40.0, 0.0)}
    )
    after = look(
        12.0,
        103.5,
        2.0,
        {
            7: Times(1, "python", 1.0, 9.9, 0.5),  # its own seconds are asked for at the moment of the clock
            8: Times(1, "other", 1.0, 41.0, 0.0),
            9: Times(7, "child", 11.0, 0.25, 0.25),
            10: Times(9, "grandchild", 11.0, 0.5, 0.0),
        },
        steal=0.5,
    )
    found = load.between(before, after, 2, 7)
    assert (found.seconds, found.own, found.others, found.steal) == (2.0, 2.0, 1.5, 0.5)
    assert str(found.busiest) == "other (process 8)"
    assert found.busiest.seconds == 1.0


def test_a_child_that_ended_counts_once():
    before = look(0.0, 0.0, 0.0, {7: Times(1, "p", 1.0, 0.0, 1.0), 9: Times(7, "c", 1.0, 3.0, 0.0)})
    after = look(1.0, 1.0, 0.0, {7: Times(1, "p", 1.0, 0.0, 4.5)})
    assert load.between(before, after, 2, 7).own == 0.5


def test_a_number_that_a_new_process_has_is_no_old_process():
    before = look(0.0, 0.0, 0.0, {8: Times(1, "old", 1.0, 40.0, 0.0)})
    after = look(1.0, 1.0, 0.0, {8: Times(1, "new", 2.0, 0.75, 0.0)})
    assert load.between(before, after, 2, 7).busiest.seconds == 0.75


def test_the_kernels_own_threads_are_nobody():
    kernel = {2: Times(0, "kthreadd", 1.0, 0.0, 0.0), 30: Times(2, "kswapd0", 1.0, 5.0, 0.0)}
    before = look(0.0, 0.0, 0.0, kernel)
    after = look(1.0, 2.0, 1.0, {**kernel, 30: Times(2, "kswapd0", 1.0, 5.75, 0.0)})
    found = load.between(before, after, 2, 7)
    assert (found.others, found.busiest) == (0.25, None)
    contained = {2: Times(1, "python", 1.0, 0.0, 0.0), 30: Times(2, "python", 1.0, 5.0, 0.0)}
    after = look(1.0, 2.0, 1.0, {**contained, 30: Times(2, "python", 1.0, 5.75, 0.0)})
    assert load.between(look(0.0, 0.0, 0.0, contained), after, 2, 7).others == 1.0


def test_a_table_that_does_not_count_tells_nothing():
    before, after = look(0.0, 50.0, 0.0), look(2.0, 50.0, 2.0)
    assert load.between(before, after, 2, 7).others is None


def test_what_else_ran_in_the_container():
    before = look(0.0, 0.0, 0.0, container=Container(2.0, 10.0, 100, 5), hot=1.0)
    after = look(2.0, 4.0, 1.0, container=Container(2.0, 14.0, 120, 15), hot=1.5, mhz=3000.0)
    found = load.between(before, after, 8, 7)
    assert (found.limit, found.inside, found.periods, found.held_back) == (2.0, 3.0, 20, 10)
    assert (found.hot, found.clock_mhz) == (0.5, 3000.0)


def test_this_machine():
    with load.watch() as watched:
        subprocess.run([sys.executable, "-c", SPIN.format(seconds=0.2)], check=True)
    found = watched.load
    assert found.seconds > 0
    assert found.own >= 0.15  # the child's, which are counted in hundredths
    assert found.cores >= 1
    assert found.others is None or found.others >= 0


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="this system has no /proc")
def test_a_process_of_somebody_else_is_seen(tmp_path):
    """It is no child: what started it has ended."""
    source = f"import os\nif os.fork():\n    os._exit(0)\n{SPIN.format(seconds=0.5)}open({str(tmp_path / 'done')!r}, 'w').close()"
    with load.watch() as watched:
        subprocess.run([sys.executable, "-c", source], check=True, start_new_session=True)
        while not (tmp_path / "done").exists():
            pass
    if watched.load.others is None:
        pytest.skip("this machine does not tell what uses its CPU")
    assert watched.load.others > 0.2


def test_a_load_is_known_after_the_block_only():
    with load.watch() as watched, pytest.raises(RuntimeError, match="not ended"):
        _ = watched.load
