"""A tiny network in the place of a model's own: the same inputs and outputs, hardly any computation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from common.export.onnx_file import export
from common.facts import Facts


class Twin(nn.Module):
    """Each output is a fixed random pattern, times one of two numbers between 0 and 1 that follow from the picture.

    They follow from the means of the channels, with different weights; which of them counts for a value follows from the
    pattern, so that the outputs of two pictures differ in direction, too.
    """

    def __init__(self, facts: Facts, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        shapes = [tensor.image_shape for tensor in facts.outputs]
        self.patterns = nn.ParameterList([torch.rand(1, *shape, generator=generator) for shape in shapes])
        largest = max(map(abs, facts.inputs[0].range or (1.0, 1.0)))
        self.weights = nn.Parameter(torch.tensor([[1.0, -3.0], [2.0, 1.0], [3.0, 4.0]]) / largest)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        low, high = torch.sigmoid(x.mean((2, 3)) @ self.weights).split(1, dim=1)
        outputs = []
        for pattern in self.patterns:
            shape = [-1, *[1] * (pattern.dim() - 1)]
            outputs.append(pattern * torch.where(pattern > 0.5, high.view(shape), low.view(shape)))
        return tuple(outputs)


def twin_onnx(facts: Facts, path: Path, batch_size: int | None = None, seed: int = 0) -> Path:
    """Write a twin as an ONNX file, as an export does, and return its path."""
    fixed = facts.inputs[0].shape[0]
    export(Twin(facts, seed), facts, path, batch_size or (fixed if isinstance(fixed, int) else None))
    return path
