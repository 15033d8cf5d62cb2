"""engine/stream.py: what is done at once, how much of it, and that it never comes to a standstill."""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import closing
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.engine import stream as module
from common.engine.task import Task
from tests.conftest import of_number, streamed


def finish(outputs, number):
    assert outputs[0].tolist() == [2.0 * number] * 3
    return number


def settle(count):
    """Wait until a count stays as it is, and return it."""
    found, seen = count(), 0
    while seen < 5:
        time.sleep(0.005)
        seen = seen + 1 if count() == found else 0
        found = count()
    return found


def side(models, workers, batch_size):
    """As many batches as may be on one side of the network: in work, in each model, and two waiting for it."""
    return 3 * models + -(-workers // batch_size)


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (1, 4), (3, 2), (16, 2)])
def test_a_slow_consumer_bounds_the_items_in_flight(doubling, models, batch_size, workers):
    begun, most = [], 2 * side(models, workers, batch_size)
    task = Task(lambda n: begun.append(n) or of_number(n), finish)
    networks = [doubling() for _ in range(models)]
    with closing(streamed(networks, task, batch_size, workers, count=1000)) as stream:
        for used in range(1, 3 * batch_size, batch_size):
            for _ in range(batch_size if used > 1 else 1):
                next(stream)
            ahead = settle(lambda: len(begun)) - used
            assert batch_size < ahead <= most * batch_size


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (1, 4), (3, 2), (16, 2)])
def test_a_slow_network_bounds_what_is_prepared(doubling, batch_size, workers):
    free, begun = threading.Event(), []

    class Slow(doubling):
        def run(self, feeds):
            assert free.wait(20)
            return super().run(feeds)

    task = Task(lambda n: begun.append(n) or of_number(n), finish)
    with closing(streamed([Slow()], task, batch_size, workers, count=1000)) as stream:
        consumer = threading.Thread(target=next, args=(stream,))
        consumer.start()
        try:
            assert batch_size < settle(lambda: len(begun)) <= side(1, workers, batch_size) * batch_size
        finally:
            free.set()
            consumer.join()


@pytest.mark.parametrize("models", [1, 3])
def test_items_that_fill_the_memory_are_one_a_model_and_the_next(doubling, models, monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 1)
    begun = []
    task = Task(lambda n: begun.append(n) or of_number(n), finish)
    with closing(streamed([doubling() for _ in range(models)], task, batch_size=1, workers=4)) as stream:
        next(stream)
        assert settle(lambda: len(begun)) <= 1 + 2 * (models + 1)
        assert len(list(stream)) == 59


def test_memory_of_a_batch_is_given_back_before_the_next_has_run(doubling):
    """Maps of a large network are the largest part; one batch of them more than is counted could be too many."""
    fed, made = [], []

    class Watched(doubling):
        def run(self, feeds):
            end = time.monotonic() + 20
            while any(reference() is not None for reference in (*fed, *made)):
                assert time.monotonic() < end, "the arrays of the batch before are still there"
                time.sleep(0.001)
            outputs = super().run(feeds)
            self.fed.clear()
            fed[:] = [weakref.ref(feeds["image"])]
            made[:] = map(weakref.ref, outputs)
            return outputs

    assert len(list(streamed([Watched()], Task(of_number, finish), 2, 1, count=8))) == 8


@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_as_many_are_at_work_at_once_as_there_are_workers_and_models(doubling, stage):
    together = threading.Barrier(3, timeout=20)

    def meet(here):
        if here == stage:
            together.wait()

    class Together(doubling):
        def run(self, feeds):
            meet("run")
            return super().run(feeds)

    task = Task(lambda n: meet("prepare") or of_number(n), lambda outputs, n: meet("finish") or n)
    assert len(list(streamed([Together() for _ in range(3)], task, batch_size=1, workers=3, count=9))) == 9


def test_preparing_inference_and_finishing_run_at_once(doubling):
    """Item 0 is finished while item 1 is in the network while item 2 is prepared."""
    at_work = {stage: threading.Event() for stage in ("prepare", "run", "finish")}

    def meet(stage, number, wanted):
        if number == wanted:
            at_work[stage].set()
            assert all(event.wait(20) for event in at_work.values())

    class Meeting(doubling):
        def run(self, feeds):
            meet("run", feeds["image"][0, 0], 1)
            return super().run(feeds)

    task = Task(
        lambda n: meet("prepare", n, 2) or of_number(n),
        lambda outputs, n: meet("finish", n, 0) or n,
    )
    assert [n for _, n in streamed([Meeting()], task, batch_size=1, workers=1, count=9)] == list(range(9))


times = st.lists(st.sampled_from([0, 0, 0.0005, 0.003]), min_size=1, max_size=7)


@given(
    stages=st.tuples(times, times, times, times),
    batch_size=st.sampled_from([1, 3, 16]),
    workers=st.integers(1, 3),
    models=st.integers(1, 3),
    memory=st.sampled_from([1, 100, 2**30]),
)
def test_stages_of_any_duration_come_to_their_end(doubling, stages, batch_size, workers, models, memory):
    durations = [cycle(stage) for stage in stages]

    class Slow(doubling):
        def run(self, feeds):
            time.sleep(next(durations[1]))
            return super().run(feeds)

    def slow_prepare(number):
        time.sleep(next(durations[0]))
        return of_number(number)

    def slow_finish(outputs, number):
        time.sleep(next(durations[2]))
        return finish(outputs, number)

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MEMORY", memory)
        networks = [Slow() for _ in range(models)]
        for key, number in streamed(networks, Task(slow_prepare, slow_finish), batch_size, workers, count=21):
            time.sleep(next(durations[3]))
            found.append((key, number))
    assert found == [(f"name {number}", number) for number in range(21)]
