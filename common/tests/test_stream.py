"""engine/stream.py: each item's own result, in the order of the sources, whatever the batches, threads and models."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.engine.stream import run
from common.engine.task import Task
from common.errors import GuideError
from common.graph.outline import Value
from common.timing import Stopwatch
from tests.conftest import refused


def prepare(number):
    return {"image": np.full(3, number, np.float32), "more": np.array(number + 1000)}, f"context {number}"


def finish(outputs, context):
    twice, total = outputs
    return twice.tolist(), float(total), context


TASK = Task(prepare, finish)


def named(numbers):
    return {f"name {number}": number for number in numbers}


def results(models, sources, task=TASK, batch_size=2, workers=2, watch=None):
    return run(task, models, sources, batch_size=batch_size, workers=workers, watch=watch or Stopwatch())


def expected(numbers, more=0):
    return [(f"name {n}", ([2.0 * n] * 3, 3.0 * n + more * (n + 1000), f"context {n}")) for n in numbers]


@given(
    numbers=st.lists(st.integers(-1000, 1000), max_size=40, unique=True),
    batch_size=st.sampled_from([1, 3, 16]),
    workers=st.integers(1, 4),
    models=st.integers(1, 3),
)
def test_every_source_gets_its_own_result_in_the_order_given(doubling, numbers, batch_size, workers, models):
    networks = [doubling() for _ in range(models)]
    assert list(results(networks, named(numbers), TASK, batch_size, workers)) == expected(numbers)
    whole, rest = divmod(len(numbers), batch_size)
    sizes = Counter(size for network in networks for size in network.sizes)
    assert sizes == Counter([batch_size] * whole + [rest] * bool(rest))
    fed = [feeds["image"][:, 0].tolist() for network in networks for feeds in network.fed]
    assert all(len(network.threads) <= 1 for network in networks)
    batches = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]
    assert sorted(fed) == sorted(batches)
    assert models > 1 or fed == batches


def test_pairs_are_taken_one_by_one_as_they_are_needed(doubling):
    taken = []

    def pairs():
        for number in range(1000):
            taken.append(number)
            yield f"name {number}", number

    found = results([doubling()], pairs())
    assert [next(found) for _ in range(3)] == expected(range(3))
    assert len(taken) < 50
    found.close()
    assert len(taken) < 50
    assert list(results([doubling()], iter(named(range(7)).items()))) == expected(range(7))


def test_an_error_of_the_pairs_comes_after_what_is_done(doubling):
    def pairs():
        yield from named(range(9)).items()
        raise GuideError("no further picture can be found.")

    found = []
    with refused("no further picture can be found."):
        for each in results([doubling()], pairs()):
            found.append(each)  # noqa: PERF402  until the error
    assert found == expected(range(len(found)))


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("count", [1, 15, 16, 17])
def test_a_fixed_batch_is_filled_up_with_its_last_item(doubling, batch_size, count):
    network = doubling(16)
    assert list(results([network], named(range(count)), batch_size=batch_size)) == expected(range(count))
    assert set(network.sizes) == {16}
    rest = count % batch_size or batch_size
    assert network.fed[-1]["image"][rest - 1 :, 0].tolist() == [count - 1] * (17 - rest)


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("two", [False, True])
def test_a_second_input_is_fed_by_its_name_where_the_network_asks_for_it(doubling, two, batch_size):
    network = doubling(two=two)
    found = list(results([network], named(range(5)), batch_size=batch_size))
    assert found == expected(range(5), more=two)
    assert {name for feeds in network.fed for name in feeds} == ({"image", "more"} if two else {"image"})
    assert {feeds["more"].dtype.name for feeds in network.fed if two} <= {"int64"}


INPUTS = {
    "missing": ({"picture": np.zeros(3)}, "the network asks for the input 'image'; there is picture."),
    "shape": ({"image": np.zeros((3, 1), np.float32)}, "float32 of shape (3, 1)."),
    "one value": ({"image": np.zeros((), np.float32)}, "float32 of shape ()."),  # numpy would repeat it
    "type": ({"image": np.zeros(3)}, "float64 of shape (3,)."),  # numpy would round it
    "byte order": ({"image": np.zeros(3, ">f4")}, ">f4 of shape (3,)."),
}


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_that_does_not_fit_is_refused_by_the_items_key(doubling, kind, batch_size):
    inputs, message = INPUTS[kind]
    if kind != "missing":
        message = f"expected the input 'image' as float32 of shape (3,), found {message}"
    task = Task(lambda n: (inputs, None) if n == 3 else prepare(n), finish)
    with refused(f"name 3: {message}"):
        list(results([doubling()], named(range(6)), task, batch_size))


def test_an_input_that_is_dynamic_beyond_the_batch_is_refused(doubling):
    network = doubling()
    network.inputs = (Value("image", "float32", ("N", "length")),)
    with pytest.raises(GuideError, match=r"input shape \('N', 'length'\) is dynamic beyond the batch"):
        list(results([network], named(range(4))))


@pytest.mark.parametrize(("batch_size", "shared"), [(1, [True] * 3), (2, [False, True])])
def test_an_item_that_goes_alone_is_not_copied(doubling, batch_size, shared):
    images = {f"name {n}": np.full(3, n, np.float32) for n in range(3)}
    network, last = doubling(), list(images.values())[-len(shared) :]
    list(results([network], images, Task(lambda image: ({"image": image}, ""), finish), batch_size))
    fed = [feeds["image"] for feeds in network.fed]
    assert [np.shares_memory(array, image) for array, image in zip(fed, last, strict=True)] == shared


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_network_is_fed_arrays_in_c_order(doubling, batch_size):
    network = doubling()
    task = Task(lambda n: ({"image": np.arange(n, n + 3, dtype=np.float32)[::-1]}, ""), finish)
    found = [twice for _, (twice, _, _) in results([network], named(range(4)), task, batch_size)]
    assert found == [[2.0 * n + 4, 2.0 * n + 2, 2.0 * n] for n in range(4)]
    assert all(feeds["image"].flags.c_contiguous for feeds in network.fed)


def test_nothing_begins_before_the_first_result_is_asked_for(doubling):
    network, before = doubling(), threading.active_count()
    assert list(results([network], {})) == []
    assert network.fed == []
    stream = results([network], named(range(9)))
    assert threading.active_count() == before
    assert next(stream) == expected([0])[0]
    assert len(list(stream)) == 8
    assert threading.active_count() == before


@pytest.mark.parametrize(("count", "batches"), [(0, 0), (1, 1), (7, 4)])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_stage_of_every_item_is_timed(doubling, workers, count, batches):
    class Counting(Stopwatch):
        def __call__(self, stage):
            stages.append(stage)
            return super().__call__(stage)

    stages, watch = [], Counting()
    assert len(list(results([doubling()], named(range(count)), workers=workers, watch=watch))) == count
    assert Counter(stages) == Counter(preprocess=count, stack=count, infer=batches, postprocess=count)
    assert set(watch.seconds) == {*stages, "total"}
