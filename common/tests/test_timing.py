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


def test_a_stage_that_fails_is_counted(watch):
    with pytest.raises(LookupError), watch("infer"):
        raise LookupError
    assert watch.seconds["infer"] == 1


def test_stages_can_be_nested(watch):
    with watch("outer"), watch("inner"):
        pass
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


def test_a_watch_that_has_measured_nothing_has_a_total_alone():
    assert list(Stopwatch().seconds) == ["total"]
