"""Opening a deployed model with the backend that its file and the user call for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from common.backends import emulation, om, openvino, providers, trial
from common.backends.base import Backend
from common.backends.emulation import Emulation
from common.backends.onnxruntime import OnnxRuntime
from common.backends.openvino import OpenVino
from common.backends.providers import CPU, CUDA, provider
from common.errors import GuideError, about
from common.facts import Facts, Tensor
from common.graph.aipp import Aipp
from common.graph.aipp_check import chip_inputs
from common.graph.aipp_file import named_aipp
from common.graph.outline import Graph
from common.npu_tools import om_record
from common.report.emulated import EMULATED

BACKENDS = ("onnxruntime", "openvino", "om", "auto")
PRECISIONS = ("float32", "bfloat16", "float16")
# The backends that run a file, by its suffix; the first is taken where none is named.
_RUNS = {".onnx": ("onnxruntime", "openvino", "auto"), ".om": ("om", "auto")}


@dataclass(frozen=True)
class Runtime:
    """What runs a model, as a user chose it.

    `backend` is a name of BACKENDS, or None for what the file's suffix calls for; `provider` is ONNX Runtime's;
    `devices` are the NPU's that run an OM file, by `npu-smi info`'s column Device, none for the first; `precision` is a
    name of PRECISIONS or EMULATED, or None for float32, and for an OM file's own; `emulation` is for EMULATED.
    """

    backend: str | None = None
    provider: str = CPU
    devices: tuple[int, ...] = ()
    precision: str | None = None
    emulation: Emulation = field(default_factory=Emulation)

    def backend_of(self, path: Path) -> str:
        """Return the backend that runs a file; a choice that contradicts its suffix or itself is an error."""
        runs = _RUNS.get(path.suffix)
        if runs is None:
            raise GuideError(f"{path}: expected an .onnx file, or an .om file, which runs on the NPU.")
        if self.backend not in (None, *runs):
            remedy = (
                f"Make the .om with python -m common.atc --model {path}"
                if self.backend == "om"
                else "Leave --backend out"
            )
            raise GuideError(f"{path}: --backend {self.backend} runs no {path.suffix} file. {remedy}.")
        backend = "om" if path.suffix == ".om" else self.backend or runs[0]
        with about(path):
            self.check(backend)
        return backend

    def check(self, backend: str) -> None:
        """Refuse what contradicts a backend, before there is a file."""
        if backend != "om" and self.devices:
            raise GuideError("--device is for an .om file; ONNX Runtime's is chosen by --provider.")
        if backend == "om" and self.provider != CPU:
            raise GuideError("--provider is for an .onnx file; an .om file runs on the NPU, see --device.")
        if backend in ("openvino", "auto") and self.provider != CPU:
            raise GuideError(
                f"--provider is ONNX Runtime's, and --backend {backend} runs on the CPU. Leave one of them out."
            )
        emulation.check(self.emulation, backend, self.precision)
        if backend == "onnxruntime" and (self.provider, self.precision) != (CPU, EMULATED):
            providers.check_precision(self.provider, self.precision)


def add_backend(arguments: argparse.ArgumentParser) -> None:
    """Add `--backend`, `--precision`, `--provider`, the guides' `--cuda`, and `--device`, see `chosen_runtime`.

    And what an emulation is told, see `emulation.add_arguments`.
    """
    arguments.add_argument(
        "--backend",
        choices=BACKENDS,
        help="What runs the model: onnxruntime or openvino an .onnx file; auto the one of these that a short trial "
        "finds to be faster on this CPU; om an .om file on the NPU (default: onnxruntime or om, by the suffix).",
    )
    arguments.add_argument(
        "--precision",
        choices=(*PRECISIONS, EMULATED),
        help="What the network computes in. bfloat16 and float16 take --backend openvino or auto, and a CPU that has "
        f"them; {EMULATED} takes any CPU, and gives the results that an NPU would have in half precision "
        "(default: float32; an .om file has the one that it was made with, and refuses another).",
    )
    emulation.add_arguments(arguments)
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
    arguments.add_argument(
        "--device",
        type=_devices,
        default=(),
        metavar="N[,N...]",
        help="The NPU's devices for an .om file, 0,1,2,3 for the four chips of a card; each runs batches of its own. Where "
        "ASCEND_RT_VISIBLE_DEVICES is set, CANN counts the ones that it names, from 0 (default: 0).",
    )


def _devices(text: str) -> tuple[int, ...]:
    """Argument type: numbers of devices, each once."""
    words = text.split(",")
    numbers = tuple(int(word) for word in words if re.fullmatch(r"[0-9]{1,4}", word))
    if len(numbers) < len(words) or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(
            f"expected numbers of devices such as 0 or 0,1,2,3, each once, got {text!r}"
        )
    return numbers


def chosen_runtime(options: argparse.Namespace, *, here: bool = True) -> Runtime:
    """Return what the arguments of `add_backend` say, beside `--model`.

    What is not installed is told at once where the network is to run `here`.
    """
    chosen = emulation.chosen(options)
    runtime = Runtime(options.backend, options.provider, options.device, options.precision, chosen)
    # An ONNX file that an OM file will be made of is none that --backend om runs.
    named = options.model if runtime.backend != "om" or str(options.model).endswith(".om") else None
    backend = runtime.backend_of(named) if named else runtime.backend or "onnxruntime"
    runtime.check(backend)
    if not here:
        return runtime
    if backend == "om":
        om.check_there(options.model)
        if named and named.is_file():
            om.check_precision(named, runtime.precision)
    elif backend == "openvino" or (backend == "auto" and runtime.precision not in (None, "float32")):
        openvino.check_there(runtime.precision or "float32")
    providers.check_there(runtime.provider)
    return runtime


def open_model(
    path: Path,
    runtime: Runtime | None = None,
    aipp: Aipp | None = None,
    names: om.Names = ((), ()),
    *,
    optimise: bool = True,
    batch_size: int = 1,
    at_once: int = 1,
    facts: Facts | None = None,
    folder: Path = Path(),
) -> Backend:
    """Open a model with the backend that `runtime` names or its suffix calls for.

    With several devices it is open on each of them, see `base.models_of`; on a CPU, for as many batches at the same time as
    `at_once` allows. With `aipp`, the inputs that it is for are uint8 NHWC, as an OM file's are. `names` are what an OM
    file's inputs and outputs are called here, see `om.open_om`. Without `optimise` a graph is run as it is written, which
    is how two graphs are compared: an optimiser can turn different ones into the same. `batch_size` is that of the batches which will be run, and `at_once` how many of them there are.
    `facts` and `folder` are the model directory's, for an emulation, see `emulation.modes_for`.
    """
    runtime = runtime or Runtime()
    backend, precision = runtime.backend_of(path), runtime.precision or "float32"
    if backend == "om":
        om.check_precision(path, runtime.precision)
        return om.open_om(path, runtime.devices or (0,), aipp, names)
    if backend == "openvino":
        return OpenVino(
            path, aipp, precision=precision, optimise=optimise, batch_size=batch_size, at_once=at_once
        )
    if backend == "auto":
        return trial.open_best(
            path, aipp, precision=precision, optimise=optimise, batch_size=batch_size, at_once=at_once
        )
    return OnnxRuntime(
        path,
        aipp,
        provider=runtime.provider,
        optimise=optimise,
        batch_size=batch_size,
        at_once=at_once,
        half=emulation.modes_for(runtime.emulation, facts, folder) if precision == EMULATED else None,
    )


def open_deployed(
    path: Path,
    runtime: Runtime | None,
    facts: Facts,
    folder: Path,
    optional: Sequence[Tensor] = (),
    *,
    optimise: bool = True,
    batch_size: int = 1,
    at_once: int = 1,
) -> Backend:
    """Open the deployed form of a model directory's network, with its AIPP file, and check it is that network.

    `optional` are the inputs that another form of it has after those that model.toml says; the others as above.
    """
    aipp = named_aipp(facts, folder)
    names = (
        [tensor.name for tensor in (*facts.inputs, *optional)],
        [tensor.name for tensor in facts.outputs],
    )
    if aipp and (runtime or Runtime()).backend_of(path) == "om":
        om_record.check_file(path, "insert_op_conf", folder / str(facts.atc.options["insert_op_conf"]))
    opened = open_model(
        path,
        runtime,
        aipp,
        names,
        optimise=optimise,
        batch_size=batch_size,
        at_once=at_once,
        facts=facts,
        folder=folder,
    )
    with ExitStack() as stack:
        stack.push(opened)
        check_network(path, opened, facts, optional, aipp)
        stack.pop_all()
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
    with about(path):
        taken = chip_inputs(aipp, inputs)
    values = [(value.name, value.shape[1:], value.dtype) for value in taken]
    expected = [*values, *((tensor.name, tensor.image_shape, tensor.dtype) for tensor in facts.outputs)]
    there = [(value.name, value.shape[1:], value.dtype) for value in (*found.inputs, *found.outputs)]
    if there != expected:
        raise GuideError(f"{path}: not {facts.title}: expected inputs and outputs {expected}, found {there}.")
