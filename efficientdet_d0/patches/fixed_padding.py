"""Export "same" padding as constants.

Why: effdet and timm compute the padding from the size of what comes in, which is exported as some 1900 nodes of
arithmetic on shapes with padding that is not known before the graph runs. The input is always 512x512 here, so the
padding is, too.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def pad_same(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1, 1),
    value: float = 0,
) -> Tensor:
    """Pad NxCxHxW so that a window with that stride gives ceil(H/stride) x ceil(W/stride), the odd one after."""
    pads: list[int] = []
    # The tracer hands sizes over as tensors; as numbers they become constants.
    for numbers in zip(x.shape[-2:], kernel_size, stride, dilation, strict=True):
        size, kernel, step, spread = map(int, numbers)
        total = max((-(-size // step) - 1) * step + (kernel - 1) * spread + 1 - size, 0)
        pads = [total // 2, total - total // 2, *pads]  # the last axis comes first
    return torch.nn.functional.pad(x, pads, value=value)


@contextlib.contextmanager
def fixed_padding() -> Iterator[None]:
    """Pad with constants inside the block."""
    # By name: timm.layers has functions that are called as these modules are.
    modules: list[Any] = [import_module(f"timm.layers.{name}") for name in ("conv2d_same", "pool2d_same")]
    originals = [module.pad_same for module in modules]
    for module in modules:
        module.pad_same = pad_same
    try:
        with warnings.catch_warnings():  # the tracer says that the sizes become constants, as they should
            warnings.filterwarnings("ignore", "Converting a tensor to a Python integer")
            yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.pad_same = original
