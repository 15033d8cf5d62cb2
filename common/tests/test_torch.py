"""backends/torch.py: torch in the place of a deployed network."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="it is the backend")

from common.backends.base import run_batch  # noqa: E402
from common.backends.deployed import open_model  # noqa: E402
from common.backends.torch import Torch, run_torch  # noqa: E402
from common.engine.stream import run  # noqa: E402
from common.engine.task import Task  # noqa: E402
from common.graph.aipp import Aipp  # noqa: E402
from common.timing import Stopwatch  # noqa: E402


class Tiny(torch.nn.Module):
    """What the tiny ONNX file computes: twice the image, and the sums of its channels."""

    def forward(self, x):
        return 2 * x, x.sum((2, 3))


class Alone(torch.nn.Module):
    def forward(self, x):
        return x + 1


class Two(torch.nn.Module):
    def forward(self, x, size):
        return x + 1, size - x.sum((2, 3))


def images(count):
    return np.random.default_rng(0).random((count, 3, 4, 6), np.float32)


@pytest.mark.parametrize("network", [Tiny(), Alone(), torch.nn.Conv2d(3, 2, 1)])  # the last one has gradients
def test_torch_runs_on_numpy_arrays_with_one_output_or_several(network):
    outputs = run_torch(network, images(4))
    assert [(type(output), output.dtype) for output in outputs] == [(np.ndarray, np.float32)] * len(outputs)
    expected = network(torch.from_numpy(images(4)))
    for found, wanted in zip(outputs, expected if isinstance(expected, tuple) else [expected], strict=True):
        np.testing.assert_array_equal(found, wanted.detach().numpy())


def test_torch_runs_on_several_inputs_in_order():
    sizes = np.arange(12, dtype=np.float32).reshape(4, 3)
    first, second = run_torch(Two(), images(4), sizes)
    np.testing.assert_array_equal(first, images(4) + 1)
    np.testing.assert_allclose(second, sizes - images(4).sum((2, 3)), rtol=1e-5, atol=1e-5)


def test_it_takes_the_inputs_of_the_deployed_network_and_gives_its_outputs(make_onnx):
    with open_model(make_onnx()) as deployed, Torch(Tiny(), deployed) as network:
        assert (network.inputs, network.outputs) == (deployed.inputs, deployed.outputs)
        assert (network.name, network.precision) == ("torch", "float32")
        for found, wanted in zip(
            run_batch(network, {"image": images(3)}),
            run_batch(deployed, {"image": images(3)}),
            strict=True,
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_inputs_are_given_in_the_order_of_the_deployed_network(doubling):
    class More(torch.nn.Module):
        def forward(self, image, more):
            return 2 * image, image.sum(1) + more

    given = {"more": np.array([5, 7]), "image": np.ones((2, 3), np.float32), "another": np.zeros(2)}
    twice, total = run_batch(Torch(More(), doubling(two=True)), given)
    assert (twice.tolist(), total.tolist()) == ([[2.0] * 3] * 2, [8.0, 10.0])


@pytest.mark.parametrize("swap_rb", [False, True])
def test_aipps_arithmetic_is_done_here(doubling, make_onnx, swap_rb):
    aipp = Aipp(mean=(104, 117, 123), var_reci=(0.5, 1, 2), swap_rb=swap_rb)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    with open_model(make_onnx(), aipp=aipp) as deployed:
        ours = run_batch(Torch(Tiny(), deployed, aipp), {"image": pictures})
        for found, wanted in zip(ours, run_batch(deployed, {"image": pictures}), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_pictures_that_are_turned_in_memory_alone_are_taken(doubling, batch_size):
    """torch itself refuses an array with negative strides."""

    class Sum(torch.nn.Module):
        def forward(self, x):
            return 2 * x, x.sum(1)

    task = Task(
        lambda n: ({"image": np.arange(n, n + 3, dtype=np.float32)[::-1]}, None),
        lambda outputs, _: outputs[0],
    )
    network = Torch(Sum(), doubling())
    found = run(task, [network], {"a": 1, "b": 2}, batch_size=batch_size, workers=1, watch=Stopwatch())
    assert [twice.tolist() for _, twice in found] == [[6.0, 4.0, 2.0], [8.0, 6.0, 4.0]]
