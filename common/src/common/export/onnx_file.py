"""From a torch network to an ONNX file that agrees with it. torch is imported by the functions that need it."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from common import cli
from common.backends.base import fixed_batch, run_batch
from common.backends.deployed import open_model
from common.backends.torch import run_torch
from common.compare.differences import check_differences, largest_differences, print_differences, spread_of
from common.errors import GuideError
from common.export import pin
from common.facts import Facts
from common.files import staged
from common.graph.outline import describe, load

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[Any]


def export(
    network: nn.Module, facts: Facts, out: Path, batch_size: int | None = None, opset: int = 11
) -> None:
    """Write the network to `out` as ONNX; nothing is left there unless it agrees with torch.

    Args:
        network: in evaluation mode, with one input.
        facts: names and shapes of inputs and outputs, and the accepted differences.
        out: the .onnx file.
        batch_size: a fixed batch size, or None for a dynamic one.
        opset: the ONNX operator set; ATC of CANN 5.1 reads 11.
    """
    inputs, outputs = ([tensor.name for tensor in tensors] for tensors in (facts.inputs, facts.outputs))
    images = random_inputs(facts, batch_size or 1)
    with staged(out) as temporary:
        write_onnx(network, images, inputs, outputs, temporary, opset=opset, dynamic_batch=not batch_size)
        _write_output_shapes(temporary, facts, batch_size)
        compare(network, facts, temporary)


def write_onnx(
    network: nn.Module,
    images: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    path: Path,
    *,
    opset: int,
    dynamic_batch: bool = False,
) -> None:
    """Write a network with one input to `path` as ONNX, as it runs on `images`, with these names and operator set."""
    import torch

    cli.announce("exporting to ONNX")
    with warnings.catch_warnings():  # the exporter that can write opset 11 is deprecated, and says so
        warnings.simplefilter("ignore", DeprecationWarning)
        # What it leaves for the simplifier.
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            network,
            (torch.from_numpy(images),),
            str(path),
            opset_version=opset,
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            # The published exports call the batch axis "-1".
            dynamic_axes={name: {0: "-1"} for name in (*inputs, *outputs)} if dynamic_batch else None,
        )
    found = describe(load(path)).opset
    if found != opset:
        raise GuideError(
            f"asked torch for opset {opset}, but it wrote {found}; try another version of torch."
        )


def _write_output_shapes(path: Path, facts: Facts, batch_size: int | None) -> None:
    """Put the outputs' known sizes in place of the symbols torch writes; only the batch may be dynamic."""
    graph = onnx.load(path)
    for value, tensor in zip(graph.graph.output, facts.outputs, strict=True):
        for dim, size in zip(value.type.tensor_type.shape.dim[1:], tensor.image_shape, strict=True):
            dim.dim_value = size
        if batch_size:
            value.type.tensor_type.shape.dim[0].dim_value = batch_size
    onnx.save(graph, path)


def compare(network: nn.Module, facts: Facts, path: Path) -> None:
    """Run ONNX file and network on the same random inputs, print the largest differences, refuse large ones.

    The inputs are uniform in the range that model.toml gives: three, or a fixed batch that is larger. A dynamic batch
    is tried with all of them and with the first alone, which must give the same rows.
    """
    cli.announce("comparing with torch")
    name = facts.inputs[0].name
    with open_model(path) as deployed:
        fixed = fixed_batch(deployed)
        images = random_inputs(facts, max(fixed or 0, 3))
        parts = (
            [images[start : start + fixed] for start in range(0, len(images), fixed)] if fixed else [images]
        )
        outputs = _joined(run_batch(deployed, {name: part}) for part in parts)
        alone = run_batch(deployed, {name: images[:1]})
    expected = _joined(run_torch(network, part) for part in parts)
    for tensor, wanted, found in zip(facts.outputs, expected, outputs, strict=True):
        if wanted.shape != found.shape:
            raise GuideError(
                f"output {tensor.name!r}: torch gives {wanted.shape}, the ONNX file {found.shape}."
            )
    first = [output[:1] for output in expected]
    largest = np.maximum(largest_differences(outputs, expected), largest_differences(alone, first)).tolist()
    spread = spread_of(expected)
    print(f"compared with torch on {len(images)} random inputs:")
    print_differences(facts, largest, spread)
    check_differences(facts, largest, "The export is not kept.", spread=spread)


def _joined(parts: Iterable[Sequence[Array]]) -> list[Array]:
    """Return the outputs of several batches as those of one."""
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def random_inputs(facts: Facts, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return `count` random images in the shape and value range of the model's input, the same ones every time.

    They are smooth, with a little noise: all noise drives a network far from what pictures do, to values at which the
    rounding of float32 alone exceeds any tolerance.
    """
    tensor = facts.inputs[0]
    if tensor.range is None:
        raise GuideError(f"model.toml: input {tensor.name!r} has no range to draw random values from.")
    generator = np.random.default_rng(0)
    channels, height, width = tensor.image_shape
    coarse = generator.uniform(*tensor.range, [count * channels, height // 32 + 2, width // 32 + 2])
    smooth = np.stack([cv2.resize(plane, (width, height)) for plane in coarse])
    noise = generator.uniform(*tensor.range, smooth.shape)
    images = (0.9 * smooth + 0.1 * noise).astype(np.float32)
    return images.reshape(count, channels, height, width)


def add_arguments(
    arguments: argparse.ArgumentParser,
    facts: Facts,
    checkpoint: Sequence[str] = (),
    out: Sequence[str] = (),
    batch_size: Sequence[str] | None = (),
    *,
    opsets: range = range(11, 21),
) -> None:
    """Add `--checkpoint F`, `--sha256 H`, `--out F`, `--batch-size N` and `--opset N`, with the guide's flags as further names.

    With None for `batch_size` there is no `--batch-size`: the network takes one image.
    """
    add = arguments.add_argument
    published = facts.checkpoint
    names = f"{published.guides.file} or {published.file}" if published.guides else published.file
    fetched = ", downloaded if missing" if published.sha256 or published.md5 else ""
    add(
        "--checkpoint",
        *checkpoint,
        type=Path,
        metavar="F",
        help=f"The weights (default: {names} in weights/, in model/ or beside this script{fetched}).",
    )
    pin.add_argument(arguments)
    add(
        "--out",
        *out,
        type=onnx_path,
        default=Path(facts.onnx),
        metavar="F",
        help="The ONNX file to write (default: %(default)s).",
    )
    if batch_size is not None:
        add(
            "--batch-size",
            *batch_size,
            type=cli.positive_int,
            metavar="N",
            help="Fix the batch size (default: the batch is dynamic, one file serves every size).",
        )
    add(
        "--opset",
        type=int,
        choices=opsets,
        default=facts.opset,
        metavar="N",
        help=f"The ONNX operator set, {opsets[0]} to {opsets[-1]} (default: %(default)s, which ATC of CANN 5.1 reads).",
    )


def onnx_path(text: str) -> Path:
    """Argument type: the name of an .onnx file."""
    path = Path(text)
    if path.suffix != ".onnx":
        raise argparse.ArgumentTypeError(f"expected the name of an .onnx file, got {text!r}")
    return path
