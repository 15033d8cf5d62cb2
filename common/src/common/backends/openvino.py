"""OpenVINO on the CPU, in float32 or in a shorter precision that the CPU computes in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli, kernel, threads
from common.backends.base import Array
from common.backends.openvino_graph import add_in_place_of_stacking, keep_divisions, keep_places
from common.backends.openvino_memory import batch_memory
from common.backends.source import Source, read_source
from common.errors import GuideError, about
from common.graph.aipp import Aipp
from common.graph.outline import Value, item_shape

if TYPE_CHECKING:
    from typing_extensions import Self

# OpenVINO's names of a precision: as a capability of a CPU, and as a type.
_NAMES = {"float32": ("FP32", "f32"), "bfloat16": ("BF16", "bf16"), "float16": ("FP16", "f16")}
_TELEMETRY = "openvino_telemetry"


def library() -> Any:
    """Return the package openvino, which is kept from telling its makers that it is used.

    It sends an event when it is imported, unless the package that does so cannot be imported itself.
    """
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say that there is none
    try:
        import openvino

        # It makes its table of types when it first needs it, and two threads that do so at the same time wait for each
        # other for ever: one makes it here.
        openvino.Type.f32.to_dtype()
        openvino.Tensor(np.zeros(1, np.float32))
    except Exception as error:  # noqa: BLE001  a broken one ends with anything
        raise _unusable("import openvino", error) from None
    finally:
        del sys.modules[_TELEMETRY]
        if before is not None:
            sys.modules[_TELEMETRY] = before
    return openvino


def precisions(core: Any) -> list[str]:
    """Return the precisions that this CPU computes in, as OpenVINO's core tells, float32 first."""
    there = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [precision for precision, (capability, _) in _NAMES.items() if capability in there]


def _line(error: Exception) -> str:
    """Return in one line what OpenVINO tells in several."""
    return " ".join(str(error).split())


def _unusable(what: str, error: Exception) -> GuideError:
    return GuideError(
        f"{sys.executable}: cannot {what} ({_line(error)}), which --backend openvino needs. Install it with "
        "pip install -r requirements-openvino.txt, or leave --backend out."
    )


def check_there(precision: str) -> Any:
    """Return OpenVINO's core; it is an error where that does not work, or this CPU does not compute in a precision."""
    package = library()
    try:
        core = package.Core()
        there, name = precisions(core), core.get_property("CPU", "FULL_DEVICE_NAME")
    except Exception as error:  # noqa: BLE001  as above
        raise _unusable("use openvino on the CPU", error) from None
    if precision not in there:
        raise GuideError(
            f"--precision {precision}: OpenVINO cannot compute in it on this CPU ({name}), but in {' and '.join(there)}. "
            f"Take --precision {there[-1]}."
        )
    return core


