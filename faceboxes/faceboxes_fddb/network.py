"""The FaceBoxes network (Zhang et al., 2017, https://arxiv.org/abs/1708.05234) and its published checkpoint.

The only module of this package that needs torch. Module names are those of the published state dict
(https://github.com/zisianw/FaceBoxes.PyTorch), so its 174 entries load unchanged.
"""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common.cli import shorten
from common.errors import GuideError


class ConvBn(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class ConvCRelu(ConvBn):
    """Convolution, batch norm, then ReLU of both signs: twice the channels (paper, section 3.1)."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return torch.relu(torch.cat((x, -x), dim=1))


class Inception(nn.Module):
    """Four branches of 32 channels, concatenated: Nx128xHxW to Nx128xHxW (paper, table 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1x1 = ConvBn(128, 32, 1)
        self.branch1x1_2 = ConvBn(128, 32, 1)
        self.branch3x3_reduce = ConvBn(128, 24, 1)
        self.branch3x3 = ConvBn(24, 32, 3, padding=1)
        self.branch3x3_reduce_2 = ConvBn(128, 24, 1)
        self.branch3x3_2 = ConvBn(24, 32, 3, padding=1)
        self.branch3x3_3 = ConvBn(32, 32, 3, padding=1)
        # The published weights were trained with the padding counted in the average.
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=True)

    def forward(self, x: Tensor) -> Tensor:
        branches = (
            self.branch1x1(x),
            self.branch1x1_2(self.pool(x)),
            self.branch3x3(self.branch3x3_reduce(x)),
            self.branch3x3_3(self.branch3x3_2(self.branch3x3_reduce_2(x))),
        )
        return torch.cat(branches, dim=1)


class FaceBoxes(nn.Module):
    """Image batch to box regressions and face probabilities.

    Input: Nx3x1024x1024 float32, BGR, minus (104, 117, 123).
    Output: `loc` Nx21824x4 float32, regressions against the priors; `conf` Nx21824x2 float32, softmax
    over (background, face). Rows are those of `postprocessing.priors`: 32x32 cells of 21 anchors, then
    16x16 and 8x8 cells of one.
    """

    # Known beforehand, so that the exported Reshape has a constant shape and only the batch is dynamic.
    rows = 32 * 32 * 21 + 16 * 16 + 8 * 8

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvCRelu(3, 24, 7, stride=4, padding=3)
        self.conv2 = ConvCRelu(48, 64, 5, stride=2, padding=2)
        self.inception1 = Inception()
        self.inception2 = Inception()
        self.inception3 = Inception()
        self.conv3_1 = ConvBn(128, 128, 1)
        self.conv3_2 = ConvBn(128, 256, 3, stride=2, padding=1)
        self.conv4_1 = ConvBn(256, 128, 1)
        self.conv4_2 = ConvBn(128, 256, 3, stride=2, padding=1)
        heads = ((128, 21), (256, 1), (256, 1))  # channels, anchors per cell
        self.loc = nn.ModuleList(nn.Conv2d(c, anchors * 4, 3, padding=1) for c, anchors in heads)
        self.conf = nn.ModuleList(nn.Conv2d(c, anchors * 2, 3, padding=1) for c, anchors in heads)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool(self.conv1(x))
        x = self.pool(self.conv2(x))
        stride32 = self.inception3(self.inception2(self.inception1(x)))
        stride64 = self.conv3_2(self.conv3_1(stride32))
        stride128 = self.conv4_2(self.conv4_1(stride64))
        scales = (stride32, stride64, stride128)
        loc = torch.cat([_rows(head(s)) for head, s in zip(self.loc, scales, strict=True)], dim=1)
        conf = torch.cat([_rows(head(s)) for head, s in zip(self.conf, scales, strict=True)], dim=1)
        return loc.reshape(-1, self.rows, 4), torch.softmax(conf.reshape(-1, self.rows, 2), dim=-1)


def _rows(head: Tensor) -> Tensor:
    """Nx(A*k)xHxW head output to Nx(H*W*A*k): row, column, anchor, value."""
    return head.permute(0, 2, 3, 1).flatten(1)


def run_torch(network: FaceBoxes, images: NDArray[Any]) -> list[NDArray[Any]]:
    """Run the network on Nx3x1024x1024 float32 and return `loc` and `conf` as numpy arrays."""
    with torch.inference_mode():
        return [output.numpy() for output in network(torch.from_numpy(images))]


def load_checkpoint(path: Path) -> FaceBoxes:
    """Return the network with the weights of a checkpoint, in evaluation mode.

    The file holds a state dict, or one under the key `state_dict`; a prefix `module.` is taken off. It is read
    with `weights_only=True`: nothing in it is executed, and anything but tensors is refused. Missing, superfluous
    or wrongly shaped entries and values that are not finite are errors.
    """
    if not path.is_file():
        raise GuideError(f"{path}: no such checkpoint.")
    try:
        with warnings.catch_warnings():  # torch warns of kinds of file that are refused here anyway
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))  # torch's own text advises to load it all the same
        raise GuideError(
            f"{path}: refused, nothing in it was executed: it is damaged or holds more than tensors"
            + (f" ({found[1]})" if found else "")
            + ". Expected a state dict saved by torch.save."
        ) from None
    except Exception as error:  # noqa: BLE001  a damaged file can fail anywhere in torch's reader
        kind = type(error).__name__
        raise GuideError(f"{path}: not a checkpoint that torch can read, or damaged ({kind}).") from None
    network = FaceBoxes()
    weights = _weights(content, path)
    problems = _problems(network.state_dict(), weights)
    if problems:
        raise GuideError(f"{path}: not a FaceBoxes checkpoint:\n  " + "\n  ".join(problems[:8]))
    network.load_state_dict(weights)
    return network.eval()


