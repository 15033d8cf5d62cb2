"""A tiny network in the place of a model's own: the same inputs and outputs, hardly any computation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from common.export.onnx_file import export
from common.facts import Facts


class Twin(nn.Module):
    """Each output is a fixed random pattern, times one number between 0 and 1 that follows from the picture.

    The number follows from the means of the channels, each with another weight.
    """

    def __init__(self, facts: Facts, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        shapes = [tensor.image_shape for tensor in facts.outputs]
        self.patterns = nn.ParameterList([torch.rand(1, *shape, generator=generator) for shape in shapes])
        largest = max(map(abs, facts.inputs[0].range or (1.0, 1.0)))
        self.weights = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]) / largest)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        number = torch.sigmoid((x.mean((2, 3)) * self.weights).sum(1))
        return tuple(pattern * number.view(-1, *[1] * (pattern.dim() - 1)) for pattern in self.patterns)


def twin_onnx(facts: Facts, path: Path, batch_size: int | None = None, seed: int = 0) -> Path:
    """Write a twin as an ONNX file, as an export does, and return its path."""
    fixed = facts.inputs[0].shape[0]
    export(Twin(facts, seed), facts, path, batch_size or (fixed if isinstance(fixed, int) else None))
    return path
