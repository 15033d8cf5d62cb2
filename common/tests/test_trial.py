"""backends/trial.py: which runtime is taken, by candidates whose speed is made up, and once with real ones."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from common import kernel, threads
from common.backends import trial
from common.backends.deployed import Runtime, open_model
from common.backends.remembered import Choice
from common.backends.trial import Tried, candidates, fastest, gain, open_best, try_all
from common.errors import GuideError
from common.graph.outline import Value
from tests.conftest import refused

MODEL = "m.onnx"
TWICE, ALL, OTHER = Choice("onnxruntime", 2), Choice("onnxruntime", 1), Choice("openvino", 2)


class Machine:
    """Candidates that take made-up seconds for a call, by a clock of each thread's own; it counts what happens."""

    def __init__(self, seconds):
        self.seconds, self.own, self.lock = seconds, threading.local(), threading.Lock()
        self.calls, self.open, self.most_open, self.order = {}, 0, 0, []

    def clock(self):
        return getattr(self.own, "now", 0.0)

    def opened(self, choice):
        if isinstance(self.seconds[choice], Exception):
            raise self.seconds[choice]
        return StandIn(self, choice)


class StandIn:
    """A network that is one of the candidates of a machine."""

    name, precision, identity = "stand-in", "float32", "x"
    inputs, outputs = (Value("image", "float32", ("N", 2)),), (Value("sum", "float32", ("N",)),)

    def __init__(self, machine, choice):
        self.machine, self.choice = machine, choice
        self.models = (self,) * choice.at_once

    def run(self, feeds):
        seconds = self.machine.seconds[self.choice]
        with self.machine.lock:
            count = self.machine.calls[self.choice] = self.machine.calls.get(self.choice, 0) + 1
            self.machine.order.append(self.choice)
        if callable(seconds):
            seconds = seconds(count)
        self.machine.own.now = self.machine.clock() + seconds
        return [feeds["image"].sum(1)]

    def __enter__(self):
        self.machine.open += 1
        self.machine.most_open = max(self.machine.most_open, self.machine.open)
        return self

    def __exit__(self, *exc):
        self.machine.open -= 1


def tried(seconds, *, together=True, batch_size=1):
    machine = Machine(seconds)
    found = try_all(list(seconds), machine.opened, batch_size, together=together, clock=machine.clock)
    assert machine.open == 0
    return machine, found


def test_images_per_second_are_those_of_all_places_and_of_a_whole_batch():
    _, found = tried({TWICE: 0.05, ALL: 0.03, OTHER: 0.01}, batch_size=4)
    assert [each.rate for each in found] == pytest.approx([2 * 4 / 0.05, 4 / 0.03, 2 * 4 / 0.01])


def test_the_first_call_is_not_counted_and_an_outlier_neither():
    slow = {1: 0.9, 4: 2.0}
    _, found = tried({ALL: lambda count: slow.get(count, 0.2)})
    assert found[0].rate == pytest.approx(5.0)


def test_candidates_take_turns():
    machine, found = tried({ALL: 0.2, Choice("openvino", 1): 0.2})
    assert machine.most_open == 2
    assert machine.order[:2] == machine.order[2:4] == [each.choice for each in found]
    assert len(machine.order) == 2 * (1 + trial.TURNS)


def test_what_is_clearly_slower_gets_no_turn_where_others_had_theirs():
    machine, found = tried({ALL: 1.1, Choice("openvino", 1): 3.1})
    assert machine.calls == {ALL: 3, Choice("openvino", 1): 1}
    assert "clearly slower" in str(found[1])


def test_large_ones_are_open_one_after_the_other():
    machine, found = tried({ALL: 0.2, Choice("openvino", 1): 0.1}, together=False)
    assert machine.most_open == 1
    assert [each.rate for each in found] == pytest.approx([5, 10])


def test_a_network_of_seconds_a_call_is_called_twice_and_what_is_clearly_slower_once():
    machine, found = tried({ALL: 5.0, TWICE: 9.0, OTHER: 30.0}, together=False)
    assert machine.calls == {ALL: 2, TWICE: 4, OTHER: 2}  # in each of two places
    assert [str(each) for each in found] == [
        "0.2 images/s",
        "0.222 images/s",
        "0.0667 images/s in the first call, clearly slower",
    ]