def _weights(content: Any, path: Path) -> dict[str, Any]:
    """Return the state dict that a file's content is or holds, without the prefix `module.`."""
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        keys = f" with the keys {shorten(map(str, content))}" if isinstance(content, dict) else ""
        raise GuideError(
            f"{path}: expected a state dict, tensors by name, found a {type(content).__name__}{keys}."
        )
    weights = {str(key).removeprefix("module."): value for key, value in content.items()}
    if len(weights) < len(content):
        raise GuideError(f"{path}: holds entries both with and without the prefix `module.`.")
    return weights


def _problems(expected: dict[str, Tensor], weights: dict[str, Any]) -> list[str]:
    """Say what keeps weights from being loaded: each entry must be there, a plain tensor, of its shape, finite."""
    problems = []
    missing = [key for key in expected if key not in weights]
    if missing:
        problems.append(f"{len(missing)} of {len(expected)} entries are missing: {shorten(missing)}")
    extra = [key for key in weights if key not in expected]
    if extra:
        problems.append(f"{len(extra)} entries do not belong to it: {shorten(extra)}")
    for key, wanted in expected.items():
        found = weights.get(key, wanted)
        if not isinstance(found, Tensor) or found.layout != torch.strided or found.device.type != "cpu":
            problems.append(f"{key}: expected a dense tensor, found {type(found).__name__}")
        elif (
            found.is_floating_point() != wanted.is_floating_point()
            or found.is_quantized
            or found.is_complex()
        ):
            problems.append(f"{key}: expected {wanted.dtype}, found {found.dtype}")
        elif found.shape != wanted.shape:
            problems.append(f"{key}: expected shape {tuple(wanted.shape)}, found {tuple(found.shape)}")
        elif not torch.isfinite(found).all():
            problems.append(f"{key}: holds values that are not finite")
    return problems


def seeded_network() -> FaceBoxes:
    """Return a network with weights drawn from a fixed seed, for trying the tools without the published ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FaceBoxes().eval()
