"""ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import threads
from common.backends import providers
from common.backends.base import Array, random_feeds
from common.backends.source import read_source
from common.errors import GuideError
from common.graph.aipp import Aipp
from common.graph.float16_modes import Modes
from common.graph.float16_rounding import rounded
from common.report.emulated import EMULATED

if TYPE_CHECKING:
    from typing_extensions import Self

_CHECKED = 4096  # numbers of an output


class OnnxRuntime:
    """ONNX Runtime on the CPU, or with another of its providers; with `half`, as an NPU computes in half precision.

    `emulation` says how half precision is emulated, if it is.

    On the CPU, `models` is the network once for each batch that may be run at the same time: one session serves them all,
    since `run` may be called in several threads.
    """

    def __init__(
        self,
        path: Path,
        aipp: Aipp | None = None,
        *,
        provider: str = providers.CPU,
        optimise: bool = True,
        batch_size: int = 1,
        at_once: int = 1,
        half: Modes | None = None,
    ) -> None:
        source = read_source(path, aipp, half=half)
        self.name = "onnxruntime" if provider == providers.CPU else f"onnxruntime {provider}"
        self.precision = EMULATED if half else providers.precision(provider)
        self.emulation = f"{half}; {source.told}" if half else ""
        self._path, self._half = path, source.half
        if half:
            print(f"{path}: half precision emulated: {self.emulation}")
        self.identity, self.inputs, self.outputs = source.identity, source.inputs, source.outputs
        _, calls = source.calls(batch_size, at_once)
        needed = source.batch_memory(batch_size)
        self._calls = threads.at_once(calls, needed) if provider == providers.CPU else 1
        most = source.most + (self._calls - 1) * needed
        feeds = {} if provider == providers.CPU else random_feeds(self.inputs, 1)
        self._session = open_session(
            source.data, path, most, provider, feeds, optimise=optimise and not half, at_once=self._calls
        )

    @property
    def models(self) -> Sequence[Self]:
        """The network for each thread that may run a batch of its own, see `base.models_of`."""
        return (self,) * self._calls

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        try:
            arrays: list[Array] = self._session.run([value.name for value in self.outputs], dict(feeds))
        except Exception as error:  # noqa: BLE001  as above
            raise GuideError(f"ONNX Runtime cannot run this model on this input: {error}") from None
        self._check_half(arrays)
        return arrays

    def _check_half(self, arrays: Sequence[Array]) -> None:
        """Refuse outputs that are to be in half precision and are not: then the rounding was changed."""
        for value, array in zip(self.outputs, arrays, strict=True):
            part = array.reshape(-1)[:_CHECKED]
            if value.name in self._half and not np.array_equal(
                part, rounded(part, saturates=False), equal_nan=True
            ):
                raise GuideError(
                    f"{self._path}: output {value.name!r} is not in half precision as it is to be: this ONNX Runtime "
                    f"changes the emulation; install another version of it than {providers.library().__version__}."
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Release the session and its memory."""
        del self._session
        limit_memory(2**30)  # in the place of this one's arena, which would be kept


def open_session(
    source: str | bytes,
    path: Path,
    most: int,
    provider: str = providers.CPU,
    feeds: Mapping[str, Array] | None = None,
    *,
    optimise: bool = True,
    at_once: int = 1,
) -> Any:
    """Return ONNX Runtime's session of a model, with the settings that every session here has.

    Args:
        source: the path of the ONNX file, or its bytes.
        path: what messages call it.
        most: the bytes that it may take, see `common.graph.bounds.memory`.
        provider: ONNX Runtime's name of the provider.
        feeds: a batch that another provider than the CPU is tried with.
        optimise: whether the graph may be run in another form than it is written.
        at_once: how many threads will call it at the same time.
    """
    onnxruntime = providers.library()
    limit_memory(most)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = (
        4  # nothing: errors are told by exceptions, the rest is the optimiser's own doings
    )
    # That of `limit_memory`, which keeps what it once took. Without an arena, memory is given back after each call, and the
    # next takes up to 1.4 times as much CPU time (EfficientDet-D0 1.4, FaceBoxes 1.3, R-FCN 1.1, the others 1.0).
    options.add_session_config_entry("session.use_env_allocators", "1")
    # A plan of the memory for each shape of input would keep it twice (R-FCN 0.8 GB for 0.5), and gains no time.
    options.enable_mem_pattern = False
    # The thread of each call and those of a pool that all calls share are as many as the cores. With a call for each core
    # there is no pool: FaceBoxes takes 37 ms of CPU time then, and 44 in the steps of a pool of two, between which one waits
    # for the other. A single picture is ready sooner with a pool. What is computed is the same to the last bit.
    options.intra_op_num_threads = threads.for_one_job()
    if at_once > 1:
        options.intra_op_num_threads = max(1, threads.cores() - at_once + 1)
        # Threads of a pool that wait busily are there at once, 1.5 times as many calls of FaceBoxes on cores that have
        # nothing else to do, but they burn what other calls and our workers need: 69 ms of CPU time a call in place of 44.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The graph's level stays at its highest: without blocks of channels, FaceBoxes and PCB take 1.3 times as long. Subnormal
    # numbers stay what they are: the setting that makes them 0 holds for the whole process, numpy included, and only where its
    # first session has it.
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def create() -> Any:
        asked = providers.requested(provider)
        try:  # it would fall back to other providers, in words on stdout only
            return onnxruntime.InferenceSession(
                source,
                options,
                providers=asked,
                enable_fallback=0,
                # It joins padding and MaxPool as if the padding were -infinity, whatever it is.
                disabled_optimizers=["Pad_Fusion"],
            )
        except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class of their own
            raise GuideError(f"{path}: ONNX Runtime cannot load this model: {error}") from None

    if provider == providers.CPU:
        return create()
    return providers.open_checked(provider, path, options, create, feeds or {})


def limit_memory(most: int) -> None:
    """Let the next session take at most so many bytes, in an arena of its own, as sessions have without a limit.

    It grows by doubling, which is its default: by the bytes asked for, FaceBoxes takes a fifth less and R-FCN, with two calls
    at the same time, half as much more.
    """
    onnxruntime = providers.library()
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(where, onnxruntime.OrtArenaCfg({"max_mem": most}))