class OpenVino:
    """A network on the CPU, built for batches of one size.

    `models` are views of it, each of which runs a batch of its own at the same time as the others.
    """

    name = "openvino"

    def __init__(
        self,
        path: Path,
        aipp: Aipp | None = None,
        *,
        precision: str = "float32",
        batch_size: int = 1,
        at_once: int = 1,
        optimise: bool = True,
    ) -> None:
        if not optimise:
            raise GuideError(
                f"{path}: OpenVINO runs no graph as it is written, but in a form of its own; take --backend onnxruntime."
            )
        core = check_there(precision)
        # Its convolutions take channels last; laid out by channel first, FaceBoxes takes 4 % longer in bfloat16, 11 % in
        # float32, where ONNX Runtime is a third faster.
        source = read_source(path, aipp, channels_last=True)
        self.precision, self.identity = precision, source.identity
        cli.announce(f"compiling {path} with OpenVINO, {precision}")
        with about(path):
            model, size = _read(core, source, batch_size)
            self.inputs, self.outputs = (
                tuple(Value(value.name, value.dtype, (size, *value.shape[1:])) for value in values)
                for values in (source.inputs, source.outputs)
            )
            needed = batch_memory(model)
            left = kernel.memory_left()
            most = source.most if left is None else min(source.most, left)
            if needed > most:
                raise GuideError(
                    f"a batch of {size} would take {needed} bytes of memory, more than {most}; lower --batch-size, "
                    "or export the model again."
                )
            keep_divisions(model)
            add_in_place_of_stacking(library(), model)
            if precision != "float32":
                keep_places(model)
            count = threads.at_once(-(-at_once * batch_size // size), needed)
            compiled = _compile(core, model, precision, count)
            _check_precision(compiled, precision)
        self.models = tuple(_View(self, path, compiled) for _ in range(count))

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        return self.models[0].run(feeds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Release the network and its memory, in all views."""
        for model in self.models:
            model.__exit__()


class _View:
    """One of the places in which a network runs a batch at a time."""

    def __init__(self, owner: OpenVino, path: Path, compiled: Any) -> None:
        self.name, self.precision, self.identity = owner.name, owner.precision, owner.identity
        self.inputs, self.outputs = owner.inputs, owner.outputs
        self._path, self._request = path, compiled.create_infer_request()
        self._places = [compiled.output(value.name) for value in self.outputs]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        for value in self.inputs:  # other types would be converted without a word
            if feeds[value.name].dtype != value.dtype:
                raise GuideError(
                    f"{self._path}: expected the input {value.name!r} as {value.dtype}, found {feeds[value.name].dtype}."
                )
        try:  # the inputs are not copied, the outputs are: the next call writes them again
            results = self._request.infer(dict(feeds), share_inputs=True)
        except Exception as error:  # noqa: BLE001  openvino's exceptions share no base class of their own
            raise GuideError(
                f"{self._path}: OpenVINO cannot run this model on this input: {_line(error)}"
            ) from None
        return [np.asarray(results[place]) for place in self._places]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Release its memory."""
        self._request = None
        self._places = []


def _read(core: Any, source: Source, batch_size: int) -> tuple[Any, int]:
    """Return OpenVINO's form of a network with all sizes fixed, and its batch size: its own, else the given one."""
    own = source.inputs[0].shape[0] if source.inputs else batch_size
    size = own if isinstance(own, int) else batch_size
    shapes = {value.name: [size, *item_shape(value)] for value in source.inputs}
    try:
        model = core.read_model(source.data)
        model.reshape(shapes)
    except Exception as error:  # noqa: BLE001  as above
        raise GuideError(f"OpenVINO cannot load this model: {_line(error)}") from None
    return model, size


def _compile(core: Any, model: Any, precision: str, count: int) -> Any:
    """Return OpenVINO's executable form of a network, for that many batches at the same time."""
    settings = {
        # Asked for: by itself OpenVINO takes the shortest precision that the CPU has.
        "INFERENCE_PRECISION_HINT": _NAMES[precision][1],
        "NUM_STREAMS": count,
        "INFERENCE_NUM_THREADS": threads.cores(),  # it knows no container's limit
        # Bound to cores, its threads and those of a second process would wait for each other beside idle cores.
        "ENABLE_CPU_PINNING": False,
        "CACHE_DIR": "",  # nothing that was compiled before is read
    }
    try:
        return core.compile_model(model, "CPU", settings)
    except Exception as error:  # noqa: BLE001  as above
        raise GuideError(f"OpenVINO cannot load this model: {_line(error)}") from None


def _check_precision(compiled: Any, precision: str) -> None:
    """Refuse a network that was asked to compute in a precision, and does not."""
    told = {
        node.get_rt_info()["runtimePrecision"].astype(str) for node in compiled.get_runtime_model().get_ops()
    }
    short = {kind for _, kind in _NAMES.values() if kind != "f32"} & told
    wanted = {_NAMES[precision][1]} - {"f32"}
    if short != wanted:
        raise GuideError(
            f"asked to compute in {precision}, OpenVINO computes in {', '.join(sorted(short)) or 'float32'}; take "
            "another --precision, or --backend onnxruntime."
        )
