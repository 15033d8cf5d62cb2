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
from common.engine.task import Task
from common.errors import GuideError
from tests.conftest import numbered, of_number, streamed


def finish(outputs, number):
    return number


TASK = Task(of_number, finish)


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


def taken(stream, error):
    """Return the keys before the error, and the error."""
    keys = []
    with pytest.raises(type(error)) as found:
        keys.extend(key for key, _ in stream)  # `extend` keeps what came before
    return keys, found.value


ITEM = {
    "prepare": "name 31: no such picture.",
    "finish": "name 31: scores beyond 1.",
    "not finite": "name 31: output 'twice' holds values that are not finite.",
}
BATCH = {1: "name 31", 2: "name 30, name 31", 16: "name 16, name 17, name 18 and 13 more"}


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("stage", [*ITEM, "network"])
def test_an_error_names_its_item_or_its_batch_after_all_batches_before_it(
    doubling, models, batch_size, stage
):
    class Failing(doubling):
        def run(self, feeds):
            if stage == "network" and 31 in feeds["image"]:
                raise GuideError("out of device memory.")
            outputs = super().run(feeds)
            outputs[0][stage == "not finite" and feeds["image"] == 31] = np.inf
            return outputs

    def start(number):
        if (stage, number) == ("prepare", 31):
            raise GuideError("no such picture.")
        return of_number(number)

    def end(outputs, number):
        if (stage, number) == ("finish", 31):
            raise GuideError("scores beyond 1.")
        return number

    stream = streamed([Failing() for _ in range(models)], Task(start, end), batch_size)
    keys, error = taken(stream, GuideError(""))
    assert keys == list(numbered(31 // batch_size * batch_size))
    assert str(error) == ITEM.get(stage, f"{BATCH[batch_size]}: out of device memory.")
    assert list(stream) == []


def test_outputs_without_the_batch_first_are_refused_by_the_items_of_the_batch(doubling):
    network = doubling()
    network.run = lambda feeds: [np.zeros((3, 2)), np.zeros(())]
    _, error = taken(streamed([network], TASK), GuideError(""))
    assert str(error) == (
        "name 0, name 1: output 'twice' has the shape (3, 2) for 2 images; the batch must be first."
    )


@pytest.mark.parametrize("error", [LookupError("a bug"), MemoryError(), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_any_other_error_arrives_as_it_is(doubling, stage, error):
    def bug(*_):
        raise error

    network = doubling()
    if stage == "run":
        network.run = bug
    task = Task(bug if stage == "prepare" else of_number, bug if stage == "finish" else finish)
    keys, found = taken(streamed([network], task), error)
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
        return of_number(number)

    keys, error = taken(streamed([doubling()], Task(both, finish), 1), GuideError(""))
    assert (keys, str(error)) == (list(numbered(4)), "name 4: first.")


@pytest.mark.parametrize("batch", [0, 1, 9])
def test_memory_that_runs_out_for_a_batch_is_told(doubling, monkeypatch, batch):
    class Full(module._Batch):  # noqa: SLF001
        def __init__(self, items, values):
            if items[0][0] == f"name {2 * batch}":
                raise MemoryError
            super().__init__(items, values)

    monkeypatch.setattr(module, "_Batch", Full)
    keys, _ = taken(streamed([doubling()], TASK), MemoryError())
    assert keys == list(numbered(len(keys)))
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
    stream = streamed([doubling(), doubling()], TASK)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        next(stream)
    assert len(begun) == started


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_closing_early_ends_all_threads(doubling, models, batch_size, count):
    networks = [doubling() for _ in range(models)]
    with closing(streamed(networks, TASK, batch_size)) as stream:
        for _ in range(count):
            next(stream)
    assert not threads()
    assert list(stream) == []
    assert any(network.fed for network in networks) == (count > 0)


@pytest.mark.parametrize("models", [1, 3])
def test_closing_while_every_place_is_taken_ends_all_threads(doubling, models, monkeypatch):
    """Every feeding thread waits for a place that only a consumer would free."""
    monkeypatch.setattr(module, "MEMORY", 1)
    networks = [doubling() for _ in range(models)]
    stream = streamed(networks, TASK, 1)
    next(stream)
    until(lambda: sum(len(network.fed) for network in networks) == models + 1)
    time.sleep(0.01)
    stream.close()
    assert not threads()


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_closing_waits_for_what_is_at_work_and_begins_nothing_more(doubling, models, stage):
    free, blocked, begun = threading.Event(), threading.Event(), []

    def block(here, number):
        if here == stage:
            begun.append(number)
            if number == 2:
                blocked.set()
                assert free.wait(20)

    class Blocking(doubling):
        def run(self, feeds):
            block("run", int(feeds["image"][0, 0]))
            return super().run(feeds)

    task = Task(
        lambda number: block("prepare", number) or of_number(number),
        lambda outputs, number: block("finish", number) or number,
    )
    stream = streamed([Blocking() for _ in range(models)], task, 1, workers=1)
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
    stream = streamed([doubling()], TASK)
    next(stream)
    del stream
    gc.collect()
    assert not threads()


def test_an_interrupt_in_the_consumer_ends_all_threads(doubling):
    with closing(streamed([doubling()], TASK)) as stream, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for key, _ in stream:
            if key == "name 7":
                raise KeyboardInterrupt
    assert not threads()


INTERRUPTED = """
import signal, sys, time
from contextlib import closing
import numpy as np
from common import cli
from common.backends.null import Null
from common.engine.stream import run
from common.engine.task import Task
from common.graph.outline import Value
from common.timing import Stopwatch

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have its background jobs ignore it

def prepare(number):
    return {"x": np.zeros(3, np.float32)}, number

def finish(outputs, number):
    return number

@cli.command
def main(argv):
    inputs, outputs = [Value("x", "float32", ("N", 3))], [Value("y", "float32", ("N", 1))]
    models = [Null(inputs, outputs, [np.zeros(1)], 0.02)] * 2
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
