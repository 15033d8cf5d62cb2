"""What all stand-ins for AscendCL share: its state in a process, its devices, the OM that is loaded, its error codes.

Codes: CANN documentation, AscendCL API reference, aclError.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.rehearse import faults, machine, settings
from ascend_tools.rehearse.om_file import RehearsedOm, open_om
from ascend_tools.rehearse.om_header import Described, OmError
from ascend_tools.rehearse.slowness import Slowness
from ascend_tools.rehearse.stand_in import die
from common import rehearsal
from common.errors import GuideError

Array = NDArray[Any]
UNINITIALIZED, TWICE, BAD_MODEL_ID = 100001, 100002, 100011
INVALID, BAD_DEVICE, NO_CONTEXT = 107000, 107001, 107002
GE_FAILURE, EXECUTE_FAILED, OPEN_FAILED = 500002, 507011, 507033
MISSING = "libascend_hal.so: cannot open shared object file: No such file or directory"
GEARS = "ascend_mbatch_shape_data"  # the input that says which gear of a dynamic batch is meant
# By numpy's name of a type: its number in AscendCL.
TYPES = {
    "float32": 0,
    "float16": 1,
    "int8": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 6,
    "uint16": 7,
    "uint32": 8,
    "int64": 9,
    "uint64": 10,
    "float64": 11,
    "bool": 12,
}
_NOT_OPENED = ("not-in-group", *machine.NO_NODES)
_COLLAPSED = 0.3  # of an output's largest value, in places that other numbers are
_LOST_AFTER = 1  # calls of a session; those of a tool, which knows how many it is going to make, are halved
_model_ids = itertools.count(1)
_noted = threading.Event()


class AclError(RuntimeError):
    """A call of AscendCL failed: its code, and what is printed of it."""

    def __init__(self, code: int, *lines: str) -> None:
        super().__init__(*lines)
        self.code, self.lines = code, lines


class Process:
    """Whether AscendCL is set up in this process; it can be once, and not again when it has been ended."""

    def __init__(self) -> None:
        self.ready = self.ended = False

    def begin(self) -> int:
        """Set AscendCL up; return 0 or a code."""
        if self.ready or self.ended:
            return TWICE
        self.ready = True
        return 0

    def end(self) -> int:
        """End AscendCL; return 0 or a code."""
        if not self.ready:
            return UNINITIALIZED
        self.ready, self.ended = False, True
        return 0


PROCESS = Process()


def tell(line: str) -> None:
    """Print a line as a compiled library does, past sys.stdout; the first one is preceded by the rehearsal's note."""
    text = line if _noted.is_set() else f"{rehearsal.NOTE}\n{line}"
    _noted.set()
    try:
        sys.stdout.flush()
        os.write(1, f"{text}\n".encode())
    except (OSError, ValueError):  # nobody reads it
        pass


def need_driver() -> None:
    """Fail as an import does whose driver is not installed, where that fault is asked for."""
    if faults.is_asked("no-driver"):
        raise ImportError(MISSING)


def open_device(device: int) -> None:
    """Open a device; one that is not there, or taken, fails."""
    if not PROCESS.ready:
        raise AclError(UNINITIALIZED, "acl is not initialized")
    chips = machine.visible(settings.current())
    if not 0 <= device < len(chips):
        raise AclError(
            BAD_DEVICE,
            "EE1001: The argument is invalid.Reason: Set device failed, invalid device,"
            f" set device={device}, valid device range is [0, {len(chips)})",
            f"[ERROR] acl open device {device} failed",
            f"SetDevice failed.ret={BAD_DEVICE}",
        )
    if faults.is_asked("device-taken", chips[device]) or any(map(faults.is_asked, _NOT_OPENED)):
        raise AclError(
            OPEN_FAILED,
            "EL003: The argument is invalid.",
            f"        Failed to open device,retCode=0x7020014,deviceId={device}.[FUNC:Init][FILE:device.cc][LINE:1]",
            f"        open device {device} failed,runtime result = {OPEN_FAILED}.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:1]",
            f"[ERROR] acl open device {device} failed",
            f"SetDevice failed.ret={OPEN_FAILED}",
        )


