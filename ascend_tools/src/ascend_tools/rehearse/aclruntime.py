"""The stand-in for `aclruntime`, the compiled half of ais_bench: bytes go in by pointer, and nothing checks their type."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.rehearse import faults, runtime
from ascend_tools.rehearse.aclruntime_values import (
    BaseTensor,
    MemorySummary,
    Summary,
    Tensor,
    dtype,
    session_options,
    tensor_desc,
)
from ascend_tools.rehearse.runtime import AclError, Loaded, tell

if faults.is_asked("aclruntime:missing"):
    raise ModuleNotFoundError("No module named 'aclruntime'", name="aclruntime")
runtime.need_driver()
_OTHER = faults.is_asked("aclruntime:other-version")
Array = NDArray[Any]
__version__ = "0.0.1" if _OTHER or faults.is_asked("old-aclruntime") else "0.0.2"
__all__ = [
    "BaseTensor",
    "InferenceSession",
    "MemorySummary",
    "Summary",
    "Tensor",
    "dtype",
    "session_options",
    "tensor_desc",
]
_FAILURE = "[1][ACL: general failure] "
# Of a call that the compiled library has in another form.
_REFUSED = (
    "run(): incompatible function arguments. The following argument types are supported:\n    1. (self: "
    "aclruntime.InferenceSession, arg0: List[str], arg1: List[aclruntime.Tensor]) -> List[aclruntime.Tensor]\n"
)


class InferenceSession:
    """An OM on a device."""

    def __init__(self, path: str, device: int, options: session_options | None = None) -> None:
        """Load it, and say so; what fails is printed, and a RuntimeError."""
        self._options, self._device = options or session_options(), device
        self._summary, self._batch = Summary(), 0
        self._sizes: tuple[int, ...] = ()
        if not runtime.PROCESS.ready:
            self._checked(_begin)
            tell("[INFO] acl init success")
        self._checked(lambda: runtime.open_device(device))
        tell(f"[INFO] open device {device} success")
        tell("[INFO] create new context")
        self._loaded: Loaded | None = self._checked(lambda: Loaded(Path(path), device))
        tell(f"[INFO] load model {path} success")
        tell("[INFO] create model description success")
        self._inputs = [tensor_desc(value) for value in self.loaded.inputs]
        self._outputs = [tensor_desc(value) for value in self.loaded.outputs]

    @property
    def loaded(self) -> Loaded:
        """The model; one that has been released cannot be used."""
        if self._loaded is None or not runtime.PROCESS.ready:
            tell("[ERROR] the session has been released")
            raise RuntimeError(_FAILURE)
        return self._loaded

    def _checked(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except AclError as failure:
            for line in failure.lines:
                tell(line)
            raise RuntimeError(_FAILURE) from None

    def options(self) -> session_options:
        """Return the settings, which may be changed."""
        return self._options

    def get_inputs(self) -> list[tensor_desc]:
        """Return what the network is fed."""
        return self._inputs

    def get_outputs(self) -> list[tensor_desc]:
        """Return what the network returns."""
        return self._outputs

    def set_staticbatch(self) -> None:
        """Say that the batch is the model's own."""
        self._batch = 0

    def set_dynamic_batchsize(self, batch: int) -> None:
        """Choose a gear of a dynamic batch."""
        gears = self.loaded.gears
        if not gears:
            tell("[ERROR] the dynamic_batch_size parameter is not specified for model conversion")
            raise RuntimeError(_FAILURE)
        if batch not in gears:
            tell("[ERROR] the dymBatch parameter is not correct")
            names = "".join(f"[{gear}]" for gear in gears)
            tell(f"[ERROR] model has dynamic batch size:{{{names}}}, please set correct dynamic batch size")
            raise RuntimeError(_FAILURE)
        self._batch = batch
        for value in (*self._inputs, *self._outputs):
            value.realsize = value.size // max(gears) * batch

    def set_dynamic_hw(self, height: int, width: int) -> None:
        """Refuse: a rehearsal's OM has no other gears than of its batch."""
        tell(
            f"[ERROR] the dynamic_image_size parameter is not specified for model conversion: {height},{width}"
        )
        raise RuntimeError(_FAILURE)

    def set_dynamic_dims(self, dims: str) -> None:
        """Refuse, as `set_dynamic_hw`."""
        tell(f"[ERROR] the dynamic_dims parameter is not specified for model conversion: {dims}")
        raise RuntimeError(_FAILURE)

    def set_dynamic_shape(self, shape: str) -> None:
        """Refuse, as `set_dynamic_hw`."""
        tell(f"[ERROR] the model has no dynamic shape: {shape}")
        raise RuntimeError(_FAILURE)

    def set_custom_outsize(self, sizes: Sequence[int]) -> None:
        """Set the bytes of each output."""
        self._sizes = tuple(sizes)

    def run(
        self, names: Sequence[str], feeds: Sequence[BaseTensor | Tensor] | Mapping[str, Tensor]
    ) -> list[Tensor]:
        """Run the network `loop` times and return the outputs, on the device."""
        if _OTHER:
            raise TypeError(_REFUSED)
        model = self.loaded
        if isinstance(feeds, Mapping):
            feeds = [feeds[value.name] for value in self._inputs]
        if len(feeds) != len(self._inputs):
            tell(f"[WARN] intensors in:{len(feeds)} need:{len(self._inputs)} not match")
            raise RuntimeError(_FAILURE)
        for i, (feed, value) in enumerate(zip(feeds, self._inputs, strict=True)):
            if feed.size != value.realsize:
                tell(
                    f"[ERROR] Check i:{i} name:{value.name} in size:{feed.size} needsize:{value.realsize} not match"
                )
                tell("[ERROR] Check InVector failed ret:1")
                raise RuntimeError(_FAILURE)
        begin = time.perf_counter()
        arrays = [feed.array() for feed in feeds]
        MemorySummary.H2D_time_list.append(1000 * (time.perf_counter() - begin))
        outputs: list[Array] = []
        for _ in range(max(1, self._options.loop)):
            outputs, took = self._checked(lambda: model.run(arrays, self._batch or None))
            self._summary.exec_time_list.append(took)
        begin = time.perf_counter()
        by_name = {value.name: output for value, output in zip(self._outputs, outputs, strict=True)}
        found = [Tensor(by_name[name]) for name in names]
        MemorySummary.D2H_time_list.append(1000 * (time.perf_counter() - begin))
        for tensor in found:
            tensor.to_device(self._device)
        return found

    def create_tensor_from_fileslist(self, value: tensor_desc, files: Sequence[str]) -> Tensor:
        """Return the bytes of files, one after the other, as the input they are meant for; too many are cut off."""
        content = b"".join(Path(file).read_bytes() for file in files)[: value.realsize]
        tensor = Tensor(np.frombuffer(content.ljust(value.realsize, b"\0"), np.uint8))
        tensor.to_device(self._device)
        return tensor

    def sumary(self) -> Summary:
        """Return the times, under the name that the old one has."""
        return self._summary

    def summary(self) -> Summary:
        """Return the times."""
        return self._summary

    def reset_sumaryinfo(self) -> None:
        """Forget the times, under the name that the old one has."""
        self._summary.exec_time_list.clear()

    def reset_summaryinfo(self) -> None:
        """Forget the times."""
        self._summary.exec_time_list.clear()

    def free_resource(self) -> None:
        """Unload the model; twice is once."""
        if self._loaded is not None:
            self._loaded.close()
            tell(f"[INFO] unload model success, model Id is {self._loaded.model_id}")
            self._loaded = None

    def finalize(self) -> None:
        """Unload the model and end AscendCL in this process: no session can be opened in it any more."""
        self.free_resource()
        if runtime.PROCESS.end() == 0:
            tell("[INFO] end to destroy context")
            tell(f"[INFO] end to reset device is {self._device}")
            tell("[INFO] end to finalize acl")

    def __repr__(self) -> str:
        rows = [
            f"  #{i}    {value.name}  ({', '.join(map(str, value.shape))})  {value.datatype.name}"
            f"  {value.size}  {value.realsize}\n"
            for i, value in enumerate((*self._inputs, *self._outputs))
        ]
        count = len(self._inputs)
        return f"<Model>\ndevice:\t{self._device}\ninput:\n{''.join(rows[:count])}output:\n{''.join(rows[count:])}"


def _begin() -> None:
    if code := runtime.PROCESS.begin():
        raise AclError(code, f"[ERROR] acl init failed, ret={code}")
