"""timing.py: seconds by stage, over threads."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from common import timing
from common.timing import Stopwatch


@pytest.fixture
def watch(monkeypatch):
    """A watch whose clock goes on by a second whenever it is looked at."""
    ticks = itertools.count()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    return Stopwatch()


def test_a_stage_is_summed_and_the_total_is_the_clocks(watch):
    for stage in ("infer", "score", "infer"):
        with watch(stage):
            pass
    assert watch.seconds == {"infer": 2, "score": 1, "total": 7}
    assert list(watch.seconds) == ["infer", "score", "total"]
    assert watch.clock == 9


def test_a_stage_that_fails_or_is_in_another_is_counted(watch):
    assert list(watch.seconds) == ["total"]
    with pytest.raises(LookupError), watch("outer"), watch("inner"):
        raise LookupError
    assert (watch.seconds["inner"], watch.seconds["outer"]) == (1, 3)


def test_what_runs_at_once_adds_up_to_more_than_the_clock():
    watch, together = Stopwatch(), threading.Barrier(3, timeout=20)

    def work():
        with watch("stage"):
            together.wait()
            threading.Event().wait(0.05)
            together.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.seconds["stage"] > 0.15
    assert watch.seconds["stage"] > watch.seconds["total"]