class Loaded:
    """An OM on a device: `run` is one execution, of arrays taken by their bytes."""

    def __init__(self, path: Path, device: int) -> None:
        """Load an OM; one that is none, or of another chip or release, fails."""
        self.device, self.path = device, path
        self._chip = machine.visible(settings.current())[device]
        self.om: RehearsedOm = _open(path)
        self.gears = self.om.gears
        self.model_id = next(_model_ids)
        self.calls, self.lost_after, self._slowness = 0, _LOST_AFTER, Slowness()
        self._lock = threading.Lock()

    @property
    def inputs(self) -> Sequence[Described]:
        """What the network is fed, without the input that names a gear."""
        return self.om.inputs

    @property
    def outputs(self) -> Sequence[Described]:
        """What the network returns."""
        return self.om.outputs

    def run(self, arrays: Sequence[Array], batch_size: int | None = None) -> tuple[list[Array], float]:
        """Return the outputs, and the milliseconds that ONNX Runtime took; `batch_size` is the gear where it has any."""
        with self._lock:
            self.calls += 1
            lost = self.calls > self.lost_after and faults.is_asked("device-lost-halfway", self._chip)
        if lost:
            raise AclError(
                EXECUTE_FAILED,
                "EZ9999: Inner Error!",
                f"EZ9999  The device is lost, device_id={self.device}, retCode=0x7150050.",
                f"[ERROR] execute model failed, modelId is {self.model_id}, ret={EXECUTE_FAILED}",
            )
        begin = time.perf_counter()
        try:
            outputs = self.om.run(arrays, batch_size)
        except OmError as error:
            raise AclError(error.code, f"[ERROR] execute model failed: {error}") from error
        except GuideError as error:
            raise AclError(GE_FAILURE, f"[ERROR] execute model failed: {error}") from error
        took = self._slowness.spend(1000 * (time.perf_counter() - begin))
        if faults.is_asked("precision-collapse"):
            outputs = _collapsed(outputs)
        return _with_nan(outputs) if faults.is_asked("nan") else outputs, took

    def close(self) -> None:
        """Unload it."""
        self.om.close()


def _open(path: Path) -> RehearsedOm:
    if faults.is_asked("load-crash"):
        die(signal.SIGSEGV)
    try:
        om = open_om(path)
    except GuideError as error:
        code = error.code if isinstance(error, OmError) else GE_FAILURE
        raise AclError(
            code, str(error), f"[ERROR] load model from file failed, model file is {path}"
        ) from error
    here = settings.current().soc
    if om.soc != here or faults.is_asked("soc-mismatch"):
        om.close()
        raise AclError(
            GE_FAILURE,
            f"EE4000: the model is of {om.soc if om.soc != here else 'another chip'}, the device is {here}",
            f"[ERROR] load model from file failed, model file is {path}",
        )
    if faults.is_asked("opp-mismatch"):
        om.close()
        raise AclError(
            GE_FAILURE,
            "E19999: Inner Error!",
            "E19999  The opp version of the model does not match the current opp run package. convert the om again",
            f"[ERROR] load model from file failed, model file is {path}",
        )
    return om


def _collapsed(outputs: Sequence[Array]) -> list[Array]:
    """Return outputs whose floats are off by a part of the largest one, up and down in turn, as in too low a precision."""
    result = [np.array(output) for output in outputs]
    for output in result:
        if output.dtype.kind == "f" and output.size:
            size = _COLLAPSED * float(np.nanmax(np.abs(output)))
            output.reshape(-1)[:] += np.resize(np.array([size, -size], output.dtype), output.size)
    return result


def _with_nan(outputs: Sequence[Array]) -> list[Array]:
    """Return outputs of which the first one of floats begins with a NaN."""
    result = [np.array(output) for output in outputs]
    for output in result:
        if output.dtype.kind == "f" and output.size:
            output.reshape(-1)[0] = np.nan
            break
    return result


def guarded(call: Callable[[], None]) -> int:
    """Return the code of a call, 0 where it succeeds."""
    try:
        call()
    except AclError as failure:
        return failure.code
    return 0
