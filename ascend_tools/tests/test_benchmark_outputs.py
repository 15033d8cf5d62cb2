"""Outputs beside the reference's: what no speed excuses is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ascend_tools.benchmark import outputs
from ascend_tools.benchmark.measurements import Candidate
from common.backends.onnxruntime import OnnxRuntime
from common.facts import read_facts


@pytest.fixture
def facts(write_model):
    return read_facts(write_model())


def candidate(precision="float32"):
    return Candidate("om", "310P", precision, {})


@pytest.fixture
def run(make_onnx):
    """Run the tiny network, or one that `edit` has changed, on four pictures."""

    def run(edit=None):
        path = make_onnx()
        if edit:
            model = onnx.load(path)
            edit(model.graph)
            onnx.save(model, path)
        images = np.random.default_rng(0).normal(0, 100, (4, 3, 4, 6)).astype(np.float32)
        with OnnxRuntime(path) as network:
            return network.run({"image": images})

    return run


def swap_channels(graph):
    """Have the network take its channels in another order."""
    order = numpy_helper.from_array(np.array([2, 1, 0], np.int64), "order")
    graph.initializer.append(order)
    for node in graph.node:
        node.input[:] = ["swapped" if name == "image" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Gather", ["image", "order"], ["swapped"], axis=1))


def constant(graph):
    """Have the network forget its picture."""
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    graph.initializer.append(zero)
    for node in graph.node:
        node.input[:] = ["nothing" if name == "image" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Mul", ["image", "zero"], ["nothing"]))


def not_finite(graph):
    """Have the first output overflow."""
    two = next(each for each in graph.initializer if each.name == "two")
    two.CopyFrom(numpy_helper.from_array(np.array(np.inf, np.float32), "two"))


def half(arrays):
    return [array.astype(np.float16).astype(np.float32) for array in arrays]


def test_the_same_is_the_same(facts, run):
    judged = outputs.compare(facts, candidate(), 4, run(), run())
    assert judged.ok
    assert judged.differences == {"scaled": 0, "sums": 0}
    assert (judged.backend, judged.device, judged.precision, judged.batch_size) == (
        "om",
        "310P",
        "float32",
        4,
    )


@pytest.mark.parametrize("precision", ["float32", "float16", "unknown precision"])
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (swap_channels, "'scaled' differs from ONNX Runtime on the CPU by"),
        (constant, "'scaled' is the same for all inputs"),
        (not_finite, "'scaled' holds values that are not finite"),
    ],
)
def test_a_network_that_computes_something_else(edit, words, precision, facts, run):
    judged = outputs.compare(facts, candidate(precision), 1, run(edit), run())
    assert judged.ok is False
    assert words in judged.words


def test_half_precision_is_accepted_as_such_alone(facts, run):
    wanted = run()
    assert outputs.compare(facts, candidate("float16"), 1, half(wanted), wanted).ok
    assert outputs.compare(facts, candidate(), 1, half(wanted), wanted).ok is False


def test_outputs_in_another_order(facts, run):
    wanted = run()
    judged = outputs.compare(facts, candidate("float16"), 1, wanted[::-1], wanted)
    assert judged.ok is False
    assert (
        "expected outputs of the shapes [(4, 3, 4, 6), (4, 3)], found [(4, 3), (4, 3, 4, 6)]" in judged.words
    )
    alike = [wanted[1] + 1000, wanted[1]]
    assert outputs.compare(facts, candidate("float16"), 1, alike[::-1], alike).ok is False


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_outputs_of_other_items(precision, facts, run):
    wanted = run()
    shifted = [np.roll(array, 1, axis=0) for array in wanted]
    assert outputs.compare(facts, candidate(precision), 1, shifted, wanted).ok is False


def test_too_few_outputs(facts, run):
    wanted = run()
    assert outputs.compare(facts, candidate(), 1, wanted[:1], wanted).ok is False


def test_a_reference_that_overflows_says_nothing(facts, run):
    judged = outputs.compare(facts, candidate(), 1, run(), run(not_finite))
    assert judged.ok is None
    assert "'scaled' of ONNX Runtime on the CPU holds values that are not finite" in judged.words


def test_a_reference_that_never_changes_is_refused(facts, run):
    judged = outputs.compare(facts, candidate(), 1, run(constant), run(constant))
    assert judged.ok is False
    assert "the same for all inputs" in judged.words


def test_a_comparison_of_the_models_own_is_not_for_half_precision(facts, run):
    def own(found, wanted):
        return np.array([np.inf, 0.5])

    wanted = run()
    judged = outputs.compare(facts, candidate("float16"), 1, wanted, wanted, own)
    assert judged.ok is None
    assert judged.differences == {"sums": 0.5}
    assert outputs.compare(facts, candidate(), 1, wanted, wanted, own).ok is False
    still = [np.zeros_like(array) for array in wanted]
    assert outputs.compare(facts, candidate("float16"), 1, still, wanted, own).ok is False
