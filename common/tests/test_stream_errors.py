"""engine/stream.py: how a run ends that does not come to its end: errors, closing early, Ctrl-C."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from common.engine import stream as module
from common.engine.stream import run
from common.engine.task import Task
from common.errors import GuideError
from common.timing import Stopwatch

COUNT = 60


def prepare(number):
    return {"image": np.full(3, number, np.float32)}, number


def finish(outputs, number):
    return number


TASK = Task(prepare, finish)


def results(models, task=TASK, batch_size=2, workers=2, count=COUNT):
    sources = {f"name {number}": number for number in range(count)}
    return run(task, models, sources, batch_size=batch_size, workers=workers, watch=Stopwatch())


BEFORE = set()


def threads():
    return set(threading.enumerate()) - BEFORE


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    BEFORE.clear()
    BEFORE.update(threading.enumerate())
    yield
    assert not threads()


def failing(bad, error):
    def function(number, *rest):
        if number == bad:
            raise error
        return prepare(number)

    return function


def taken(stream, error):
    """Return the keys before the error, and the error."""
    keys = []
    with pytest.raises(type(error)) as found:
        keys.extend(key for key, _ in stream)  # `extend` keeps what came before
    return keys, found.value


def names(count):
    return [f"name {number}" for number in range(count)]


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(("batch_size", "before"), [(1, 31), (2, 30), (16, 16)])
def test_an_error_of_preparing_names_the_item_after_all_batches_before_it(
    doubling, models, batch_size, before
):
    task = Task(failing(31, GuideError("31.jpg: no such picture.")), finish)
    stream = results([doubling() for _ in range(models)], task, batch_size)
    keys, error = taken(stream, GuideError(""))
    assert keys == names(before)
    assert str(error) == "name 31: 31.jpg: no such picture."
    assert list(stream) == []


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(
    ("batch_size", "what"),
    [(1, "name 31"), (2, "name 30, name 31"), (16, "name 16, name 17, name 18 and 13 more")],
)
def test_an_error_of_the_network_names_the_items_of_its_batch_after_all_before_them(
    doubling, models, batch_size, what
):
    class Failing(doubling):
        def run(self, feeds):
            if 31 in feeds["image"]:
                raise GuideError("out of device memory.")
            return super().run(feeds)

    keys, error = taken(results([Failing() for _ in range(models)], TASK, batch_size), GuideError(""))
    assert keys == names(31 // batch_size * batch_size)
    assert str(error) == f"{what}: out of device memory."


def test_outputs_without_the_batch_first_are_refused_by_the_items_of_the_batch(doubling):
    network = doubling()
    network.run = lambda feeds: [np.zeros((3, 2)), np.zeros(())]
    _, error = taken(results([network]), GuideError(""))
    assert str(error) == (
        "name 0, name 1: output 'twice' has the shape (3, 2) for 2 images; the batch must be first."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_outputs_that_are_not_finite_are_refused_by_the_item_after_all_batches_before_it(
    doubling, batch_size, value
):
    task = Task(lambda n: ({"image": np.full(3, value if n == 31 else n, np.float32)}, n), finish)
    keys, error = taken(results([doubling()], task, batch_size), GuideError(""))
    assert keys == names(31 // batch_size * batch_size)
    assert str(error) == "name 31: output 'twice' holds values that are not finite."


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_an_error_of_finishing_names_the_item_after_all_batches_before_it(doubling, models, batch_size):
    def refuse(outputs, number):
        if number == 31:
            raise GuideError("scores beyond 1.")
        return number

    task = Task(prepare, refuse)
    keys, error = taken(results([doubling() for _ in range(models)], task, batch_size), GuideError(""))
    assert keys == names(31 // batch_size * batch_size)
    assert str(error) == "name 31: scores beyond 1."


@pytest.mark.parametrize("error", [LookupError("a bug"), MemoryError(), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_any_other_error_arrives_as_it_is(doubling, stage, error):
    def bug(*_):
        raise error

    network = doubling()
    if stage == "run":
        network.run = bug
    task = Task(bug if stage == "prepare" else prepare, bug if stage == "finish" else finish)
    keys, found = taken(results([network], task), error)
    assert (keys, found) == ([], error)


def test_the_first_error_in_order_is_told_whichever_came_first(doubling):
    later = threading.Event()

    def both(number):
        if number == 5:
            later.set()
            raise GuideError("second.")
        if number == 4:
            later.wait(20)
            raise GuideError("first.")
        return prepare(number)

    keys, error = taken(results([doubling()], Task(both, finish), 1), GuideError(""))
    assert (keys, str(error)) == (names(4), "name 4: first.")


@pytest.mark.parametrize("batch", [0, 1, 9])
def test_memory_that_runs_out_for_a_batch_is_told(doubling, monkeypatch, batch):
    class Full(module._Batch):  # noqa: SLF001
        def __init__(self, items, values):
            if items[0][0] == f"name {2 * batch}":
                raise MemoryError
            super().__init__(items, values)

    monkeypatch.setattr(module, "_Batch", Full)
    keys, _ = taken(results([doubling()]), MemoryError())
    assert keys == names(len(keys))
    assert len(keys) <= 2 * batch


@pytest.mark.parametrize("started", range(6))
def test_a_thread_that_cannot_be_started_leaves_none(doubling, monkeypatch, started):
    begun = []

    def start(thread):
        if len(begun) == started:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        begin(thread)

    begin = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    stream = results([doubling(), doubling()])
    with pytest.raises(RuntimeError, match="can't start new thread"):
        next(stream)
    assert len(begun) == started


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("count", [1, 5])
def test_closing_early_ends_all_threads(doubling, models, batch_size, count):
    with closing(results([doubling() for _ in range(models)], TASK, batch_size)) as stream:
        for _ in range(count):
            next(stream)
    assert not threads()
    assert list(stream) == []


def test_closing_before_the_first_result_begins_nothing(doubling):
    network = doubling()
    results([network]).close()
    assert network.fed == []


@pytest.mark.parametrize("models", [1, 3])
def test_closing_while_every_place_is_taken_ends_all_threads(doubling, models, monkeypatch):
    """Every feeding thread waits for a place that only a consumer would free."""
    monkeypatch.setattr(module, "MEMORY", 1)
    networks = [doubling() for _ in range(models)]
    stream = results(networks, TASK, 1)
    next(stream)
    until(lambda: sum(len(network.fed) for network in networks) == models + 1)
    time.sleep(0.01)
    stream.close()
    assert not threads()


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_closing_waits_for_what_is_at_work_and_begins_nothing_more(doubling, models, stage):
    free, blocked, begun = threading.Event(), threading.Event(), []

    def block(number):
        begun.append(number)
        if number == 2:
            blocked.set()
            assert free.wait(20)

    class Blocking(doubling):
        def run(self, feeds):
            if stage == "run":
                block(int(feeds["image"][0, 0]))
            return super().run(feeds)

    def start(number):
        if stage == "prepare":
            block(number)
        return prepare(number)

    def end(outputs, number):
        if stage == "finish":
            block(number)
        return number

    stream = results([Blocking() for _ in range(models)], Task(start, end), 1, workers=1)
    next(stream)
    assert blocked.wait(20)
    closer = threading.Thread(target=stream.close)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    before = len(begun)
    free.set()
    closer.join(20)
    assert not closer.is_alive()
    assert len(begun) <= before + models
    assert not threads()


def test_a_stream_that_nobody_holds_any_longer_ends(doubling):
    stream = results([doubling()])
    next(stream)
    del stream
    gc.collect()
    assert not threads()


def test_an_interrupt_in_the_consumer_ends_all_threads(doubling):
    def consume(stream):
        for key, _ in stream:
            if key == "name 7":
                raise KeyboardInterrupt

    with closing(results([doubling()])) as stream, pytest.raises(KeyboardInterrupt):
        consume(stream)
    assert not threads()


INTERRUPTED = """
import sys, time
from contextlib import closing
import numpy as np
from common import cli
from common.backends.null import Null
from common.engine.stream import run
from common.engine.task import Task
from common.graph.outline import Value
from common.timing import Stopwatch

def prepare(number):
    return {"x": np.zeros(3, np.float32)}, number

def finish(outputs, number):
    return number

@cli.command
def main(argv):
    models = [Null([Value("x", "float32", ("N", 3))], [Value("y", "float32", ("N", 1))], [np.zeros(1)], 0.02)] * 2
    sources = {str(number): number for number in range(100000)}
    with closing(run(Task(prepare, finish), models, sources, batch_size=3, workers=2, watch=Stopwatch())) as results:
        for key, _ in results:
            if key == "0":
                print("running", flush=True)
    return 0

sys.exit(main())
"""


def test_ctrl_c_ends_the_command_at_once():
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "\ninterrupted; what is complete stays, run the same command again to go on.\n"