@pytest.mark.parametrize("error", [GuideError("it is not installed"), MemoryError()])
def test_one_that_cannot_be_tried_is_named_with_the_reason(error):
    _, found = tried({TWICE: 0.1, OTHER: error, ALL: 0.1})
    assert [bool(each.rates) for each in found] == [True, False, True]
    assert str(found[1]).startswith(str(error) or "the memory does not suffice")


def test_one_that_fails_while_it_is_timed_is_not_taken():
    def fails(count):
        if count > 300:
            raise GuideError("cannot run")
        return 0.001

    _, found = tried({ALL: 0.1, Choice("openvino", 1): fails})
    assert (found[1].rates, found[1].reason) == ([], "cannot run")


def test_one_whose_outputs_are_not_finite_is_not_taken(monkeypatch):
    monkeypatch.setattr(StandIn, "run", lambda self, feeds: [feeds["image"].sum(1) * np.inf])
    _, found = tried({ALL: 0.1})
    assert found[0].reason == "output 'sum' holds values that are not finite."


def rated(*rates):
    choices = (TWICE, ALL, OTHER)
    return [
        Tried(choice, [rate] if rate else [], "" if rate else "fails")
        for choice, rate in zip(choices, rates, strict=False)
    ]


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ((10, 8, 12), OTHER),
        ((10, 12, 11.5), ALL),
        ((10, 10.8, 10.3), TWICE),  # by chance
        ((10, 0, 9), TWICE),
        ((0, 8, 8.1), OTHER),
    ],
)
def test_the_fastest_is_taken_and_the_default_unless_another_gains_more_than_chance(rates, best):
    assert fastest(MODEL, rated(*rates)).choice == best


def test_where_nothing_runs_it_all_reasons_are_told():
    with refused(
        "m.onnx: --backend auto: nothing on this machine runs this model: onnxruntime, 2 batches at once: fails; "
        "onnxruntime, all cores for one batch: fails"
    ):
        fastest(MODEL, rated(0, 0))


def test_the_gain_is_over_the_default():
    default, other, third = rated(10, 0, 19)
    assert gain(third, default) == "1.90 times as fast as the default, onnxruntime, 2 batches at once"
    assert gain(default, default) == "the default, since no other is 10 % faster"
    assert gain(third, other) == "since the default cannot run it"


def test_candidates_are_those_of_a_precision_the_default_first():
    assert candidates("float32", 4) == [
        Choice("onnxruntime", 4),
        Choice("onnxruntime", 1),
        Choice("openvino", 4),
        Choice("openvino", 1),
    ]
    assert candidates("float32", 1) == [Choice("onnxruntime", 1), Choice("openvino", 1)]
    assert candidates("bfloat16", 2) == [Choice("openvino", 2), Choice("openvino", 1)]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own, and two cores."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(threads, "cores", lambda: 2)
    return tmp_path / "cache" / "ascend-guides" / "trials.json"


def made_up(monkeypatch, seconds):
    """Have candidates of made-up speed in the place of the real ones; return the machine that counts."""
    machine = Machine(seconds)
    real = try_all
    monkeypatch.setattr(
        trial,
        "try_all",
        lambda choices, opened, size, *, together: real(
            choices, machine.opened, size, together=together, clock=machine.clock
        ),
    )
    monkeypatch.setattr(
        trial, "OpenVino", lambda *_, at_once, **__: StandIn(machine, Choice("openvino", at_once))
    )
    return machine


SPEEDS = {TWICE: 0.1, ALL: 0.05, OTHER: 0.05, Choice("openvino", 1): 0.04}


