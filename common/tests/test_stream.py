"""stream.py: from sources to outputs in order, in batches, with errors that name the sources."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backends.deployed import open_model
from common.engine.stream import run_model
from common.errors import GuideError
from common.graph.outline import Value


class Noting:
    """An open model that notes how many images it is given at a time."""

    def __init__(self, model):
        self.model, self.sizes = model, []
        self.inputs, self.outputs = model.inputs, model.outputs

    def run(self, feeds):
        self.sizes.append(len(feeds["image"]))
        return self.model.run(feeds)


@pytest.fixture
def model(make_onnx):
    model = open_model(make_onnx())
    yield Noting(model)
    model.close()


def prepare(number):
    return np.full((3, 4, 6), number, np.float32), f"extra {number}"


def run(model, sources, function=prepare, batch_size=2, workers=2, seconds=None):
    seconds = {} if seconds is None else seconds
    return run_model(model, sources, function, batch_size=batch_size, workers=workers, seconds=seconds)


def named(numbers):
    return {f"name {number}": number for number in numbers}


@given(
    numbers=st.lists(st.integers(-1000, 1000), max_size=9, unique=True),
    batch_size=st.integers(1, 4),
    workers=st.integers(1, 4),
)
def test_every_source_gets_its_own_outputs_in_the_order_given(model, numbers, batch_size, workers):
    model.sizes.clear()
    found = list(run(model, named(numbers), batch_size=batch_size, workers=workers))
    assert [(name, extra) for name, extra, _ in found] == [(f"name {n}", f"extra {n}") for n in numbers]
    for number, (_, _, (scaled, sums)) in zip(numbers, found, strict=True):
        np.testing.assert_array_equal(scaled, np.full((3, 4, 6), 2 * number))
        np.testing.assert_array_equal(sums, np.full(3, 24 * number))
    whole, rest = divmod(len(numbers), batch_size)
    assert model.sizes == [batch_size] * whole + [rest] * bool(rest)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_last_batch_that_is_smaller_than_a_fixed_one_is_cut_off_again(make_onnx, workers):
    model = open_model(make_onnx(batch=4))
    found = list(run(model, named(range(6)), batch_size=4, workers=workers))
    assert [int(sums[0]) // 24 for _, _, (_, sums) in found] == list(range(6))
    model.close()


class Two(Noting):
    """A model with a second input, whose sums are those plus it."""

    def __init__(self, model):
        super().__init__(model)
        self.inputs = (*model.inputs, Value("more", "float32", ("N", 3)))

    def run(self, feeds):
        self.sizes.append((len(feeds["image"]), feeds["more"].shape))
        scaled, sums = self.model.run({"image": feeds["image"]})
        return [scaled, sums + feeds["more"]]


@pytest.mark.parametrize("workers", [1, 3])
def test_further_inputs_are_made_from_what_prepare_gave_beside_the_image(model, workers):
    two, seconds = Two(model.model), {}
    found = list(
        run_model(
            two,
            named(range(5)),
            prepare,
            lambda extra: [np.full(3, int(extra.split()[1]) + 1000, np.float32)],
            batch_size=2,
            workers=workers,
            seconds=seconds,
        )
    )
    assert [(name, extra) for name, extra, _ in found] == [(f"name {n}", f"extra {n}") for n in range(5)]
    assert [sums.tolist() for _, _, (_, sums) in found] == [[25 * n + 1000] * 3 for n in range(5)]
    assert two.sizes == [(2, (2, 3)), (2, (2, 3)), (1, (1, 3))]


def test_what_a_batch_gave_is_there_before_the_next_sources_are_run(model):
    results = run(model, named(range(100)))
    assert next(results)[0] == "name 0"
    assert model.sizes == [2]
    next(results)
    assert model.sizes == [2]
    next(results)
    assert model.sizes == [2, 2]


@pytest.mark.parametrize(
    ("batch_size", "names"),
    [(1, "name 5"), (2, "name 4, name 5"), (6, "name 0, name 1, name 2 and 3 more")],
)
def test_an_error_of_the_model_names_the_sources_of_its_batch(model, batch_size, names):
    def spoiled(number):
        image, extra = prepare(number)
        return image + (np.float32(np.nan) if number == 5 else 0), extra

    results = run(model, named(range(7)), spoiled, batch_size)
    before = 5 // batch_size * batch_size
    assert [next(results)[0] for _ in range(before)] == [f"name {n}" for n in range(before)]
    with pytest.raises(GuideError) as error:
        next(results)
    assert str(error.value) == f"{names}: output 'scaled' holds values that are not finite."


def test_an_error_of_a_source_arrives_as_it_is_after_the_batches_before_it(model):
    def unreadable(number):
        if number == 3:
            raise GuideError("3.jpg: no such picture.")
        return prepare(number)

    results = run(model, named(range(5)), unreadable)
    assert [next(results)[0], next(results)[0]] == ["name 0", "name 1"]
    with pytest.raises(GuideError, match=r"^3.jpg: no such picture.$"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize(("count", "batches"), [(0, 0), (1, 1), (7, 4)])
@pytest.mark.parametrize("workers", [1, 3])
def test_seconds_are_summed_over_sources_and_batches(model, monkeypatch, workers, count, batches):
    clocks = defaultdict(itertools.count)  # each thread has its own, which counts how often it is asked
    clock = SimpleNamespace(perf_counter=lambda: next(clocks[threading.get_ident()]))
    monkeypatch.setattr("common.engine.stream.time", clock)
    seconds = {"infer": 99.0, "postprocess": 5.0}
    assert len(list(run(model, named(range(count)), workers=workers, seconds=seconds))) == count
    assert seconds == {"preprocess": count, "infer": batches, "postprocess": 5.0}


def test_a_consumer_that_stops_leaves_no_thread_behind(model):
    before = threading.active_count()
    results = run(model, named(range(1000)))
    next(results)
    results.close()
    assert threading.active_count() == before
