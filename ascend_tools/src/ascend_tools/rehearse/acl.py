"""The stand-in for pyACL: `acl`, with `acl.rt`, `acl.mdl` and `acl.util`.

Return values, as documented: most functions return (value, code), those that only do something the code, those that make
a description, a dataset or a buffer, or tell a size or a number, the value.
"""

from __future__ import annotations

import itertools
import signal

from ascend_tools.rehearse import acl_mdl as mdl
from ascend_tools.rehearse import acl_rt as rt
from ascend_tools.rehearse import acl_util as util
from ascend_tools.rehearse import faults, runtime, settings
from ascend_tools.rehearse.acl_buffers import BUFFERS, Buffer
from ascend_tools.rehearse.stand_in import die

if faults.is_asked("acl:crash"):
    die(signal.SIGSEGV)
runtime.need_driver()
__all__ = [
    "create_data_buffer",
    "destroy_data_buffer",
    "finalize",
    "get_data_buffer_addr",
    "get_data_buffer_size",
    "get_data_buffer_size_v2",
    "get_soc_name",
    "init",
    "mdl",
    "rt",
    "util",
]
_numbers = itertools.count(1)


def init(config: str | None = None) -> int:  # noqa: ARG001  settings for profiling and dumping
    """Set AscendCL up, once in a process; a second call is an error."""
    code = runtime.PROCESS.begin()
    if not code:
        runtime.tell("[INFO] acl init success")
    return code


def finalize() -> int:
    """End AscendCL in this process."""
    return runtime.PROCESS.end()


def get_soc_name() -> str:
    """Return the chip as ATC names it."""
    return settings.current().soc


def create_data_buffer(address: int, size: int) -> int:
    """Return a buffer over memory of the device."""
    number = next(_numbers)
    BUFFERS[number] = Buffer(address, size)
    return number


def destroy_data_buffer(buffer: int) -> int:
    """Forget a buffer; its memory stays."""
    return 0 if BUFFERS.pop(buffer, None) else runtime.INVALID


def get_data_buffer_addr(buffer: int) -> int:
    """Return where a buffer's memory is; 0 where there is no such buffer."""
    return BUFFERS[buffer].address if buffer in BUFFERS else 0


def get_data_buffer_size(buffer: int) -> int:
    """Return a buffer's bytes; 0 where there is no such buffer."""
    return BUFFERS[buffer].size if buffer in BUFFERS else 0


get_data_buffer_size_v2 = get_data_buffer_size