def test_a_trial_says_what_it_tried_and_the_next_run_takes_what_it_found(
    make_onnx, monkeypatch, capsys, cache
):
    machine, path = made_up(monkeypatch, SPEEDS), make_onnx()
    with open_best(path, at_once=9) as taken:
        assert taken.choice == OTHER
    begun, *said = capsys.readouterr().out.splitlines()
    assert begun.startswith(f"{path}: tried for ")
    gained = "2.00 times as fast as the default, onnxruntime, 2 batches at once"
    assert said == [
        "tried: onnxruntime, 2 batches at once: 20 images/s",
        "tried: onnxruntime, all cores for one batch: 20 images/s",
        "tried: openvino, 2 batches at once: 40 images/s",
        "tried: openvino, all cores for one batch: 25 images/s",
        f"taken: openvino, 2 batches at once, {gained}; remembered in {cache}",
    ]
    calls = dict(machine.calls)
    with open_best(path, at_once=5) as taken:
        assert taken.choice == OTHER
    assert machine.calls == calls
    assert capsys.readouterr().out.startswith(
        f"{path}: openvino, 2 batches at once, taken from {cache}: tried on "
    )


@pytest.mark.parametrize(
    "change", ["network", "batch size", "at once", "cpu", "cores", "versions", "precision"]
)
def test_what_concerns_the_speed_is_tried_again(make_onnx, monkeypatch, cache, change):
    machine, path = made_up(monkeypatch, SPEEDS), make_onnx()
    words = {"at_once": 9}
    open_best(path, **words)
    calls = sum(machine.calls.values())
    if change == "network":
        path = make_onnx("other.onnx", bias=1.0)
    elif change == "batch size":
        words["batch_size"] = 2
    elif change == "at once":
        words["at_once"] = 1
    elif change == "cpu":
        monkeypatch.setattr(kernel, "cpu_model", lambda: "another CPU")
    elif change == "cores":
        monkeypatch.setattr(threads, "cores", lambda: 3)
        machine.seconds |= {Choice("onnxruntime", 3): 0.1, Choice("openvino", 3): 0.1}
    elif change == "versions":
        monkeypatch.setattr(trial, "packages", lambda: {"openvino": "9"})
    else:
        words["precision"] = "bfloat16"
    open_best(path, **words)
    assert sum(machine.calls.values()) > calls
    assert cache.is_file()


@pytest.mark.parametrize(("versions", "kept"), [({"openvino": "9"}, False), ({}, True)])
def test_a_trial_in_which_something_installed_fails_is_not_remembered(
    make_onnx, monkeypatch, capsys, cache, versions, kept
):
    failing = {OTHER: GuideError("it is broken"), Choice("openvino", 1): MemoryError()}
    made_up(monkeypatch, SPEEDS | failing)
    monkeypatch.setattr(trial, "packages", lambda: versions)
    open_best(make_onnx(), at_once=9)
    *_, said = capsys.readouterr().out.splitlines()
    assert said.startswith("taken: onnxruntime, ")
    assert said.endswith("not remembered, since not all could be tried") is not kept
    assert cache.is_file() is kept


@pytest.mark.parametrize(
    ("size", "left", "together"), [(100, None, True), (100, 300, False), (2**32, None, False)]
)
def test_whether_all_may_be_open_at_the_same_time(monkeypatch, size, left, together):
    monkeypatch.setattr(kernel, "memory_left", lambda: left)
    assert trial.fit(size) is together


def test_a_graph_as_it_is_written_is_not_tried(make_onnx, monkeypatch, capsys, cache):
    machine = made_up(monkeypatch, SPEEDS)
    with open_best(make_onnx(), optimise=False) as network:
        assert network.name == "onnxruntime"
    assert (machine.calls, capsys.readouterr().out, cache.exists()) == ({}, "", False)


def test_the_real_thing(make_onnx, capsys, cache):
    with open_model(make_onnx(), Runtime("auto"), at_once=4) as network:
        image = np.ones((1, 3, 4, 6), np.float32)
        scaled, sums = network.run({"image": image})
    np.testing.assert_array_equal(scaled, 2 * image)
    np.testing.assert_array_equal(sums, image.sum((2, 3)))
    said = capsys.readouterr().out
    assert said.count("tried: ") == 4
    assert f"remembered in {cache}" in said
    with open_model(make_onnx(), Runtime("auto"), at_once=4) as network:
        assert network.name in ("onnxruntime", "openvino")
    assert "remove that file to try again" in capsys.readouterr().out
