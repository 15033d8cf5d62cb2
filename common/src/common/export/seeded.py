"""Weights that were never trained and behave like trained ones: for trying every step without a checkpoint.

Weights as torch draws them make deep networks whose outputs hardly depend on the picture, and comparing such outputs
shows nothing. So batch norms get the statistics that they have on a few pictures, and the layers without one are scaled
and shifted: each channel then varies over pictures and places as it does in a trained network (data-dependent
initialisation: Kraehenbuehl et al., 2016, https://arxiv.org/abs/1511.06856).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")
# Of the layer's mean variance: a channel that hardly varies on a few pictures is not blown up on all others.
LEAST_VARIANCE = 1e-3
# Untrained layers multiply the rounding errors of those before them. They do so less where activations stay in the
# nearly linear middle of their function, and where a residual block changes little, as after training.
SCALE, RESIDUAL_SCALE = 0.3, 0.015


@dataclass(frozen=True)
class Target:
    """Mean and standard deviation of a layer's channels; several means are taken in turn, channel by channel."""

    deviation: float = 1.0
    means: Sequence[float] = (0.0,)


def seeded(
    build: Callable[[], Network],
    images: NDArray[np.float32],
    layers: Mapping[str, Target] | None = None,
    last: str | None = None,
) -> Network:
    """Return a network with weights drawn from a fixed seed and fitted to pictures, in evaluation mode.

    The same on every call; between machines, the last bits differ as those of torch do.

    Args:
        build: makes the network.
        images: a batch of its input; one forward pass is made.
        layers: convolutions and linear layers without a batch norm behind them, by name, and how their outputs
            shall spread.
        last: what the batch norms at the end of residual branches are called, without the names of their blocks.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build()
    network.eval()
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  the base class of all of them
            scale = RESIDUAL_SCALE if name.rpartition(".")[2] == last else SCALE
            torch.nn.init.constant_(module.weight, scale)
            hooks.append(module.register_forward_pre_hook(_fit_batch_norm))
    for name, target in (layers or {}).items():
        hooks.append(network.get_submodule(name).register_forward_hook(_fit_layer(target)))
    with torch.inference_mode():
        network(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    return network


def _fit_batch_norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Give a batch norm the statistics of what it is about to normalise."""
    import torch

    (x,) = inputs
    variance, mean = torch.var_mean(x, _all_but_channels(x), correction=0)
    module.get_buffer("running_mean").copy_(mean)
    module.get_buffer("running_var").copy_(variance.clamp(min=LEAST_VARIANCE * float(variance.mean())))


def _fit_layer(target: Target) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
    """Return a hook that gives a layer's outputs their spread when the layer is called for the first time."""
    import torch

    fitted = set()

    def fit(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if module in fitted:  # a layer that several places share
            return None
        fitted.add(module)
        parameters = dict(module.named_parameters())
        weight, bias = parameters["weight"], parameters.get("bias")
        deviation, mean = torch.std_mean(output, _all_but_channels(output), correction=0)
        scale = target.deviation / deviation
        shift = torch.tensor(target.means).repeat(len(mean) // len(target.means)) - scale * mean
        weight.mul_(scale.view(-1, *[1] * (weight.dim() - 1)))
        if bias is not None:
            bias.copy_(scale * bias + shift)
        else:  # a 1x1 convolution: what it makes of the mean input is moved
            usual = inputs[0].mean(_all_but_channels(inputs[0]))
            weight.add_((shift[:, None] * usual / usual.square().sum()).view_as(weight))
        fitted_output: Tensor = module.forward(*inputs)
        return fitted_output

    return fit


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]
