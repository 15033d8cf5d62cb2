"""Opening a deployed model with the backend that its file and the user call for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.backends.base import Backend
from common.backends.onnxruntime import OnnxRuntime
from common.backends.providers import CPU, CUDA, provider
from common.errors import GuideError
from common.facts import Facts, Tensor
from common.graph.aipp import Aipp, named_aipp
from common.graph.outline import Graph

BACKENDS = ("onnxruntime",)


def add_backend(arguments: argparse.ArgumentParser) -> None:
    """Add `--backend NAME`, `--provider NAME` and the guides' `--cuda`."""
    arguments.add_argument("--backend", choices=BACKENDS, help="What runs the model (default: onnxruntime).")
    either = arguments.add_mutually_exclusive_group()
    either.add_argument(
        "--provider",
        type=provider,
        default="cpu",
        metavar="NAME",
        help="What ONNX Runtime runs it on: cpu, cuda, tensorrt, cann, or a name of its own such as "
        f"{CUDA}. It is an error where that cannot be had (default: %(default)s).",
    )
    either.add_argument(
        "--cuda", action="store_const", dest="provider", const=CUDA, help="The same as --provider cuda."
    )


def open_model(
    path: Path,
    backend: str | None = None,
    aipp: Aipp | None = None,
    *,
    provider: str = CPU,
    optimise: bool = True,
) -> Backend:
    """Open a model with the backend of that name, or with the one its suffix calls for, and ONNX Runtime's provider.

    With `aipp`, the one image input becomes uint8 NHWC, as it is in an OM file. Without `optimise` the graph is run as
    it is written, which is how two graphs are compared: an optimiser can turn different ones into the same.
    """
    if path.suffix != ".onnx":
        raise GuideError(
            f"{path}: expected an .onnx file. An .om file runs on the NPU, with the guide's benchmark command."
        )
    if backend not in (None, *BACKENDS):
        raise GuideError(f"unknown backend {backend!r}; there is {', '.join(BACKENDS)}.")
    return OnnxRuntime(path, aipp, provider=provider, optimise=optimise)


def open_deployed(
    path: Path,
    backend: str | None,
    facts: Facts,
    folder: Path,
    optional: Sequence[Tensor] = (),
    *,
    provider: str = CPU,
    optimise: bool = True,
) -> Backend:
    """Open the deployed form of a model directory's network, with its AIPP file, and check it is that network.

    `optional` are the inputs that another form of it has after those that model.toml says; the others as above.
    """
    aipp = named_aipp(facts, folder)
    opened = open_model(path, backend, aipp, provider=provider, optimise=optimise)
    check_network(path, opened, facts, optional, aipp)
    return opened


def check_network(
    path: Path,
    found: Backend | Graph,
    facts: Facts,
    optional: Sequence[Tensor] = (),
    aipp: Aipp | None = None,
) -> None:
    """Refuse a file whose inputs and outputs are not those of a model directory's network, see `open_deployed`."""
    inputs = (*facts.inputs, *optional) if len(found.inputs) > len(facts.inputs) else facts.inputs
    expected = [(tensor.name, tensor.image_shape, tensor.dtype) for tensor in (*inputs, *facts.outputs)]
    if aipp:  # the picture comes as it is stored, channels last
        (name, (channels, height, width), _), *outputs = expected
        expected = [(name, (height, width, channels), "uint8"), *outputs]
    there = [(value.name, value.shape[1:], value.dtype) for value in (*found.inputs, *found.outputs)]
    if there != expected:
        raise GuideError(f"{path}: not {facts.title}: expected inputs and outputs {expected}, found {there}.")
