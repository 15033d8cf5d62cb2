"""export/seeded.py: networks that were never trained, and whose outputs follow the picture."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks are torch's")

from common.backends.torch import run_torch  # noqa: E402
from common.export.seeded import Target, seeded  # noqa: E402


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv(x)))


class Deep(torch.nn.Module):
    """Twenty blocks between two convolutions; the second is shared by two places and has no bias."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3)
        self.body = torch.nn.Sequential(*(Block() for _ in range(20)))
        self.head = torch.nn.Conv2d(8, 6, 1, bias=False)
        self.scores = torch.nn.Linear(6, 4)

    def forward(self, x):
        maps = self.head(self.body(self.stem(x)))
        return maps, self.head(x.mean(1, keepdim=True).repeat(1, 8, 1, 1)), self.scores(maps.mean((2, 3)))


LAYERS = {"stem": Target(), "head": Target(2.0, (1.0, -3.0)), "scores": Target(0.5)}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(0, 60, (5, 3, 9, 9)).astype(np.float32)


def fitted(images):
    return seeded(Deep, images, LAYERS, last="bn2")


def test_activations_and_outputs_spread_as_they_are_asked_to(images):
    network = fitted(images)
    assert not network.training
    maps, _, scores = run_torch(network, images)
    np.testing.assert_allclose(maps.mean((0, 2, 3)), [1, -3] * 3, atol=0.05)
    np.testing.assert_allclose(maps.std((0, 2, 3)), 2, rtol=0.3)  # of six channels over few places
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scores.std(0), 0.5, rtol=1e-3)
    inputs = []
    network.body[19].bn2.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    run_torch(network, images)
    np.testing.assert_allclose(
        network.body[19].bn2.running_mean, inputs[0].mean((0, 2, 3)), rtol=1e-3, atol=1e-3
    )


def test_every_call_gives_the_same_and_leaves_the_random_numbers_of_others_alone(images):
    torch.manual_seed(7)
    first = fitted(images).state_dict()
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(3))
    second = fitted(images).state_dict()
    assert all(torch.equal(values, second[name]) for name, values in first.items())


def test_outputs_follow_the_picture_and_not_the_rounding(images):
    network = fitted(images)
    maps = run_torch(network, images)[0]
    swapped = run_torch(network, np.ascontiguousarray(images[:, ::-1]))[0]
    moved = run_torch(network, images * np.float32(1 + 1e-6))[0]
    assert np.abs(swapped - maps).max() > 0.5 * maps.std()
    assert np.abs(moved - maps).max() < 1e-4 * maps.std()
    assert maps.std(0).mean() > 0.2 * maps.std()


def test_a_channel_that_hardly_changes_is_not_blown_up():
    class Norm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bn = torch.nn.BatchNorm1d(2)

        def forward(self, x):
            return self.bn(x)

    network = seeded(Norm, np.float32([[0, 7], [2, 7]]))
    assert network.bn.running_var.tolist() == pytest.approx([1.0, 0.5e-3])
    assert network.bn.running_mean.tolist() == [1, 7]
